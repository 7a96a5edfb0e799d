import Foundation

/// The element types of model files, little-endian as stored.
enum StoredType: Sendable {
  case float32, float16, bfloat16, float64
  case int8, int16, int32, int64, uint8, uint16, uint32, uint64, bool

  /// Bytes of one element.
  var width: Int {
    switch self {
    case .int8, .uint8, .bool: 1
    case .float16, .bfloat16, .int16, .uint16: 2
    case .float32, .int32, .uint32: 4
    case .float64, .int64, .uint64: 8
    }
  }

  /// Whether elements are floating-point numbers.
  var isFloat: Bool {
    switch self {
    case .float32, .float16, .bfloat16, .float64: true
    default: false
    }
  }
}

extension Float {
  /// The value of a bfloat16: the upper half of a float.
  init(bfloat16 bits: UInt16) { self.init(bitPattern: UInt32(bits) << 16) }
}

/// Elements as floats; their bytes must be as many as the type needs.
func storedFloats(_ bytes: Data, as type: StoredType) -> [Float] {
  switch type {
  case .float32:
    words(bytes, UInt32.self) { Float(bitPattern: $0) }
  case .float16:
    words(bytes, UInt16.self) { Float(Float16(bitPattern: $0)) }
  case .bfloat16:
    words(bytes, UInt16.self) { Float(bfloat16: $0) }
  case .float64:
    words(bytes, UInt64.self) { Float(Double(bitPattern: $0)) }
  default:
    storedIntegers(bytes, as: type).map { Float($0) }
  }
}

/// Elements of an integer type; unsigned numbers beyond `Int.max` are clamped.
func storedIntegers(_ bytes: Data, as type: StoredType) -> [Int] {
  switch type {
  case .int8: words(bytes, Int8.self) { Int($0) }
  case .int16: words(bytes, Int16.self) { Int($0) }
  case .int32: words(bytes, Int32.self) { Int($0) }
  case .int64: words(bytes, Int64.self) { Int($0) }
  case .uint8: words(bytes, UInt8.self) { Int($0) }
  case .uint16: words(bytes, UInt16.self) { Int($0) }
  case .uint32: words(bytes, UInt32.self) { Int($0) }
  case .uint64: words(bytes, UInt64.self) { Int(clamping: $0) }
  case .bool: words(bytes, UInt8.self) { $0 == 0 ? 0 : 1 }
  case .float32, .float16, .bfloat16, .float64: []
  }
}

private func words<Word: FixedWidthInteger & BitwiseCopyable, Element>(
  _ bytes: Data, _ word: Word.Type, _ convert: (Word) -> Element
) -> [Element] {
  let width = MemoryLayout<Word>.size
  return unsafe bytes.withUnsafeBytes { raw in
    (0..<raw.count / width).map { index in
      convert(
        Word(littleEndian: unsafe raw.loadUnaligned(fromByteOffset: index * width, as: Word.self)))
    }
  }
}

/// Floats as they are stored.
func storedBytes(_ values: [Float]) -> Data {
  let words = values.map { $0.bitPattern.littleEndian }
  return unsafe words.withUnsafeBytes { unsafe Data($0) }
}
