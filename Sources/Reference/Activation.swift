/// The activations that other operations fuse, and their derivatives.
public enum ActivationReference {
  /// Applies an activation to every element.
  ///
  /// relu is `x <= 0 ? 0 : x`, clip is `x < low ? low : x > high ? high : x` and the leaky ReLU is
  /// `x > 0 ? x : slope * x`; so NaN stays NaN, and relu of -0 is +0.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func forward<Scalar: ReferenceScalar>(
    _ x: Tensor<Scalar>, _ activation: Activation
  ) -> Tensor<Scalar> {
    Tensor(shape: x.shape, values: x.values.map { value($0, activation) })
  }

  /// The gradient with respect to the input, from the activation's output.
  ///
  /// The output decides as the input would: relu passes dy where y > 0, clip where
  /// low < y < high, and the leaky ReLU passes dy where y > 0 and slope * dy elsewhere (its slope
  /// must not be negative). What is not passed is +0, for NaN too.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func gradient<Scalar: ReferenceScalar>(
    _ dy: Tensor<Scalar>, output: Tensor<Scalar>, _ activation: Activation
  ) -> Tensor<Scalar> {
    precondition(dy.shape == output.shape, "gradient \(dy.shape), output \(output.shape)")
    var dx = dy
    switch activation {
    case .none: break
    case .relu:
      for i in dx.values.indices where !(output.values[i] > 0) { dx.values[i] = 0 }
    case .clip(let low, let high):
      let (low, high) = (Scalar(low), Scalar(high))
      for i in dx.values.indices where !(output.values[i] > low && output.values[i] < high) {
        dx.values[i] = 0
      }
    case .leakyReLU(let slope):
      precondition(slope >= 0, "a leaky ReLU with the negative slope \(slope)")
      let slope = Scalar(slope)
      for i in dx.values.indices where !(output.values[i] > 0) {
        dx.values[i] = slope * dy.values[i]
      }
    }
    return dx
  }

  /// One element's activation.
  @inline(__always)
  static func value<Scalar: ReferenceScalar>(_ x: Scalar, _ activation: Activation) -> Scalar {
    switch activation {
    case .none: x
    case .relu: x <= 0 ? 0 : x
    case .clip(let low, let high):
      x < Scalar(low) ? Scalar(low) : x > Scalar(high) ? Scalar(high) : x
    case .leakyReLU(let slope): x > 0 ? x : Scalar(slope) * x
    }
  }
}
