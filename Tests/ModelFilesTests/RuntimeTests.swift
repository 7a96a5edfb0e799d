import Foundation
import ModelFiles
import Networks
import Operations
import Reference
import Support
import Testing

/// Small files, each of which exporters write in its own way, run by us and by onnxruntime.
@Suite("Small files computed by onnxruntime too")
struct RuntimeTests {
  private static func node(
    _ operation: String, _ inputs: String, _ output: String, _ attributes: Message...
  ) -> Message {
    TestModel.node(
      operation, inputs.split(separator: ",").map { String($0) },
      output.split(separator: ",").map { String($0) }, attributes)
  }

  private static func attribute(_ name: String, _ value: Int) -> Message {
    TestModel.attribute(name, value)
  }

  private static func attribute(_ name: String, _ values: [Int]) -> Message {
    TestModel.attribute(name, values)
  }

  private static func weights(_ name: String, _ shape: [Int]) -> Message {
    let count = shape.reduce(1, *)
    return TestModel.floats(name, shape, TestModel.numbers(count, seed: 3).map { $0 / 2 })
  }

  private static func model(
    opset: Int = 13, _ input: [Int?] = [nil, 3, 8, 8], _ tensors: [Message] = [],
    _ nodes: Message...
  ) -> TestModel {
    TestModel(opset: opset, input: input, nodes: nodes, tensors: tensors)
  }

  private static let channelsFirst = attribute("perm", [0, 3, 1, 2])
  private static let channelsLast = attribute("perm", [0, 2, 3, 1])

