public import Compute
public import Reference

extension Linear {
  /// The CPU reference path, with the batch axis first.
  public func evaluate<Scalar: ReferenceScalar>(_ inputs: [Tensor<Scalar>]) -> Tensor<Scalar> {
    let x = inputs[0]
    let rows = Tensor(shape: [x.count / weights.shape[0], weights.shape[0]], values: x.values)
    let y = MatmulReference.linear(
      rows, weights: weights.converted(), bias: bias?.map { Scalar($0) }, activation: activation)
    return Tensor(shape: x.shape.dropLast() + [weights.shape[1]], values: y.values)
  }

  /// The CPU reference path of the gradient of each input.
  public func inputGradients<Scalar: ReferenceScalar>(
    inputs: [Tensor<Scalar>], output: Tensor<Scalar>, gradient: Tensor<Scalar>
  ) -> [Tensor<Scalar>] {
    let rows = Tensor(
      shape: [gradient.count / weights.shape[1], weights.shape[1]], values: gradient.values)
    let dx = MatmulReference.forward(rows, weights.converted(), transposesB: true)
    return [Tensor(shape: inputs[0].shape, values: dx.values)]
  }

  /// Records the forward pass.
  public func recordForward(
    _ recorder: Recorder, inputs: [DeviceTensor], output: ForwardTarget
  ) throws(ComputeError) {
    let columns = weights.shape[1]
    var sum = product(
      recorder, from: inputs[0].layout, to: output.tensor.layout, inputChannels: weights.shape[0],
      outputChannels: columns, weightStep: 1
    ) { output, input, _, _ in input * columns + output }
    sum.sharesWeights = inputs[0].layout.width == 1 && sharesPackedWeights(recorder.family)
    let packed = try recorder.tapSum(
      sum, input: inputs[0], output: output.tensor,
      epilogue: TapSumEpilogue(
        constants: EpilogueConstants.forward(activation, writesMask: output.mask != nil),
        bias: bias, residual: nil, mask: output.mask))
    if sum.sharesWeights { recorder.sharedWeights = packed }
  }

  /// Records adding this operation's share to the gradient of an input.
  public func recordGradient(
    _ recorder: Recorder, of position: Int, gradient: DeviceTensor, saved: Saved,
    to target: GradientTarget
  ) throws(ComputeError) {
    let columns = weights.shape[1]
    if let shared = recorder.sharedWeights, columns % shared.width == 0 {
      return try recordGradient(recorder, shared, gradient: gradient, to: target)
    }
    let sum = product(
      recorder, from: gradient.layout, to: target.tensor.layout, inputChannels: columns,
      outputChannels: weights.shape[0], weightStep: columns
    ) { output, input, _, _ in output * columns + input }
    try recorder.tapSum(
      sum, input: gradient, output: target.tensor,
      epilogue: TapSumEpilogue(
        constants: EpilogueConstants.gradient(target), bias: nil, residual: nil,
        mask: target.mask?.bits))
  }

  /// The batch's vectors as the pixels of one row, so that a register tile spans samples; a matrix
  /// for each sample as one row for each sample.
  private func product(
    _ recorder: Recorder, from: Layout, to: Layout, inputChannels: Int, outputChannels: Int,
    weightStep: Int, weight: @escaping (Int, Int, Int, Int) -> Int
  ) -> TapSum {
    let isVector = from.width == 1
    return TapSum(
      images: 1, rows: isVector ? 1 : recorder.batch,
      columns: isVector ? recorder.batch : from.width,
      taps: Extent(1), groups: 1, inputChannels: inputChannels, outputChannels: outputChannels,
      inputImage: 0, inputRow: from.imageStride,
      inputStep: isVector ? from.imageStride : from.channelStride, outputImage: 0,
      outputRow: to.imageStride, outputPixel: isVector ? to.imageStride : to.channelStride,
      maskImage: 0, maskRow: to.interior / 16,
      maskPixel: isVector ? to.interior / 16 : to.maskStride / 16,
      weights: weights.values, weight: weight, weightStep: weightStep)
  }
}
