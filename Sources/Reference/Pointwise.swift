/// Functions of single elements and their gradients.
///
/// Gradients are taken from the output where that is enough, so that a network need not keep the
/// input. The activations that other operations fuse are in ``ActivationReference``.
public enum PointwiseReference {
  /// x where positive, else 0; NaN stays NaN.
  public static func relu<Scalar: ReferenceScalar>(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    ActivationReference.forward(x, .relu)
  }

  /// dy where the output is positive, else 0.
  public static func reluGradient<Scalar: ReferenceScalar>(
    _ dy: Tensor<Scalar>, output: Tensor<Scalar>
  ) -> Tensor<Scalar> { ActivationReference.gradient(dy, output: output, .relu) }

  /// x where positive, else slope * x.
  public static func leakyReLU<Scalar: ReferenceScalar>(
    _ x: Tensor<Scalar>, slope: Float
  ) -> Tensor<Scalar> { ActivationReference.forward(x, .leakyReLU(slope)) }

  /// dy where the output is positive, else slope * dy; the slope must not be negative.
  public static func leakyReLUGradient<Scalar: ReferenceScalar>(
    _ dy: Tensor<Scalar>, output: Tensor<Scalar>, slope: Float
  ) -> Tensor<Scalar> { ActivationReference.gradient(dy, output: output, .leakyReLU(slope)) }

  /// x clipped to [low, high]; NaN stays NaN.
  public static func clip<Scalar: ReferenceScalar>(
    _ x: Tensor<Scalar>, low: Float, high: Float
  ) -> Tensor<Scalar> { ActivationReference.forward(x, .clip(low, high)) }

  /// dy where low < output < high, else 0.
  public static func clipGradient<Scalar: ReferenceScalar>(
    _ dy: Tensor<Scalar>, output: Tensor<Scalar>, low: Float, high: Float
  ) -> Tensor<Scalar> { ActivationReference.gradient(dy, output: output, .clip(low, high)) }

  /// 1 / (1 + exp(-x)), canonical.
  public static func sigmoid<Scalar: ReferenceScalar>(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    map(x) { Scalar.canonicalSigmoid($0) }
  }

  /// dy * (y * (1 - y)): the difference, the inner and then the outer product are rounded.
  public static func sigmoidGradient<Scalar: ReferenceScalar>(
    _ dy: Tensor<Scalar>, output: Tensor<Scalar>
  ) -> Tensor<Scalar> { map(dy, output) { dy, y in dy * (y * (1 - y)) } }

  /// tanh x, canonical.
  public static func tanh<Scalar: ReferenceScalar>(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    map(x) { Scalar.canonicalTanh($0) }
  }

  /// dy * fma(-y, y, 1).
  public static func tanhGradient<Scalar: ReferenceScalar>(
    _ dy: Tensor<Scalar>, output: Tensor<Scalar>
  ) -> Tensor<Scalar> {
    map(dy, output) { dy, y in
      let one: Scalar = 1
      return dy * one.addingProduct(-y, y)
    }
  }

  /// exp x, canonical.
  public static func exp<Scalar: ReferenceScalar>(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    map(x) { Scalar.canonicalExp($0) }
  }

  /// dy * y.
  public static func expGradient<Scalar: ReferenceScalar>(
    _ dy: Tensor<Scalar>, output: Tensor<Scalar>
  ) -> Tensor<Scalar> { map(dy, output) { dy, y in dy * y } }

  /// Natural logarithm of x, canonical.
  public static func log<Scalar: ReferenceScalar>(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    map(x) { Scalar.canonicalLog($0) }
  }

  /// dy / x.
  public static func logGradient<Scalar: ReferenceScalar>(
    _ dy: Tensor<Scalar>, input: Tensor<Scalar>
  ) -> Tensor<Scalar> { map(dy, input) { dy, x in dy / x } }

  /// Square root of x, correctly rounded.
  public static func sqrt<Scalar: ReferenceScalar>(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    map(x) { $0.squareRoot() }
  }

  /// dy / (y + y).
  public static func sqrtGradient<Scalar: ReferenceScalar>(
    _ dy: Tensor<Scalar>, output: Tensor<Scalar>
  ) -> Tensor<Scalar> { map(dy, output) { dy, y in dy / (y + y) } }

  /// The error function of x, canonical.
  public static func erf<Scalar: ReferenceScalar>(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    map(x) { Scalar.canonicalErf($0) }
  }

  /// dy * (2 / sqrt(pi) * exp(-(x * x))), each product rounded, the constant rounded once.
  public static func erfGradient<Scalar: ReferenceScalar>(
    _ dy: Tensor<Scalar>, input: Tensor<Scalar>
  ) -> Tensor<Scalar> {
    let factor = Scalar(1.1283791670955126)
    return map(dy, input) { dy, x in dy * (factor * Scalar.canonicalExp(-(x * x))) }
  }

  /// max(x, 0) + log(1 + exp(-|x|)), each step rounded.
  ///
  /// Where exp(x) is below half an ulp of 1 the result is 0: exact to an ulp of 1, not of itself.
  public static func softplus<Scalar: ReferenceScalar>(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    map(x) { x in
      let positive: Scalar = x <= 0 ? 0 : x
      return positive + Scalar.canonicalLog(1 + Scalar.canonicalExp(-x.magnitude))
    }
  }

  /// dy * sigmoid(x).
  public static func softplusGradient<Scalar: ReferenceScalar>(
    _ dy: Tensor<Scalar>, input: Tensor<Scalar>
  ) -> Tensor<Scalar> { map(dy, input) { dy, x in dy * Scalar.canonicalSigmoid(x) } }

  /// -x; its gradient is the same function of dy.
  public static func negate<Scalar: ReferenceScalar>(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    map(x) { -$0 }
  }

  /// |x|.
  public static func absolute<Scalar: ReferenceScalar>(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    map(x) { $0.magnitude }
  }

  /// dy where x > 0, -dy where x < 0, else +0.
  public static func absoluteGradient<Scalar: ReferenceScalar>(
    _ dy: Tensor<Scalar>, input: Tensor<Scalar>
  ) -> Tensor<Scalar> { map(dy, input) { dy, x in x > 0 ? dy : x < 0 ? -dy : 0 } }

  private static func map<Scalar>(
    _ x: Tensor<Scalar>, _ function: (Scalar) -> Scalar
  ) -> Tensor<Scalar> {
    Tensor(shape: x.shape, values: x.values.map(function))
  }

  private static func map<Scalar>(
    _ dy: Tensor<Scalar>, _ other: Tensor<Scalar>, _ function: (Scalar, Scalar) -> Scalar
  ) -> Tensor<Scalar> {
    precondition(dy.shape == other.shape, "gradient \(dy.shape) for the shape \(other.shape)")
    return Tensor(shape: dy.shape, values: zip(dy.values, other.values).map(function))
  }
}
