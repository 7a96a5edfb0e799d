public import Compute
public import Reference

/// The same elements in row-major order under another shape.
public struct Reshape: Operation {
  /// The shape of a sample.
  public let shape: [Int]

  /// The name in messages and benchmarks.
  public var kind: String { "reshape" }

  /// Another shape of as many elements.
  public init(shape: [Int]) { self.shape = shape }

  /// The shape of a sample's output; throws when the inputs do not fit.
  public func outputShape(for inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard inputs.count == 1, inputs[0].reduce(1, *) == shape.reduce(1, *) else {
      throw ShapeError("\(inputs) cannot be reshaped to \(shape)")
    }
    return shape
  }

  /// The cost of the forward pass for one sample.
  public func cost(inputs: [[Int]], output: [Int]) -> Cost {
    Cost(flops: 0, bytes: 8 * output.reduce(1, *))
  }
}

/// The axes of a sample in another order.
public struct Transpose: Operation {
  /// Output axis i is input axis `permutation[i]`, without the batch axis.
  public let permutation: [Int]

  /// The name in messages and benchmarks.
  public var kind: String { "transpose" }

  /// Another order of the axes.
  public init(permutation: [Int]) { self.permutation = permutation }

  /// The shape of a sample's output; throws when the inputs do not fit.
  public func outputShape(for inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard inputs.count == 1, permutation.sorted() == Array(inputs[0].indices) else {
      throw ShapeError("the permutation \(permutation) does not fit \(inputs)")
    }
    guard permutation.count <= StridedAxes.limit else {
      throw ShapeError("\(permutation.count) axes are more than \(StridedAxes.limit)")
    }
    return permutation.map { inputs[0][$0] }
  }

  /// The cost of the forward pass for one sample.
  public func cost(inputs: [[Int]], output: [Int]) -> Cost {
    Cost(flops: 0, bytes: 8 * output.reduce(1, *))
  }
}

// MARK: Paths

extension Reshape {
  /// The CPU reference path, with the batch axis first.
  public func evaluate<Scalar: ReferenceScalar>(_ inputs: [Tensor<Scalar>]) -> Tensor<Scalar> {
    ArrangementReference.reshape(inputs[0], to: [inputs[0].shape[0]] + shape)
  }

  /// The CPU reference path of the gradient of each input.
  public func inputGradients<Scalar: ReferenceScalar>(
    inputs: [Tensor<Scalar>], output: Tensor<Scalar>, gradient: Tensor<Scalar>
  ) -> [Tensor<Scalar>] {
    [ArrangementReference.reshape(gradient, to: inputs[0].shape)]
  }

  /// Records the forward pass.
  public func recordForward(
    _ recorder: Recorder, inputs: [DeviceTensor], output: ForwardTarget
  ) throws(ComputeError) {
    try Self.move(recorder, from: inputs[0], to: GradientTarget(tensor: output.tensor))
  }

  /// Records adding this operation's share to the gradient of an input.
  public func recordGradient(
    _ recorder: Recorder, of position: Int, gradient: DeviceTensor, saved: Saved,
    to target: GradientTarget
  ) throws(ComputeError) {
    try Self.move(recorder, from: gradient, to: target)
  }

  /// Both ways are the same: the logical index stays.
  private static func move(
    _ recorder: Recorder, from source: DeviceTensor, to target: GradientTarget
  ) throws(ComputeError) {
    let from = source.layout
    let to = target.tensor.layout
    if from.shape == to.shape || (from.pixels == 1 && to.pixels == 1) {
      try recorder.copyPixels(
        from: PixelBlock(source, channels: from.channels),
        to: PixelBlock(target.tensor, channels: to.channels), ending: target)
    } else {
      try recorder.rearrange(from: source, axes: from.axes, to: target)
    }
  }
}

extension Transpose {
  /// The CPU reference path, with the batch axis first.
  public func evaluate<Scalar: ReferenceScalar>(_ inputs: [Tensor<Scalar>]) -> Tensor<Scalar> {
    ArrangementReference.transpose(inputs[0], permutation: batched)
  }

  /// The CPU reference path of the gradient of each input.
  public func inputGradients<Scalar: ReferenceScalar>(
    inputs: [Tensor<Scalar>], output: Tensor<Scalar>, gradient: Tensor<Scalar>
  ) -> [Tensor<Scalar>] {
    [ArrangementReference.transposeGradient(gradient, permutation: batched)]
  }

  /// Records the forward pass.
  public func recordForward(
    _ recorder: Recorder, inputs: [DeviceTensor], output: ForwardTarget
  ) throws(ComputeError) {
    let layout = inputs[0].layout
    let steps = layout.steps
    try recorder.rearrange(
      from: inputs[0],
      axes: StridedAxes(
        extents: permutation.map { layout.shape[$0] }, steps: permutation.map { steps[$0] }),
      to: GradientTarget(tensor: output.tensor))
  }

  /// Records adding this operation's share to the gradient of an input.
  public func recordGradient(
    _ recorder: Recorder, of position: Int, gradient: DeviceTensor, saved: Saved,
    to target: GradientTarget
  ) throws(ComputeError) {
    let outputSteps = gradient.layout.steps
    var steps = outputSteps
    for (position, axis) in permutation.enumerated() { steps[axis] = outputSteps[position] }
    try recorder.rearrange(
      from: gradient,
      axes: StridedAxes(extents: target.tensor.layout.shape, steps: steps), to: target)
  }

  /// The permutation with the batch axis.
  private var batched: [Int] { [0] + permutation.map { $0 + 1 } }
}
