public import Compute
import Reference

/// Axes of which each element has its own place in device memory: extents, and floats from one
/// element to the next.
struct StridedAxes: Equatable {
  /// The most axes that kernels take.
  static let limit = 6

  private(set) var extents: [Int]
  private(set) var steps: [Int]

  /// Leaves out axes of one element and joins neighbours that lie as one axis does; at least one
  /// axis remains.
  init(extents: [Int], steps: [Int]) {
    precondition(extents.count == steps.count, "axes \(extents) with steps \(steps)")
    self.extents = []
    self.steps = []
    for (extent, step) in zip(extents, steps) where extent != 1 {
      if let last = self.steps.last, last == extent * step {
        self.extents[self.extents.count - 1] *= extent
        self.steps[self.steps.count - 1] = step
      } else {
        self.extents.append(extent)
        self.steps.append(step)
      }
    }
    if self.extents.isEmpty {
      self.extents = [1]
      self.steps = [0]
    }
    precondition(self.extents.count <= Self.limit, "axes \(extents) with steps \(steps)")
  }

  /// The number of axes, 1 to 6.
  var rank: Int { extents.count }

  /// The number of elements.
  var count: Int { extents.reduce(1, *) }
}

extension Layout {
  /// Floats from one element to the next along each axis of the logical shape.
  var steps: [Int] {
    switch shape.count {
    case 3: return [1, rowStride, channelStride]
    case 2: return [channelStride, 1]
    default:
      var steps: [Int] = []
      var step = 1
      for extent in shape.reversed() {
        steps.append(step)
        step *= extent
      }
      return steps.reversed()
    }
  }

  /// The axes of the logical shape.
  var axes: StridedAxes { StridedAxes(extents: shape, steps: steps) }
}

extension SIMD8: KernelArgument where Scalar == Int32 {
  /// Up to eight numbers as an `int8`, the rest ones.
  init(_ numbers: [Int]) {
    precondition(numbers.count <= 8, "\(numbers) as eight numbers")
    self.init(repeating: 1)
    for (index, number) in numbers.enumerated() { self[index] = Int32(number) }
  }
}

extension Recorder {
  /// A work-item for sixteen channels of each pixel of a batch; rows are the second dimension.
  func pixelGrid(_ layout: Layout, vectors: Int? = nil) -> Grid {
    Grid(
      [(vectors ?? layout.channelGroups) * layout.width, layout.height, batch],
      groups: [groupSize, 1, 1])
  }

  /// The build constant with the size of a group.
  var groupConstant: (String, String) { ("GROUP", "\(groupSize)") }

  /// Moves each element of a source to a place in a target: the element with the target's logical
  /// index i comes from where `axes` puts i, `shift` floats after the source's first.
  func rearrange(
    from source: DeviceTensor, shift: Int = 0, axes: StridedAxes, divisor: Float? = nil,
    to target: GradientTarget
  ) throws(ComputeError) {
    let layout = target.tensor.layout
    precondition(axes.count == layout.pixels * layout.channels, "\(axes) for \(layout.shape)")
    target.checkMask()
    let mask = try bytesOrPlaceholder(target.mask?.bits)
    let program = try program(
      "reference/rearrange",
      [
        groupConstant, ("RANK", "\(axes.rank)"), ("PLANAR", layout.isPlanar ? "1" : "0"),
        ("DIVIDES", divisor == nil ? "0" : "1"),
      ] + EpilogueConstants.gradient(target))
    try launch(
      program, "rearrange", pixelGrid(layout), source.buffer, source.start + UInt64(shift),
      UInt64(source.layout.imageStride), target.tensor.buffer, target.tensor.start,
      UInt64(layout.imageStride), Int32(layout.rowStride), Int32(layout.channelStride),
      mask.buffer, mask.firstWord, UInt64(layout.interior / 16), Int32(layout.maskStride / 16),
      Int32(layout.height), Int32(layout.width), Int32(layout.channels), SIMD8(axes.extents),
      SIMD8(axes.steps), divisor ?? 1, Int32(layout.channelGroups))
  }
}

extension GradientTarget {
  /// Bits are counted in groups of sixteen channels, which dense layouts need not have.
  func checkMask() {
    precondition(
      mask == nil || tensor.layout.channelStride % 16 == 0, "a mask on \(tensor.layout)")
  }
}
