public import Compute
import Reference

/// Records filling the border of all samples with zeros, in one launch; nothing for no border.
public func recordBorderFill(_ recorder: Recorder, _ tensor: DeviceTensor) throws(ComputeError) {
  let layout = tensor.layout
  let border = layout.border
  let width = border.left + layout.width + border.right
  let pixels = (border.top + border.bottom) * width + layout.height * (border.left + border.right)
  guard pixels > 0 else { return }
  let vector = recorder.vector(tensor)
  let vectors = vector.items((layout.channelStride + 15) / 16)
  try recorder.launch(
    try recorder.program("reference/border", vector.constants + [recorder.groupConstant]),
    "border_fill",
    Grid([vectors * pixels, recorder.batch], groups: [recorder.groupSize, 1]), tensor.buffer,
    tensor.start, UInt64(layout.imageStride), Int32(layout.rowStride),
    Int32(layout.channelStride), Int32(layout.height), Int32(layout.width), Int32(border.top),
    Int32(border.left), Int32(border.bottom), Int32(border.right), Int32(pixels), Int32(vectors))
}

/// Records a copy between any two layouts of the same logical shape, finished as a gradient is.
///
/// Source and target may be the same memory in the same layout.
public func recordCopy(
  _ recorder: Recorder, from source: DeviceTensor, to target: GradientTarget
) throws(ComputeError) {
  let from = source.layout
  let to = target.tensor.layout
  precondition(
    from.height == to.height && from.width == to.width && from.channels == to.channels
      && from.isPlanar == to.isPlanar, "a copy of \(from.shape) to \(to.shape)")
  try recorder.copyPixels(
    from: PixelBlock(source, channels: from.channels),
    to: PixelBlock(target.tensor, channels: to.channels), ending: target)
}

/// Records a copy between any two layouts of the same logical shape.
public func recordCopy(
  _ recorder: Recorder, from source: DeviceTensor, to target: DeviceTensor
) throws(ComputeError) {
  try recordCopy(recorder, from: source, to: GradientTarget(tensor: target))
}

/// Pixels at regular distances in device memory.
struct PixelBlock {
  let buffer: Buffer<Float>
  /// Floats from the buffer's start to the first pixel.
  let start: Int
  /// Floats from one sample, row or pixel to the next.
  let imageStride: Int
  let rowStride: Int
  let pixelStride: Int
  let rows: Int
  let columns: Int
  /// The channels that matter.
  let channels: Int
  /// The floats from a pixel's first on that may be touched: `channels` or more.
  let room: Int

  /// A part of a tensor's interior that begins at a row, a column and a channel; a part that ends
  /// before the pixel's last channel touches no other.
  init(
    _ tensor: DeviceTensor, row: Int = 0, column: Int = 0, channel: Int = 0, rows: Int? = nil,
    columns: Int? = nil, channels: Int
  ) {
    let layout = tensor.layout
    buffer = tensor.buffer
    start =
      tensor.offset + layout.origin + row * layout.rowStride + column * layout.channelStride
      + channel
    imageStride = layout.imageStride
    rowStride = layout.rowStride
    pixelStride = layout.channelStride
    self.rows = rows ?? layout.height
    self.columns = columns ?? layout.width
    self.channels = channels
    room = channel + channels == layout.channels ? layout.channelStride - channel : channels
  }

  /// Equal lengths of the only pixel of each sample, `pixelStride` floats apart.
  init(
    _ tensor: DeviceTensor, shift: Int = 0, pieces: Int, length: Int, pixelStride: Int
  ) {
    precondition(tensor.layout.pixels == 1, "pieces of \(tensor.layout.shape)")
    buffer = tensor.buffer
    start = tensor.offset + tensor.layout.origin + shift
    imageStride = tensor.layout.imageStride
    rowStride = 0
    self.pixelStride = pixelStride
    rows = 1
    columns = pieces
    channels = length
    room = length
  }
}

extension Recorder {
  /// Copies pixels, finished as a gradient is when there is one; a mask asks for a whole tensor.
  func copyPixels(
    from source: PixelBlock, to block: PixelBlock, ending target: GradientTarget
  ) throws(ComputeError) {
    precondition(
      source.rows == block.rows && source.columns == block.columns
        && source.channels == block.channels, "a copy of \(source) to \(block)")
    target.checkMask()
    let layout = target.tensor.layout
    let mask = try bytesOrPlaceholder(target.mask?.bits)
    let vector = vector().alignedBy(
      [source, block].flatMap {
        [$0.start, $0.imageStride, $0.rowStride, $0.pixelStride]
      })
    let program = try program(
      "reference/border", vector.constants + [groupConstant] + EpilogueConstants.gradient(target))
    let vectors = vector.items((block.channels + 15) / 16)
    try launch(
      program, "copy_pixels",
      Grid([vectors * block.columns, block.rows, batch], groups: [groupSize, 1, 1]),
      source.buffer, UInt64(source.start), UInt64(source.imageStride), Int32(source.rowStride),
      Int32(source.pixelStride), Int32(source.room), block.buffer, UInt64(block.start),
      UInt64(block.imageStride), Int32(block.rowStride), Int32(block.pixelStride),
      Int32(block.room), mask.buffer, mask.firstWord, UInt64(layout.interior / 16),
      Int32(layout.maskStride / 16), Int32(block.rows), Int32(block.columns), Int32(vectors))
  }
}
