public import Foundation

/// An array in NumPy's `.npy` format, versions 1 to 3: little endian, C order; its values are read
/// where they are asked for.
public struct NPYFile: Sendable {
  /// The types of elements that are read.
  public enum ElementType: String, Hashable, Sendable {
    /// IEEE single precision.
    case float32 = "<f4"
    /// IEEE double precision.
    case float64 = "<f8"
    /// Unsigned, 8 bits.
    case uint8 = "|u1"
    /// Signed, 8 bits.
    case int8 = "|i1"
    /// Signed, 16 bits.
    case int16 = "<i2"
    /// Signed, 32 bits.
    case int32 = "<i4"
    /// Signed, 64 bits.
    case int64 = "<i8"

    /// Bytes an element.
    public var size: Int {
      switch self {
      case .uint8, .int8: 1
      case .int16: 2
      case .float32, .int32: 4
      case .float64, .int64: 8
      }
    }
  }

  /// The sizes, outermost first.
  public let shape: [Int]

  /// The type of the elements.
  public let elementType: ElementType

  /// The number of elements.
  public let count: Int

  /// Where the elements begin, in bytes.
  let dataOffset: Int
  let file: DataFile

  /// Reads the header and checks it against the file's length.
  ///
  /// - Throws: `DatasetError` when the file is no `.npy`, is in Fortran order, has elements of
  ///   another type, or is shorter or longer than its shape says.
  public init(_ url: URL) throws(DatasetError) {
    try self.init(DataFile(url))
  }

  init(_ file: DataFile) throws(DatasetError) {
    self.file = file
    let header = try Self.header(file)
    dataOffset = header.end
    guard let code = Self.quoted("descr", header.text) else {
      throw DatasetError(.unsupported, file.name, "the elements are not of one plain type")
    }
    guard let type = ElementType(rawValue: code.hasSuffix("1") ? "|" + code.suffix(2) : code) else {
      throw DatasetError(
        .unsupported, file.name,
        "elements of type '\(code)' are not read (little-endian floats of "
          + "32 or 64 bits, signed integers and bytes are)")
    }
    elementType = type
    switch Self.word("fortran_order", header.text) {
    case "False": break
    case "True":
      throw DatasetError(
        .unsupported, file.name, "is in Fortran order; save numpy.ascontiguousarray(a) instead")
    default:
      throw DatasetError(.corrupt, file.name, "the header does not tell the order")
    }
    guard let shape = Self.shape(header.text) else {
      throw DatasetError(.corrupt, file.name, "the header's shape cannot be understood")
    }
    self.shape = shape
    var (bytes, overflows) = (type.size, false)
    for size in shape {
      let product = bytes.multipliedReportingOverflow(by: size)
      bytes = product.partialValue
      overflows = overflows || product.overflow
    }
    let present = file.length - dataOffset
    guard !overflows, bytes == present else {
      let isShort = overflows || bytes > present
      throw DatasetError(
        isShort ? .truncated : .corrupt, file.name,
        "\(Self.text(shape)) elements of \(type.size) bytes do not fit the \(present) bytes present"
      )
    }
    count = bytes / type.size
  }

  /// Elements as single-precision values: floats rounded, integers converted, nothing scaled.
  ///
  /// - Precondition: the range lies within `0..<count`.
  public func readFloats(_ range: Range<Int>) throws(DatasetError) -> [Float] {
    switch elementType {
    case .float32: try read(range, as: Float.self)
    case .float64: try read(range, as: Double.self).map { Float($0) }
    default: try integers(range).map { Float($0) }
    }
  }

  /// Elements as double-precision values, exactly (but for integers beyond 2^53).
  ///
  /// - Precondition: the range lies within `0..<count`.
  public func readDoubles(_ range: Range<Int>) throws(DatasetError) -> [Double] {
    switch elementType {
    case .float32: try read(range, as: Float.self).map { Double($0) }
    case .float64: try read(range, as: Double.self)
    default: try integers(range).map { Double($0) }
    }
  }

