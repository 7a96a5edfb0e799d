import CPNG
public import Foundation

extension RGBImage {
  /// The largest picture that is decoded, in pixels; larger ones are taken for an attack on memory.
  public static let maximumPixels = 1 << 27

  /// Throws if a picture of this size exceeds `maximumPixels`.
  static func checkSize(width: Int, height: Int, file: String) throws(DatasetError) {
    let (pixels, overflows) = width.multipliedReportingOverflow(by: height)
    if overflows || pixels > maximumPixels {
      throw DatasetError(
        .tooLarge, file, "\(width)x\(height) exceeds the limit of \(maximumPixels) pixels")
    }
  }
}

/// Reading and writing of PNG files through libpng.
public enum PNG {
  /// The eight bytes that every PNG file begins with.
  static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

  /// Decodes a PNG file to RGB, as Pillow's `convert("RGB")` does: grey and palettes expanded,
  /// alpha dropped (not composited), gamma not applied.
  ///
  /// Of 16 bits the upper 8 are kept, as Pillow does for colour; for 16-bit grey Pillow saturates
  /// at 255 instead, which loses the picture.
  ///
  /// - Parameters:
  ///   - bytes: the file's contents.
  ///   - file: the file's name, for errors.
  /// - Throws: `DatasetError` when the file is no PNG, is truncated or damaged, or is larger than
  ///   `RGBImage.maximumPixels`.
  public static func decode(_ bytes: [UInt8], file: String) throws(DatasetError) -> RGBImage {
    let header = Array(bytes.prefix(24))
    guard header.starts(with: signature) else {
      throw DatasetError(.corrupt, file, "not a PNG file")
    }
    guard header.count == 24 else {
      throw DatasetError(.truncated, file, "the PNG is truncated (\(bytes.count) bytes)")
    }
    let width = Int(bigEndian32(header, at: 16))
    let height = Int(bigEndian32(header, at: 20))
    guard width > 0, height > 0, width <= Int32.max, height <= Int32.max else {
      throw DatasetError(.corrupt, file, "the PNG's header says \(width)x\(height)")
    }
    try RGBImage.checkSize(width: width, height: height, file: file)
    let count = width * height * 3
    var succeeds: Int32 = 0
    var message = [CChar](repeating: 0, count: 160)
    let samples = unsafe [UInt8](unsafeUninitializedCapacity: count) { target, initialized in
      unsafe target.initialize(repeating: 0)
      succeeds = unsafe cpng_decode_rgb(
        bytes, bytes.count, UInt32(width), UInt32(height), target.baseAddress, &message,
        message.count)
      initialized = count
    }
    guard succeeds == 1 else {
      let text = String(decoding: message.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self)
      if text.contains("ends early") || text.contains("Not enough image data") {
        throw DatasetError(.truncated, file, "the PNG is truncated (\(text))")
      }
      throw DatasetError(.corrupt, file, "the PNG is damaged (\(text))")
    }
    return RGBImage(width: width, height: height, channels: 3, bytes: samples)
  }

  /// Encodes a picture without loss, as 8-bit grey or RGB.
  ///
  /// - Throws: `DatasetError` when libpng refuses, such as for lack of memory.
  public static func encode(_ picture: RGBImage) throws(DatasetError) -> [UInt8] {
    // Rows with their filter byte, deflate's worst case, and room for the other chunks.
    let raw = picture.bytes.count + picture.height
    var room = raw + raw / 100 + 4096
    for _ in 0..<2 {
      var image = unsafe png_image()
      unsafe image.version = UInt32(PNG_IMAGE_VERSION)
      unsafe image.width = UInt32(picture.width)
      unsafe image.height = UInt32(picture.height)
      unsafe image.format = picture.channels == 3 ? UInt32(PNG_FORMAT_FLAG_COLOR) : 0
      defer { unsafe png_image_free(&image) }
      var size = room
      var succeeds: Int32 = 0
      let encoded = unsafe [UInt8](unsafeUninitializedCapacity: room) { target, initialized in
        succeeds = unsafe png_image_write_to_memory(
          &image, target.baseAddress, &size, 0, picture.bytes, 0, nil)
        initialized = succeeds == 1 ? size : 0
      }
      if succeeds == 1 { return encoded }
      // libpng says how much it needs when the room was too small.
      guard size > room else { break }
      room = size
    }
    throw DatasetError(
      .unsupported, "PNG", "libpng cannot encode \(picture.width)x\(picture.height)")
  }

  /// Encodes a picture to a file: written under a temporary name beside it, then renamed.
  ///
  /// - Throws: `DatasetError` when the file cannot be written.
  public static func write(_ picture: RGBImage, to url: URL) throws(DatasetError) {
    try writeFile(try encode(picture), to: url)
  }
}

/// The unsigned big-endian number of four bytes from an offset.
func bigEndian32(_ bytes: [UInt8], at offset: Int) -> UInt32 {
  bytes[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
}
