public import Reference

/// A function of two tensors with broadcasting, or of one tensor and a constant.
public struct Binary: Operation {
  /// The functions there are.
  public enum Function: String, Hashable, Sendable, CaseIterable {
    /// a + b
    case add
    /// a - b
    case subtract
    /// a * b
    case multiply
    /// a / b
    case divide
  }

  /// What is computed.
  public let function: Function
  /// The second operand (the first, if `constantIsFirst`), in the shape of a sample, broadcast to
  /// the other; nil when both operands are inputs.
  public let constant: Tensor<Float>?
  /// Whether the constant is the first operand.
  public let constantIsFirst: Bool
  public let activation: Activation

  public var kind: String { function.rawValue }

  /// A function of two tensors, or of one and a constant.
  public init(
    _ function: Function, constant: Tensor<Float>? = nil, constantIsFirst: Bool = false,
    activation: Activation = .none
  ) {
    self.function = function
    self.constant = constant
    self.constantIsFirst = constantIsFirst
    self.activation = activation
  }

  /// Shapes align at their last axis, as in NumPy; both inputs must have equally many axes unless
  /// one is a constant.
  public func outputShape(for inputs: [[Int]]) throws(ShapeError) -> [Int] {
    let shapes = inputs + (constant.map { [$0.shape] } ?? [])
    guard shapes.count == 2 else { throw ShapeError("takes two operands, not \(shapes.count)") }
    let rank = max(shapes[0].count, shapes[1].count)
    let aligned = shapes.map { Array(repeating: 1, count: rank - $0.count) + $0 }
    var result: [Int] = []
    for (a, b) in zip(aligned[0], aligned[1]) {
      guard a == b || a == 1 || b == 1 else {
        throw ShapeError("shapes \(shapes[0]) and \(shapes[1]) do not broadcast")
      }
      result.append(max(a, b))
    }
    if constant == nil, inputs[0].count != inputs[1].count {
      throw ShapeError("operands of \(inputs[0].count) and \(inputs[1].count) axes")
    }
    return result
  }

  public func cost(inputs: [[Int]], output: [Int]) -> Cost {
    let count = output.reduce(1, *)
    return Cost(flops: count, bytes: 4 * (count + inputs.reduce(0) { $0 + $1.reduce(1, *) }))
  }
}
