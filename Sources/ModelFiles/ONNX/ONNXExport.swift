public import Foundation
public import Networks
import Operations
import Reference
import SwiftProtobuf

/// Writes a graph as an ONNX file of operator set 13, for onnxruntime and PyTorch.
///
/// The input is `input`, `[N] + graph.inputShape`, the output is `output`; the batch is open.
/// Fused activations and residuals become nodes of their own.
///
/// - Throws: `ModelFileError` when the file cannot be written, exceeds protobuf's 2 GiB or an
///   operation has no counterpart in the operator set.
public func writeONNX(
  _ graph: Graph, name: String = "blindspot", to url: URL
) throws(ModelFileError) {
  do throws(ModelFileError) {
    try writeFile(onnxData(of: graph, name: name), to: url)
  } catch {
    throw error.about(url.path)
  }
}

/// The bytes of a graph as an ONNX file, as `writeONNX(_:name:to:)` writes them.
///
/// - Throws: `ModelFileError` when an operation has no counterpart in the operator set.
public func onnxData(of graph: Graph, name: String = "blindspot") throws(ModelFileError) -> Data {
  var writer = ONNXWriter(graph)
  for node in graph.nodes { try writer.append(node) }
  var model = Onnx_ModelProto()
  model.irVersion = 7
  model.producerName = "blindspot"
  var version = Onnx_OperatorSetIdProto()
  version.domain = ""
  version.version = 13
  model.opsetImport = [version]
  model.graph = writer.finished(name: name)
  do {
    return try model.serializedBytes()
  } catch {
    throw ModelFileError(.unwritable, "the network exceeds what an ONNX file can hold")
  }
}

/// Collects nodes and weights.
private struct ONNXWriter {
  private let graph: Graph
  private var proto = Onnx_GraphProto()
  private var counter = 0

  init(_ graph: Graph) { self.graph = graph }

  func finished(name: String) -> Onnx_GraphProto {
    var result = proto
    result.name = name
    result.input = [valueInfo("input", graph.inputShape)]
    result.output = [valueInfo("output", graph.outputShape)]
    var last = Onnx_NodeProto()
    last.opType = "Identity"
    last.input = [valueName(graph.output)]
    last.output = ["output"]
    result.node.append(last)
    return result
  }

  mutating func append(_ node: Graph.Node) throws(ModelFileError) {
    let inputs = node.inputs.map(valueName)
    let output = valueName(node.output)
    let shape = graph.shape(of: node.inputs[0])
    switch node.operation {
    case let operation as Convolution:
      var made = emit("Conv", inputs.prefix(1) + convolutionWeights(operation))
      setAttributes(windowAttributes(operation.window) + [integer("group", operation.groups)])
      if operation.hasResidual { made = emit("Add", [made, inputs[1]]) }
      activate(operation.activation, made, output)
    case let operation as Linear:
      activate(operation.activation, linear(operation, inputs[0], shape), output)
    case let operation as Pointwise:
      pointwise(operation.function, inputs[0], output)
    case let operation as Softmax:
      emit(operation.isLogarithmic ? "LogSoftmax" : "Softmax", inputs, to: output)
      setAttributes([integer("axis", operation.axis + 1)])
    case let operation as Pooling:
      try pooling(operation, node, inputs, output)
    case let operation as GlobalPooling:
      let isMaximum = operation.reduction == .maximum
      emit(isMaximum ? "GlobalMaxPool" : "GlobalAveragePool", inputs, to: output)
    case let operation as LocalResponseNormalization:
      emit("LRN", inputs, to: output)
      setAttributes([
        integer("size", operation.size), float("alpha", operation.alpha),
        float("beta", operation.beta), float("bias", operation.bias),
      ])
    case let operation as ScaleShift:
      activate(operation.activation, scaleShift(operation, inputs[0], shape), output)
    case let operation as Binary:
      activate(operation.activation, binary(operation, inputs), output)
    case let operation as Concat:
      emit("Concat", inputs, to: output)
      setAttributes([integer("axis", operation.axis + 1)])
    case let operation as Reshape:
      emit("Reshape", [inputs[0], integers([0] + operation.shape)], to: output)
    case let operation as Transpose:
      emit("Transpose", inputs, to: output)
      setAttributes([integers("perm", [0] + operation.permutation.map { $0 + 1 })])
    case let operation as Pad:
      pad(operation, inputs[0], output)
    case let operation as ReduceMean:
      emit("ReduceMean", inputs, to: output)
      setAttributes([
        integers("axes", operation.axes.map { $0 + 1 }),
        integer("keepdims", operation.keepsAxes ? 1 : 0),
      ])
    default:
      throw .unsupported(
        "node \(quoted(node.name)) (\(node.operation.kind)) has no counterpart in ONNX")
    }
  }
}

