public import Compute
public import Reference

/// Why an operation does not fit its inputs.
public struct ShapeError: Error, Sendable, Equatable, CustomStringConvertible {
  /// One line with the shapes in it.
  public let description: String

  /// Wraps a line.
  public init(_ description: String) { self.description = description }
}

/// What an operation costs for one sample.
public struct Cost: Hashable, Sendable {
  /// Floating-point operations; a fused multiply-add counts two.
  public var flops: Int
  /// Bytes read and written at least.
  public var bytes: Int

  /// A cost.
  public init(flops: Int, bytes: Int) {
    self.flops = flops
    self.bytes = bytes
  }
}

/// What the gradient pass needs of the forward pass beyond masks.
public struct Needs: Sendable {
  /// The inputs whose values the gradient reads, by position.
  public var inputs: Set<Int>
  /// Whether the gradient reads the output's values.
  public var output: Bool
  /// Bytes per sample that the forward pass writes for the gradient (pooling's arg-max).
  public var stateBytes: Int

  /// Nothing, unless told otherwise.
  public init(inputs: Set<Int> = [], output: Bool = false, stateBytes: Int = 0) {
    self.inputs = inputs
    self.output = output
    self.stateBytes = stateBytes
  }
}

/// One step of a network: a function of one or more tensors to one tensor.
///
/// Shapes are those of one sample, without the batch axis, in ONNX's order (`[C, H, W]`). An
/// operation may end in a fused activation; then everything named gradient below is with respect
/// to the value before the activation: whoever finishes the gradient of a value applies the
/// derivative of the activation of the operation that made it (`GradientTarget`).
public protocol Operation: Sendable {
  /// The operation's name in messages and benchmarks.
  var kind: String { get }

  /// The activation applied before the output is stored.
  var activation: Activation { get }

  /// The shape of a sample's output, or an error when the inputs do not fit.
  func outputShape(for inputs: [[Int]]) throws(ShapeError) -> [Int]

  /// The cost of the forward pass for one sample.
  func cost(inputs: [[Int]], output: [Int]) -> Cost

  /// The CPU reference path: tensors with the batch axis first; includes the activation.
  func evaluate<Scalar: ReferenceScalar>(_ inputs: [Tensor<Scalar>]) -> Tensor<Scalar>

  /// The CPU reference path of the gradients with respect to each input, in order.
  ///
  /// `gradient` is with respect to the value before the activation.
  func inputGradients<Scalar: ReferenceScalar>(
    inputs: [Tensor<Scalar>], output: Tensor<Scalar>, gradient: Tensor<Scalar>
  ) -> [Tensor<Scalar>]

  /// What the gradient pass needs to keep.
  func needs(inputs: [Layout], output: Layout) -> Needs

  /// The zero border that the input at a position must have for the forward pass.
  func inputBorder(_ position: Int, inputs: [Layout], output: Layout) -> Padding

  /// The zero border that the output's gradient must have for the gradient pass.
  func gradientBorder(inputs: [Layout], output: Layout) -> Padding

  /// Whether the input at a position, and its gradient, may lie without padding channels.
  func readsUnpadded(_ position: Int) -> Bool

  /// Whether the output, and its gradient, may lie without padding channels where the inputs do.
  var writesUnpadded: Bool { get }

  /// Whether the gradient of the input at a position is the output's gradient as it is, so that both
  /// may be one tensor.
  func passesGradient(to position: Int, inputs: [Layout], output: Layout) -> Bool

  /// Whether the output may lie where the input at a position lies: each element of that input is
  /// read for the same element of the output only, and before it is written.
  func overwrites(_ position: Int) -> Bool

  /// Whether what is recorded must span the whole batch: sums over samples, as of the gradients of
  /// parameters.
  var needsWholeBatch: Bool { get }

  /// Records the launches of the forward pass.
  func recordForward(
    _ recorder: Recorder, inputs: [DeviceTensor], output: ForwardTarget
  ) throws(ComputeError)

  /// Records the launches that add this operation's share to the gradient of one input.
  func recordGradient(
    _ recorder: Recorder, of position: Int, gradient: DeviceTensor, saved: Saved,
    to target: GradientTarget
  ) throws(ComputeError)
}

extension Operation {
  /// No activation.
  public var activation: Activation { .none }
  /// No border.
  public func inputBorder(_ position: Int, inputs: [Layout], output: Layout) -> Padding { .zero }
  /// No border.
  public func gradientBorder(inputs: [Layout], output: Layout) -> Padding { .zero }
  /// Padding channels are expected.
  public func readsUnpadded(_ position: Int) -> Bool { false }
  /// Padding channels are left.
  public var writesUnpadded: Bool { false }
  /// The output lies elsewhere.
  public func overwrites(_ position: Int) -> Bool { false }
  /// The gradient is computed.
  public func passesGradient(to position: Int, inputs: [Layout], output: Layout) -> Bool { false }
  /// Samples are computed independently of one another.
  public var needsWholeBatch: Bool { false }
  /// Nothing is kept.
  public func needs(inputs: [Layout], output: Layout) -> Needs { Needs() }
}
