public import Compute
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

  /// The operation's name.
  public var kind: String { "pointwise" }

  /// What is applied before the output is stored.
  public var activation: Activation {
    if case .activation(let activation) = function { activation } else { .none }
  }

  /// A function applied to every element.
  public init(_ function: Function) { self.function = function }

  /// The shape of a sample's output; throws when the inputs do not fit.
  public func outputShape(for inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard inputs.count == 1 else { throw ShapeError("takes one input, not \(inputs.count)") }
    return inputs[0]
  }

  /// The cost of the forward pass for one sample.
  public func cost(inputs: [[Int]], output: [Int]) -> Cost {
    let count = output.reduce(1, *)
    return Cost(flops: count, bytes: 8 * count)
  }

  /// The CPU reference path.
  public func evaluate<Scalar: ReferenceScalar>(_ inputs: [Tensor<Scalar>]) -> Tensor<Scalar> {
    let x = inputs[0]
    return switch function {
    case .activation(let activation): ActivationReference.forward(x, activation)
    case .sigmoid: PointwiseReference.sigmoid(x)
    case .tanh: PointwiseReference.tanh(x)
    case .exp: PointwiseReference.exp(x)
    case .log: PointwiseReference.log(x)
    case .sqrt: PointwiseReference.sqrt(x)
    case .negate: PointwiseReference.negate(x)
    case .absolute: PointwiseReference.absolute(x)
    }
  }

  /// The CPU reference path of the gradients.
  public func inputGradients<Scalar: ReferenceScalar>(
    inputs: [Tensor<Scalar>], output y: Tensor<Scalar>, gradient dy: Tensor<Scalar>
  ) -> [Tensor<Scalar>] {
    switch function {
    // What comes is with respect to the value before the activation: the input itself.
    case .activation: [dy]
    case .sigmoid: [PointwiseReference.sigmoidGradient(dy, output: y)]
    case .tanh: [PointwiseReference.tanhGradient(dy, output: y)]
    case .exp: [PointwiseReference.expGradient(dy, output: y)]
    case .log: [PointwiseReference.logGradient(dy, input: inputs[0])]
    case .sqrt: [PointwiseReference.sqrtGradient(dy, output: y)]
    case .negate: [PointwiseReference.negate(dy)]
    case .absolute: [PointwiseReference.absoluteGradient(dy, input: inputs[0])]
    }
  }

  /// What the gradient reads of the forward pass.
  public func needs(inputs: [Layout], output: Layout) -> Needs {
    switch function {
    case .activation, .negate: Needs()
    case .sigmoid, .tanh, .exp, .sqrt: Needs(output: true)
    case .log, .absolute: Needs(inputs: [0])
    }
  }

  /// Records the forward pass, one launch.
  public func recordForward(
    _ recorder: Recorder, inputs: [DeviceTensor], output: ForwardTarget
  ) throws(ComputeError) {
    let (x, y) = (inputs[0], output.tensor)
    let vector = recorder.vector(x, y, mask: output.mask)
    let program = try recorder.program(
      "reference/pointwise",
      functionConstant + vector.constants + recorder.constants(x.layout, output, activation))
    let mask = try recorder.bytesOrPlaceholder(output.mask)
    try recorder.launch(
      program, "pointwise_forward", recorder.items(y.layout, vector), x.buffer, Place(x), y.buffer,
      Place(y), mask.buffer, mask.firstWord, Extents(y.layout, vector))
  }

  /// Records the gradient with respect to one input, one launch.
  public func recordGradient(
    _ recorder: Recorder, of position: Int, gradient: DeviceTensor, saved: Saved,
    to target: GradientTarget
  ) throws(ComputeError) {
    // A function that keeps nothing does not read this argument.
    let kept = saved.output ?? saved.inputs[0] ?? gradient
    let vector = recorder.vector(gradient, kept, target.tensor)
    let program = try recorder.program(
      "reference/pointwise",
      functionConstant + vector.constants + recorder.constants(gradient, target))
    let mask = try recorder.bytesOrPlaceholder(target.mask?.bits)
    let layout = target.tensor.layout
    try recorder.launch(
      program, "pointwise_gradient", recorder.items(layout, vector), gradient.buffer,
      Place(gradient),
      kept.buffer, Place(kept), target.tensor.buffer, Place(target.tensor), mask.buffer,
      mask.firstWord, Extents(layout, vector))
  }

  private var functionConstant: [(String, String)] {
    let number =
      switch function {
      case .activation: 0
      case .sigmoid: 1
      case .tanh: 2
      case .exp: 3
      case .log: 4
      case .sqrt: 5
      case .negate: 6
      case .absolute: 7
      }
    return [("FUNCTION", "\(number)")]
  }
}
