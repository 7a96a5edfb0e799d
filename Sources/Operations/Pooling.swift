public import Compute
public import Reference

/// Maximum or average over windows of a picture.
public struct Pooling: Operation {
  /// What is taken of a window.
  public enum Reduction: Hashable, Sendable {
    /// The largest element; the lowest tap wins, NaN is propagated.
    case maximum
    /// The mean; padding counts as zeros or not at all.
    case average(countsPadding: Bool)
  }

  /// What is taken of a window.
  public let reduction: Reduction
  /// Where the windows lie.
  public let window: WindowGeometry

  /// The name in messages and benchmarks.
  public var kind: String { reduction == .maximum ? "max-pooling" : "average-pooling" }

  /// Pooling.
  public init(_ reduction: Reduction, window: WindowGeometry) {
    self.reduction = reduction
    self.window = window
  }

  /// The shape of a sample's output; throws when the inputs do not fit.
  public func outputShape(for inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard inputs.count == 1, inputs[0].count == 3 else {
      throw ShapeError("takes a picture [C, H, W], not \(inputs)")
    }
    let taps = window.kernel.height * window.kernel.width
    guard reduction != .maximum || taps <= 254 else {
      throw ShapeError(
        "a maximum over \(taps) elements is more than the 254 that one byte can number")
    }
    let extent = window.outputExtent(of: Extent(inputs[0][1], inputs[0][2]))
    guard extent.height > 0, extent.width > 0 else {
      throw ShapeError("a picture of \(inputs[0][1])x\(inputs[0][2]) is smaller than the window")
    }
    return [inputs[0][0], extent.height, extent.width]
  }

  /// The cost of the forward pass for one sample.
  public func cost(inputs: [[Int]], output: [Int]) -> Cost {
    let count = output.reduce(1, *)
    return Cost(
      flops: count * window.kernel.height * window.kernel.width,
      bytes: 4 * (count + inputs[0].reduce(1, *)))
  }
}

// MARK: Paths

extension Pooling {
  /// The CPU reference path, with the batch axis first.
  public func evaluate<Scalar: ReferenceScalar>(_ inputs: [Tensor<Scalar>]) -> Tensor<Scalar> {
    switch reduction {
    case .maximum:
      MaximumPoolingReference.forward(inputs[0], window: window, taps: UInt8.self).output
    case .average(let countsPadding):
      AveragePoolingReference.forward(inputs[0], window: window, countsPadding: countsPadding)
    }
  }

  /// The CPU reference path of the gradient of each input.
  public func inputGradients<Scalar: ReferenceScalar>(
    inputs: [Tensor<Scalar>], output: Tensor<Scalar>, gradient: Tensor<Scalar>
  ) -> [Tensor<Scalar>] {
    switch reduction {
    case .maximum:
      let taps = MaximumPoolingReference.forward(inputs[0], window: window, taps: UInt8.self).taps
      return [
        MaximumPoolingReference.gradient(
          gradient, taps: taps, inputShape: inputs[0].shape, window: window)
      ]
    case .average(let countsPadding):
      return [
        AveragePoolingReference.gradient(
          gradient, inputShape: inputs[0].shape, window: window, countsPadding: countsPadding)
      ]
    }
  }

  /// A byte for each maximum: the tap it comes from.
  public func needs(inputs: [Layout], output: Layout) -> Needs {
    Needs(stateBytes: reduction == .maximum ? output.interior : 0)
  }

  /// Records the forward pass.
  public func recordForward(
    _ recorder: Recorder, inputs: [DeviceTensor], output: ForwardTarget
  ) throws(ComputeError) {
    let input = inputs[0]
    let from = input.layout
    let to = output.tensor.layout
    switch reduction {
    case .maximum where takesRows(recorder, from, to):
      let state = try recorder.bytesOrPlaceholder(output.state)
      let program = try recorder.program(
        "cpu/max_pooling",
        window.constants + [("WRITES_STATE", output.state == nil ? "0" : "1")])
      let rows = recorder.rowsPerGroup(
        to, bytesReadPerFloat: 4 * window.stride.height * window.stride.width)
      try recorder.launch(
        program, "max_pooling", recorder.rowGrid(to, rowsPerGroup: rows), input.buffer,
        Place(input), KernelVector(extentOf: from), output.tensor.buffer, Place(output.tensor),
        KernelVector(extentOf: to), state.buffer, UInt64(state.offset), UInt64(to.interior),
        Int32(to.channelGroups), Int32(rows))
    case .maximum:
      let state = try recorder.bytesOrPlaceholder(output.state)
      let vector = recorder.vector(input, output.tensor)
      let program = try recorder.program(
        "reference/max_pooling",
        vector.constants + [
          recorder.groupConstant, ("WRITES_STATE", output.state == nil ? "0" : "1"),
        ])
      try recorder.launch(
        program, "max_pooling", recorder.pixelGrid(to, vectors: vector.items(to)), input.buffer,
        input.start,
        UInt64(from.imageStride), Int32(from.rowStride), Int32(from.channelStride),
        Int32(from.height), Int32(from.width), output.tensor.buffer, output.tensor.start,
        UInt64(to.imageStride), Int32(to.rowStride), Int32(to.channelStride), Int32(to.height),
        Int32(to.width), state.buffer, UInt64(state.offset), UInt64(to.interior),
        Int32(window.kernel.height), Int32(window.kernel.width), Int32(window.stride.height),
        Int32(window.stride.width), Int32(window.padding.top), Int32(window.padding.left),
        Int32(window.dilation.height), Int32(window.dilation.width), Int32(vector.items(to)))
    case .average(let countsPadding):
      let vector = recorder.vector(input, output.tensor)
      let program = try recorder.program(
        "reference/average_pooling",
        vector.constants + [recorder.groupConstant, ("COUNTS_PADDING", countsPadding ? "1" : "0")])
      try recorder.launch(
        program, "average_pooling", recorder.pixelGrid(to, vectors: vector.items(to)), input.buffer,
        input.start,
        UInt64(from.imageStride), Int32(from.rowStride), Int32(from.channelStride),
        Int32(from.height), Int32(from.width), output.tensor.buffer, output.tensor.start,
        UInt64(to.imageStride), Int32(to.rowStride), Int32(to.channelStride), Int32(to.height),
        Int32(to.width), Int32(window.kernel.height), Int32(window.kernel.width),
        Int32(window.stride.height), Int32(window.stride.width), Int32(window.padding.top),
        Int32(window.padding.left), Int32(window.padding.bottom), Int32(window.padding.right),
        Int32(window.dilation.height), Int32(window.dilation.width), Int32(vector.items(to)))
    }
  }

