import Foundation
import ModelFiles
import Networks
import Operations
import Reference
import Support
import Testing

@Suite("Graphs written as ONNX files")
struct ExportTests {
  /// A graph with every operation and every variant of it.
  private static func everything() throws -> Graph {
    func weights(_ shape: [Int], seed: UInt32 = 1) -> Tensor<Float> {
      let values = TestModel.numbers(shape.reduce(1, *), seed: seed).map { $0 / 4 }
      return Tensor(shape: shape, values: values)
    }
    var graph = Graph(inputShape: [3, 12, 10])
    try graph.append(
      ScaleShift(scale: [2, 3, 4], shift: [0.5, -1, 0], reversesChannels: true))
    let first = try graph.append(
      Convolution(
        weights: weights([6, 3, 3, 3]), bias: weights([6]).values,
        window: WindowGeometry(
          kernel: Extent(3), stride: Extent(1, 1), padding: Padding(1)), activation: .relu))
    let second = try graph.append(
      Convolution(
        weights: weights([6, 2, 3, 1]),
        window: WindowGeometry(
          kernel: Extent(3, 1), padding: Padding(top: 2, bottom: 2), dilation: Extent(2, 1)),
        groups: 3, hasResidual: true, activation: .leakyReLU(0.1)),
      to: [first, first])
    let pooled = try graph.append(
      Pooling(
        .maximum,
        window: WindowGeometry(
          kernel: Extent(3), stride: Extent(2), padding: Padding(1), ceilMode: true)),
      to: second)
    let averaged = try graph.append(
      Pooling(
        .average(countsPadding: true),
        window: WindowGeometry(kernel: Extent(3), stride: Extent(2), padding: Padding(1))),
      to: second)
    let uncounted = try graph.append(
      Pooling(
        .average(countsPadding: false),
        window: WindowGeometry(kernel: Extent(2), stride: Extent(2))), to: second)
    let cut = try graph.append(
      Pad(before: [0, 0, 0], after: [0, -1, 0]), to: pooled)
    let joined = try graph.append(Concat(axis: 0), to: [averaged, uncounted])
    try graph.append(LocalResponseNormalization(size: 5, alpha: 0.2, beta: 0.75, bias: 2))
    try graph.append(Pad(before: [0, 1, 2], after: [0, 2, 1], mode: .reflect))
    try graph.append(Pad(before: [0, 1, 0], after: [1, 0, 1], mode: .edge))
    try graph.append(Pad(before: [0, 0, 1], after: [-1, 1, 0], mode: .constant(0.25)))
    let padded = try graph.append(Pointwise(.sigmoid))
    let spread = try graph.append(GlobalPooling(.maximum), to: padded)
    let gate = try graph.append(GlobalPooling(.average), to: joined)
    let gated = try graph.append(Binary(.multiply, activation: .clip(-0.5, 6)), to: [joined, gate])
    try graph.append(Binary(.subtract, constant: weights([12, 1, 1])), to: gated)
    try graph.append(
      Binary(.divide, constant: Tensor(shape: [], values: [2]), constantIsFirst: true), to: spread)
    let ratio = try graph.append(Reshape(shape: [12]))
    let turned = try graph.append(Transpose(permutation: [1, 2, 0]), to: gated)
    let rows = try graph.append(Reshape(shape: [graph.shape(of: turned)[0] * 5, 12]), to: turned)
    let mixed = try graph.append(
      Linear(weights: weights([12, 7]), bias: weights([7]).values), to: rows)
    try graph.append(ReduceMean(axes: [0], keepsAxes: false), to: mixed)
    for function: Pointwise.Function in [
      .tanh, .exp, .negate, .absolute, .sqrt, .activation(.relu), .activation(.clip(0.1, 3)),
    ] {
      try graph.append(Pointwise(function))
    }
    try graph.append(Pointwise(.log))
    let means = graph.output
    let corner = try graph.append(ReduceMean(axes: [1, 2], keepsAxes: true), to: cut)
    let flat = try graph.append(Reshape(shape: [6]), to: corner)
    try graph.append(Concat(axis: 0), to: [ratio, means, flat])
    try graph.append(Linear(weights: weights([25, 9])))
    try graph.append(Softmax(axis: 0))
    try graph.append(Linear(weights: weights([9, 9], seed: 5), activation: .none))
    try graph.append(Softmax(axis: 0, isLogarithmic: true))
    return graph
  }

  private static func input(_ graph: Graph, batch: Int) -> Tensor<Float> {
    let shape = [batch] + graph.inputShape
    return Tensor(shape: shape, values: TestModel.numbers(shape.reduce(1, *), seed: 77))
  }

  @Test
  func `a written graph computes the same when read`() throws {
    let graph = try Self.everything()
    let folder = try TemporaryFolder()
    let url = folder.url.appending(path: "graph.onnx")
    try writeONNX(graph, name: "everything", to: url)
    let read = try loadONNX(from: url, options: ONNXImportOptions(keepsSoftmax: true))
    #expect(read.name == "everything")
    #expect(read.fixedBatch == nil)
    #expect(read.graph.inputShape == graph.inputShape)
    let x = Self.input(graph, batch: 2)
    let (ours, theirs) = (evaluated(read.graph, x), evaluated(graph, x))
    #expect(ours.shape == theirs.shape)
    // Scale and shift are fused in the graph, a product and a sum in the file.
    let error = zip(ours.values, theirs.values).map { abs($0 - $1) }.max() ?? .infinity
    #expect(error < 1e-5, "error \(error)")
  }

  @Test(.enabled(if: Python.hasRuntime, "onnxruntime is absent"))
  func `onnxruntime computes the same`() throws {
    let graph = try Self.everything()
    let folder = try TemporaryFolder()
    let x = Self.input(graph, batch: 3)
    try writeONNX(graph, to: folder.url.appending(path: "graph.onnx"))
    let output = try #require(
      Python.output([
        "-c",
        """
        import sys, numpy, onnx, onnxruntime
        onnx.checker.check_model(sys.argv[1], full_check=True)
        count = \(x.count)
        index = numpy.arange(77, count + 77, dtype=numpy.uint64)
        x = ((index * 2654435761) % 2**32 >> 8).astype(numpy.float32) / numpy.float32(8388608) - 1
        session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
        y = session.run(None, {"input": x.astype(numpy.float32).reshape(\(x.shape))})[0]
        print(*y.shape, *y.ravel())
        """, folder.url.appending(path: "graph.onnx").path,
      ]))
    let numbers = output.split(separator: " ").compactMap { Float($0) }
    let y = evaluated(graph, x)
    #expect(numbers.prefix(2).map { Int($0) } == y.shape)
    let error = zip(y.values, numbers.dropFirst(2)).map { abs($0 - $1) }.max() ?? .infinity
    #expect(numbers.count == y.count + 2)
    #expect(error < 1e-5, "error \(error)")
  }

  @Test
  func `what the operator set lacks is refused`() throws {
    var graph = Graph(inputShape: [1, 8, 8])
    try graph.append(
      Pooling(
        .average(countsPadding: false),
        window: WindowGeometry(kernel: Extent(2), dilation: Extent(2))), name: "dilated")
    let error = #expect(throws: ModelFileError.self) { try onnxData(of: graph) }
    #expect(error?.details.contains("'dilated'") ?? false)
  }
}