  /// The files by name.
  private static let models: [String: TestModel] = [
    "small": .small,
    // tf2onnx: the picture is normalised while channels are last, then everything is transposed.
    "channels last": model(
      [nil, 8, 6, 3],
      [
        weights("mean", [3]), weights("scale", [1, 1, 1, 3]), weights("w", [4, 3, 3, 3]),
        weights("b", [4]), TestModel.integers("flat", [-1, 48]), weights("m", [48, 5]),
      ],
      node("Sub", "x,mean", "a"), node("Mul", "scale,a", "b2"),
      node("Transpose", "b2", "c", channelsFirst),
      node(
        "Conv", "c,w,b", "d", TestModel.attribute("auto_pad", "SAME_UPPER"),
        attribute("strides", [2, 2])),
      node("Transpose", "d", "e", channelsLast), node("LeakyRelu", "e", "f"),
      node("Reshape", "f,flat", "g"), node("MatMul", "g,m", "y")),
    // Between transposes: joined, padded, averaged along axes counted channel-last.
    "channels last inside": model(
      [nil, 3, 8, 6],
      [
        TestModel.integers("pads", [0, 1, 2, 0, 0, 0, 1, 0]), weights("row", [6]),
        weights("column", [8, 1, 1]),
      ],
      node("Transpose", "x,", "a", channelsLast), node("Relu", "a", "b"),
      node("Concat", "a,b", "c", attribute("axis", -1)),
      node("Pad", "c,pads", "d", TestModel.attribute("mode", "reflect")),
      node("ReduceMean", "d", "e", attribute("axes", [2]), attribute("keepdims", 0)),
      node("Mul", "a,column", "f"),
      node("ReduceMean", "f", "g", attribute("axes", [1]), attribute("keepdims", 1)),
      node("Softmax", "f", "h", attribute("axis", 3)),
      node("ReduceMean", "h", "h2", attribute("axes", [2]), attribute("keepdims", 0)),
      node("Squeeze", "g,", "i"),
      node("Flatten", "e", "j"), node("Flatten", "i", "k"), node("Flatten", "h2", "l"),
      node("Concat", "j,k,l", "y", attribute("axis", 1))),
    // PyTorch: x.view(x.size(0), -1) with a shape computed node by node.
    "shape chain": model(
      [nil, 3, 4, 4],
      [
        Message().integer(2, 7).string(8, "zero").integer(7, 0),
        TestModel.integers("axis0", [0]), TestModel.integers("minus", [-1]),
      ],
      node("Shape", "x", "s"), node("Gather", "s,zero", "n", attribute("axis", 0)),
      node("Unsqueeze", "n,axis0", "n1"),
      node("Concat", "n1,minus", "t", attribute("axis", 0)), node("Reshape", "x,t", "y")),
    "shape arithmetic": model(
      opset: 11, [nil, 4, 6, 6],
      [
        TestModel.integers("one", [1]), TestModel.integers("two", [2]),
        TestModel.integers("four", [4]),
      ],
      node("Shape", "x", "s"), node("Slice", "s,one,two", "c"), node("Div", "c,two", "half"),
      node("Slice", "s,two,four", "hw"), node("Cast", "half", "h2", attribute("to", 7)),
      node("Mul", "one,two", "g"), node("Sub", "one,one", "z"),
      node("Concat", "z,g,h2,hw", "t", attribute("axis", 0)), node("Reshape", "x,t", "r"),
      node("Transpose", "r", "p", attribute("perm", [0, 2, 1, 3, 4])),
      node("Concat", "z,four,hw", "u", attribute("axis", 0)), node("Reshape", "p,u", "y")),
    "matrices": model(
      [nil, 5, 6],
      [
        weights("left", [4, 5]), weights("right", [6, 3]), weights("vector", [3]),
        weights("b", [3]),
      ],
      node("MatMul", "left,x", "a"), node("MatMul", "a,right", "b1"), node("Add", "b1,b", "b2"),
      node("MatMul", "b2,vector", "y")),
    "matrices of pictures": model(
      [nil, 2, 5, 6], [weights("right", [1, 6, 3])], node("MatMul", "x,right", "y")),
    "gemm": model(
      [nil, 7], [weights("w", [4, 7]), weights("c", [1, 4]), weights("s", [])],
      node(
        "Gemm", "x,w,c", "a", attribute("transB", 1), TestModel.attribute("alpha", 0.5 as Float),
        TestModel.attribute("beta", 3 as Float)),
      node("Gemm", "a,w", "b"), node("Gemm", "b,w,s", "y", attribute("transB", 1))),
    "activations": model(
      opset: 14, [nil, 3, 4, 4],
      [
        weights("slopes", [3, 1, 1]), weights("slope", [1]), weights("two", []),
        TestModel.floats("square", [], [2]), TestModel.floats("root", [], [0.5]),
        TestModel.floats("low", [], [-0.25]), TestModel.floats("high", [], [0.75]),
      ],
      node("PRelu", "x,slopes", "a"), node("PRelu", "a,slope", "b"), node("HardSwish", "b", "c"),
      node("HardSigmoid", "c", "d"), node("Clip", "d,low,high", "e"), node("Clip", "e,low", "f"),
      node("Pow", "f,square", "g"), node("Pow", "g,root", "h"), node("Reciprocal", "h", "i"),
      node("Clip", "i,,high", "j"), node("Sum", "j,two,x,two", "k"), node("Abs", "k", "l"),
      node("Sqrt", "l", "m"), node("Exp", "m", "n"), node("Log", "n", "o"), node("Neg", "o", "p"),
      node("Tanh", "p", "q"), node("Sigmoid", "q", "r"), node("Div", "two,r", "s"),
      node("Sub", "two,s", "t"), node("Dropout", "t", "y")),
    "clip of version 6": model(
      opset: 9, [nil, 3, 4, 4], [],
      node("Clip", "x", "a", TestModel.attribute("min", 0 as Float)),
      node(
        "Clip", "a", "b", TestModel.attribute("max", 0.5 as Float),
        TestModel.attribute("min", 0.1 as Float)),
      node("Clip", "b", "y", TestModel.attribute("max", 0.4 as Float))),
    "cuts": model(
      [nil, 4, 6, 6],
      [
        TestModel.integers("starts", [1, -5]), TestModel.integers("ends", [3, 1 << 40]),
        TestModel.integers("axes", [1, 3]),
        Message().integer(2, 7).string(8, "last").integer(7, -1),
        TestModel.integers("parts", [1, 5]), TestModel.integers("back", [3, 2, 1, 0]),
      ],
      node("Slice", "x,starts,ends,axes", "a"), node("Gather", "a,last", "b", attribute("axis", 2)),
      node("Split", "x,parts", "c,d", attribute("axis", 2)),
      node("Gather", "x,back", "e", attribute("axis", 1)),
      node("Split", "e", "f,g", attribute("axis", 1)),
      node("Flatten", "b", "b1"), node("Flatten", "c", "c1"), node("Flatten", "d", "d1"),
      node("Flatten", "e", "e1"), node("Flatten", "g", "g1"),
      node("Concat", "b1,c1,d1,e1,g1", "y", attribute("axis", 1))),
    "softmax of version 9": model(
      opset: 9, [nil, 5, 1, 1], [], node("Softmax", "x", "a"),
      node("LogSoftmax", "a", "b", attribute("axis", 1)), node("Neg", "b", "y")),
    "pads of version 9": model(
      opset: 9, [nil, 2, 5, 5], [],
      node(
        "Pad", "x", "a", attribute("pads", [0, 0, 1, 2, 0, 1, 0, 1]),
        TestModel.attribute("value", 0.5 as Float)),
      node(
        "Slice", "a", "y", attribute("starts", [1, 0]), attribute("ends", [4, -1]),
        attribute("axes", [2, 3]))),
    "windows": model(
      opset: 12, [nil, 4, 9, 8],
      [weights("w", [6, 2, 3, 2]), weights("d", [6, 1, 3, 3]), weights("b", [6])],
      node(
        "Conv", "x,w", "a", attribute("group", 2), TestModel.attribute("auto_pad", "SAME_LOWER"),
        attribute("strides", [2, 1])),
      node(
        "Conv", "a,d,b", "b1", attribute("group", 6), attribute("dilations", [1, 2]),
        attribute("pads", [1, 2, 0, 1])),
      node(
        "MaxPool", "b1", "c", attribute("kernel_shape", [3, 2]), attribute("strides", [2, 2]),
        attribute("ceil_mode", 1)),
      node(
        "MaxPool", "b1", "d2", attribute("kernel_shape", [2, 2]), attribute("dilations", [2, 3])),
      node(
        "AveragePool", "b1", "e", attribute("kernel_shape", [3, 3]),
        TestModel.attribute("auto_pad", "SAME_UPPER"), attribute("strides", [2, 2])),
      node(
        "AveragePool", "b1", "f", attribute("kernel_shape", [3, 2]), attribute("strides", [2, 2]),
        attribute("pads", [1, 1, 1, 1]), attribute("count_include_pad", 1)),
      node("LRN", "b1", "g", attribute("size", 3)),
      node("GlobalMaxPool", "g", "h"), node("GlobalAveragePool", "g", "i"),
      node("Flatten", "c", "c1"), node("Flatten", "d2", "d1"), node("Flatten", "e", "e1"),
      node("Flatten", "f", "f1"), node("Flatten", "h", "h1"), node("Flatten", "i", "i1"),
      node("Concat", "c1,d1,e1,f1,h1,i1", "y", attribute("axis", 1))),
    "normalisations": model(
      [nil, 4, 6],
      [
        weights("g", [4]), weights("b", [4]), weights("m", [4]),
        TestModel.floats("v", [4], [1, 0.25, 3, 2]), TestModel.integers("axis", [2]),
      ],
      node("BatchNormalization", "x,g,b,m,v", "a"), node("Unsqueeze", "a,axis", "c"),
      node("BatchNormalization", "c,g,b,m,v", "d", TestModel.attribute("epsilon", 0.1 as Float)),
      node("Squeeze", "d,axis", "e"),
      node("ReduceMean", "e", "f", attribute("axes", [-1]), attribute("keepdims", 0)),
      node("BatchNormalization", "f,g,b,m,v", "y")),
    "weights made by nodes": model(
      [nil, 4],
      [
        TestModel.integers("shape", [3, 4]), weights("w", [3, 4]),
        TestModel.integers("wide", [3, 4]), weights("c", [4]),
      ],
      node(
        "ConstantOfShape", "shape", "k",
        Message().string(1, "value").message(5, TestModel.floats("", [1], [0.02])).integer(20, 4)),
      node("Add", "k,w", "a"), node("Expand", "c,wide", "e"), node("Mul", "a,e", "f"),
      node("Transpose", "f", "t"), node("Neg", "t", "n"), node("MatMul", "x,n", "y")),
  ]

