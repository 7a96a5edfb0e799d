public import Compute
public import Reference

/// The mean or maximum of each channel of a picture: `[C, H, W]` to `[C, 1, 1]`.
public struct GlobalPooling: Operation {
  /// What is taken of a channel.
  public enum Reduction: Hashable, Sendable {
    /// The largest element; the lowest index wins, NaN is propagated.
    case maximum
    /// The mean, summed row by row.
    case average
  }

  /// What is taken of a channel.
  public let reduction: Reduction

  /// The name in messages and benchmarks.
  public var kind: String {
    reduction == .maximum ? "global-max-pooling" : "global-average-pooling"
  }

  /// Global pooling.
  public init(_ reduction: Reduction) { self.reduction = reduction }

  /// The shape of a sample's output; throws when the inputs do not fit.
  public func outputShape(for inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard inputs.count == 1, inputs[0].count == 3 else {
      throw ShapeError("takes a picture [C, H, W], not \(inputs)")
    }
    return [inputs[0][0], 1, 1]
  }

  /// The cost of the forward pass for one sample.
  public func cost(inputs: [[Int]], output: [Int]) -> Cost {
    let count = inputs[0].reduce(1, *)
    return Cost(flops: count, bytes: 4 * count)
  }
}

// MARK: Paths

extension GlobalPooling {
  /// The CPU reference path, with the batch axis first.
  public func evaluate<Scalar: ReferenceScalar>(_ inputs: [Tensor<Scalar>]) -> Tensor<Scalar> {
    switch reduction {
    case .maximum: MaximumPoolingReference.global(inputs[0]).output
    case .average: AveragePoolingReference.global(inputs[0])
    }
  }

  /// The CPU reference path of the gradient of each input.
  public func inputGradients<Scalar: ReferenceScalar>(
    inputs: [Tensor<Scalar>], output: Tensor<Scalar>, gradient: Tensor<Scalar>
  ) -> [Tensor<Scalar>] {
    switch reduction {
    case .maximum:
      let indices = MaximumPoolingReference.global(inputs[0]).indices
      return [
        MaximumPoolingReference.globalGradient(
          gradient, indices: indices, inputShape: inputs[0].shape)
      ]
    case .average:
      return [AveragePoolingReference.globalGradient(gradient, inputShape: inputs[0].shape)]
    }
  }

  /// Four bytes for each maximum: the pixel it comes from.
  public func needs(inputs: [Layout], output: Layout) -> Needs {
    Needs(stateBytes: reduction == .maximum ? 4 * output.interior : 0)
  }

  /// Records the forward pass.
  public func recordForward(
    _ recorder: Recorder, inputs: [DeviceTensor], output: ForwardTarget
  ) throws(ComputeError) {
    let input = inputs[0]
    let from = input.layout
    let to = output.tensor.layout
    precondition(to.pixels == 1, "global pooling to \(to.shape)")
    let state = try recorder.bytesOrPlaceholder(output.state)
    let vector = recorder.vector(input, output.tensor)
    let program = try recorder.program(
      "reference/global_pooling",
      vector.constants + [
        recorder.groupConstant, ("MAXIMUM", reduction == .maximum ? "1" : "0"),
        ("WRITES_STATE", output.state == nil ? "0" : "1"),
      ])
    try recorder.launch(
      program, "global_pooling",
      Grid([vector.items(to), recorder.batch], groups: [recorder.groupSize, 1]), input.buffer,
      input.start, UInt64(from.imageStride), Int32(from.rowStride), Int32(from.channelStride),
      Int32(from.height), Int32(from.width), output.tensor.buffer, output.tensor.start,
      UInt64(to.imageStride), state.buffer, UInt64(state.offset / 4), UInt64(to.interior),
      Int32(vector.items(to)))
  }

  /// Records adding this operation's share to the gradient of an input.
  public func recordGradient(
    _ recorder: Recorder, of position: Int, gradient: DeviceTensor, saved: Saved,
    to target: GradientTarget
  ) throws(ComputeError) {
    target.checkMask()
    let to = target.tensor.layout
    let mask = try recorder.bytesOrPlaceholder(target.mask?.bits)
    precondition(reduction == .average || saved.state != nil, "no state of \(kind)")
    let state = try recorder.bytesOrPlaceholder(saved.state)
    let vector = recorder.vector(gradient, target.tensor)
    let program = try recorder.program(
      "reference/global_pooling",
      vector.constants + [recorder.groupConstant, ("MAXIMUM", reduction == .maximum ? "1" : "0")]
        + EpilogueConstants.gradient(target))
    try recorder.launch(
      program, "global_pooling_gradient", recorder.pixelGrid(to, vectors: vector.items(to)),
      gradient.buffer,
      gradient.start, UInt64(gradient.layout.imageStride), state.buffer, UInt64(state.offset / 4),
      UInt64(saved.outputLayout.interior), target.tensor.buffer, target.tensor.start,
      UInt64(to.imageStride), Int32(to.rowStride), Int32(to.channelStride), mask.buffer,
      mask.firstWord, UInt64(to.interior / 16), Int32(to.maskStride / 16), Int32(to.height),
      Int32(to.width), Int32(vector.items(to)))
  }
}
