import Compute
import Reference

/// A vector argument of a kernel: `uint4` for `SIMD4<UInt32>`, and so on.
struct KernelVector<Numbers: SIMD & BitwiseCopyable>: KernelArgument, BitwiseCopyable {
  let numbers: Numbers

  init(_ numbers: Numbers) { self.numbers = numbers }
}

/// Four strides or places, in floats.
typealias Place = KernelVector<SIMD4<UInt64>>

/// Four counts.
typealias Extents = KernelVector<SIMD4<UInt32>>

extension KernelVector<SIMD4<UInt64>> {
  /// The first element, then the strides of samples, rows and pixels.
  init(_ start: UInt64, sample: Int, row: Int, pixel: Int) {
    self.init(SIMD4(start, UInt64(sample), UInt64(row), UInt64(pixel)))
  }

  /// The place of a tensor, as `items.clh` wants it.
  init(_ tensor: DeviceTensor) {
    let layout = tensor.layout
    self.init(
      tensor.start, sample: layout.imageStride, row: layout.rowStride, pixel: layout.channelStride)
  }
}

extension KernelVector<SIMD4<UInt32>> {
  /// Four counts.
  init(_ a: Int, _ b: Int, _ c: Int, _ d: Int) {
    self.init(SIMD4(UInt32(a), UInt32(b), UInt32(c), UInt32(d)))
  }

  /// The work-items of a sample, those of a pixel, the pixels of a row, the channels: `items.clh`.
  init(_ layout: Layout, _ vector: ItemVector) {
    let items = vector.items(layout)
    self.init(layout.pixels * items, items, layout.width, layout.channels)
  }
}

extension Layout {
  /// Whether pixels follow each other without padding channels, so that lanes go one by one.
  var isUnpadded: Bool { channelStride % Self.channelAlignment != 0 }
}

extension Recorder {
  /// The constants of `items.clh` and `epilogue.clh` for a forward pass.
  func constants(
    _ input: Layout, _ output: ForwardTarget, _ activation: Activation
  ) -> [(String, String)] {
    precondition(!output.tensor.layout.isUnpadded, "an output without padding channels")
    return EpilogueConstants.forward(activation, writesMask: output.mask != nil)
      + common(dense: input.isUnpadded)
  }

  /// The constants of `items.clh` and `epilogue.clh` for a gradient.
  func constants(
    _ gradient: DeviceTensor, _ target: GradientTarget
  ) -> [(String, String)] {
    let isDense = target.tensor.layout.isUnpadded
    precondition(!gradient.layout.isUnpadded, "an output's gradient without padding channels")
    precondition(!isDense || target.mask == nil, "a mask for a tensor without padding channels")
    return EpilogueConstants.gradient(target) + common(dense: isDense)
  }

  private func common(dense: Bool) -> [(String, String)] {
    [("GROUP", "\(groupSize)"), ("DENSE", dense ? "1" : "0")]
  }
}
