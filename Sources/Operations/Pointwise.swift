public import Reference

/// A function applied to every element.
public struct Pointwise: Operation {
  /// The functions there are.
  public enum Function: Hashable, Sendable {
    /// One of the activations that other operations can fuse.
    case activation(Activation)
    /// 1 / (1 + exp(-x))
    case sigmoid
    /// tanh x
    case tanh
    /// exp x
    case exp
    /// log x
    case log
    /// Square root of x.
    case sqrt
    /// -x
    case negate
    /// |x|
    case absolute
  }

  /// What is applied.
  public let function: Function

  public var kind: String { "pointwise" }

  public var activation: Activation {
    if case .activation(let activation) = function { activation } else { .none }
  }

  /// A function applied to every element.
  public init(_ function: Function) { self.function = function }

  public func outputShape(for inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard inputs.count == 1 else { throw ShapeError("takes one input, not \(inputs.count)") }
    return inputs[0]
  }

  public func cost(inputs: [[Int]], output: [Int]) -> Cost {
    let count = output.reduce(1, *)
    return Cost(flops: count, bytes: 8 * count)
  }
}
