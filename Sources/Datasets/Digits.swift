import Foundation

/// The handwritten digits of the UCI repository (Alpaydin and Kaynak 1998, CC BY 4.0), embedded so
/// that a first attack needs no download: 1797 pictures of 8x8, classes 0...9.
public enum Digits {
  /// The number of classes.
  public static let classCount = 10

  /// The sizes of every picture, 1x8x8.
  public static let shape = PictureShape(channels: 1, height: 8, width: 8)

  /// All pictures in the order of scikit-learn's `load_digits`, values 0...16 divided by 16.
  public static let samples: [PictureSample] = {
    // The data are a constant of this module: a test reads them, no user can change them.
    guard let packed = Data(base64Encoded: digitsData, options: .ignoreUnknownCharacters),
      let bytes = try? inflateGzip([UInt8](packed), name: "digits", limit: 1 << 20)
    else { preconditionFailure("the embedded digits are damaged") }
    let count = bytes.count / (shape.count + 1)
    return (0..<count).map { index in
      PictureSample(
        index: index, id: String(index), label: Int(bytes[shape.count * count + index]),
        pixels: (0..<shape.count).map { Float(bytes[$0 * count + index]) / 16 }, shape: shape)
    }
  }()

  /// The digits as a source of pictures.
  ///
  /// - Throws: `DatasetError` when `limit` leaves no picture.
  public static func source(limit: Int? = nil) throws(DatasetError) -> InMemoryPictures {
    try InMemoryPictures(samples, name: "digits", limit: limit)
  }
}