  private static let script = """
    import pathlib, sys, numpy, onnxruntime
    for path in sorted(pathlib.Path(sys.argv[1]).glob("*.onnx")):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"])
        source = session.get_inputs()[0]
        shape = [2] + source.shape[1:]
        count = int(numpy.prod(shape))
        index = numpy.arange(1, count + 1, dtype=numpy.uint64)
        x = ((index * 2654435761) % 2**32 >> 8).astype(numpy.float32) / numpy.float32(8388608) - 1
        y = session.run(None, {source.name: x.astype(numpy.float32).reshape(shape)})[0]
        path.with_suffix(".txt").write_text(" ".join(map(str, y.ravel())))
    """

  @Test(.enabled(if: Python.hasRuntime, "onnxruntime is absent"))
  func `outputs agree`() throws {
    let folder = try TemporaryFolder()
    for (name, model) in Self.models {
      try model.data.write(to: folder.url.appending(path: "\(name).onnx"))
    }
    try #require(Python.output(["-c", Self.script, folder.url.path]) != nil)
    for (name, model) in Self.models {
      let text = try String(contentsOf: folder.url.appending(path: "\(name).txt"), encoding: .utf8)
      let expected = text.split(separator: " ").compactMap { Float($0) }
      let network: ImportedNetwork
      do {
        network = try loadONNX(from: model.data, options: ONNXImportOptions(keepsSoftmax: true))
      } catch {
        Issue.record("\(name): \(error)")
        continue
      }
      let y = evaluated(network.graph, Self.input(network, model))
      let error = zip(y.values, expected).map { abs($0 - $1) }.max() ?? .infinity
      let scale = expected.map(abs).max() ?? 0
      #expect(y.count == expected.count, "\(name)")
      #expect(error <= 1e-5 * max(1, scale), "\(name): error \(error), largest \(scale)")
      #expect(Set(expected).count > 4, "\(name)")
    }
  }

