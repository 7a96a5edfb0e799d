import Compute
import Reference

extension Recorder {
  /// Records a tap sum by tiles of a work-group, one launch.
  ///
  /// It is a product of a matrix of pixels, which is never laid out, and one of weights.
  func locallyTiled(
    _ sum: TapSum, _ input: DeviceTensor, _ output: DeviceTensor, _ epilogue: TapSumEpilogue
  ) throws(ComputeError) {
    let sum = sum.merged
    let pixels = sum.images * sum.rows * sum.columns
    let groupVectors = sum.groups == 1 ? sum.outputVectors : sum.groupOutputChannels / 16
    let tile = localTile(rows: pixels, columns: 16 * groupVectors, products: sum.groups)
    let blocksPerGroup = (16 * groupVectors + tile.columns - 1) / tile.columns
    let blocks = blocksPerGroup * sum.groups
    let mask = try bytesOrPlaceholder(epilogue.mask)
    let inputStart = start(input, sum.inputStart)
    let outputStart = start(output, sum.outputStart)
    let residualStart = start(epilogue.residual, 0)
    let program = try program(
      "gpu/convolution",
      constants(epilogue, sum.scatter) + tile.constants + arithmetic.constants + [
        aligned(
          "ALIGNED_INPUT", Int(inputStart), sum.inputImage, sum.inputRow, sum.inputStep,
          sum.tapRowStep, sum.tapColumnStep, sum.groups == 1 ? 0 : sum.inputChannels),
        aligned(
          "ALIGNED_OUTPUT", Int(outputStart), sum.outputImage, sum.outputRow, sum.outputPixel,
          Int(residualStart), sum.residualImage, sum.residualRow, sum.residualPixel),
      ])
    try launch(
      program, "convolution",
      tile.grid(rowBlocks: (pixels + tile.rows - 1) / tile.rows, columnBlocks: blocks),
      input.buffer, inputStart,
      try tileWeights(
        sum, width: tile.columns, blocks: blocks, blocksPerGroup: blocksPerGroup,
        position: tile.position),
      try bias(epilogue, count: max(16 * sum.outputVectors, blocks * tile.columns)),
      (epilogue.residual ?? output).buffer, residualStart, output.buffer, outputStart,
      mask.buffer, UInt64(mask.offset / 2 + sum.maskStart), Int32(sum.images), Int32(sum.rows),
      Int32(sum.columns), Int32(sum.taps.height), Int32(sum.taps.width),
      Int32(sum.inputChannels), UInt64(sum.inputImage), Int32(sum.inputRow),
      Int32(sum.inputStep), Int32(sum.tapRowStep), Int32(sum.tapColumnStep),
      UInt64(sum.residualImage), Int32(sum.residualRow), Int32(sum.residualPixel),
      UInt64(sum.outputImage), Int32(sum.outputRow), Int32(sum.outputPixel),
      UInt64(sum.maskImage), Int32(sum.maskRow), Int32(sum.maskPixel), Int32(blocksPerGroup),
      Int32(16 * groupVectors), try lanes(sum.scatter, count: blocks * tile.columns),
      Int32(sum.scatter?.rows ?? 0), Int32(sum.scatter?.columns ?? 0))
  }
}
