public import Foundation

/// Pictures in the binary format of CIFAR-10 (Krizhevsky 2009): records of one label byte and 3072
/// bytes, the planes red, green, blue of 32x32.
public struct CIFARPictures: PictureSource {
  /// The number of pictures.
  public let count: Int

  /// The sizes of every picture.
  public let shape: PictureShape

  private static let original = PictureShape(channels: 3, height: 32, width: 32)

  private let name: String
  private let records: ByteRecords

  /// Reads files one after the other.
  ///
  /// - Parameters:
  ///   - files: the `.bin` files, plain or gzip, at least one.
  ///   - preprocessing: its geometric part is applied.
  ///   - classCount: labels must be below this number.
  ///   - limit: at most the first so many pictures are taken.
  /// - Throws: `DatasetError` when a file's length is no multiple of 3073 or a label is out of
  ///   range.
  public init(
    _ files: [URL], preprocessing: Preprocessing = .unit, classCount: Int = 10, limit: Int? = nil
  ) throws(DatasetError) {
    let recordSize = 1 + Self.original.count
    var bytes: [UInt8] = []
    for file in files {
      let contents = try readFile(file, limit: 1 << 30)
      guard contents.count % recordSize == 0 else {
        throw DatasetError(
          .truncated, file.lastPathComponent,
          "\(contents.count) bytes are no multiple of \(recordSize), the size of a CIFAR-10 record")
      }
      for start in stride(from: 0, to: contents.count, by: recordSize) {
        try checkLabel(
          Int(contents[start]), "\(file.lastPathComponent), picture \(start / recordSize)",
          classCount: classCount)
      }
      bytes += contents
    }
    name = files.map(\.lastPathComponent).joined(separator: "+")
    count = min(bytes.count / recordSize, limit ?? Int.max)
    guard count > 0 else { throw DatasetError(.empty, name, "there are no pictures") }
    records = ByteRecords(
      bytes: bytes, shape: Self.original, recordSize: recordSize, offset: 1,
      preprocessing: preprocessing)
    shape = try records.sample(at: 0, label: nil, file: name).shape
  }

  /// The files' names and the preprocessing, then index and label of each picture.
  public var provenance: [String] {
    ["cifar10 \(name) \(records.preprocessing)"]
      + (0..<count).map { provenanceLine(String($0), label($0)) }
  }

  /// One picture: bytes divided by 255.
  public func sample(at index: Int) throws(DatasetError) -> PictureSample {
    precondition(0..<count ~= index, "picture \(index) of \(count)")
    return try records.sample(at: index, label: label(index), file: name)
  }

  private func label(_ index: Int) -> Int { Int(records.bytes[index * records.recordSize]) }
}
