public import Compute
public import Reference

/// Local response normalisation across channels, as ONNX defines it.
///
/// y = x * (bias + alpha / size * sum of x^2 over the window)^-beta
/// (Krizhevsky, Sutskever and Hinton 2012, section 3.3).
public struct LocalResponseNormalization: Operation {
  /// Channels in the window.
  public let size: Int
  /// Weight of the mean square.
  public let alpha: Float
  /// Exponent.
  public let beta: Float
  /// What is added to the mean square.
  public let bias: Float

  /// The operation's name.
  public var kind: String { "local-response-normalisation" }

  /// Local response normalisation.
  public init(size: Int, alpha: Float = 1e-4, beta: Float = 0.75, bias: Float = 1) {
    self.size = size
    self.alpha = alpha
    self.beta = beta
    self.bias = bias
  }

  /// The shape of a sample's output; throws when the inputs do not fit.
  public func outputShape(for inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard inputs.count == 1, inputs[0].count == 3 else {
      throw ShapeError("takes a picture [C, H, W], not \(inputs)")
    }
    return inputs[0]
  }

  /// The cost of the forward pass for one sample.
  public func cost(inputs: [[Int]], output: [Int]) -> Cost {
    let count = output.reduce(1, *)
    return Cost(flops: count * (2 * size + 20), bytes: 8 * count)
  }

  /// The CPU reference path.
  public func evaluate<Scalar: ReferenceScalar>(_ inputs: [Tensor<Scalar>]) -> Tensor<Scalar> {
    LocalResponseNormalizationReference.forward(inputs[0], parameters)
  }

  /// The CPU reference path of the gradients.
  public func inputGradients<Scalar: ReferenceScalar>(
    inputs: [Tensor<Scalar>], output: Tensor<Scalar>, gradient: Tensor<Scalar>
  ) -> [Tensor<Scalar>] {
    [LocalResponseNormalizationReference.gradient(gradient, input: inputs[0], parameters)]
  }

  /// What the gradient reads of the forward pass.
  public func needs(inputs: [Layout], output: Layout) -> Needs { Needs(inputs: [0]) }

  /// Records the forward pass, one launch.
  public func recordForward(
    _ recorder: Recorder, inputs: [DeviceTensor], output: ForwardTarget
  ) throws(ComputeError) {
    let (x, y) = (inputs[0], output.tensor)
    if takesRows(recorder, x.layout) {
      let rows = recorder.rowsPerGroup(y.layout, bytesReadPerFloat: Self.computedAsBytes)
      return try recorder.launch(
        try recorder.program("cpu/local_response_normalization", rowConstants(x.layout)),
        "normalization_forward", recorder.rowGrid(y.layout, rowsPerGroup: rows), x.buffer,
        Place(x), y.buffer, Place(y), KernelVector(extentOf: y.layout), KernelVector(numbers),
        Int32(rows))
    }
    let vector = recorder.vector(x, y)
    let program = try recorder.program(
      "reference/local_response_normalization",
      vector.constants + recorder.constants(x.layout, output, activation))
    try recorder.launch(
      program, "normalization_forward", recorder.items(y.layout, vector), x.buffer, Place(x),
      y.buffer,
      Place(y), Extents(y.layout, vector), KernelVector(window), KernelVector(numbers))
  }

  /// Records the gradient with respect to one input, one launch.
  public func recordGradient(
    _ recorder: Recorder, of position: Int, gradient: DeviceTensor, saved: Saved,
    to target: GradientTarget
  ) throws(ComputeError) {
    guard let x = saved.inputs[0] else { preconditionFailure("\(kind) needs its input") }
    if takesRows(recorder, x.layout), !target.tensor.layout.isUnpadded {
      let mask = try recorder.bytesOrPlaceholder(target.mask?.bits)
      let dx = target.tensor
      let rows = recorder.rowsPerGroup(dx.layout, bytesReadPerFloat: Self.computedAsBytes)
      return try recorder.launch(
        try recorder.program(
          "cpu/local_response_normalization",
          rowConstants(x.layout) + EpilogueConstants.gradient(target)),
        "normalization_gradient", recorder.rowGrid(dx.layout, rowsPerGroup: rows),
        gradient.buffer, Place(gradient), x.buffer, Place(x), dx.buffer, Place(dx),
        KernelVector(extentOf: dx.layout), mask.buffer, mask.firstWord, KernelVector(numbers),
        Int32(rows))
    }
    let mask = try recorder.bytesOrPlaceholder(target.mask?.bits)
    let dx = target.tensor
    let vector = recorder.vector(gradient, x, dx)
    let program = try recorder.program(
      "reference/local_response_normalization",
      vector.constants + recorder.constants(gradient, target))
    try recorder.launch(
      program, "normalization_gradient", recorder.items(dx.layout, vector), gradient.buffer,
      Place(gradient), x.buffer, Place(x), dx.buffer, Place(dx), mask.buffer, mask.firstWord,
      Extents(dx.layout, vector), KernelVector(window), KernelVector(numbers))
  }

  /// A power costs as much time as so many bytes of memory.
  private static let computedAsBytes = 12

  /// The kernels that go through rows hold a pixel in private memory and unroll the window.
  private func takesRows(_ recorder: Recorder, _ layout: Layout) -> Bool {
    recorder.family == .cpu && !layout.isUnpadded && layout.channels <= 2048 && size <= 32
  }

  private func rowConstants(_ layout: Layout) -> [(String, String)] {
    [
      ("CHANNELS", "\(layout.channels)"), ("BEFORE", "\(window.x)"), ("AFTER", "\(window.y)"),
    ]
  }

  private var parameters: LocalResponseNormalizationReference.Parameters {
    .init(size: size, alpha: alpha, beta: beta, bias: bias)
  }

  /// The channels of the window before and after its own: `int2`.
  private var window: SIMD2<Int32> { SIMD2(Int32((size - 1) / 2), Int32(size / 2)) }

  /// What the kernel computes with, rounded as the reference rounds it: `float4`.
  private var numbers: SIMD4<Float> {
    SIMD4(alpha / Float(size), beta, bias, 2 * alpha * beta / Float(size))
  }
}