// MARK: - Operations of several nodes

extension ONNXWriter {
  private mutating func convolutionWeights(_ operation: Convolution) -> [String] {
    let weights = floats(operation.weights.shape, operation.weights.values)
    return [weights] + (operation.bias.map { [floats([$0.count], $0)] } ?? [])
  }

  private mutating func linear(_ operation: Linear, _ input: String, _ shape: [Int]) -> String {
    let weights = floats(operation.weights.shape, operation.weights.values)
    let bias = operation.bias.map { floats([$0.count], $0) }
    if shape.count == 1 { return emit("Gemm", [input, weights] + (bias.map { [$0] } ?? [])) }
    let product = emit("MatMul", [input, weights])
    return bias.map { emit("Add", [product, $0]) } ?? product
  }

  private mutating func pointwise(
    _ function: Pointwise.Function, _ input: String, _ output: String
  ) {
    switch function {
    case .activation(let activation): activate(activation, input, output)
    case .sigmoid: emit("Sigmoid", [input], to: output)
    case .tanh: emit("Tanh", [input], to: output)
    case .exp: emit("Exp", [input], to: output)
    case .log: emit("Log", [input], to: output)
    case .sqrt: emit("Sqrt", [input], to: output)
    case .negate: emit("Neg", [input], to: output)
    case .absolute: emit("Abs", [input], to: output)
    }
  }

  private mutating func activate(_ activation: Activation, _ input: String, _ output: String) {
    switch activation {
    case .none:
      emit("Identity", [input], to: output)
    case .relu:
      emit("Relu", [input], to: output)
    case .clip(let low, let high):
      emit("Clip", [input, floats([], [low]), floats([], [high])], to: output)
    case .leakyReLU(let slope):
      emit("LeakyRelu", [input], to: output)
      setAttributes([float("alpha", slope)])
    }
  }

  private mutating func pooling(
    _ operation: Pooling, _ node: Graph.Node, _ inputs: [String], _ output: String
  ) throws(ModelFileError) {
    let window = operation.window
    var attributes = windowAttributes(window)
    attributes.append(integer("ceil_mode", window.ceilMode ? 1 : 0))
    switch operation.reduction {
    case .maximum:
      emit("MaxPool", inputs, to: output)
    case .average(let countsPadding):
      guard window.dilation == Extent(1) else {
        throw .unsupported(
          "node \(quoted(node.name)): dilated average pooling is not in operator set 13")
      }
      attributes.removeAll { $0.name == "dilations" }
      attributes.append(integer("count_include_pad", countsPadding ? 1 : 0))
      emit("AveragePool", inputs, to: output)
    }
    setAttributes(attributes)
  }

  private mutating func scaleShift(
    _ operation: ScaleShift, _ input: String, _ shape: [Int]
  ) -> String {
    var value = input
    let channels = operation.scale.count
    if operation.reversesChannels {
      value = emit("Gather", [value, integers(Array((0..<channels).reversed()))])
      setAttributes([integer("axis", 1)])
    }
    let extents = [channels] + Array(repeating: 1, count: shape.count - 1)
    let scaled = emit("Mul", [value, floats(extents, operation.scale)])
    return emit("Add", [scaled, floats(extents, operation.shift)])
  }

  private mutating func binary(_ operation: Binary, _ inputs: [String]) -> String {
    let name =
      switch operation.function {
      case .add: "Add"
      case .subtract: "Sub"
      case .multiply: "Mul"
      case .divide: "Div"
      }
    guard let constant = operation.constant else { return emit(name, inputs) }
    let operand = floats(constant.shape, constant.values)
    return emit(
      name, operation.constantIsFirst ? [operand, inputs[0]] : [inputs[0], operand])
  }

