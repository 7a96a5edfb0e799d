/// A decoded picture: 8-bit samples, interleaved, row by row from the top.
public struct RGBImage: Hashable, Sendable {
  /// The width in pixels, at least 1.
  public let width: Int

  /// The height in pixels, at least 1.
  public let height: Int

  /// 3 (red, green, blue) or 1 (grey).
  public let channels: Int

  /// The samples, `height * width * channels` of them.
  public let bytes: [UInt8]

  /// A picture from its samples.
  ///
  /// - Precondition: `channels` is 1 or 3, the sizes are positive and fit the number of bytes.
  public init(width: Int, height: Int, channels: Int, bytes: [UInt8]) {
    precondition(channels == 1 || channels == 3, "a picture has 1 or 3 channels, not \(channels)")
    precondition(width > 0 && height > 0, "a picture of \(width)x\(height) has no pixels")
    precondition(
      bytes.count == width * height * channels,
      "\(width)x\(height)x\(channels) needs other than \(bytes.count) bytes")
    self.width = width
    self.height = height
    self.channels = channels
    self.bytes = bytes
  }

  /// A picture from planes `[C, H, W]` of floats: each value is cut to [0, 1] and rounded to the
  /// nearest of 256 levels; NaN becomes 0.
  ///
  /// - Precondition: `shape` has 1 or 3 channels and fits the number of values.
  public init(planar: [Float], shape: PictureShape) {
    precondition(planar.count == shape.count, "\(shape) needs other than \(planar.count) values")
    let plane = shape.height * shape.width
    var bytes = [UInt8](repeating: 0, count: planar.count)
    for channel in 0..<shape.channels {
      for index in 0..<plane {
        let value = planar[channel * plane + index]
        let level = value > 0 ? min(value, 1) * 255 : 0
        bytes[index * shape.channels + channel] = UInt8(level.rounded(.toNearestOrEven))
      }
    }
    self.init(width: shape.width, height: shape.height, channels: shape.channels, bytes: bytes)
  }

  /// A picture from planes `[C, H, W]` of bytes.
  ///
  /// - Precondition: `shape` has 1 or 3 channels and fits the number of bytes.
  public init(planarBytes: some RandomAccessCollection<UInt8>, shape: PictureShape) {
    precondition(planarBytes.count == shape.count, "\(shape) needs \(shape.count) bytes")
    let planar = Array(planarBytes)
    let plane = shape.height * shape.width
    var bytes = [UInt8](repeating: 0, count: planar.count)
    for channel in 0..<shape.channels {
      for index in 0..<plane {
        bytes[index * shape.channels + channel] = planar[channel * plane + index]
      }
    }
    self.init(width: shape.width, height: shape.height, channels: shape.channels, bytes: bytes)
  }

  /// The sizes of the picture.
  public var shape: PictureShape {
    PictureShape(channels: channels, height: height, width: width)
  }

  /// The picture as an attack sees it: planes `[C, H, W]` of `byte / 255` in [0, 1].
  public func planar() -> [Float] {
    let plane = height * width
    return unsafe [Float](unsafeUninitializedCapacity: bytes.count) { target, count in
      let source = bytes.span
      for channel in 0..<channels {
        var position = channel
        for index in channel * plane..<(channel + 1) * plane {
          unsafe target[index] = unitLevels[Int(source[position])]
          position += channels
        }
      }
      count = bytes.count
    }
  }

  /// The picture in grey, as Pillow's `convert("L")` computes it: ITU-R 601 weights in 16-bit fixed
  /// point.
  public func grey() -> RGBImage {
    guard channels == 3 else { return self }
    var grey = [UInt8]()
    grey.reserveCapacity(width * height)
    for index in stride(from: 0, to: bytes.count, by: 3) {
      let red = 19595 * Int(bytes[index])
      let green = 38470 * Int(bytes[index + 1])
      let blue = 7471 * Int(bytes[index + 2])
      grey.append(UInt8((red + green + blue + 0x8000) >> 16))
    }
    return RGBImage(width: width, height: height, channels: 1, bytes: grey)
  }
}

/// `byte / 255` for every byte, correctly rounded.
let unitLevels: [Float] = (0..<256).map { Float($0) / 255 }
