import Operations
public import Reference

/// A graph on the CPU reference path: slow, plain, and what every device is compared with.
public struct ReferenceNetwork: Sendable {
  /// What is computed.
  public let graph: Graph

  /// Wraps a graph; give it the graph that the device runs (`CompiledNetwork.graph`) to compare bits.
  public init(_ graph: Graph) { self.graph = graph }

  /// The values of all nodes for a batch `[N]` + input shape, by value; unreachable ones are nil.
  private func values<Scalar: ReferenceScalar>(_ x: Tensor<Scalar>) -> [ValueID: Tensor<Scalar>] {
    precondition(
      Array(x.shape.dropFirst()) == graph.inputShape,
      "a batch of shape \(x.shape) for the input \(graph.inputShape)")
    var values = [graph.input: x]
    for node in graph.nodes {
      values[node.output] = node.operation.evaluate(node.inputs.compactMap { values[$0] })
    }
    return values
  }

  /// The result for a batch.
  public func forward<Scalar: ReferenceScalar>(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    guard let result = values(x)[graph.output] else {
      preconditionFailure("the graph has no result")
    }
    return result
  }

  /// The result for a batch, and the gradient of the input for a gradient of the result.
  ///
  /// - Parameters:
  ///   - x: `[N]` + input shape.
  ///   - outputGradient: makes the gradient of the result from the result.
  public func gradient<Scalar: ReferenceScalar>(
    _ x: Tensor<Scalar>, outputGradient: (Tensor<Scalar>) -> Tensor<Scalar>
  ) -> (output: Tensor<Scalar>, inputGradient: Tensor<Scalar>) {
    gradient(x, outputGradient: outputGradient) { _, _, _ in }
  }

  /// The same, with a visit to each node that has a part in the result, last to first: its position,
  /// its inputs and the gradient with respect to its value before the activation.
  func gradient<Scalar: ReferenceScalar>(
    _ x: Tensor<Scalar>, outputGradient: (Tensor<Scalar>) -> Tensor<Scalar>,
    visit: (Int, [Tensor<Scalar>], Tensor<Scalar>) -> Void
  ) -> (output: Tensor<Scalar>, inputGradient: Tensor<Scalar>) {
    let values = values(x)
    guard let result = values[graph.output] else { preconditionFailure("the graph has no result") }
    let activations = Dictionary(
      graph.nodes.map { ($0.output, $0.operation.activation) },
      uniquingKeysWith: { first, _ in first })
    var gradients = [graph.output: outputGradient(result)]
    /// The sum of all shares, times the derivative of the activation that made the value.
    func finished(_ value: ValueID) -> Tensor<Scalar>? {
      guard let sum = gradients[value], let output = values[value] else { return nil }
      return ActivationReference.gradient(sum, output: output, activations[value] ?? .none)
    }
    for (index, node) in graph.nodes.enumerated().reversed() {
      guard let gradient = finished(node.output), let output = values[node.output] else { continue }
      let inputs = node.inputs.compactMap { values[$0] }
      visit(index, inputs, gradient)
      let shares = node.operation.inputGradients(inputs: inputs, output: output, gradient: gradient)
      for (input, share) in zip(node.inputs, shares) {
        guard let sum = gradients[input] else {
          gradients[input] = share
          continue
        }
        gradients[input] = Tensor(
          shape: sum.shape, values: zip(share.values, sum.values).map { $0 + $1 })
      }
    }
    let zero = Tensor<Scalar>(shape: x.shape, repeating: 0)
    return (result, gradients[graph.input] ?? zero)
  }
}
