public import Compute
public import Reference

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

  public func evaluate<Scalar: ReferenceScalar>(_ inputs: [Tensor<Scalar>]) -> Tensor<Scalar> {
    LocalResponseNormalizationReference.forward(inputs[0], parameters)
  }

  public func inputGradients<Scalar: ReferenceScalar>(
    inputs: [Tensor<Scalar>], output: Tensor<Scalar>, gradient: Tensor<Scalar>
  ) -> [Tensor<Scalar>] {
    [LocalResponseNormalizationReference.gradient(gradient, input: inputs[0], parameters)]
  }

  public func needs(inputs: [Layout], output: Layout) -> Needs { Needs(inputs: [0]) }

  public func recordForward(
    _ recorder: Recorder, inputs: [DeviceTensor], output: ForwardTarget
  ) throws(ComputeError) {
    let (x, y) = (inputs[0], output.tensor)
    let program = try recorder.program(
      "reference/local_response_normalization",
      constants + recorder.constants(x.layout, output, activation))
    try recorder.launch(
      program, "normalization_forward", recorder.items(y.layout), x.buffer, Place(x), y.buffer,
      Place(y), Extents(y.layout))
  }

  public func recordGradient(
    _ recorder: Recorder, of position: Int, gradient: DeviceTensor, saved: Saved,
    to target: GradientTarget
  ) throws(ComputeError) {
    guard let x = saved.inputs[0] else { preconditionFailure("\(kind) needs its input") }
    let program = try recorder.program(
      "reference/local_response_normalization",
      constants + recorder.constants(gradient, target))
    let mask = try recorder.bytesOrPlaceholder(target.mask?.bits)
    let dx = target.tensor
    try recorder.launch(
      program, "normalization_gradient", recorder.items(dx.layout), gradient.buffer,
      Place(gradient), x.buffer, Place(x), dx.buffer, Place(dx), mask.buffer, mask.firstWord,
      Extents(dx.layout))
  }

  private var parameters: LocalResponseNormalizationReference.Parameters {
    .init(size: size, alpha: alpha, beta: beta, bias: bias)
  }

  /// The numbers that the kernel needs, rounded as the reference rounds them.
  private var constants: [(String, String)] {
    let literal = EpilogueConstants.literal
    return [
      ("BEFORE", "\((size - 1) / 2)"), ("AFTER", "\(size / 2)"),
      ("ALPHA", literal(alpha / Float(size))), ("BETA", literal(beta)), ("BIAS", literal(bias)),
      ("FACTOR", literal(2 * alpha * beta / Float(size))),
    ]
  }
}
