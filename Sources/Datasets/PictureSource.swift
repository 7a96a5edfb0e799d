/// A data set of equally sized pictures that can be read in any order from any number of threads.
public protocol PictureSource: Sendable {
  /// The number of pictures.
  var count: Int { get }

  /// The sizes of every picture.
  var shape: PictureShape { get }

  /// One line a picture, its name and label in order, after lines on the files and their treatment:
  /// sources with equal lines hold the same pictures under the same labels, as far as names tell.
  var provenance: [String] { get }

  /// Reads and decodes one picture.
  ///
  /// - Precondition: `index` lies within `0..<count`.
  /// - Throws: `DatasetError` naming the file or the index when the picture cannot be used.
  func sample(at index: Int) throws(DatasetError) -> PictureSample
}

/// Pictures that lie in memory.
public struct InMemoryPictures: PictureSource {
  /// The pictures, in order.
  public let samples: [PictureSample]

  /// The sizes of every picture.
  public let shape: PictureShape

  private let name: String

  /// A source of the first `limit` of these pictures.
  ///
  /// - Parameter name: what the pictures are called in errors and in `provenance`.
  /// - Throws: `DatasetError` when there are none or when their shapes differ.
  public init(
    _ samples: [PictureSample], name: String, limit: Int? = nil
  ) throws(DatasetError) {
    let samples = Array(samples.prefix(limit ?? samples.count))
    guard let first = samples.first else {
      throw DatasetError(.empty, name, "there are no pictures")
    }
    for sample in samples where sample.shape != first.shape {
      throw DatasetError(
        .mismatchedShape, sample.id, "is \(sample.shape), the first picture is \(first.shape)")
    }
    self.samples = samples
    self.shape = first.shape
    self.name = name
  }

  /// The number of pictures.
  public var count: Int { samples.count }

  /// The name and shape, then id and label of each picture.
  public var provenance: [String] {
    ["\(name) \(shape)"] + samples.map { provenanceLine($0.id, $0.label) }
  }

  /// One picture.
  public func sample(at index: Int) throws(DatasetError) -> PictureSample { samples[index] }
}

/// `id,label`, with nothing after the comma where there is no label.
func provenanceLine(_ id: String, _ label: Int?) -> String {
  "\(id),\(label.map(String.init) ?? "")"
}

/// 8-bit pictures in memory after one another: what IDX and CIFAR files hold.
struct ByteRecords: Sendable {
  let bytes: [UInt8]
  let shape: PictureShape
  let recordSize: Int
  let offset: Int
  let preprocessing: Preprocessing

  /// The picture of record `index` in [0, 1], after the geometric part.
  func sample(at index: Int, label: Int?, file: String) throws(DatasetError) -> PictureSample {
    let start = index * recordSize + offset
    let picture = try preprocessing.apply(
      to: RGBImage(planarBytes: bytes[start..<start + shape.count], shape: shape),
      file: "\(file), picture \(index)")
    return PictureSample(
      index: index, id: String(index), label: label, pixels: picture.planar(), shape: picture.shape)
  }
}
