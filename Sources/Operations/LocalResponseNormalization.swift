/// Local response normalisation across channels (Krizhevsky et al. 2012), as ONNX defines it:
/// y = x * (bias + alpha / size * sum of x^2 over the window)^-beta.
public struct LocalResponseNormalization: Operation {
  /// Channels in the window.
  public let size: Int
  /// Weight of the mean square.
  public let alpha: Float
  /// Exponent.
  public let beta: Float
  /// What is added to the mean square.
  public let bias: Float

  public var kind: String { "local-response-normalisation" }

  /// Local response normalisation.
  public init(size: Int, alpha: Float = 1e-4, beta: Float = 0.75, bias: Float = 1) {
    self.size = size
    self.alpha = alpha
    self.beta = beta
    self.bias = bias
  }

  public func outputShape(for inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard inputs.count == 1, inputs[0].count == 3 else {
      throw ShapeError("takes a picture [C, H, W], not \(inputs)")
    }
    return inputs[0]
  }

  public func cost(inputs: [[Int]], output: [Int]) -> Cost {
    let count = output.reduce(1, *)
    return Cost(flops: count * (2 * size + 20), bytes: 8 * count)
  }
}
