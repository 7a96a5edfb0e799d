import Compute
import Networks
import Operations
import Reference
import Testing

/// Small graphs with everything that makes gradients meet: residuals, branches, pooling, masks.
enum SmallGraphs {
  static func parameters(_ shape: [Int], seed: UInt64) -> Tensor<Float> {
    let stream = PhiloxStream(seed: seed, sample: 0, attack: 0, restart: 0)
    let values = stream.symmetric(count: shape.reduce(1, *), step: 0)
    return Tensor(shape: shape, values: values.map { 0.4 * $0 })
  }

  static func convolution(
    _ channels: [Int], _ kernel: Int, stride: Int = 1, padding: Int = 0, groups: Int = 1,
    seed: UInt64
  ) -> Convolution {
    Convolution(
      weights: parameters([channels[1], channels[0] / groups, kernel, kernel], seed: seed),
      bias: parameters([channels[1]], seed: seed + 100).values,
      window: WindowGeometry(
        kernel: Extent(kernel), stride: Extent(stride), padding: Padding(padding)),
      groups: groups)
  }

  /// A residual block with a projection, batch normalisation, overlapping max-pooling.
  static func residual() throws -> Graph {
    var graph = Graph(inputShape: [3, 15, 13])
    try graph.append(
      ScaleShift(scale: [2, 3, 4], shift: [0.5, -0.25, 0], reversesChannels: true))
    try graph.append(convolution([3, 20], 3, stride: 2, padding: 1, seed: 1))
    try graph.append(
      ScaleShift(
        scale: parameters([20], seed: 2).values, shift: parameters([20], seed: 3).values))
    let start = try graph.append(Pointwise(.activation(.relu)))
    try graph.append(convolution([20, 20], 3, padding: 1, seed: 4))
    try graph.append(Pointwise(.activation(.clip(0, 6))))
    let main = try graph.append(convolution([20, 33], 1, seed: 5))
    let shortcut = try graph.append(convolution([20, 33], 1, seed: 6), to: [start])
    try graph.append(Binary(.add), to: [main, shortcut])
    try graph.append(Pointwise(.activation(.relu)))
    try graph.append(
      Pooling(
        .maximum, window: WindowGeometry(kernel: Extent(3), stride: Extent(2), padding: Padding(1)))
    )
    try graph.append(GlobalPooling(.average))
    try graph.append(Reshape(shape: [33]))
    try graph.append(Linear(weights: parameters([33, 10], seed: 7)))
    return graph
  }

  /// Branches that are joined, normalised and averaged; a depthwise layer; a value used twice.
  static func branches() throws -> Graph {
    var graph = Graph(inputShape: [4, 9, 9])
    let start = try graph.append(convolution([4, 24], 3, padding: 1, groups: 2, seed: 8))
    let small = try graph.append(convolution([24, 10], 1, seed: 9))
    try graph.append(convolution([24, 24], 3, padding: 1, groups: 24, seed: 10), to: [start])
    let wide = try graph.append(Pointwise(.activation(.leakyReLU(0.1))))
    try graph.append(Concat(axis: 0), to: [small, wide])
    let joined = try graph.append(LocalResponseNormalization(size: 5, alpha: 0.1))
    try graph.append(Binary(.multiply), to: [joined, joined])
    try graph.append(
      Pooling(
        .average(countsPadding: false),
        window: WindowGeometry(
          kernel: Extent(3), stride: Extent(2), padding: Padding(1), ceilMode: true)))
    try graph.append(Pointwise(.tanh))
    try graph.append(Reshape(shape: [34 * 25]))
    try graph.append(Linear(weights: parameters([34 * 25, 7], seed: 11)))
    return graph
  }
}

@Suite struct CompiledNetworkTests {
  @Test(arguments: [(1, nil), (5, nil), (5, 1), (6, 3)], KernelFamily.allCases)
  func `a device equals the reference path bit for bit`(
    batch: (count: Int, slice: Int?), family: KernelFamily
  ) throws {
    let (batch, sliceSize) = batch
    for graph in [try SmallGraphs.residual(), try SmallGraphs.branches()] {
      let context = try Context(device: try Device.matching(), cache: ProgramCache(folder: nil))
      let network = try CompiledNetwork(
        graph, context: context, batch: batch, family: family, sliceSize: sliceSize)
      let x = SmallGraphs.parameters([batch] + graph.inputShape, seed: 12)
      let seeds = SmallGraphs.parameters([batch] + graph.outputShape, seed: 13)
      let reference = ReferenceNetwork(network.graph).gradient(x) { _ in seeds }
      // Twice: the second run meets memory that is full of the first one's values.
      for _ in 0..<2 {
        try network.write(x)
        try network.forward()
        let logits = try network.readLogits()
        guard let target = network.logitsGradient else {
          Issue.record("compiled without a gradient")
          return
        }
        try target.buffer.write(
          target.layout.pack(seeds.values, batch: batch), at: target.offset)
        try network.gradient()
        let gradient = try network.readInputGradient()
        #expect(logits.values.map(\.bitPattern) == reference.output.values.map(\.bitPattern))
        #expect(
          gradient.values.map(\.bitPattern) == reference.inputGradient.values.map(\.bitPattern))
      }
    }
  }

  @Test func `fusion changes nothing but the rounding`() throws {
    for graph in [try SmallGraphs.residual(), try SmallGraphs.branches()] {
      let x = SmallGraphs.parameters([2] + graph.inputShape, seed: 14).doubled
      let seeds = SmallGraphs.parameters([2] + graph.outputShape, seed: 15).doubled
      let optimized = graph.optimized()
      #expect(optimized.nodes.count < graph.nodes.count)
      let plain = ReferenceNetwork(graph).gradient(x) { _ in seeds }
      let fused = ReferenceNetwork(optimized).gradient(x) { _ in seeds }
      for (a, b) in [(plain.output, fused.output), (plain.inputGradient, fused.inputGradient)] {
        let scale = a.values.map(abs).max() ?? 0
        #expect(zip(a.values, b.values).allSatisfy { abs($0 - $1) <= 1e-6 * scale })
      }
    }
  }

  @Test func `the gradient is that of finite differences`() throws {
    var graph = Graph(inputShape: [4, 9, 9])
    try graph.append(SmallGraphs.convolution([4, 6], 3, stride: 2, padding: 1, seed: 16))
    try graph.append(Pointwise(.sigmoid))
    try graph.append(LocalResponseNormalization(size: 3, alpha: 0.5))
    try graph.append(GlobalPooling(.average))
    try graph.append(Reshape(shape: [6]))
    let x = SmallGraphs.parameters([1, 4, 9, 9], seed: 17).doubled
    let seeds = SmallGraphs.parameters([1, 6], seed: 18).doubled
    let network = ReferenceNetwork(graph)
    let gradient = network.gradient(x) { _ in seeds }.inputGradient
    for index in stride(from: 0, to: x.count, by: 17) {
      var (above, below) = (x, x)
      above.values[index] += 1e-5
      below.values[index] -= 1e-5
      let difference =
        zip(
          zip(network.forward(above).values, network.forward(below).values), seeds.values
        ).reduce(0.0) { $0 + ($1.0.0 - $1.0.1) * $1.1 } / 2e-5
      #expect(abs(difference - gradient.values[index]) < 1e-8)
    }
  }
}
