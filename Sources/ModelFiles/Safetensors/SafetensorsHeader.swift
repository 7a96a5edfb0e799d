import Foundation

/// The JSON header of a safetensors file.
///
/// Its form is fixed, so it is read by a parser of that form: a general one would take a name that
/// is there twice without a word, and could be nested without end.
struct SafetensorsHeader {
  /// One tensor.
  struct Entry {
    var name: String
    var type = ""
    var shape: [Int] = []
    var start = 0
    var end = 0
  }

  private(set) var entries: [Entry] = []
  private(set) var metadata: [String: String] = [:]

  init(_ data: Data) throws(ModelFileError) {
    var parser = HeaderParser(bytes: Array(data))
    var names: Set<String> = []
    var isFirst = true
    while let name = try parser.nextKey(isFirst: &isFirst) {
      guard names.insert(name).inserted else {
        throw .corrupt("the header names \(quoted(name)) twice")
      }
      if name == "__metadata__" {
        metadata = try Self.remarks(&parser)
      } else {
        entries.append(try Self.entry(name, &parser))
      }
    }
    try parser.expectEnd()
  }

  private static func remarks(
    _ parser: inout HeaderParser
  ) throws(ModelFileError) -> [String: String] {
    var remarks: [String: String] = [:]
    var isFirst = true
    while let key = try parser.nextKey(isFirst: &isFirst) {
      guard remarks.updateValue(try parser.string(), forKey: key) == nil else {
        throw .corrupt("the header's metadata names \(quoted(key)) twice")
      }
    }
    return remarks
  }

  private static func entry(
    _ name: String, _ parser: inout HeaderParser
  ) throws(ModelFileError) -> Entry {
    var entry = Entry(name: name)
    var seen: Set<String> = []
    var isFirst = true
    while let key = try parser.nextKey(isFirst: &isFirst) {
      guard seen.insert(key).inserted else {
        throw .corrupt("tensor \(quoted(name)) has \(quoted(key)) twice")
      }
      switch key {
      case "dtype": entry.type = try parser.string()
      case "shape": entry.shape = try parser.integers()
      case "data_offsets":
        let ends = try parser.integers()
        guard ends.count == 2 else {
          throw .corrupt("tensor \(quoted(name)) has \(ends.count) data_offsets, not 2")
        }
        (entry.start, entry.end) = (ends[0], ends[1])
      default: throw .corrupt("tensor \(quoted(name)) has an unknown key \(quoted(key))")
      }
    }
    guard seen.count == 3 else {
      throw .corrupt("tensor \(quoted(name)) lacks dtype, shape or data_offsets")
    }
    return entry
  }
}

/// Reads the JSON that headers consist of: objects, strings, lists of natural numbers.
private struct HeaderParser {
  private let bytes: [UInt8]
  private var position = 0

  init(bytes: [UInt8]) { self.bytes = bytes }

  /// The next key of an object, with its colon; nil at the object's end.
  mutating func nextKey(isFirst: inout Bool) throws(ModelFileError) -> String? {
    if isFirst { try expect("{") }
    skipSpace()
    if peek == UInt8(ascii: "}") {
      position += 1
      return nil
    }
    if !isFirst { try expect(",") }
    isFirst = false
    let key = try string()
    try expect(":")
    return key
  }

  mutating func string() throws(ModelFileError) -> String {
    try expect("\"")
    let start = position
    while let byte = peek, byte != UInt8(ascii: "\"") {
      position += byte == UInt8(ascii: "\\") ? 2 : 1
    }
    guard position < bytes.count else { throw malformed }
    let text = Data("\"".utf8) + Data(bytes[start..<position]) + Data("\"".utf8)
    position += 1
    do {
      return try JSONDecoder().decode(String.self, from: text)
    } catch {
      throw malformed
    }
  }

  mutating func integers() throws(ModelFileError) -> [Int] {
    try expect("[")
    skipSpace()
    var numbers: [Int] = []
    if peek == UInt8(ascii: "]") {
      position += 1
      return numbers
    }
    while true {
      numbers.append(try natural())
      skipSpace()
      if peek == UInt8(ascii: "]") { break }
      try expect(",")
    }
    position += 1
    return numbers
  }

  mutating func expectEnd() throws(ModelFileError) {
    skipSpace()
    guard position == bytes.count else { throw malformed }
  }

  private mutating func natural() throws(ModelFileError) -> Int {
    skipSpace()
    let start = position
    while let byte = peek, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { position += 1 }
    let digits = String(decoding: bytes[start..<position], as: UTF8.self)
    guard let number = Int(digits) else { throw malformed }
    return number
  }

  private mutating func expect(_ character: Unicode.Scalar) throws(ModelFileError) {
    skipSpace()
    guard peek == UInt8(ascii: character) else { throw malformed }
    position += 1
  }

  private mutating func skipSpace() {
    while let byte = peek, [0x20, 0x09, 0x0a, 0x0d].contains(byte) { position += 1 }
  }

  private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

  private var malformed: ModelFileError {
    .corrupt("the header is malformed at byte \(min(position, bytes.count)) of \(bytes.count)")
  }
}
