/// The sizes of a picture, in the order `[C, H, W]`.
public struct PictureShape: Hashable, Sendable, CustomStringConvertible {
  /// The number of channels.
  public let channels: Int

  /// The height in pixels.
  public let height: Int

  /// The width in pixels.
  public let width: Int

  /// The shape of pictures with these sizes.
  public init(channels: Int, height: Int, width: Int) {
    self.channels = channels
    self.height = height
    self.width = width
  }

  /// The number of values in one picture.
  public var count: Int { channels * height * width }

  /// `CxHxW`.
  public var description: String { "\(channels)x\(height)x\(width)" }
}

/// One picture of a data set as an attack sees it.
public struct PictureSample: Hashable, Sendable {
  /// The position in its source, from 0.
  public let index: Int

  /// The file's name (with the class folder, if any) or, in an array, the index in digits.
  public let id: String

  /// The class, from 0, if it is known.
  public let label: Int?

  /// The values in [0, 1], planes `[C, H, W]`, red first.
  public let pixels: [Float]

  /// The sizes of the picture.
  public let shape: PictureShape

  /// A sample from its parts.
  ///
  /// - Precondition: there are as many pixels as `shape` says.
  public init(index: Int, id: String, label: Int?, pixels: [Float], shape: PictureShape) {
    precondition(pixels.count == shape.count, "\(shape) needs other than \(pixels.count) values")
    self.index = index
    self.id = id
    self.label = label
    self.pixels = pixels
    self.shape = shape
  }

  /// The number of channels.
  public var channels: Int { shape.channels }

  /// The height in pixels.
  public var height: Int { shape.height }

  /// The width in pixels.
  public var width: Int { shape.width }
}
