/// Softmax or its logarithm along one axis.
public struct Softmax: Operation {
  /// The axis of a sample's shape (0 is channels of a picture, or the only axis of a vector).
  public let axis: Int
  /// Whether the logarithm is returned.
  public let isLogarithmic: Bool

  public var kind: String { isLogarithmic ? "log-softmax" : "softmax" }

  /// Softmax along an axis.
  public init(axis: Int, isLogarithmic: Bool = false) {
    self.axis = axis
    self.isLogarithmic = isLogarithmic
  }

  public func outputShape(for inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard inputs.count == 1, inputs[0].indices.contains(axis) else {
      throw ShapeError("no axis \(axis) in \(inputs)")
    }
    return inputs[0]
  }

  public func cost(inputs: [[Int]], output: [Int]) -> Cost {
    let count = output.reduce(1, *)
    return Cost(flops: 20 * count, bytes: 8 * count)
  }
}
