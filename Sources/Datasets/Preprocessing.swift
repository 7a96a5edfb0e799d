/// How pictures become a network's input: a geometric part on 8-bit pixels, done here, and a
/// numeric part, done by the network's first layer.
public struct Preprocessing: Hashable, Sendable, CustomStringConvertible {
  /// How a picture is resized.
  public enum Resize: Hashable, Sendable {
    /// Not at all.
    case none
    /// The shorter side to this length, the sides' ratio kept.
    case shorterSide(Int)
    /// To exactly this size, whatever the ratio.
    case exact(height: Int, width: Int)
  }

  /// The size of the part that is kept from the middle.
  public struct Crop: Hashable, Sendable {
    /// The height in pixels.
    public var height: Int
    /// The width in pixels.
    public var width: Int

    /// A crop of this size.
    public init(height: Int, width: Int) {
      self.height = height
      self.width = width
    }
  }

  /// The resizing, first.
  public var resize: Resize

  /// The crop from the middle, second; none if `nil`.
  public var crop: Crop?

  /// The interpolation of the resizing.
  public var interpolation: Interpolation

  /// Whether pictures are turned into grey (ITU-R 601) and have one channel.
  public var convertsToGrey: Bool

  /// The numeric part.
  public var normalization: Normalization

  /// A preprocessing from its parts.
  ///
  /// - Precondition: all sizes are positive.
  public init(
    resize: Resize = .none, crop: Crop? = nil, interpolation: Interpolation = .bilinear,
    convertsToGrey: Bool = false, normalization: Normalization = .identity
  ) {
    switch resize {
    case .none: break
    case .shorterSide(let size): precondition(size > 0, "cannot resize to \(size)")
    case .exact(let height, let width):
      precondition(height > 0 && width > 0, "cannot resize to \(height)x\(width)")
    }
    if let crop { precondition(crop.height > 0 && crop.width > 0, "an empty crop") }
    self.resize = resize
    self.crop = crop
    self.interpolation = interpolation
    self.convertsToGrey = convertsToGrey
    self.normalization = normalization
  }

  /// Shorter side 256, middle 224x224, RGB; mean and deviation of ImageNet (torchvision).
  public static let imageNet = Preprocessing(
    resize: .shorterSide(256), crop: Crop(height: 224, width: 224),
    normalization: Normalization(
      scale: 1, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], reversesChannels: false))

  /// Shorter side 256, middle 224x224, BGR levels 0...255 less (104, 117, 123).
  public static let caffe = Preprocessing(
    resize: .shorterSide(256), crop: Crop(height: 224, width: 224),
    normalization: Normalization(
      scale: 255, mean: [104, 117, 123], std: [1, 1, 1], reversesChannels: true))

  /// Shorter side 256, middle 224x224, RGB in [-1, 1].
  public static let tf = Preprocessing(
    resize: .shorterSide(256), crop: Crop(height: 224, width: 224),
    normalization: Normalization(
      scale: 255, mean: [127.5, 127.5, 127.5], std: [127.5, 127.5, 127.5],
      reversesChannels: false))

  /// Pictures as they are, in [0, 1].
  public static let unit = Preprocessing()

  /// Pictures as they are, in levels 0...255.
  public static let raw255 = Preprocessing(
    normalization: Normalization(scale: 255, mean: [0], std: [1], reversesChannels: false))

  /// The named presets, in the order in which help texts list them.
  public static let presets: [(name: String, value: Preprocessing)] = [
    ("imagenet", .imageNet), ("caffe", .caffe), ("tf", .tf), ("unit", .unit), ("raw255", .raw255),
  ]

  /// The preset of a name.
  ///
  /// - Throws: `DatasetError` (`invalidOption`) for other names, with those there are.
  public init(preset name: String) throws(DatasetError) {
    guard let preset = Self.presets.first(where: { $0.name == name }) else {
      throw DatasetError(
        .invalidOption, "--preprocessing",
        "'\(name)' is none of \(Self.presets.map(\.name).joined(separator: ", "))")
    }
    self = preset.value
  }

  /// The part of the sizes that the geometric part decides: `nil` where it depends on the picture.
  public var outputSize: (height: Int, width: Int)? {
    if let crop { return (crop.height, crop.width) }
    if case .exact(let height, let width) = resize { return (height, width) }
    return nil
  }

  /// Applies the geometric part.
  ///
  /// - Parameters:
  ///   - picture: the decoded picture.
  ///   - file: its name, for errors.
  /// - Throws: `DatasetError` (`mismatchedShape`) when the crop is larger than the resized picture,
  ///   (`tooLarge`) when the resized picture exceeds `RGBImage.maximumPixels`.
  public func apply(to picture: RGBImage, file: String) throws(DatasetError) -> RGBImage {
    var result = convertsToGrey ? picture.grey() : picture
    switch resize {
    case .none: break
    case .shorterSide(let size):
      let (width, height) = RGBImage.sizes(
        width: result.width, height: result.height, shorterSide: size)
      try RGBImage.checkSize(width: width, height: height, file: file)
      result = result.resized(width: width, height: height, interpolation: interpolation)
    case .exact(let height, let width):
      try RGBImage.checkSize(width: width, height: height, file: file)
      result = result.resized(width: width, height: height, interpolation: interpolation)
    }
    if let crop {
      guard crop.width <= result.width, crop.height <= result.height else {
        throw DatasetError(
          .mismatchedShape, file,
          "the crop of \(crop.height)x\(crop.width) is larger than the picture's "
            + "\(result.height)x\(result.width)")
      }
      result = result.centreCropped(width: crop.width, height: crop.height)
    }
    return result
  }

  /// Throws unless pictures of this shape look as if the geometric part had been applied to them:
  /// arrays are taken as they are and never resized.
  func checkApplied(to shape: PictureShape, file: String) throws(DatasetError) {
    if let (height, width) = outputSize, (height, width) != (shape.height, shape.width) {
      throw DatasetError(
        .mismatchedShape, file,
        "holds pictures of \(shape.height)x\(shape.width), the preprocessing asks for "
          + "\(height)x\(width); arrays are not resized")
    }
    if outputSize == nil, case .shorterSide(let size) = resize,
      min(shape.height, shape.width) != size
    {
      throw DatasetError(
        .mismatchedShape, file,
        "holds pictures of \(shape.height)x\(shape.width), the preprocessing asks for a shorter "
          + "side of \(size); arrays are not resized")
    }
    if convertsToGrey && shape.channels != 1 {
      throw DatasetError(
        .mismatchedShape, file,
        "holds pictures of \(shape.channels) channels, the preprocessing asks for grey")
    }
  }

  /// One line with every value, the same for equal preprocessings.
  public var description: String {
    let size =
      switch resize {
      case .none: "none"
      case .shorterSide(let size): "\(size)"
      case .exact(let height, let width): "\(height)x\(width)"
      }
    let part = crop.map { "\($0.height)x\($0.width)" } ?? "none"
    return "resize \(size) \(interpolation) crop \(part)\(convertsToGrey ? " grey" : "") "
      + normalization.description
  }
}
