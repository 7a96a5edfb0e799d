import Compute
import Reference

// Kernels of one work-item a group that go through rows of pixels (`rows.clh`).

extension Recorder {
  /// The rows that one work-item takes: enough bytes that starting a group costs nothing beside
  /// them, and few enough that both ends of a pass keep every core busy.
  func rowsPerGroup(_ written: Layout, bytesReadPerFloat: Int) -> Int {
    let row = max(1, written.width * written.channelStride * (4 + bytesReadPerFloat))
    return min(written.height, max(1, 400_000 / row))
  }

  /// One work-item for so many rows of each sample.
  func rowGrid(_ written: Layout, rowsPerGroup: Int) -> Grid {
    Grid([(written.height + rowsPerGroup - 1) / rowsPerGroup, batch], groups: [1, 1])
  }
}

extension WindowGeometry {
  /// Windows of more taps are not unrolled: their code would be large and their speed is not that
  /// of memory.
  static let mostUnrolledTaps = 49
  /// Strides beyond this would multiply the code of a gradient.
  static let longestUnrolledStride = 4

  /// Whether kernels are built for this window with all loops unrolled.
  var isUnrolled: Bool {
    kernel.height * kernel.width <= Self.mostUnrolledTaps
      && max(stride.height, stride.width) <= Self.longestUnrolledStride
  }

  /// The window as build constants.
  var constants: [(String, String)] {
    [
      ("TAP_ROWS", "\(kernel.height)"), ("TAP_COLUMNS", "\(kernel.width)"),
      ("STRIDE_ROWS", "\(stride.height)"), ("STRIDE_COLUMNS", "\(stride.width)"),
      ("DILATION_ROWS", "\(dilation.height)"), ("DILATION_COLUMNS", "\(dilation.width)"),
      ("TOP", "\(padding.top)"), ("LEFT", "\(padding.left)"),
    ]
  }
}

extension KernelVector<SIMD2<Int32>> {
  /// Rows and columns of a picture.
  init(extentOf layout: Layout) { self.init(SIMD2(Int32(layout.height), Int32(layout.width))) }
}
