public import Reference

/// How one sample of a tensor lies in device memory: `[row][column][channel]`, with room around.
///
/// Pictures `[C, H, W]` become rows, columns and channels; a vector `[F]` is one pixel of F
/// channels; `[A, B]` is one row of A pixels of B channels; anything of more axes is one pixel
/// holding all elements in row-major order. The channels of a pixel are padded to `channelStride`
/// floats, whose content beyond `channels` is undefined but never read into a result: to whole
/// vectors, and further where neighbouring pixels would compete for the same lines of a cache. The
/// border holds zeros, so that a convolution needs no bounds test.
public struct Layout: Hashable, Sendable {
  /// Channels are padded to a multiple of this on every device: one float16, one 16-bit mask.
  public static let channelAlignment = 16
  /// Pixels a multiple of so many floats apart would all lie in one set of a first cache that has 64
  /// sets of lines: a register tile has more pixels than a set has ways.
  private static let conflictingStride = 1024

  /// The logical shape of a sample, without the batch axis.
  public private(set) var shape: [Int]
  /// The rows of a sample.
  public let height: Int
  /// The pixels of a row.
  public let width: Int
  /// The channels of a pixel.
  public private(set) var channels: Int
  /// Floats from one pixel to the next.
  public private(set) var channelStride: Int
  /// Bits of a mask, or bytes of a state, from one pixel to the next.
  public let maskStride: Int
  /// Zero pixels around.
  public private(set) var border: Padding
  /// Whether the logical order is channels, rows, columns (pictures) or that of the memory.
  public let isPlanar: Bool

  /// A layout of given extents; `dense` leaves no room between the channels of pixels.
  public init(
    height: Int, width: Int, channels: Int, border: Padding = .zero, dense: Bool = false,
    planar: Bool = true
  ) {
    self.height = height
    self.width = width
    self.channels = channels
    self.border = border
    isPlanar = planar
    shape = planar ? [channels, height, width] : [height * width, channels]
    let alignment = Self.channelAlignment
    let aligned = (channels + alignment - 1) / alignment * alignment
    channelStride = dense ? channels : aligned
    maskStride = aligned
    if !dense && aligned.isMultiple(of: Self.conflictingStride) { channelStride += alignment }
  }

  /// The layout of a sample of a logical shape (without the batch axis).
  public init(shape: [Int], border: Padding = .zero, dense: Bool = false) {
    switch shape.count {
    case 3:
      self.init(
        height: shape[1], width: shape[2], channels: shape[0], border: border, dense: dense)
    case 2:
      self.init(
        height: 1, width: shape[0], channels: shape[1], border: border, dense: dense,
        planar: false)
    default:
      self.init(
        height: 1, width: 1, channels: shape.reduce(1, *), border: border, dense: dense)
    }
    self.shape = shape
  }

  /// Floats from one row to the next.
  public var rowStride: Int { (border.left + width + border.right) * channelStride }
  /// Floats from one sample to the next.
  public var imageStride: Int { (border.top + height + border.bottom) * rowStride }
  /// Floats from a sample's start to its first pixel.
  public var origin: Int { border.top * rowStride + border.left * channelStride }
  /// Pixels of a sample.
  public var pixels: Int { height * width }
  /// Groups of sixteen channels in a pixel.
  public var channelGroups: Int { (channels + 15) / 16 }
  /// The channels of all pixels without the border: what masks and pooling indices count by.
  public var interior: Int { pixels * maskStride }

  /// How the bits of a mask lie, counted in bits.
  var bits: Layout {
    var result = with(border: .zero)
    result.channelStride = maskStride
    return result
  }

  /// The same layout with another border.
  public func with(border: Padding) -> Layout {
    var result = self
    result.border = border
    return result
  }

  /// The same layout with more room after each pixel's channels.
  public func spread() -> Layout {
    var result = self
    result.channelStride += Self.channelAlignment
    return result
  }

  /// The layout of some of a picture's channels where they lie among the others.
  public func slice(channels: Int) -> Layout {
    precondition(isPlanar && shape.count == 3 && channels <= self.channels, "a slice of \(shape)")
    var result = self
    result.channels = channels
    result.shape[0] = channels
    return result
  }
}

extension Layout {
  /// Puts a batch of logical elements (`[N]` + shape, row-major) where the device wants them.
  ///
  /// Everything outside the logical elements becomes `filler`, but the border is zero.
  public func pack(
    _ values: [Float], batch: Int, filler: Float = 0
  ) -> [Float] {
    var result = [Float](repeating: 0, count: batch * imageStride)
    forEachElement(batch: batch) { logical, physical in
      result[physical] = logical.map { values[$0] } ?? filler
    }
    return result
  }

  /// Takes a batch of logical elements out of device memory.
  public func unpack(_ memory: [Float], batch: Int) -> [Float] {
    var result = [Float](repeating: 0, count: batch * pixels * channels)
    forEachElement(batch: batch) { logical, physical in
      if let logical { result[logical] = memory[physical] }
    }
    return result
  }

  /// Calls `body` with (logical index or nil for channel padding, physical index).
  private func forEachElement(batch: Int, _ body: (Int?, Int) -> Void) {
    for n in 0..<batch {
      for h in 0..<height {
        for w in 0..<width {
          let pixel = n * imageStride + origin + h * rowStride + w * channelStride
          for c in 0..<channelStride {
            let logical =
              isPlanar
              ? ((n * channels + c) * height + h) * width + w
              : ((n * height + h) * width + w) * channels + c
            body(c < channels ? logical : nil, pixel + c)
          }
        }
      }
    }
  }
}