  /// All elements of an array of whole numbers with one dimension.
  ///
  /// - Throws: `DatasetError` when it has more dimensions or holds floats.
  public func readIntegers() throws(DatasetError) -> [Int] {
    guard shape.count == 1, elementType != .float32, elementType != .float64 else {
      throw DatasetError(
        .unsupported, file.name,
        "\(Self.text(shape)) elements '\(elementType.rawValue)' are not a list of whole numbers")
    }
    return try integers(0..<count)
  }

  private func integers(_ range: Range<Int>) throws(DatasetError) -> [Int] {
    switch elementType {
    case .uint8: try bytes(range).map { Int($0) }
    case .int8: try read(range, as: Int8.self).map { Int($0) }
    case .int16: try read(range, as: Int16.self).map { Int($0) }
    case .int32: try read(range, as: Int32.self).map { Int($0) }
    default: try read(range, as: Int64.self).map { Int($0) }
    }
  }

  /// The bytes of a range of elements.
  func bytes(_ range: Range<Int>) throws(DatasetError) -> [UInt8] {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= count, "elements \(range) of \(count)")
    let bytes = try file.read(
      at: dataOffset + range.lowerBound * elementType.size, count: range.count * elementType.size)
    guard bytes.count == range.count * elementType.size else {
      throw DatasetError(.truncated, file.name, "ends before element \(range.upperBound)")
    }
    return bytes
  }

  private func read<T: BitwiseCopyable>(
    _ range: Range<Int>, as type: T.Type
  ) throws(DatasetError) -> [T] {
    let bytes = try bytes(range)
    return unsafe [T](unsafeUninitializedCapacity: range.count) { target, count in
      unsafe UnsafeMutableRawBufferPointer(target).copyBytes(from: bytes)
      count = range.count
    }
  }

  /// `2x3x4`.
  static func text(_ shape: [Int]) -> String {
    shape.isEmpty ? "scalar" : shape.map(String.init).joined(separator: "x")
  }

  private static func header(_ file: DataFile) throws(DatasetError) -> (text: String, end: Int) {
    let start = try file.read(at: 0, count: 12)
    guard start.starts(with: [0x93] + Array("NUMPY".utf8)), start.count == 12 else {
      throw DatasetError(.corrupt, file.name, "is not an .npy file")
    }
    guard (1...3).contains(start[6]) else {
      throw DatasetError(.unsupported, file.name, "is of .npy version \(start[6]), 1 to 3 are read")
    }
    var length = Int(start[8]) | Int(start[9]) << 8
    if start[6] > 1 { length |= Int(start[10]) << 16 | Int(start[11]) << 24 }
    let end = (start[6] > 1 ? 12 : 10) + length
    guard length <= 1 << 20, end <= file.length else {
      throw DatasetError(.truncated, file.name, "the header of \(length) bytes is not there")
    }
    let bytes = try file.read(at: end - length, count: length)
    return (String(decoding: bytes, as: UTF8.self), end)
  }

  /// What follows a key of the header's dictionary.
  private static func value(_ key: String, _ header: String) -> Substring? {
    guard let range = header.range(of: "'\(key)'") else { return nil }
    return header[range.upperBound...].drop { $0 == " " || $0 == ":" }
  }

  private static func quoted(_ key: String, _ header: String) -> String? {
    guard let value = value(key, header), value.first == "'" else { return nil }
    return String(value.dropFirst().prefix { $0 != "'" })
  }

  private static func word(_ key: String, _ header: String) -> String? {
    value(key, header).map { String($0.prefix { $0.isLetter }) }
  }

  private static func shape(_ header: String) -> [Int]? {
    guard let value = value("shape", header), value.first == "(", value.contains(")") else {
      return nil
    }
    var shape: [Int] = []
    for part in value.dropFirst().prefix(while: { $0 != ")" }).split(separator: ",") {
      let text = part.filter { $0 != " " }
      if text.isEmpty { continue }
      guard let size = Int(text), size >= 0 else { return nil }
      shape.append(size)
    }
    return shape
  }
}
