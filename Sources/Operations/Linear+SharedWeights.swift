import Compute
import Reference

extension Linear {
  /// Records the gradient of the input with the weights as the forward pass packed them: the sum's
  /// pixels are the inputs, its input the rows of weights, its lanes the samples. A second copy of
  /// the weights would be the largest part of many networks' memory.
  ///
  /// Two more launches turn the gradients over; they cost little beside the weights' way from memory.
  func recordGradient(
    _ recorder: Recorder, _ shared: PackedWeights, gradient: DeviceTensor,
    to target: GradientTarget
  ) throws(ComputeError) {
    let (inputs, outputs) = (weights.shape[0], weights.shape[1])
    let alignment = Layout.channelAlignment
    var sum = TapSum(
      images: 1, rows: 1, columns: inputs, taps: Extent(outputs / shared.width, 1), groups: 1,
      inputChannels: shared.width, outputChannels: recorder.batch, inputImage: 0, inputRow: 0,
      inputStep: shared.width, tapRowStep: inputs * shared.width, outputImage: 0, outputRow: 0,
      outputPixel: (recorder.batch + alignment - 1) / alignment * alignment, maskImage: 0,
      maskRow: 0, maskPixel: 0, weights: [], weight: { _, _, _, _ in nil })
    sum = sum.tiled
    let plan = TilePlan(sum, registers: recorder.registers)
    let width = alignment * plan.tile.vectors
    let blocks = (sum.outputPixel + width - 1) / width
    let context = recorder.context
    let turned = try Buffer<Float>(context, count: blocks * outputs * width)
    try recorder.launch(
      try recorder.program("cpu/linear", [("WIDTH", "\(width)")]), "turn_gradient",
      Grid([outputs / alignment, blocks], groups: [1, 1]), gradient.buffer, gradient.start,
      UInt64(gradient.layout.imageStride), turned, Int32(recorder.batch), Int32(outputs))
    let groups = (inputs + alignment - 1) / alignment
    let result = try Buffer<Float>(context, count: groups * alignment * sum.outputPixel)
    try recorder.recordTiles(
      plan, sum, DeviceTensor(buffer: shared.buffer, layout: Layout(shape: [shared.width])),
      DeviceTensor(buffer: result, layout: Layout(shape: [sum.outputPixel])),
      TapSumEpilogue(
        constants: EpilogueConstants.forward(.none, writesMask: false), bias: nil, residual: nil,
        mask: nil),
      packed: turned)
    let mask = try recorder.bytesOrPlaceholder(target.mask?.bits)
    let layout = target.tensor.layout
    try recorder.launch(
      try recorder.program("cpu/linear", EpilogueConstants.gradient(target)), "finish_gradient",
      Grid([groups], groups: [1]), result, Int32(sum.outputPixel), target.tensor.buffer,
      target.tensor.start, UInt64(layout.imageStride), mask.buffer, mask.firstWord,
      Int32(layout.interior / alignment), Int32(recorder.batch))
  }
}
