public import Compute
public import Reference

/// A picture with rows and columns added, or removed where a number is negative.
public struct Pad: Operation {
  /// What the new elements are.
  public enum Mode: Hashable, Sendable {
    /// One number.
    case constant(Float)
    /// Mirrored without repeating the edge.
    case reflect
    /// The nearest element of the picture.
    case edge
  }

  /// Elements before each axis of a sample.
  public let before: [Int]
  /// Elements after each axis of a sample.
  public let after: [Int]
  /// What the new elements are.
  public let mode: Mode

  /// The name in messages and benchmarks.
  public var kind: String { "pad" }

  /// Pads a sample.
  public init(before: [Int], after: [Int], mode: Mode = .constant(0)) {
    precondition(before.count == after.count, "pad of \(before) and \(after)")
    self.before = before
    self.after = after
    self.mode = mode
  }

  /// The shape of a sample's output; throws when the inputs do not fit.
  public func outputShape(for inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard inputs.count == 1, inputs[0].count == before.count else {
      throw ShapeError("pads \(before), \(after) do not fit \(inputs)")
    }
    guard (1...StridedAxes.limit).contains(before.count) else {
      throw ShapeError("pads \(before.count) axes, not 1 to \(StridedAxes.limit)")
    }
    let shape = inputs[0].indices.map { inputs[0][$0] + before[$0] + after[$0] }
    guard shape.allSatisfy({ $0 > 0 }) else {
      throw ShapeError("pads \(before), \(after) leave nothing of \(inputs[0])")
    }
    if mode == .reflect {
      for (axis, extent) in inputs[0].enumerated()
      where max(before[axis], after[axis]) >= extent {
        throw ShapeError("pads \(before), \(after) reflect more than there is of \(inputs[0])")
      }
    }
    return shape
  }

  /// The cost of the forward pass for one sample.
  public func cost(inputs: [[Int]], output: [Int]) -> Cost {
    Cost(flops: 0, bytes: 8 * output.reduce(1, *))
  }
}

// MARK: Paths

extension Pad {
  private var referenceMode: PaddingReference.Mode {
    switch mode {
    case .constant(let value): .constant(value)
    case .reflect: .reflect
    case .edge: .edge
    }
  }

  /// The CPU reference path, with the batch axis first.
  public func evaluate<Scalar: ReferenceScalar>(_ inputs: [Tensor<Scalar>]) -> Tensor<Scalar> {
    PaddingReference.forward(
      inputs[0], before: [0] + before, after: [0] + after, mode: referenceMode)
  }

  /// The CPU reference path of the gradient of each input.
  public func inputGradients<Scalar: ReferenceScalar>(
    inputs: [Tensor<Scalar>], output: Tensor<Scalar>, gradient: Tensor<Scalar>
  ) -> [Tensor<Scalar>] {
    [
      PaddingReference.gradient(
        gradient, inputShape: inputs[0].shape, before: [0] + before, after: [0] + after,
        mode: referenceMode)
    ]
  }

  /// Records the forward pass.
  public func recordForward(
    _ recorder: Recorder, inputs: [DeviceTensor], output: ForwardTarget
  ) throws(ComputeError) {
    let input = inputs[0]
    let from = input.layout
    let to = output.tensor.layout
    let program = try program(recorder, to)
    if let pixels = pixelPadding {
      try recorder.launch(
        program, "pad_pixels", recorder.pixelGrid(to), input.buffer, input.start,
        UInt64(from.imageStride), Int32(from.rowStride), Int32(from.channelStride),
        Int32(from.height), Int32(from.width), output.tensor.buffer, output.tensor.start,
        UInt64(to.imageStride), Int32(to.rowStride), Int32(to.channelStride), Int32(to.height),
        Int32(to.width), Int32(pixels.height), Int32(pixels.width), filler,
        Int32(to.channelGroups))
    } else {
      try recorder.launch(
        program, "pad", recorder.pixelGrid(to), input.buffer, input.start,
        UInt64(from.imageStride), output.tensor.buffer, output.tensor.start,
        UInt64(to.imageStride), Int32(to.rowStride), Int32(to.channelStride), Int32(to.height),
        Int32(to.width), Int32(to.channels), SIMD8(from.shape), SIMD8(to.shape), SIMD8(before),
        SIMD8(from.steps), filler, Int32(to.channelGroups))
    }
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
    let program = try program(recorder, to, EpilogueConstants.gradient(target))
    if let pixels = pixelPadding {
      try recorder.launch(
        program, "pad_pixels_gradient", recorder.pixelGrid(to), gradient.buffer, gradient.start,
        UInt64(from.imageStride), Int32(from.rowStride), Int32(from.channelStride),
        Int32(from.height), Int32(from.width), target.tensor.buffer, target.tensor.start,
        UInt64(to.imageStride), Int32(to.rowStride), Int32(to.channelStride), mask.buffer,
        mask.firstWord, UInt64(to.interior / 16), Int32(to.maskStride / 16), Int32(to.height),
        Int32(to.width), Int32(pixels.height), Int32(pixels.width), Int32(to.channelGroups))
    } else {
      try recorder.launch(
        program, "pad_gradient", recorder.pixelGrid(to), gradient.buffer, gradient.start,
        UInt64(from.imageStride), target.tensor.buffer, target.tensor.start,
        UInt64(to.imageStride), Int32(to.rowStride), Int32(to.channelStride), mask.buffer,
        mask.firstWord, UInt64(to.interior / 16), Int32(to.maskStride / 16), Int32(to.height),
        Int32(to.width), Int32(to.channels), SIMD8(to.shape), SIMD8(from.shape), SIMD8(before),
        SIMD8(from.steps), Int32(to.channelGroups))
    }
  }

  /// The rows and columns before a picture or matrix whose channels are left alone.
  private var pixelPadding: Extent? {
    switch before.count {
    case 3 where before[0] == 0 && after[0] == 0: Extent(before[1], before[2])
    case 2 where before[1] == 0 && after[1] == 0: Extent(0, before[0])
    default: nil
    }
  }

  private var filler: Float { if case .constant(let value) = mode { value } else { 0 } }

  /// The program that writes a layout; pixels ask for no more than the mode.
  private func program(
    _ recorder: Recorder, _ written: Layout, _ ending: [(String, String)] = []
  ) throws(ComputeError) -> Program {
    let number =
      switch mode {
      case .constant: "0"
      case .reflect: "1"
      case .edge: "2"
      }
    let axes =
      pixelPadding == nil
      ? [("RANK", "\(before.count)"), ("PLANAR", written.isPlanar ? "1" : "0")] : []
    return try recorder.program(
      "reference/pad", [recorder.groupConstant, ("MODE", number)] + axes + ending)
  }
}
