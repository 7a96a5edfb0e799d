public import Foundation

/// Pictures in the IDX format of MNIST (LeCun, Cortes, Burges), plain or gzip, `[N, H, W]` bytes.
public struct IDXPictures: PictureSource {
  /// The number of pictures.
  public let count: Int

  /// The sizes of every picture.
  public let shape: PictureShape

  private let name: String
  private let records: ByteRecords
  private let labels: [Int]?

  /// Reads a file of pictures and one of labels.
  ///
  /// - Parameters:
  ///   - images: the file of pictures (magic number 2051).
  ///   - labels: the labels: IDX (magic number 2049), CSV or `.npy`.
  ///   - preprocessing: its geometric part is applied.
  ///   - classCount: labels must be below this number.
  ///   - limit: at most the first so many pictures are taken.
  /// - Throws: `DatasetError` when a magic number or a length is wrong, checked before memory is
  ///   taken for the contents, or when a label is out of range.
  public init(
    images: URL, labels: URL? = nil, preprocessing: Preprocessing = .unit, classCount: Int? = nil,
    limit: Int? = nil
  ) throws(DatasetError) {
    name = images.lastPathComponent
    let (sizes, bytes) = try readIDX(images, magic: 2051, dimensions: 3)
    count = min(sizes[0], limit ?? sizes[0])
    guard count > 0, !bytes.isEmpty else {
      throw DatasetError(.empty, name, "there are no pictures")
    }
    let original = PictureShape(channels: 1, height: sizes[1], width: sizes[2])
    records = ByteRecords(
      bytes: bytes, shape: original, recordSize: original.count, offset: 0,
      preprocessing: preprocessing)
    if let labels {
      self.labels = try readOrderedLabels(labels, count: sizes[0], classCount: classCount)
    } else {
      self.labels = nil
    }
    shape = try records.sample(at: 0, label: nil, file: name).shape
  }

  /// The file's name and the preprocessing, then index and label of each picture.
  public var provenance: [String] {
    ["idx \(name) \(records.shape) \(records.preprocessing)"]
      + (0..<count).map { provenanceLine(String($0), labels?[$0]) }
  }

  /// One picture: bytes divided by 255.
  public func sample(at index: Int) throws(DatasetError) -> PictureSample {
    precondition(0..<count ~= index, "picture \(index) of \(count)")
    return try records.sample(at: index, label: labels?[index], file: name)
  }
}

/// The labels of an IDX file.
func readIDXLabels(_ url: URL) throws(DatasetError) -> [Int] {
  try readIDX(url, magic: 2049, dimensions: 1).bytes.map { Int($0) }
}

/// The sizes and the bytes of an IDX file of unsigned bytes.
private func readIDX(
  _ url: URL, magic: UInt32, dimensions: Int
) throws(DatasetError) -> (sizes: [Int], bytes: [UInt8]) {
  let name = url.lastPathComponent
  let headerSize = 4 * (1 + dimensions)
  let header = try readPrefix(url, count: headerSize)
  guard header.count == headerSize else {
    throw DatasetError(.truncated, name, "\(header.count) bytes are no IDX file")
  }
  let found = bigEndian32(header, at: 0)
  guard found == magic else {
    throw DatasetError(.corrupt, name, "the magic number is \(found), expected \(magic)")
  }
  let sizes = (1...dimensions).map { Int(bigEndian32(header, at: 4 * $0)) }
  var expected = 1
  for size in sizes {
    let (product, overflows) = expected.multipliedReportingOverflow(by: size)
    guard !overflows, product <= defaultFileLimit else {
      throw DatasetError(.tooLarge, name, "\(NPYFile.text(sizes)) bytes exceed the limit")
    }
    expected = product
  }
  let contents: [UInt8]
  do throws(DatasetError) {
    contents = try readFile(url, limit: expected + headerSize)
  } catch  where error.code == .tooLarge {
    throw DatasetError(
      .corrupt, name,
      "there is more than the \(NPYFile.text(sizes)) bytes that the header announces")
  }
  guard contents.count == expected + headerSize else {
    throw DatasetError(
      .truncated, name,
      "\(contents.count - headerSize) bytes of the announced \(NPYFile.text(sizes)) are present")
  }
  return (sizes, Array(contents[headerSize...]))
}