  /// Whether the kernels that go through rows compute between two layouts.
  private func takesRows(_ recorder: Recorder, _ a: Layout, _ b: Layout) -> Bool {
    recorder.family == .cpu && window.isUnrolled && !a.isUnpadded && !b.isUnpadded
  }

  /// Records adding this operation's share to the gradient of an input.
  public func recordGradient(
    _ recorder: Recorder, of position: Int, gradient: DeviceTensor, saved: Saved,
    to target: GradientTarget
  ) throws(ComputeError) {
    target.checkMask()
    let from = gradient.layout
    let to = target.tensor.layout
    let mask = try recorder.bytesOrPlaceholder(target.mask?.bits)
    let ending = EpilogueConstants.gradient(target)
    switch reduction {
    case .maximum where takesRows(recorder, from, to):
      guard let state = saved.state else { preconditionFailure("no state of \(kind)") }
      let program = try recorder.program("cpu/max_pooling", window.constants + ending)
      let rows = recorder.rowsPerGroup(to, bytesReadPerFloat: 2)
      try recorder.launch(
        program, "max_pooling_gradient", recorder.rowGrid(to, rowsPerGroup: rows),
        gradient.buffer, Place(gradient), KernelVector(extentOf: from), state.buffer,
        UInt64(state.offset), UInt64(saved.outputLayout.interior),
        Int32(saved.outputLayout.maskStride), target.tensor.buffer, Place(target.tensor),
        KernelVector(extentOf: to), mask.buffer, mask.firstWord, Int32(to.channelGroups),
        Int32(rows))
    case .maximum:
      guard let state = saved.state else { preconditionFailure("no state of \(kind)") }
      let vector = recorder.vector(gradient, target.tensor)
      let program = try recorder.program(
        "reference/max_pooling", vector.constants + [recorder.groupConstant] + ending)
      try recorder.launch(
        program, "max_pooling_gradient", recorder.pixelGrid(to, vectors: vector.items(to)),
        gradient.buffer, gradient.start,
        UInt64(from.imageStride), Int32(from.rowStride), Int32(from.channelStride),
        Int32(from.height), Int32(from.width), state.buffer, UInt64(state.offset),
        UInt64(saved.outputLayout.interior), Int32(saved.outputLayout.maskStride),
        target.tensor.buffer, target.tensor.start, UInt64(to.imageStride), Int32(to.rowStride),
        Int32(to.channelStride), mask.buffer, mask.firstWord, UInt64(to.interior / 16),
        Int32(to.maskStride / 16), Int32(to.height), Int32(to.width),
        Int32(window.kernel.height), Int32(window.kernel.width), Int32(window.stride.height),
        Int32(window.stride.width), Int32(window.padding.top), Int32(window.padding.left),
        Int32(window.dilation.height), Int32(window.dilation.width), Int32(vector.items(to)))
    case .average(let countsPadding):
      let vector = recorder.vector(gradient, target.tensor)
      let program = try recorder.program(
        "reference/average_pooling",
        vector.constants + [recorder.groupConstant, ("COUNTS_PADDING", countsPadding ? "1" : "0")]
          + ending)
      try recorder.launch(
        program, "average_pooling_gradient", recorder.pixelGrid(to, vectors: vector.items(to)),
        gradient.buffer,
        gradient.start, UInt64(from.imageStride), Int32(from.rowStride),
        Int32(from.channelStride), Int32(from.height), Int32(from.width), target.tensor.buffer,
        target.tensor.start, UInt64(to.imageStride), Int32(to.rowStride), Int32(to.channelStride),
        mask.buffer, mask.firstWord, UInt64(to.interior / 16), Int32(to.maskStride / 16),
        Int32(to.height), Int32(to.width), Int32(window.kernel.height),
        Int32(window.kernel.width), Int32(window.stride.height), Int32(window.stride.width),
        Int32(window.padding.top), Int32(window.padding.left), Int32(window.padding.bottom),
        Int32(window.padding.right), Int32(window.dilation.height), Int32(window.dilation.width),
        Int32(vector.items(to)))
    }
  }
}
