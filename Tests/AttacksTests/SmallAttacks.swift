import Attacks
import Compute
import Networks
import Operations
import Reference
import Testing

/// A small network and pictures to attack, made from seeds.
enum SmallAttacks {
  static func values(_ shape: [Int], seed: UInt64, scale: Float) -> Tensor<Float> {
    let stream = PhiloxStream(seed: seed, sample: 0, attack: 0, restart: 0)
    let drawn = stream.symmetric(count: shape.reduce(1, *), step: 0)
    return Tensor(shape: shape, values: drawn.map { scale * $0 })
  }

  /// Convolution, ReLU, pooling and a matrix product to five classes of 2x9x7 pictures.
  static func graph() throws -> Graph {
    var graph = Graph(inputShape: [2, 9, 7])
    try graph.append(
      Convolution(
        weights: values([12, 2, 3, 3], seed: 1, scale: 0.5),
        bias: values([12], seed: 2, scale: 0.2).values,
        window: WindowGeometry(kernel: Extent(3), padding: Padding(1))))
    try graph.append(Pointwise(.activation(.relu)))
    try graph.append(
      Pooling(.maximum, window: WindowGeometry(kernel: Extent(2), stride: Extent(2))))
    try graph.append(Reshape(shape: [12 * 4 * 3]))
    try graph.append(Linear(weights: values([144, 5], seed: 3, scale: 0.4)))
    return graph
  }

  static func samples(_ count: Int) -> [AttackSample] {
    (0..<count).map { id in
      let pixels = values([2 * 9 * 7], seed: UInt64(100 + id), scale: 0.5).values.map { $0 + 0.5 }
      return AttackSample(id: id, name: "\(id)", pixels: pixels)
    }
  }

  static func network(
    _ graph: Graph, batch: Int, family: KernelFamily = .cpu
  ) throws -> CompiledNetwork {
    let context = try Context(device: try Device.matching(), cache: ProgramCache(folder: nil))
    return try CompiledNetwork(graph, context: context, batch: batch, family: family)
  }

  /// The results of an attack by the samples' numbers.
  static func run<Machine: SampleMachine>(
    _ engine: SlotEngine<Machine>, _ samples: [AttackSample]
  ) throws -> [Int: AttackResult] {
    var results: [Int: AttackResult] = [:]
    var left = samples[...]
    try engine.run(
      next: { left.popFirst() },
      emit: { done in for result in done { results[result.sample.id] = result } })
    return results
  }
}

/// The gradient of the loss that leaves a class, on the reference path.
struct ReferenceNetworkGradient {
  let graph: Graph

  func lossGradient(_ pixels: [Float], label: Int) -> [Float] {
    let x = Tensor(shape: [1] + graph.inputShape, values: pixels)
    let loss = GoalLoss(label: label, leaves: true)
    return ReferenceNetwork(graph).gradient(x) { logits in
      Tensor(shape: logits.shape, values: loss.evaluate(logits.values).gradient)
    }.inputGradient.values
  }
}
