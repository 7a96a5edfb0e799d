import Foundation
import Reference

/// A tensor known at import: a weight, or a number from which a shape is computed.
///
/// Every floating-point type is held as `Float`, every integer type and bool as `Int`.
package struct Constant: Sendable {
  /// The elements, row-major.
  enum Elements: Sendable {
    case floats([Float])
    case integers([Int])
  }

  var shape: [Int]
  var elements: Elements

  package init(shape: [Int], floats: [Float]) {
    self.shape = shape
    elements = .floats(floats)
  }

  package init(shape: [Int], integers: [Int]) {
    self.shape = shape
    elements = .integers(integers)
  }

  var count: Int {
    switch elements {
    case .floats(let values): values.count
    case .integers(let values): values.count
    }
  }

  /// The elements as floats, rounded where integers are large.
  var floats: [Float] {
    switch elements {
    case .floats(let values): values
    case .integers(let values): values.map { Float($0) }
    }
  }

  /// The elements if they are integers.
  var integers: [Int]? {
    if case .integers(let values) = elements { values } else { nil }
  }

  /// The same elements under another shape of as many elements.
  func reshaped(_ shape: [Int]) -> Constant {
    var copy = self
    copy.shape = shape
    return copy
  }

  /// The elements at given positions, under a shape of as many.
  func picking(_ positions: [Int], shape: [Int]) -> Constant {
    switch elements {
    case .floats(let values): Constant(shape: shape, floats: positions.map { values[$0] })
    case .integers(let values): Constant(shape: shape, integers: positions.map { values[$0] })
    }
  }

  /// The axes in another order.
  func transposed(_ permutation: [Int]) -> Constant {
    if permutation == Array(shape.indices) { return self }
    if permutation == [1, 0], case .floats(let values) = elements {
      // Weights can be large: no list of offsets.
      let (rows, columns) = (shape[0], shape[1])
      var turned: [Float] = []
      turned.reserveCapacity(values.count)
      for column in 0..<columns {
        for row in 0..<rows { turned.append(values[row * columns + column]) }
      }
      return Constant(shape: [columns, rows], floats: turned)
    }
    let newShape = permutation.map { shape[$0] }
    let strides = rowMajorStrides(shape)
    return picking(
      offsets(shape: newShape, strides: permutation.map { strides[$0] }), shape: newShape)
  }

  /// The tensor that operations take.
  var tensor: Tensor<Float> { Tensor(shape: shape, values: floats) }
}

/// How far apart neighbours along each axis lie in row-major order.
func rowMajorStrides(_ shape: [Int]) -> [Int] {
  var strides = [Int](repeating: 1, count: shape.count)
  for axis in shape.indices.dropLast().reversed() {
    strides[axis] = strides[axis + 1] * shape[axis + 1]
  }
  return strides
}

/// The offsets that a row-major walk over a shape visits, given each axis' stride.
func offsets(shape: [Int], strides: [Int], start: Int = 0) -> [Int] {
  var result = [start]
  for (extent, stride) in zip(shape, strides) {
    var next: [Int] = []
    next.reserveCapacity(result.count * extent)
    for base in result {
      for index in 0..<extent { next.append(base + index * stride) }
    }
    result = next
  }
  return result
}

/// Where tensors outside the model file may lie.
struct ExternalData: Sendable {
  /// The model's folder; nil when there is none, and then no tensor may lie outside.
  let folder: URL?

  /// Reads a part of a file of the model's folder.
  func bytes(
    of tensor: Onnx_TensorProto, count: Int, name: String
  ) throws(ModelFileError) -> Data {
    var entries: [String: String] = [:]
    for entry in tensor.externalData { entries[entry.key] = entry.value }
    guard let location = entries["location"], !location.isEmpty else {
      throw .corrupt("tensor \(name) has external data without a location")
    }
    let file = try resolve(location, name: name)
    let offset = try number(entries["offset"], default: 0, name: name)
    let length = try number(entries["length"], default: count, name: name)
    guard length == count else {
      throw .corrupt("tensor \(name) needs \(count) bytes, its external data has \(length)")
    }
    do {
      let handle = try FileHandle(forReadingFrom: file)
      defer { try? handle.close() }
      let size = try handle.seekToEnd()
      let (end, overflow) = UInt64(offset).addingReportingOverflow(UInt64(count))
      guard !overflow, end <= size else {
        throw ModelFileError.corrupt(
          "tensor \(name) needs bytes \(offset)..<\(offset)+\(count) of \(quoted(location)), "
            + "which has \(size)")
      }
      try handle.seek(toOffset: UInt64(offset))
      let data = try handle.read(upToCount: count) ?? Data()
      guard data.count == count else {
        throw ModelFileError.corrupt("tensor \(name): \(quoted(location)) ends too early")
      }
      return data
    } catch let error as ModelFileError {
      throw error
    } catch {
      throw ModelFileError(
        .unreadable, "tensor \(name), external data \(quoted(location)): \(reason(of: error))")
    }
  }