  /// Two samples in the graph's order, the same that the script feeds in the file's order.
  private static func input(_ network: ImportedNetwork, _ model: TestModel) -> Tensor<Float> {
    let shape = network.graph.inputShape
    let count = shape.reduce(1, *)
    var values = TestModel.numbers(2 * count)
    if network.inputIsNHWC {
      let (channels, plane) = (shape[0], shape[1] * shape[2])
      let source = values
      for sample in 0..<2 {
        for position in 0..<plane {
          for channel in 0..<channels {
            values[sample * count + channel * plane + position] =
              source[sample * count + position * channels + channel]
          }
        }
      }
    }
    return Tensor(shape: [2] + shape, values: values)
  }

  @Test
  func `transposes that undo each other cost nothing`() throws {
    let model = try #require(Self.models["channels last"])
    let network = try loadONNX(from: model.data)
    #expect(network.inputIsNHWC)
    #expect(network.graph.inputShape == [3, 8, 6])
    #expect(
      network.graph.nodes.map(\.operation.kind) == [
        "subtract", "multiply", "convolution", "pointwise", "transpose", "reshape", "linear",
      ])
    let shuffled = try #require(Self.models["shape arithmetic"])
    #expect(
      try loadONNX(from: shuffled.data).graph.nodes.map(\.operation.kind) == [
        "reshape", "transpose", "reshape",
      ])
  }

  @Test
  func `a channel-last picture without a transpose is named as such`() {
    var model = TestModel.small
    model.input = [nil, 8, 8, 3]
    let error = #expect(throws: ModelFileError.self) { try loadONNX(from: model.data) }
    #expect(error?.details.contains("no Transpose puts the channels first") ?? false)
  }

  @Test
  func `another output and an open input can be chosen`() throws {
    var model = TestModel.small
    let options = ONNXImportOptions(output: "p")
    #expect(try loadONNX(from: model.data, options: options).graph.outputShape == [5, 4, 4])
    model.input = [nil, 3, nil, nil]
    let error = #expect(throws: ModelFileError.self) { try loadONNX(from: model.data) }
    #expect(error?.details.contains("state the input's shape") ?? false)
    let fixed = ONNXImportOptions(inputShape: [3, 8, 8])
    #expect(try loadONNX(from: model.data, options: fixed).graph.outputShape == [4])
    let kept = ONNXImportOptions(keepsSoftmax: true, inputShape: [3, 8, 8])
    let network = try loadONNX(from: model.data, options: kept)
    #expect(!network.strippedSoftmax && network.graph.nodes.last?.operation.kind == "softmax")
    let unknown = ONNXImportOptions(output: "q")
    #expect(throws: ModelFileError.self) { try loadONNX(from: model.data, options: unknown) }
  }
}
