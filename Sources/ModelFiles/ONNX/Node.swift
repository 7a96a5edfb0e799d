/// A node of the file with checked access to its attributes.
struct Node: Sendable {
  /// The operator, with its domain when that is not ONNX's own.
  let operation: String
  /// The node's name, or that of its first output.
  let name: String
  /// Names of what is read; "" where an optional input is missing.
  let inputs: [String]
  /// Names of what is made.
  let outputs: [String]
  /// The version of the operator set.
  let opset: Int
  private let attributes: [String: Onnx_AttributeProto]

  init(_ proto: Onnx_NodeProto, position: Int, opset: Int) throws(ModelFileError) {
    let isStandard = proto.domain.isEmpty || proto.domain == "ai.onnx"
    operation = isStandard ? proto.opType : "\(proto.domain).\(proto.opType)"
    inputs = proto.input
    outputs = proto.output
    self.opset = opset
    if !proto.name.isEmpty {
      name = proto.name
    } else if let output = proto.output.first(where: { !$0.isEmpty }) {
      name = output
    } else {
      name = "node \(position)"
    }
    var attributes: [String: Onnx_AttributeProto] = [:]
    for attribute in proto.attribute {
      guard attributes.updateValue(attribute, forKey: attribute.name) == nil else {
        throw .corrupt("node \(quoted(name)) has the attribute \(quoted(attribute.name)) twice")
      }
    }
    self.attributes = attributes
  }

  /// The node in messages: its name and operator.
  var label: String { "node \(quoted(name)) (\(operation.isEmpty ? "no operator" : operation))" }

  func corrupt(_ details: String) -> ModelFileError { .corrupt("\(label): \(details)") }
  func unsupported(_ details: String) -> ModelFileError { .unsupported("\(label): \(details)") }

  /// Whether an attribute is there.
  func has(_ name: String) -> Bool { attributes[name] != nil }

  func integer(_ name: String) throws(ModelFileError) -> Int? {
    try attribute(name, .int).map { Int($0.i) }
  }

  func integer(_ name: String, default value: Int) throws(ModelFileError) -> Int {
    try integer(name) ?? value
  }

  func flag(_ name: String, default value: Bool) throws(ModelFileError) -> Bool {
    try integer(name).map { $0 != 0 } ?? value
  }

  func integers(_ name: String) throws(ModelFileError) -> [Int]? {
    try attribute(name, .ints).map { $0.ints.map { Int($0) } }
  }

  func float(_ name: String) throws(ModelFileError) -> Float? {
    try attribute(name, .float).map(\.f)
  }

  func float(_ name: String, default value: Float) throws(ModelFileError) -> Float {
    try float(name) ?? value
  }

  func floats(_ name: String) throws(ModelFileError) -> [Float]? {
    try attribute(name, .floats).map(\.floats)
  }

  func string(_ name: String) throws(ModelFileError) -> String? {
    try attribute(name, .string).map { String(decoding: $0.s, as: UTF8.self) }
  }

  func tensor(_ name: String) throws(ModelFileError) -> Onnx_TensorProto? {
    try attribute(name, .tensor).map(\.t)
  }

  /// An attribute, which must be of the type asked for; very old files leave the type out.
  private func attribute(
    _ name: String, _ type: Onnx_AttributeProto.AttributeType
  ) throws(ModelFileError) -> Onnx_AttributeProto? {
    guard let attribute = attributes[name] else { return nil }
    guard attribute.refAttrName.isEmpty else {
      throw unsupported("the attribute '\(name)' refers to \(quoted(attribute.refAttrName))")
    }
    guard attribute.type == type || !attribute.hasType else {
      throw corrupt("the attribute '\(name)' is of the type \(attribute.type)")
    }
    return attribute
  }
}
