import Compute
import Reference

extension Convolution {
  /// Whether every channel is convolved with a kernel of its own.
  var isDepthwise: Bool { groups > 1 && weights.shape[1] == 1 && outputChannels == groups }

  /// Whether the kernels that go through rows compute between two layouts.
  func takesRows(_ recorder: Recorder, _ a: Layout, _ b: Layout) -> Bool {
    recorder.family == .cpu && isDepthwise && window.isUnrolled && !a.isUnpadded && !b.isUnpadded
  }

  /// Records the forward pass of a depthwise convolution, row by row.
  func recordRows(
    _ recorder: Recorder, inputs: [DeviceTensor], output: ForwardTarget
  ) throws(ComputeError) {
    let (x, y) = (inputs[0], output.tensor)
    let residual = hasResidual ? inputs[1] : y
    let epilogue = TapSumEpilogue(
      constants: EpilogueConstants.forward(activation, writesMask: output.mask != nil),
      bias: bias, residual: hasResidual ? residual : nil, mask: output.mask)
    let mask = try recorder.bytesOrPlaceholder(output.mask)
    let program = try recorder.program(
      "cpu/depthwise",
      recorder.constants(epilogue) + window.constants
        + [("PIXELS", "\(Self.neighbours(y.layout.width))")])
    let rows = recorder.rowsPerGroup(
      y.layout, bytesReadPerFloat: 4 * window.stride.height * window.stride.width)
    try recorder.launch(
      program, "depthwise", recorder.rowGrid(y.layout, rowsPerGroup: rows), x.buffer, Place(x),
      try depthwiseWeights(recorder),
      try recorder.bias(epilogue, count: 16 * y.layout.channelGroups), residual.buffer,
      Place(residual), y.buffer, Place(y), KernelVector(extentOf: y.layout), mask.buffer,
      mask.firstWord, Int32(y.layout.channelGroups), Int32(rows))
  }

  /// Records the gradient of the input of a depthwise convolution, row by row: all phases of a
  /// stride together.
  func recordRowsGradient(
    _ recorder: Recorder, gradient: DeviceTensor, to target: GradientTarget
  ) throws(ComputeError) {
    let dx = target.tensor
    let mask = try recorder.bytesOrPlaceholder(target.mask?.bits)
    let blocks =
      window.stride.width == 1
      ? Self.neighbours(dx.layout.width) : max(1, 4 / window.stride.width)
    let program = try recorder.program(
      "cpu/depthwise",
      EpilogueConstants.gradient(target) + window.constants + [("BLOCKS", "\(blocks)")])
    let rows = recorder.rowsPerGroup(dx.layout, bytesReadPerFloat: 4)
    try recorder.launch(
      program, "depthwise_gradient", recorder.rowGrid(dx.layout, rowsPerGroup: rows),
      gradient.buffer, Place(gradient), try depthwiseWeights(recorder), dx.buffer, Place(dx),
      KernelVector(extentOf: dx.layout), mask.buffer, mask.firstWord,
      Int32(dx.layout.channelGroups), Int32(rows))
  }

  /// How many pixels of a row are computed together: they share what they load.
  private static func neighbours(_ columns: Int) -> Int {
    (4...8).reversed().first { columns % $0 == 0 } ?? 4
  }

  /// `[tap row][tap column][channels padded to 16]`.
  private func depthwiseWeights(_ recorder: Recorder) throws(ComputeError) -> Buffer<Float> {
    let taps = window.kernel.height * window.kernel.width
    let padded = (outputChannels + 15) / 16 * 16
    return try recorder.parameters(
      weights.values, count: taps * padded, startingAt: recorder.liveParameters?.weights
    ) { _, place in
      for tap in 0..<taps {
        place(
          ParameterRun(position: tap * padded, source: tap, count: outputChannels, stride: taps))
      }
    }
  }
}

extension Recorder {
  /// Records a sum over the taps of each channel, one work-item for sixteen channels of a pixel.
  func depthwise(
    _ sum: TapSum, _ input: DeviceTensor, _ output: DeviceTensor, _ epilogue: TapSumEpilogue
  ) throws(ComputeError) {
    let vectors = sum.outputVectors
    let taps = sum.taps.height * sum.taps.width
    let weights = try parameters(
      sum.weights, count: max(1, taps * 16 * vectors), startingAt: liveParameters?.weights
    ) { _, place in
      for tap in 0..<taps {
        sum.weights(
          of: 0..<sum.outputChannels, tap: tap, at: tap * 16 * vectors, width: 16 * vectors,
          place: place)
      }
    }
    let mask = try bytesOrPlaceholder(epilogue.mask)
    let inputStart = start(input, sum.inputStart)
    let outputStart = start(output, sum.outputStart)
    let residualStart = start(epilogue.residual, 0)
    let vector = vector(mask: epilogue.mask).alignedBy([
      Int(inputStart), sum.inputImage, sum.inputRow, sum.inputStep, sum.tapRowStep,
      sum.tapColumnStep, Int(outputStart), sum.outputImage, sum.outputRow, sum.outputPixel,
      Int(residualStart), sum.residualImage, sum.residualRow, sum.residualPixel,
    ])
    let items = vector.items(vectors)
    let program = try program(
      "reference/depthwise",
      vector.constants + constants(epilogue) + [("GROUP", "\(groupSize)")])
    try launch(
      program, "depthwise",
      Grid([items * sum.columns, sum.rows, sum.images], groups: [groupSize, 1, 1]),
      input.buffer, inputStart, weights,
      try bias(epilogue, count: vectors * 16), (epilogue.residual ?? output).buffer,
      residualStart, output.buffer, outputStart,
      mask.buffer, UInt64(mask.offset / 2 + sum.maskStart),
      Int32(sum.rows), Int32(sum.columns), Int32(sum.taps.height), Int32(sum.taps.width),
      UInt64(sum.inputImage), Int32(sum.inputRow), Int32(sum.inputStep), Int32(sum.tapRowStep),
      Int32(sum.tapColumnStep), UInt64(sum.residualImage), Int32(sum.residualRow),
      Int32(sum.residualPixel), UInt64(sum.outputImage), Int32(sum.outputRow),
      Int32(sum.outputPixel), UInt64(sum.maskImage), Int32(sum.maskRow), Int32(sum.maskPixel),
      Int32(items))
  }
}
