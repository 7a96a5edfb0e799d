public import Compute
public import Operations
public import Reference

/// Which elements of a batch dropout keeps: a number for each, in device memory, 0 or 1 / (1 - rate).
///
/// What is drawn depends on the seed and the step alone (Srivastava et al. 2014; the kept elements
/// are scaled in training, so that nothing changes afterwards).
public final class DropoutMask: Sendable {
  /// The part of the elements that is dropped, in 0..<1.
  public let rate: Float
  let tensor: DeviceTensor
  private let batch: Int
  private let stream: PhiloxStream

  /// A mask that keeps everything until `draw` is called.
  ///
  /// - Parameters:
  ///   - shape: The shape of a sample.
  ///   - rate: The part that is dropped.
  ///   - seed: The seed of what is drawn; masks of one network need different seeds.
  public init(
    _ context: Context, shape: [Int], batch: Int, rate: Float, seed: UInt64
  ) throws(ComputeError) {
    precondition((0..<1).contains(rate), "a dropout rate of \(rate)")
    self.rate = rate
    self.batch = batch
    stream = PhiloxStream(seed: seed, sample: 0, attack: 0x6472_6f70, restart: 0)
    let layout = Layout(shape: shape)
    tensor = DeviceTensor(
      buffer: try Buffer(
        context, [Float](repeating: 1, count: batch * layout.imageStride)), layout: layout)
  }

  /// Draws which elements the passes from now on keep.
  public func draw(step: Int) throws(ComputeError) {
    let kept = 1 / (1 - rate)
    let values = stream.uniform(
      count: batch * tensor.layout.shape.reduce(1, *), step: UInt32(truncatingIfNeeded: step)
    ).map { $0 < rate ? 0 : kept }
    try tensor.buffer.write(tensor.layout.pack(values, batch: batch))
  }
}

/// Multiplies a batch by a mask that changes between steps of a training: dropout.
///
/// On the CPU reference path it is the identity: what it is after training.
public struct Dropout: Operation {
  private static let product = Binary(.multiply)
  /// What is kept.
  public let mask: DropoutMask

  /// The operation's name.
  public var kind: String { "dropout" }
  /// The mask is that of a whole batch.
  public var needsWholeBatch: Bool { true }

  /// Dropout by a mask of the input's shape and the network's batch.
  public init(_ mask: DropoutMask) { self.mask = mask }

  /// The input's shape; throws when the mask has another.
  public func outputShape(for inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard inputs == [mask.tensor.layout.shape] else {
      throw ShapeError("a mask \(mask.tensor.layout.shape) for \(inputs)")
    }
    return inputs[0]
  }

  /// The cost of the forward pass for one sample.
  public func cost(inputs: [[Int]], output: [Int]) -> Cost {
    Self.product.cost(inputs: inputs + inputs, output: output)
  }

  /// The input.
  public func evaluate<Scalar: ReferenceScalar>(_ inputs: [Tensor<Scalar>]) -> Tensor<Scalar> {
    inputs[0]
  }

  /// The gradient.
  public func inputGradients<Scalar: ReferenceScalar>(
    inputs: [Tensor<Scalar>], output: Tensor<Scalar>, gradient: Tensor<Scalar>
  ) -> [Tensor<Scalar>] {
    [gradient]
  }

  /// Records the forward pass, one launch.
  public func recordForward(
    _ recorder: Recorder, inputs: [DeviceTensor], output: ForwardTarget
  ) throws(ComputeError) {
    try Self.product.recordForward(recorder, inputs: [inputs[0], mask.tensor], output: output)
  }

  /// Records the gradient, one launch.
  public func recordGradient(
    _ recorder: Recorder, of position: Int, gradient: DeviceTensor, saved: Saved,
    to target: GradientTarget
  ) throws(ComputeError) {
    try Self.product.recordGradient(
      recorder, of: position, gradient: gradient,
      saved: Saved(
        inputs: [nil, mask.tensor], output: nil, state: nil,
        inputLayouts: saved.inputLayouts + [mask.tensor.layout],
        outputLayout: saved.outputLayout), to: target)
  }
}
