public import Compute
public import Reference

/// The mean over some axes.
public struct ReduceMean: Operation {
  /// Axes of a sample's shape, ascending.
  public let axes: [Int]
  /// Whether the axes stay, with extent 1.
  public let keepsAxes: Bool

  /// The name in messages and benchmarks.
  public var kind: String { "reduce-mean" }

  /// The mean over some axes.
  public init(axes: [Int], keepsAxes: Bool) {
    self.axes = axes.sorted()
    self.keepsAxes = keepsAxes
  }

  /// The shape of a sample's output; throws when the inputs do not fit.
  public func outputShape(for inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard inputs.count == 1, axes.allSatisfy({ inputs[0].indices.contains($0) }) else {
      throw ShapeError("no axes \(axes) in \(inputs)")
    }
    guard inputs[0].count <= StridedAxes.limit, Set(axes).count == axes.count else {
      throw ShapeError(
        "the mean over \(axes) of \(inputs[0]): axes twice, or more than \(StridedAxes.limit)")
    }
    var shape: [Int] = []
    for (axis, extent) in inputs[0].enumerated() {
      if !axes.contains(axis) { shape.append(extent) } else if keepsAxes { shape.append(1) }
    }
    return shape
  }

  /// The cost of the forward pass for one sample.
  public func cost(inputs: [[Int]], output: [Int]) -> Cost {
    let count = inputs[0].reduce(1, *)
    return Cost(flops: count, bytes: 4 * count)
  }
}

// MARK: Paths

extension ReduceMean {
  /// The CPU reference path, with the batch axis first.
  public func evaluate<Scalar: ReferenceScalar>(_ inputs: [Tensor<Scalar>]) -> Tensor<Scalar> {
    ReductionReference.mean(inputs[0], axes: axes.map { $0 + 1 }, keepsAxes: keepsAxes)
  }

  /// The CPU reference path of the gradient of each input.
  public func inputGradients<Scalar: ReferenceScalar>(
    inputs: [Tensor<Scalar>], output: Tensor<Scalar>, gradient: Tensor<Scalar>
  ) -> [Tensor<Scalar>] {
    [
      ReductionReference.meanGradient(
        gradient, inputShape: inputs[0].shape, axes: axes.map { $0 + 1 })
    ]
  }

  /// Records the forward pass.
  public func recordForward(
    _ recorder: Recorder, inputs: [DeviceTensor], output: ForwardTarget
  ) throws(ComputeError) {
    let input = inputs[0]
    if isGlobal(input.layout) {
      return try GlobalPooling(.average).recordForward(recorder, inputs: inputs, output: output)
    }
    let to = output.tensor.layout
    let kept = selected(input.layout) { !axes.contains($0) }
    let reduced = selected(input.layout) { axes.contains($0) }
    let program = try recorder.program(
      "reference/reduce_mean",
      [
        recorder.groupConstant, ("KEPT", "\(kept.rank)"), ("REDUCED", "\(reduced.rank)"),
        ("PLANAR", to.isPlanar ? "1" : "0"),
      ])
    try recorder.launch(
      program, "reduce_mean", recorder.pixelGrid(to, vectors: to.channels), input.buffer,
      input.start, UInt64(input.layout.imageStride), output.tensor.buffer, output.tensor.start,
      UInt64(to.imageStride), Int32(to.rowStride), Int32(to.channelStride), Int32(to.height),
      Int32(to.width), Int32(to.channels), SIMD8(kept.extents), SIMD8(kept.steps),
      SIMD8(reduced.extents), SIMD8(reduced.steps), Int32(reduced.count))
  }

  /// Records adding this operation's share to the gradient of an input.
  public func recordGradient(
    _ recorder: Recorder, of position: Int, gradient: DeviceTensor, saved: Saved,
    to target: GradientTarget
  ) throws(ComputeError) {
    let input = target.tensor.layout
    if isGlobal(input) {
      return try GlobalPooling(.average).recordGradient(
        recorder, of: position, gradient: gradient, saved: saved, to: target)
    }
    // An element of a reduced axis reads the same place as its neighbours.
    var remaining = gradient.layout.steps[...]
    let steps = input.shape.indices.map { axis in
      guard axes.contains(axis) else { return remaining.removeFirst() }
      if keepsAxes { remaining.removeFirst() }
      return 0
    }
    try recorder.rearrange(
      from: gradient, axes: StridedAxes(extents: input.shape, steps: steps),
      divisor: Float(selected(input) { axes.contains($0) }.count), to: target)
  }

  /// Whether all pixels of a picture are averaged.
  private func isGlobal(_ input: Layout) -> Bool { input.shape.count == 3 && axes == [1, 2] }

  /// The chosen axes of a layout.
  private func selected(_ layout: Layout, _ isChosen: (Int) -> Bool) -> StridedAxes {
    let chosen = layout.shape.indices.filter(isChosen)
    let steps = layout.steps
    return StridedAxes(extents: chosen.map { layout.shape[$0] }, steps: chosen.map { steps[$0] })
  }
}
