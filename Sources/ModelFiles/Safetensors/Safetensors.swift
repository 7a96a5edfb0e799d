public import Foundation
public import Reference

/// Named tensors of a safetensors file (Hugging Face, format version 0.4).
///
/// The file is the header's length in 8 bytes, a JSON header, then the tensors' bytes without gaps.
public struct Safetensors: Sendable {
  /// The tensors by name.
  public var tensors: [String: Tensor<Float>]
  /// Remarks of the file (`__metadata__`).
  public var metadata: [String: String]

  /// The largest header that is read, in bytes.
  public static let largestHeader = 100_000_000

  /// Wraps tensors.
  public init(tensors: [String: Tensor<Float>], metadata: [String: String] = [:]) {
    self.tensors = tensors
    self.metadata = metadata
  }

  /// Reads a file with elements of the types F64, F32, F16, BF16 and I64, I32, I16, I8, U8, BOOL,
  /// all of which become `Float`.
  ///
  /// - Throws: `ModelFileError` when the file is damaged: a header that is too long, names that are
  ///   there twice, sizes that do not agree with shapes, tensors that overlap or leave gaps.
  public init(contentsOf url: URL) throws(ModelFileError) {
    do throws(ModelFileError) {
      try self.init(fileContents(of: url, limit: .max))
    } catch {
      throw error.about(url.path)
    }
  }

  /// Reads the bytes of a file.
  ///
  /// - Throws: `ModelFileError`, as `init(contentsOf:)`.
  public init(_ data: Data) throws(ModelFileError) {
    guard data.count >= 8 else {
      throw .corrupt("not a safetensors file: \(data.count) bytes")
    }
    let length = storedIntegers(data.prefix(8), as: .uint64)[0]
    guard length <= Self.largestHeader, length <= data.count - 8 else {
      throw .corrupt(
        "not a safetensors file, or truncated: a header of \(length) bytes in \(data.count)")
    }
    let start = data.startIndex + 8
    let header = try SafetensorsHeader(data[start..<start + length])
    let body = data[(start + length)...]
    metadata = header.metadata
    tensors = [:]
    var end = 0
    for entry in header.entries.sorted(by: { ($0.start, $0.end) < ($1.start, $1.end) }) {
      let name = quoted(entry.name)
      guard let type = StoredType(safetensors: entry.type) else {
        throw .unsupported("tensor \(name) has the element type \(quoted(entry.type))")
      }
      guard entry.start == end, entry.end >= end, entry.end <= body.count else {
        throw .corrupt(
          "tensor \(name) has the bytes \(entry.start)..<\(entry.end), expected from \(end) and "
            + "at most \(body.count)")
      }
      end = entry.end
      let count = try elementCount(entry.shape, limit: 1 << 40, of: "tensor \(name)")
      guard entry.end - entry.start == count * type.width else {
        throw .corrupt(
          "tensor \(name) of shape \(entry.shape) needs \(count * type.width) bytes, "
            + "the file has \(entry.end - entry.start)")
      }
      let bytes = body[body.startIndex + entry.start..<body.startIndex + entry.end]
      tensors[entry.name] = Tensor(shape: entry.shape, values: storedFloats(bytes, as: type))
    }
    guard end == body.count else {
      throw .corrupt("\(body.count - end) bytes belong to no tensor")
    }
  }

  /// Writes a file of F32 tensors in the order of their names.
  ///
  /// - Throws: `ModelFileError` when the file cannot be written.
  public func write(to url: URL) throws(ModelFileError) {
    try writeFile(fileData, to: url)
  }

  /// The bytes of a file of F32 tensors in the order of their names.
  public var fileData: Data {
    var entries: [String] = []
    if !metadata.isEmpty {
      let remarks = metadata.sorted { $0.key < $1.key }
        .map { "\(jsonString($0.key)):\(jsonString($0.value))" }
      entries.append("\"__metadata__\":{\(remarks.joined(separator: ","))}")
    }
    var body = Data()
    for (name, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
      let start = body.count
      body.append(storedBytes(tensor.values))
      let shape = tensor.shape.map { "\($0)" }.joined(separator: ",")
      entries.append(
        "\(jsonString(name)):{\"dtype\":\"F32\",\"shape\":[\(shape)],"
          + "\"data_offsets\":[\(start),\(body.count)]}")
    }
    var header = Data("{\(entries.joined(separator: ","))}".utf8)
    // The tensors begin at a multiple of 8 bytes.
    while header.count % 8 != 0 { header.append(UInt8(ascii: " ")) }
    var file = Data()
    for shift in stride(from: 0, to: 64, by: 8) {
      file.append(UInt8(truncatingIfNeeded: header.count >> shift))
    }
    return file + header + body
  }
}

extension StoredType {
  /// The type of a safetensors name.
  init?(safetensors name: String) {
    switch name {
    case "F64": self = .float64
    case "F32": self = .float32
    case "F16": self = .float16
    case "BF16": self = .bfloat16
    case "I64": self = .int64
    case "I32": self = .int32
    case "I16": self = .int16
    case "I8": self = .int8
    case "U8": self = .uint8
    case "BOOL": self = .bool
    default: return nil
    }
  }
}

/// Text as JSON writes it (RFC 8259).
private func jsonString(_ text: String) -> String {
  var result = "\""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\"": result += "\\\""
    case "\\": result += "\\\\"
    case _ where scalar.value < 0x20:
      let digits = String(scalar.value, radix: 16)
      result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result + "\""
}