  private func resolve(_ location: String, name: String) throws(ModelFileError) -> URL {
    let components = location.split(separator: "/", omittingEmptySubsequences: false)
    let outside = ModelFileError.refused(
      "tensor \(name) has external data \(quoted(location)), outside the model's folder")
    guard let folder, !location.hasPrefix("/"), !location.unicodeScalars.contains("\0"),
      !components.contains("..")
    else { throw outside }
    // A link inside the folder may still lead out of it.
    let root = folder.resolvingSymlinksInPath().standardizedFileURL.path
    let file = folder.appending(path: location).resolvingSymlinksInPath().standardizedFileURL
    guard file.path.hasPrefix(root.hasSuffix("/") ? root : root + "/") else { throw outside }
    return file
  }

  private func number(
    _ text: String?, default value: Int, name: String
  ) throws(ModelFileError) -> Int {
    guard let text else { return value }
    guard let number = Int(text), number >= 0 else {
      throw .corrupt("tensor \(name) has external data at \(quoted(text))")
    }
    return number
  }
}

extension Constant {
  /// Decodes a tensor; its shape must agree with the data that is there.
  init(_ proto: Onnx_TensorProto, external: ExternalData) throws(ModelFileError) {
    let name = quoted(proto.name)
    guard let type = StoredType(onnx: proto.dataType) else {
      throw .unsupported("tensor \(name) has the element type \(proto.dataType)")
    }
    guard !proto.hasSegment else { throw .unsupported("tensor \(name) is a segment") }
    var shape: [Int] = []
    for extent in proto.dims { shape.append(Int(extent)) }
    guard shape.count <= 32 else { throw .corrupt("tensor \(name) has \(shape.count) axes") }
    let count = try elementCount(shape, of: "tensor \(name)")

    var bytes: Data?
    if proto.dataLocation == .external {
      bytes = try external.bytes(of: proto, count: count * type.width, name: name)
    } else if proto.hasRawData {
      bytes = proto.rawData
    }
    let elements: Elements
    let stored: Int
    if let bytes {
      guard bytes.count == count * type.width else {
        throw .corrupt(
          "tensor \(name) of shape \(shape) needs \(count * type.width) bytes, "
            + "the file has \(bytes.count)")
      }
      elements =
        type.isFloat
        ? .floats(storedFloats(bytes, as: type)) : .integers(storedIntegers(bytes, as: type))
      stored = count
    } else {
      elements = Self.typedElements(proto, type)
      stored = Constant(shape: shape, elements: elements).count
    }
    guard stored == count else {
      throw .corrupt(
        "tensor \(name) of shape \(shape) needs \(count) elements, the file has \(stored)")
    }
    self.init(shape: shape, elements: elements)
  }

  private init(shape: [Int], elements: Elements) {
    self.shape = shape
    self.elements = elements
  }

  /// The elements of the typed fields.
  private static func typedElements(_ proto: Onnx_TensorProto, _ type: StoredType) -> Elements {
    switch type {
    case .float32: .floats(proto.floatData)
    case .float64: .floats(proto.doubleData.map { Float($0) })
    case .float16:
      .floats(
        proto.int32Data.map { Float(Float16(bitPattern: UInt16(truncatingIfNeeded: $0))) })
    case .bfloat16:
      .floats(proto.int32Data.map { Float(bfloat16: UInt16(truncatingIfNeeded: $0)) })
    case .int64: .integers(proto.int64Data.map { Int($0) })
    case .uint32, .uint64: .integers(proto.uint64Data.map { Int(clamping: $0) })
    case .int8, .int16, .int32, .uint8, .uint16, .bool:
      .integers(proto.int32Data.map { Int($0) })
    }
  }
}

extension StoredType {
  /// The type of a number of ONNX's `TensorProto.DataType`.
  init?(onnx number: Int32) {
    switch number {
    case 1: self = .float32
    case 2: self = .uint8
    case 3: self = .int8
    case 4: self = .uint16
    case 5: self = .int16
    case 6: self = .int32
    case 7: self = .int64
    case 9: self = .bool
    case 10: self = .float16
    case 11: self = .float64
    case 12: self = .uint32
    case 13: self = .uint64
    case 16: self = .bfloat16
    default: return nil
    }
  }
}
