public import Compute
public import Reference

/// Softmax or its logarithm along one axis.
public struct Softmax: Operation {
  /// The axis of a sample's shape (0 is channels of a picture, or the only axis of a vector).
  public let axis: Int
  /// Whether the logarithm is returned.
  public let isLogarithmic: Bool

  /// The operation's name.
  public var kind: String { isLogarithmic ? "log-softmax" : "softmax" }

  /// Softmax along an axis.
  public init(axis: Int, isLogarithmic: Bool = false) {
    self.axis = axis
    self.isLogarithmic = isLogarithmic
  }

  /// The shape of a sample's output; throws when the inputs do not fit.
  public func outputShape(for inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard inputs.count == 1, inputs[0].indices.contains(axis) else {
      throw ShapeError("no axis \(axis) in \(inputs)")
    }
    guard inputs[0].count <= 3 else {
      throw ShapeError("\(kind) of more than three axes: \(inputs[0])")
    }
    return inputs[0]
  }

  /// The cost of the forward pass for one sample.
  public func cost(inputs: [[Int]], output: [Int]) -> Cost {
    let count = output.reduce(1, *)
    return Cost(flops: 20 * count, bytes: 8 * count)
  }

  /// The CPU reference path.
  public func evaluate<Scalar: ReferenceScalar>(_ inputs: [Tensor<Scalar>]) -> Tensor<Scalar> {
    isLogarithmic
      ? SoftmaxReference.logSoftmax(inputs[0], axis: axis + 1)
      : SoftmaxReference.softmax(inputs[0], axis: axis + 1)
  }

  /// The CPU reference path of the gradients.
  public func inputGradients<Scalar: ReferenceScalar>(
    inputs: [Tensor<Scalar>], output: Tensor<Scalar>, gradient: Tensor<Scalar>
  ) -> [Tensor<Scalar>] {
    [
      isLogarithmic
        ? SoftmaxReference.logSoftmaxGradient(gradient, output: output, axis: axis + 1)
        : SoftmaxReference.softmaxGradient(gradient, output: output, axis: axis + 1)
    ]
  }

  /// What the gradient reads of the forward pass.
  public func needs(inputs: [Layout], output: Layout) -> Needs { Needs(output: true) }

  /// Records the forward pass, one launch.
  public func recordForward(
    _ recorder: Recorder, inputs: [DeviceTensor], output: ForwardTarget
  ) throws(ComputeError) {
    let (x, y) = (inputs[0], output.tensor)
    let program = try recorder.program("reference/softmax", constants(recorder))
    let rows = SoftmaxRows(y.layout, axis)
    try recorder.launch(
      program, "softmax_forward", rows.grid(recorder), x.buffer, rows.place(x), rows.step(x),
      y.buffer, rows.place(y), rows.step(y), rows.extents)
  }

  /// Records the gradient with respect to one input, one launch.
  public func recordGradient(
    _ recorder: Recorder, of position: Int, gradient: DeviceTensor, saved: Saved,
    to target: GradientTarget
  ) throws(ComputeError) {
    guard let y = saved.output else { preconditionFailure("\(kind) needs its output") }
    let program = try recorder.program(
      "reference/softmax", constants(recorder) + EpilogueConstants.gradient(target))
    let mask = try recorder.bytesOrPlaceholder(target.mask?.bits)
    let rows = SoftmaxRows(y.layout, axis)
    let bits = target.tensor.layout.bits
    let dx = target.tensor
    try recorder.launch(
      program, "softmax_gradient", rows.grid(recorder), gradient.buffer, rows.place(gradient),
      rows.step(gradient), y.buffer, rows.place(y), rows.step(y), dx.buffer, rows.place(dx),
      rows.step(dx), mask.buffer, rows.place(bits, from: mask.firstWord * 16), rows.step(bits),
      rows.extents)
  }

  private func constants(_ recorder: Recorder) -> [(String, String)] {
    [("LOGARITHMIC", isLogarithmic ? "1" : "0"), ("GROUP", "\(recorder.groupSize)")]
  }
}

/// The rows of a sample along one axis, as `softmax.cl` walks them.
private struct SoftmaxRows {
  /// The axes in their order in memory, outermost first, and which of them the rows lie along.
  private enum Axis { case row, column, channel }
  private let along: Axis
  private let outer: Axis
  private let inner: Axis
  private let layout: Layout

  init(_ layout: Layout, _ axis: Int) {
    let logical: [Axis] = layout.isPlanar ? [.channel, .row, .column] : [.column, .channel]
    along = logical[axis]
    // Neighbouring work-items should read neighbouring floats.
    (outer, inner) =
      switch along {
      case .channel: (.row, .column)
      case .row: (.column, .channel)
      case .column: (.row, .channel)
      }
    self.layout = layout
  }

  /// The rows of a sample, the inner ones, and their length.
  var extents: Extents {
    Extents(extent(outer) * extent(inner), extent(inner), extent(along), 0)
  }

  func grid(_ recorder: Recorder) -> Grid {
    Grid(
      [extent(outer) * extent(inner), recorder.batch], groups: [recorder.groupSize, 1])
  }

  func place(_ tensor: DeviceTensor) -> Place { place(tensor.layout, from: tensor.start) }

  func place(_ layout: Layout, from start: UInt64) -> Place {
    Place(
      start, sample: layout.imageStride, row: stride(outer, layout), pixel: stride(inner, layout))
  }

  func step(_ tensor: DeviceTensor) -> UInt64 { step(tensor.layout) }

  func step(_ layout: Layout) -> UInt64 { UInt64(stride(along, layout)) }

  private func extent(_ axis: Axis) -> Int {
    switch axis {
    case .row: layout.height
    case .column: layout.width
    case .channel: layout.channels
    }
  }

  private func stride(_ axis: Axis, _ layout: Layout) -> Int {
    switch axis {
    case .row: layout.rowStride
    case .column: layout.channelStride
    case .channel: 1
    }
  }
}
