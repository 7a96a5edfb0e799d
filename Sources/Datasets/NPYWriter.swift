public import Foundation

/// Writing of whole `.npy` arrays, version 1, under a temporary name that is then renamed.
public enum NPY {
  /// Writes single-precision values.
  ///
  /// - Precondition: the sizes of `shape` multiply to the number of values.
  /// - Throws: `DatasetError` when the file cannot be written.
  public static func write(
    _ values: [Float], shape: [Int], to url: URL
  ) throws(DatasetError) {
    try write(values, .float32, shape, url)
  }

  /// Writes whole numbers of 64 bits.
  ///
  /// - Precondition: the sizes of `shape` multiply to the number of values.
  /// - Throws: `DatasetError` when the file cannot be written.
  public static func write(
    _ values: [Int64], shape: [Int], to url: URL
  ) throws(DatasetError) {
    try write(values, .int64, shape, url)
  }

  /// Writes bytes.
  ///
  /// - Precondition: the sizes of `shape` multiply to the number of values.
  /// - Throws: `DatasetError` when the file cannot be written.
  public static func write(
    _ values: [UInt8], shape: [Int], to url: URL
  ) throws(DatasetError) {
    try write(values, .uint8, shape, url)
  }

  private static func write<T: BitwiseCopyable>(
    _ values: [T], _ type: NPYFile.ElementType, _ shape: [Int], _ url: URL
  ) throws(DatasetError) {
    precondition(shape.reduce(1, *) == values.count, "\(values.count) values are not \(shape)")
    try writeFile(header(type, shape) + rawBytes(values), to: url)
  }

  /// The format's header, padded so that the values begin at a multiple of 64 bytes.
  static func header(_ type: NPYFile.ElementType, _ shape: [Int]) -> [UInt8] {
    let sizes = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
    let text =
      "{'descr': '\(type.rawValue)', 'fortran_order': False, 'shape': (\(sizes)), }"
    let padding = 63 - (10 + text.utf8.count) % 64
    let length = text.utf8.count + padding + 1
    return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(length & 255), UInt8(length >> 8)]
      + Array(text.utf8) + [UInt8](repeating: 0x20, count: padding) + [0x0A]
  }

  /// The values' bytes as they lie in memory: little endian on every platform of Swift's.
  static func rawBytes<T: BitwiseCopyable>(_ values: [T]) -> [UInt8] {
    unsafe values.withUnsafeBytes { unsafe [UInt8]($0) }
  }
}

/// An `.npy` array `[N, C, H, W]` of float32 that is filled picture by picture, in any order and
/// from any number of threads.
///
/// The file has its full length and a valid header from the start (as a sparse file of zeros), so
/// it can be read at any time; which pictures are written is for the caller to remember.
public final class NPYPictureWriter: Sendable {
  /// The number of pictures.
  public let count: Int

  /// The sizes of every picture.
  public let shape: PictureShape

  private let file: DataFile
  private let dataOffset: Int

  /// Creates the file, all zeros.
  ///
  /// - Throws: `DatasetError` when it is there already (`exists`) or cannot be written.
  public init(creating url: URL, count: Int, shape: PictureShape) throws(DatasetError) {
    precondition(count >= 0 && shape.count > 0, "\(count) pictures of \(shape)")
    guard !FileManager.default.fileExists(atPath: url.path) else {
      throw DatasetError(.exists, url.lastPathComponent, "is there already")
    }
    let header = NPY.header(.float32, [count, shape.channels, shape.height, shape.width])
    try writeFile(to: url, length: header.count + count * shape.count * 4) {
      (file) throws(DatasetError) in
      try file.write(header, at: 0)
    }
    self.count = count
    self.shape = shape
    dataOffset = header.count
    file = try DataFile(url, writable: true)
  }

  /// Opens a file that an earlier writer created, to go on with it.
  ///
  /// - Throws: `DatasetError` when it is missing or is not an array of this shape.
  public init(resuming url: URL, count: Int, shape: PictureShape) throws(DatasetError) {
    let file = try DataFile(url, writable: true)
    let array = try NPYFile(file)
    let expected = [count, shape.channels, shape.height, shape.width]
    guard array.shape == expected, array.elementType == .float32 else {
      throw DatasetError(
        .mismatchedShape, file.name,
        "holds \(NPYFile.text(array.shape)) '\(array.elementType.rawValue)', not "
          + "\(NPYFile.text(expected)) '<f4'")
    }
    self.count = count
    self.shape = shape
    self.file = file
    dataOffset = array.dataOffset
  }

  /// Writes one picture at its place.
  ///
  /// - Precondition: the index lies within `0..<count`, the pixels fit the shape.
  /// - Throws: `DatasetError` when the disk refuses.
  public func write(_ pixels: [Float], at index: Int) throws(DatasetError) {
    precondition(0..<count ~= index, "picture \(index) of \(count)")
    precondition(pixels.count == shape.count, "\(shape) needs other than \(pixels.count) values")
    try file.write(NPY.rawBytes(pixels), at: dataOffset + index * shape.count * 4)
  }

  /// Waits until everything written so far is on the disk.
  ///
  /// - Throws: `DatasetError` when the disk refuses.
  public func synchronize() throws(DatasetError) { try file.synchronize() }
}
