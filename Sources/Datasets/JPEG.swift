import CTurboJPEG

/// Decoding of JPEG files through libjpeg-turbo, with the accurate integer cosine transform and
/// smooth chroma upsampling, which is what Pillow uses: pixels are equal to Pillow's.
public enum JPEG {
  /// Decodes a JPEG file to RGB.
  ///
  /// Grey is repeated in three channels; four-channel files are taken for Adobe's inverted CMYK and
  /// converted as Pillow's `convert("RGB")` does. Orientation tags are not obeyed, as in Pillow and
  /// torchvision.
  ///
  /// - Parameters:
  ///   - bytes: the file's contents.
  ///   - file: the file's name, for errors.
  /// - Throws: `DatasetError` when the file is no JPEG, is truncated or damaged, or is larger than
  ///   `RGBImage.maximumPixels`.
  public static func decode(_ bytes: [UInt8], file: String) throws(DatasetError) -> RGBImage {
    guard let handle = unsafe tjInitDecompress() else {
      throw DatasetError(.inaccessible, file, "libjpeg-turbo could not be started")
    }
    defer { unsafe tjDestroy(handle) }
    let size = UInt(bytes.count)
    var (width, height, subsampling, colorSpace) = (Int32(0), Int32(0), Int32(-1), Int32(-1))
    let header = unsafe tjDecompressHeader3(
      handle, bytes, size, &width, &height, &subsampling, &colorSpace)
    // Unusual subsampling is reported as an error, although the decoder below can read it.
    guard width > 0, height > 0, colorSpace >= 0, header == 0 || subsampling < 0 else {
      throw DatasetError(.corrupt, file, "not a readable JPEG (\(unsafe message(of: handle)))")
    }
    try RGBImage.checkSize(width: Int(width), height: Int(height), file: file)
    let isCMYK = colorSpace == TJCS_CMYK.code || colorSpace == TJCS_YCCK.code
    let format = isCMYK ? TJPF_CMYK : TJPF_RGB
    let stride = isCMYK ? 4 : 3
    let count = Int(width) * Int(height) * stride
    var status: Int32 = -1
    let samples = unsafe [UInt8](unsafeUninitializedCapacity: count) { target, initialized in
      unsafe target.initialize(repeating: 0)
      status = unsafe tjDecompress2(
        handle, bytes, size, target.baseAddress, width, 0, height, format.code,
        TJFLAG_ACCURATEDCT)
      initialized = count
    }
    if status != 0 {
      let text = unsafe message(of: handle)
      let isHarmless = text.contains("extraneous bytes before marker") && reachesItsEnd(bytes)
      if unsafe tjGetErrorCode(handle) != TJERR_WARNING.code || !isHarmless {
        let isTruncated = text.lowercased().contains("premature end") || !reachesItsEnd(bytes)
        throw DatasetError(
          isTruncated ? .truncated : .corrupt, file,
          isTruncated ? "the JPEG is truncated (\(text))" : "the JPEG is damaged (\(text))")
      }
    }
    return RGBImage(
      width: Int(width), height: Int(height), channels: 3,
      bytes: isCMYK ? rgb(invertedCMYK: samples) : samples)
  }

  private static func message(of handle: tjhandle) -> String {
    guard let text = unsafe tjGetErrorStr2(handle) else { return "unknown error" }
    return unsafe String(cString: text)
  }

  /// Whether an end marker follows the last scan header.
  ///
  /// Libjpeg reports its first warning only, so a harmless one could hide a missing end. Neither
  /// marker can occur within compressed data.
  private static func reachesItsEnd(_ bytes: [UInt8]) -> Bool {
    for index in stride(from: bytes.count - 2, through: 0, by: -1) where bytes[index] == 0xFF {
      if bytes[index + 1] == 0xD9 { return true }
      if bytes[index + 1] == 0xDA { return false }
    }
    return false
  }

  /// Red = (255 - K)(255 - C)/255 in Pillow's rounding; the file holds 255 - C and 255 - K.
  private static func rgb(invertedCMYK samples: [UInt8]) -> [UInt8] {
    var rgb = [UInt8]()
    rgb.reserveCapacity(samples.count / 4 * 3)
    for index in stride(from: 0, to: samples.count, by: 4) {
      let white = Int(samples[index + 3])
      for channel in 0..<3 {
        let product = (255 - Int(samples[index + channel])) * white + 128
        let ink = ((product >> 8) + product) >> 8
        rgb.append(UInt8(max(0, white - ink)))
      }
    }
    return rgb
  }
}

extension RawRepresentable where RawValue: BinaryInteger {
  /// The value as C's int: the parameters are ints, whatever type the compiler gives enumerations.
  fileprivate var code: Int32 { Int32(truncatingIfNeeded: rawValue) }
}
