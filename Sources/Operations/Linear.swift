public import Reference

/// A matrix product with constant weights: y = x W + b over the last axis, activation fused.
///
/// Input `[K]` or `[A, K]`; output `[O]` or `[A, O]`. Order of summation: k ascending, then bias.
public struct Linear: Operation {
  /// `[K, O]`.
  public let weights: Tensor<Float>
  /// One number for each output.
  public let bias: [Float]?
  /// What is applied to the sum.
  public let activation: Activation

  /// The operation's name.
  public var kind: String { "linear" }

  /// A matrix product.
  public init(weights: Tensor<Float>, bias: [Float]? = nil, activation: Activation = .none) {
    precondition(weights.shape.count == 2, "linear weights of shape \(weights.shape)")
    precondition(bias.map { $0.count == weights.shape[1] } ?? true, "linear bias")
    self.weights = weights
    self.bias = bias
    self.activation = activation
  }

  /// The shape of a sample's output; throws when the inputs do not fit.
  public func outputShape(for inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard inputs.count == 1, (1...2).contains(inputs[0].count), inputs[0].last == weights.shape[0]
    else { throw ShapeError("weights \(weights.shape) do not fit \(inputs)") }
    return inputs[0].dropLast() + [weights.shape[1]]
  }

  /// The cost of the forward pass for one sample.
  public func cost(inputs: [[Int]], output: [Int]) -> Cost {
    let outputs = output.reduce(1, *)
    return Cost(
      flops: 2 * outputs * weights.shape[0],
      bytes: 4 * (outputs + inputs[0].reduce(1, *) + weights.count))
  }
}
