import Foundation

/// Protobuf's wire format, written by hand so that tests do not lean on the code they test.
struct Message {
  private(set) var bytes: [UInt8] = []

  private mutating func varint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  func integer(_ field: Int, _ value: Int) -> Message {
    var copy = self
    copy.varint(UInt64(field) << 3)
    copy.varint(UInt64(bitPattern: Int64(value)))
    return copy
  }

  func integers(_ field: Int, _ values: [Int]) -> Message {
    values.reduce(self) { $0.integer(field, $1) }
  }

  func float(_ field: Int, _ value: Float) -> Message {
    var copy = self
    copy.varint(UInt64(field) << 3 | 5)
    for shift in stride(from: 0, to: 32, by: 8) {
      copy.bytes.append(UInt8(truncatingIfNeeded: value.bitPattern >> shift))
    }
    return copy
  }

  func data(_ field: Int, _ value: [UInt8]) -> Message {
    var copy = self
    copy.varint(UInt64(field) << 3 | 2)
    copy.varint(UInt64(value.count))
    copy.bytes += value
    return copy
  }

  func string(_ field: Int, _ value: String) -> Message { data(field, Array(value.utf8)) }

  func message(_ field: Int, _ value: Message) -> Message { data(field, value.bytes) }

  func messages(_ field: Int, _ values: [Message]) -> Message {
    values.reduce(self) { $0.message(field, $1) }
  }
}

/// A small ONNX file.
struct TestModel {
  var opset = 13
  var input: [Int?] = [nil, 3, 8, 8]
  var nodes: [Message] = []
  var tensors: [Message] = []
  var output = "y"
  var name = "test"

  var data: Data {
    var dimensions: [Message] = []
    for extent in input {
      dimensions.append(extent.map { Message().integer(1, $0) } ?? Message().string(2, "N"))
    }
    let shape = Message().messages(1, dimensions)
    let type = Message().message(1, Message().integer(1, 1).message(2, shape))
    let graph = Message().messages(1, nodes).string(2, name).messages(5, tensors)
      .message(11, Message().string(1, "x").message(2, type))
      .message(12, Message().string(1, output))
    let version = Message().string(1, "").integer(2, opset)
    return Data(Message().integer(1, 8).message(8, version).message(7, graph).bytes)
  }

  static func node(
    _ operation: String, _ inputs: [String], _ outputs: [String], name: String = "",
    _ attributes: [Message] = []
  ) -> Message {
    var node = Message()
    for input in inputs { node = node.string(1, input) }
    for output in outputs { node = node.string(2, output) }
    return node.string(3, name).string(4, operation).messages(5, attributes)
  }

  static func floats(_ name: String, _ shape: [Int], _ values: [Float]) -> Message {
    values.reduce(Message().integers(1, shape).integer(2, 1).string(8, name)) { $0.float(4, $1) }
  }

  static func integers(_ name: String, _ values: [Int]) -> Message {
    Message().integer(1, values.count).integer(2, 7).string(8, name).integers(7, values)
  }

  static func attribute(_ name: String, _ value: Int) -> Message {
    Message().string(1, name).integer(3, value).integer(20, 2)
  }

  static func attribute(_ name: String, _ values: [Int]) -> Message {
    Message().string(1, name).integers(8, values).integer(20, 7)
  }

  static func attribute(_ name: String, _ value: Float) -> Message {
    Message().string(1, name).float(2, value).integer(20, 1)
  }

  static func attribute(_ name: String, _ value: String) -> Message {
    Message().string(1, name).string(4, value).integer(20, 3)
  }

  /// Numbers in [-1, 1] from a formula that any language can repeat.
  static func numbers(_ count: Int, seed: UInt32 = 1) -> [Float] {
    (0..<count).map { index in
      let hashed = (UInt32(truncatingIfNeeded: index) &+ seed) &* 2_654_435_761
      return Float(hashed >> 8) / 8_388_608 - 1
    }
  }

  /// A convolution, a normalisation, pooling and a layer of features: 3x8x8 to 4 logits.
  static var small: TestModel {
    var model = TestModel()
    model.nodes = [
      node("Conv", ["x", "w", "b"], ["c"], name: "conv", [attribute("pads", [1, 1, 1, 1])]),
      node("BatchNormalization", ["c", "g", "s", "m", "v"], ["n"]),
      node("Relu", ["n"], ["r"]),
      node(
        "MaxPool", ["r"], ["p"],
        [attribute("kernel_shape", [2, 2]), attribute("strides", [2, 2])]),
      node("Reshape", ["p", "shape"], ["f"]),
      node("Gemm", ["f", "fw", "fb"], ["l"], name: "logits", [attribute("transB", 1)]),
      node("Softmax", ["l"], ["y"], [attribute("axis", 1)]),
    ]
    model.tensors = [
      floats("w", [5, 3, 3, 3], numbers(135)), floats("b", [5], numbers(5)),
      floats("g", [5], [1, 2, 1, 0.5, 1]), floats("s", [5], numbers(5, seed: 9)),
      floats("m", [5], numbers(5, seed: 4)), floats("v", [5], [1, 2, 3, 4, 5]),
      integers("shape", [0, -1]),
      floats("fw", [4, 80], numbers(320)), floats("fb", [4], numbers(4)),
    ]
    return model
  }
}

/// The names of a file's inputs, found by walking protobuf's wire format.
struct InputNames {
  private(set) var inputs: [String] = []

  init(_ data: Data) throws {
    for (field, graph) in Self.fields(Array(data)) where field == 7 {
      for (field, input) in Self.fields(graph) where field == 11 {
        for (field, name) in Self.fields(input) where field == 1 {
          inputs.append(String(decoding: name, as: UTF8.self))
        }
      }
    }
  }

  /// The length-delimited fields of a message.
  private static func fields(_ bytes: [UInt8]) -> [(Int, [UInt8])] {
    var result: [(Int, [UInt8])] = []
    var position = 0
    func varint() -> Int {
      var (value, shift) = (0, 0)
      while position < bytes.count {
        let byte = Int(bytes[position])
        position += 1
        value |= (byte & 0x7f) << shift
        shift += 7
        if byte < 0x80 { break }
      }
      return value
    }
    while position < bytes.count {
      let key = varint()
      switch key & 7 {
      case 0: _ = varint()
      case 1: position += 8
      case 5: position += 4
      default:
        let length = varint()
        let end = min(bytes.count, position + length)
        result.append((key >> 3, Array(bytes[position..<end])))
        position = end
      }
    }
    return result
  }
}
