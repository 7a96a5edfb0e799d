import Compute
import Operations
public import Reference

/// Weights and bias of one node of a graph, or their gradients.
public struct LayerParameters: Equatable, Sendable {
  /// The node's name.
  public var name: String
  /// In the operation's shape.
  public var weights: Tensor<Float>
  /// One number for each output channel, if there is a bias.
  public var bias: [Float]?

  /// Parameters of a node.
  public init(name: String, weights: Tensor<Float>, bias: [Float]?) {
    self.name = name
    self.weights = weights
    self.bias = bias
  }
}

/// The parameters of a graph in device memory, with velocities and gradients at the same places.
final class TrainedParameters {
  /// Where the parameters of a node lie.
  struct Slot {
    var node: Int
    var name: String
    var shape: [Int]
    var weights: Range<Int>
    var bias: Range<Int>?
  }

  let slots: [Slot]
  let values: Buffer<Float>
  let velocities: Buffer<Float>
  let gradients: Buffer<Float>

  /// The first parameters are the graph's own.
  init(_ graph: Graph, context: Context) throws(ComputeError) {
    var slots: [Slot] = []
    var initial: [Float] = []
    for (index, node) in graph.nodes.enumerated() {
      guard let operation = node.operation as? any TrainableOperation else { continue }
      let weights = initial.count..<initial.count + operation.weights.count
      initial += operation.weights.values
      let bias = operation.bias.map { initial.count..<initial.count + $0.count }
      initial += operation.bias ?? []
      slots.append(
        Slot(
          node: index, name: node.name, shape: operation.weights.shape, weights: weights,
          bias: bias))
    }
    precondition(!slots.isEmpty, "a graph without weights cannot be trained")
    self.slots = slots
    values = try Buffer(context, initial)
    velocities = try Buffer(context, count: initial.count)
    gradients = try Buffer(context, count: initial.count)
    try velocities.fill(0)
    try gradients.fill(0)
  }

  /// The parameters of another graph, for a graph whose nodes have the names and shapes of some of
  /// its nodes.
  init(_ graph: Graph, sharing other: TrainedParameters) {
    slots = graph.nodes.enumerated().compactMap { index, node in
      guard let operation = node.operation as? any TrainableOperation else { return nil }
      guard var slot = other.slots.first(where: { $0.name == node.name }) else {
        preconditionFailure("no parameters of '\(node.name)' to share")
      }
      precondition(
        slot.shape == operation.weights.shape && slot.bias?.count == operation.bias?.count,
        "parameters of '\(node.name)' in another shape")
      slot.node = index
      return slot
    }
    (values, velocities, gradients) = (other.values, other.velocities, other.gradients)
  }

  /// The graph with its parameters in device memory.
  ///
  /// - Parameter withGradients: Whether gradient passes leave the parameters' gradients too.
  func live(_ graph: Graph, withGradients: Bool = true) -> Graph {
    replacing(graph) { slot, operation in
      func place(_ buffer: Buffer<Float>) -> LiveParameters {
        LiveParameters(
          buffer: buffer, weights: slot.weights.lowerBound, bias: slot.bias?.lowerBound)
      }
      return operation.trained(
        parameters: place(values), gradients: withGradients ? place(gradients) : nil)
    }
  }

  /// The graph with the parameters of the present moment as constants.
  func constant(_ graph: Graph) throws(ComputeError) -> Graph {
    let layers = try read(values)
    let names = zip(slots, layers).map { ($0.node, $1) }
    let byNode = Dictionary(names, uniquingKeysWith: { first, _ in first })
    return replacing(graph) { slot, operation in
      guard let layer = byNode[slot.node] else { return operation }
      return operation.replacing(weights: layer.weights, bias: layer.bias)
    }
  }

  /// One of the three buffers, node by node.
  func read(_ buffer: Buffer<Float>) throws(ComputeError) -> [LayerParameters] {
    let numbers = try buffer.read()
    return slots.map { slot in
      LayerParameters(
        name: slot.name, weights: Tensor(shape: slot.shape, values: Array(numbers[slot.weights])),
        bias: slot.bias.map { Array(numbers[$0]) })
    }
  }

  private func replacing(
    _ graph: Graph, _ operation: (Slot, any TrainableOperation) -> any Operation
  ) -> Graph {
    var result = graph
    for slot in slots {
      var node = graph.nodes[slot.node]
      guard let trainable = node.operation as? any TrainableOperation else { continue }
      node.operation = operation(slot, trainable)
      result.replaceNode(at: slot.node, with: node)
    }
    return result
  }
}
