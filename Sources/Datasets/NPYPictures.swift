public import Foundation

/// Pictures in an `.npy` array `[N, C, H, W]` of floats in [0, 1] or of bytes, which are divided by
/// 255; read from the file one by one.
public struct NPYPictures: PictureSource {
  /// The number of pictures.
  public let count: Int

  /// The sizes of every picture.
  public let shape: PictureShape

  private let array: NPYFile
  private let labels: [Int]?

  /// Opens an array.
  ///
  /// - Parameters:
  ///   - url: the `.npy` file.
  ///   - labels: a CSV with a column `label`, or an `.npy` of whole numbers; one for each picture.
  ///   - preprocessing: arrays are not resized: their size must be the one it leads to.
  ///   - classCount: labels must be below this number.
  ///   - limit: at most the first so many pictures are taken.
  /// - Throws: `DatasetError` when the array has other dimensions or elements or when its labels do
  ///   not fit. Values are checked when a picture is read.
  public init(
    _ url: URL, labels: URL? = nil, preprocessing: Preprocessing = .unit, classCount: Int? = nil,
    limit: Int? = nil
  ) throws(DatasetError) {
    let array = try NPYFile(url)
    let name = url.lastPathComponent
    guard array.shape.count == 4 else {
      throw DatasetError(
        .mismatchedShape, name, "\(NPYFile.text(array.shape)) is not [N, C, H, W]")
    }
    guard [.float32, .float64, .uint8].contains(array.elementType) else {
      throw DatasetError(
        .unsupported, name,
        "pictures of type '\(array.elementType.rawValue)' are not read (float32, float64, uint8)")
    }
    let count = min(array.shape[0], limit ?? array.shape[0])
    guard array.count > 0, count > 0 else {
      throw DatasetError(.empty, name, "there are no pictures")
    }
    let shape = PictureShape(
      channels: array.shape[1], height: array.shape[2], width: array.shape[3])
    try preprocessing.checkApplied(to: shape, file: name)
    if let labels {
      self.labels = try readOrderedLabels(labels, count: array.shape[0], classCount: classCount)
    } else {
      self.labels = nil
    }
    self.count = count
    self.shape = shape
    self.array = array
  }

  /// The file's name, shape and type, then index and label of each picture.
  public var provenance: [String] {
    ["npy \(array.file.name) \(NPYFile.text(array.shape)) \(array.elementType.rawValue)"]
      + (0..<count).map { provenanceLine(String($0), labels?[$0]) }
  }

  /// Reads one picture; NaN, infinities and values outside [0, 1] are refused with their place.
  public func sample(at index: Int) throws(DatasetError) -> PictureSample {
    precondition(0..<count ~= index, "picture \(index) of \(count)")
    let range = index * shape.count..<(index + 1) * shape.count
    var pixels: [Float]
    switch array.elementType {
    case .uint8:
      pixels = try array.bytes(range).map { unitLevels[Int($0)] }
    case .float32:
      pixels = try array.readFloats(range)
      try check(pixels, index)
    default:
      let values = try array.readDoubles(range)
      // Before rounding: 1 + 1e-10 is outside, though its nearest float is 1.
      try check(values, index)
      pixels = values.map { Float($0) }
    }
    return PictureSample(
      index: index, id: String(index), label: labels?[index], pixels: pixels, shape: shape)
  }

  private func check(
    _ values: [some BinaryFloatingPoint], _ index: Int
  ) throws(DatasetError) {
    guard let place = values.firstIndex(where: { !($0 >= 0 && $0 <= 1) }) else { return }
    let value = values[place]
    let plane = shape.height * shape.width
    let position =
      "[\(index), \(place / plane), \(place % plane / shape.width), \(place % shape.width)]"
    if !value.isFinite {
      throw DatasetError(.notFinite, array.file.name, "the value at \(position) is \(value)")
    }
    throw DatasetError(
      .valueOutOfRange, array.file.name, "the value \(value) at \(position) is not in [0, 1]")
  }
}
