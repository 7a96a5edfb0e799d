import Compute
import Reference

/// The gradient of a convolution of few input channels as one sum over blocks of input pixels.
///
/// Sixteen lanes would hold no more than the channels of one pixel: three for pictures. So a block
/// of neighbouring input pixels is computed at once, each lane one channel of one of them, over the
/// union of the taps that reach them; a tap that does not reach a lane's pixel has a weight of zero
/// there, which changes no bit (`ConvolutionReference.inputGradient` ends with `+ 0`).
struct PixelInterleaving {
  /// One axis of the block.
  struct Axis {
    /// Input pixels in a block, a multiple of the stride.
    let pixels: Int
    /// Pixels of the first block that lie before the input, so that few taps reach a block.
    let shift: Int
    /// Blocks that cover the input.
    let blocks: Int
    /// Output pixels from one block to the next.
    let step: Int
    /// The output pixel that the first tap of the first block meets; each further tap meets the one
    /// before it.
    let firstOffset: Int
    /// Taps of the union.
    let taps: Int
    /// Tap k of the kernel that reaches pixel r of a block from position j of the union, or nil.
    let tap: [[Int?]]

    /// The axis with the first of the shifts that need the fewest taps.
    init(
      pixels: Int, extent: Int, kernel: Int, stride: Int, padding: Int, dilation: Int
    ) {
      var best: Axis?
      for shift in 0..<stride {
        let candidate = Axis(
          pixels: pixels, shift: shift, extent: extent, kernel: kernel, stride: stride,
          padding: padding, dilation: dilation)
        if let best, candidate.taps >= best.taps { continue }
        best = candidate
      }
      guard let best else { preconditionFailure("a stride of \(stride)") }
      self = best
    }

    private init(
      pixels: Int, shift: Int, extent: Int, kernel: Int, stride: Int, padding: Int, dilation: Int
    ) {
      // Pixel r of the first block is reached by tap k from output
      // (r - shift + padding - k dilation) / s.
      let reaching = (0..<pixels).map { residue in
        (0..<kernel).compactMap { tap -> (tap: Int, offset: Int)? in
          let distance = residue - shift + padding - tap * dilation
          return distance % stride == 0 ? (tap, distance / stride) : nil
        }
      }
      let offsets = reaching.flatMap { $0.map(\.offset) }
      let highest = offsets.max() ?? 0
      let count = offsets.isEmpty ? 0 : highest - (offsets.min() ?? 0) + 1
      self.pixels = pixels
      self.shift = shift
      blocks = (extent + shift + pixels - 1) / pixels
      step = pixels / stride
      firstOffset = highest
      taps = count
      tap = reaching.map { reached in
        (0..<count).map { position in reached.first { $0.offset == highest - position }?.tap }
      }
    }

    /// The lowest and highest output pixel that is read.
    var lowest: Int { taps == 0 ? 0 : firstOffset - taps + 1 }
    var highest: Int { taps == 0 ? 0 : firstOffset + (blocks - 1) * step }
  }

  let rows: Axis
  let columns: Axis
  let channels: Int

  /// Lanes of a block.
  var lanes: Int { rows.pixels * columns.pixels * channels }

  /// Products that a kernel computes for each input pixel, in vectors of sixteen lanes.
  private var cost: Double {
    let vectors = (lanes + 15) / 16
    return Double(rows.taps * columns.taps * vectors) / Double(rows.pixels * columns.pixels)
  }

  /// The block that costs least, of at most three vectors.
  init(_ window: WindowGeometry, input: Extent, channels: Int) {
    var best: PixelInterleaving?
    for rows in 1...4 {
      for columns in 1...5 {
        let candidate = PixelInterleaving(
          rows: Axis(
            pixels: rows * window.stride.height, extent: input.height,
            kernel: window.kernel.height, stride: window.stride.height,
            padding: window.padding.top, dilation: window.dilation.height),
          columns: Axis(
            pixels: columns * window.stride.width, extent: input.width,
            kernel: window.kernel.width, stride: window.stride.width,
            padding: window.padding.left, dilation: window.dilation.width),
          channels: channels)
        if let best, candidate.lanes > 48 || candidate.cost >= best.cost { continue }
        best = candidate
      }
    }
    guard let best else { preconditionFailure("no block of pixels") }
    self = best
  }

  private init(rows: Axis, columns: Axis, channels: Int) {
    self.rows = rows
    self.columns = columns
    self.channels = channels
  }

  /// The border of zeros that the sum reads around the output's gradient.
  func border(output: Layout) -> Padding {
    Padding(
      top: max(0, -rows.lowest), left: max(0, -columns.lowest),
      bottom: max(0, rows.highest - output.height + 1),
      right: max(0, columns.highest - output.width + 1))
  }

  /// A lane's channel and its pixel in the block.
  func lane(_ index: Int) -> (row: Int, column: Int, channel: Int) {
    let pixel = index / channels
    return (pixel / columns.pixels, pixel % columns.pixels, index % channels)
  }

  /// The sum of the whole gradient.
  func sum(
    images: Int, weights: Tensor<Float>, from: Layout, to: Layout
  ) -> TapSum {
    TapSum(
      images: images, rows: rows.blocks, columns: columns.blocks,
      taps: Extent(rows.taps, columns.taps), groups: 1, inputChannels: weights.shape[0],
      outputChannels: lanes,
      inputStart: rows.firstOffset * from.rowStride + columns.firstOffset * from.channelStride,
      inputImage: from.imageStride, inputRow: rows.step * from.rowStride,
      inputStep: columns.step * from.channelStride, tapRowStep: -from.rowStride,
      tapColumnStep: -from.channelStride, outputImage: to.imageStride,
      outputRow: rows.pixels * to.rowStride, outputPixel: columns.pixels * to.channelStride,
      maskImage: 0, maskRow: 0, maskPixel: 0, weights: weights.values,
      weight: { index, output, tapRow, tapColumn in
        let lane = lane(index)
        guard let row = rows.tap[lane.row][tapRow], let column = columns.tap[lane.column][tapColumn]
        else { return nil }
        return weights.position(output, lane.channel, row, column)
      },
      scatter: TapSum.Scatter(
        blockRows: rows.pixels, blockColumns: columns.pixels, rows: to.height, columns: to.width,
        lanes: (0..<lanes).map { index in
          let lane = lane(index)
          let (row, column) = (lane.row - self.rows.shift, lane.column - self.columns.shift)
          return SIMD4(
            Int32(row * to.rowStride + column * to.channelStride + lane.channel), Int32(row),
            Int32(column), 0)
        }))
  }
}