  private mutating func pad(_ operation: Pad, _ input: String, _ output: String) {
    var operands = [input, integers([0] + operation.before + [0] + operation.after)]
    let mode: String
    switch operation.mode {
    case .constant(let value):
      mode = "constant"
      operands.append(floats([], [value]))
    case .reflect: mode = "reflect"
    case .edge: mode = "edge"
    }
    emit("Pad", operands, to: output)
    setAttributes([string("mode", mode)])
  }
}

// MARK: - Parts of the file

extension ONNXWriter {
  private func valueName(_ value: ValueID) -> String {
    value == graph.input ? "input" : "value\(value.index)"
  }

  private mutating func fresh(_ prefix: String) -> String {
    counter += 1
    return "\(prefix)_\(counter)"
  }

  /// Appends a node whose output gets a name of its own.
  private mutating func emit(_ operation: String, _ inputs: [String]) -> String {
    let output = fresh("part")
    emit(operation, inputs, to: output)
    return output
  }

  private mutating func emit(_ operation: String, _ inputs: [String], to output: String) {
    var node = Onnx_NodeProto()
    node.opType = operation
    node.name = "\(operation)_\(proto.node.count)"
    node.input = inputs
    node.output = [output]
    proto.node.append(node)
  }

  /// Gives attributes to the latest node.
  private mutating func setAttributes(_ attributes: [Onnx_AttributeProto]) {
    proto.node[proto.node.count - 1].attribute = attributes
  }

  private func windowAttributes(_ window: WindowGeometry) -> [Onnx_AttributeProto] {
    let padding = window.padding
    return [
      integers("kernel_shape", [window.kernel.height, window.kernel.width]),
      integers("strides", [window.stride.height, window.stride.width]),
      integers("pads", [padding.top, padding.left, padding.bottom, padding.right]),
      integers("dilations", [window.dilation.height, window.dilation.width]),
    ]
  }

  private func attribute(
    _ name: String, _ type: Onnx_AttributeProto.AttributeType
  ) -> Onnx_AttributeProto {
    var attribute = Onnx_AttributeProto()
    attribute.name = name
    attribute.type = type
    return attribute
  }

  private func integer(_ name: String, _ value: Int) -> Onnx_AttributeProto {
    var result = attribute(name, .int)
    result.i = Int64(value)
    return result
  }

  private func integers(_ name: String, _ values: [Int]) -> Onnx_AttributeProto {
    var result = attribute(name, .ints)
    result.ints = values.map { Int64($0) }
    return result
  }

  private func float(_ name: String, _ value: Float) -> Onnx_AttributeProto {
    var result = attribute(name, .float)
    result.f = value
    return result
  }

  private func string(_ name: String, _ value: String) -> Onnx_AttributeProto {
    var result = attribute(name, .string)
    result.s = Data(value.utf8)
    return result
  }

  private mutating func floats(_ shape: [Int], _ values: [Float]) -> String {
    weight(shape, 1, storedBytes(values))
  }

  private mutating func integers(_ values: [Int]) -> String {
    var bytes = Data(capacity: 8 * values.count)
    for value in values {
      for shift in stride(from: 0, to: 64, by: 8) {
        bytes.append(UInt8(truncatingIfNeeded: value >> shift))
      }
    }
    return weight([values.count], 7, bytes)
  }

  private mutating func weight(_ shape: [Int], _ type: Int32, _ bytes: Data) -> String {
    var tensor = Onnx_TensorProto()
    tensor.name = fresh("weight")
    tensor.dims = shape.map { Int64($0) }
    tensor.dataType = type
    tensor.rawData = bytes
    proto.initializer.append(tensor)
    return tensor.name
  }

  private func valueInfo(_ name: String, _ shape: [Int]) -> Onnx_ValueInfoProto {
    var info = Onnx_ValueInfoProto()
    info.name = name
    var tensor = Onnx_TypeProto.Tensor()
    tensor.elemType = 1
    var batch = Onnx_TensorShapeProto.Dimension()
    batch.dimParam = "N"
    tensor.shape.dim = [batch]
    for extent in shape {
      var axis = Onnx_TensorShapeProto.Dimension()
      axis.dimValue = Int64(extent)
      tensor.shape.dim.append(axis)
    }
    info.type.tensorType = tensor
    return info
  }
}
