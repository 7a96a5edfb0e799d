public import Compute
public import Reference

/// y = x * scale + shift with one scale and shift for each channel (axis 0): batch normalisation at
/// inference where it could not be folded, and the normalisation of pictures.
public struct ScaleShift: Operation {
  /// One factor for each output channel.
  public let scale: [Float]
  /// One summand for each output channel.
  public let shift: [Float]
  /// Whether output channel c reads input channel C - 1 - c (RGB to BGR).
  public let reversesChannels: Bool
  /// What is applied before the output is stored.
  public let activation: Activation

  /// The operation's name.
  public var kind: String { "scale-shift" }

  /// One scale and shift for each channel.
  public init(
    scale: [Float], shift: [Float], reversesChannels: Bool = false, activation: Activation = .none
  ) {
    precondition(scale.count == shift.count, "scale-shift of \(scale.count) and \(shift.count)")
    self.scale = scale
    self.shift = shift
    self.reversesChannels = reversesChannels
    self.activation = activation
  }

  /// The shape of a sample's output; throws when the inputs do not fit.
  public func outputShape(for inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard inputs.count == 1, let channels = inputs[0].first, channels == scale.count,
      [1, 3].contains(inputs[0].count)
    else { throw ShapeError("\(scale.count) scales do not fit \(inputs)") }
    return inputs[0]
  }

  /// The cost of the forward pass for one sample.
  public func cost(inputs: [[Int]], output: [Int]) -> Cost {
    let count = output.reduce(1, *)
    return Cost(flops: 2 * count, bytes: 8 * count)
  }

  /// The CPU reference path.
  public func evaluate<Scalar: ReferenceScalar>(_ inputs: [Tensor<Scalar>]) -> Tensor<Scalar> {
    let sums = BatchNormalizationReference.scaleShift(
      mirrored(inputs[0]), scale: scale.map { Scalar($0) }, shift: shift.map { Scalar($0) })
    return ActivationReference.forward(sums, activation)
  }

  /// The CPU reference path of the gradients.
  public func inputGradients<Scalar: ReferenceScalar>(
    inputs: [Tensor<Scalar>], output: Tensor<Scalar>, gradient: Tensor<Scalar>
  ) -> [Tensor<Scalar>] {
    [
      mirrored(
        BatchNormalizationReference.scaleShiftGradient(gradient, scale: scale.map { Scalar($0) }))
    ]
  }

  /// Pictures may stay without padding channels.
  public var writesUnpadded: Bool { activation == .none }

  /// Records the forward pass, one launch.
  public func recordForward(
    _ recorder: Recorder, inputs: [DeviceTensor], output: ForwardTarget
  ) throws(ComputeError) {
    let (x, y) = (inputs[0], output.tensor)
    if y.layout.isUnpadded {
      return try recordRows(
        recorder, "scale_shift_rows", from: x, to: GradientTarget(tensor: y), scale, shift)
    }
    let vector = recorder.vector(x, y, mask: output.mask)
    let program = try recorder.program(
      "reference/scale_shift",
      reversesConstant + vector.constants + recorder.constants(x.layout, output, activation))
    let mask = try recorder.bytesOrPlaceholder(output.mask)
    try recorder.launch(
      program, "scale_shift_forward", recorder.items(y.layout, vector), x.buffer, Place(x),
      try Buffer(recorder.context, padded(scale)), try Buffer(recorder.context, padded(shift)),
      y.buffer, Place(y), mask.buffer, mask.firstWord, Extents(y.layout, vector))
  }

  /// Records the gradient with respect to one input, one launch.
  public func recordGradient(
    _ recorder: Recorder, of position: Int, gradient: DeviceTensor, saved: Saved,
    to target: GradientTarget
  ) throws(ComputeError) {
    let factors = reversesChannels ? scale.reversed() : scale
    if gradient.layout.isUnpadded {
      return try recordRows(
        recorder, "scale_shift_rows_gradient", from: gradient, to: target, factors, shift)
    }
    let vector = recorder.vector(gradient, target.tensor)
    let program = try recorder.program(
      "reference/scale_shift",
      reversesConstant + vector.constants + recorder.constants(gradient, target))
    let mask = try recorder.bytesOrPlaceholder(target.mask?.bits)
    let layout = target.tensor.layout
    try recorder.launch(
      program, "scale_shift_gradient", recorder.items(layout, vector), gradient.buffer,
      Place(gradient),
      try Buffer(recorder.context, padded(factors)), target.tensor.buffer, Place(target.tensor),
      mask.buffer, mask.firstWord, Extents(layout, vector))
  }

  /// Records either pass between rows without padding channels: sixteen floats a work-item, whatever
  /// channels they are.
  private func recordRows(
    _ recorder: Recorder, _ kernel: String, from source: DeviceTensor, to target: GradientTarget,
    _ scale: [Float], _ shift: [Float]
  ) throws(ComputeError) {
    let layout = target.tensor.layout
    let channels = layout.channels
    precondition(source.layout.isUnpadded && target.mask == nil, "rows with padding or mask")
    let length = layout.width * channels
    let vector = recorder.vector().alignedBy(
      [source, target.tensor].flatMap {
        [Int($0.start), $0.layout.imageStride, $0.layout.rowStride]
      })
    let program = try recorder.program(
      "reference/scale_shift_rows",
      reversesConstant + vector.constants + EpilogueConstants.gradient(target)
        + [("CHANNELS", "\(channels)"), recorder.groupConstant])
    // From any channel on, sixteen floats of the pattern.
    let pattern = { (values: [Float]) in (0..<channels + 16).map { values[$0 % channels] } }
    try recorder.launch(
      program, kernel,
      Grid(
        [vector.items((length + 15) / 16), layout.height, recorder.batch],
        groups: [recorder.groupSize, 1, 1]),
      source.buffer, Place(source), target.tensor.buffer, Place(target.tensor),
      try Buffer(recorder.context, pattern(scale)), try Buffer(recorder.context, pattern(shift)),
      UInt32(length))
  }

  private var reversesConstant: [(String, String)] {
    [("REVERSES", reversesChannels ? "1" : "0")]
  }

  /// Whole groups of channels.
  private func padded(_ values: [Float]) -> [Float] {
    let alignment = Layout.channelAlignment
    let count = (values.count + alignment - 1) / alignment * alignment
    return values + Array(repeating: 0, count: count - values.count)
  }

  /// The channels of `[N, C, ...]` in reverse, if that is what this operation does.
  private func mirrored<Scalar>(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    guard reversesChannels else { return x }
    let channels = x.shape[1]
    let plane = x.shape[2...].reduce(1, *)
    var result = x
    for i in x.values.indices {
      let channel = i / plane % channels
      result.values[i] = x.values[i + (channels - 1 - 2 * channel) * plane]
    }
    return result
  }
}
