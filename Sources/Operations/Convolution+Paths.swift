public import Compute
public import Reference

extension Convolution {
  private var geometry: ConvolutionGeometry { ConvolutionGeometry(window, groups: groups) }

  /// The CPU reference path, with the batch axis first.
  public func evaluate<Scalar: ReferenceScalar>(_ inputs: [Tensor<Scalar>]) -> Tensor<Scalar> {
    if usesWinograd {
      return WinogradReference.forward(
        inputs[0], weights: weights.converted(), bias: bias?.map { Scalar($0) },
        residual: hasResidual ? inputs[1] : nil, activation: activation, padding: window.padding)
    }
    return ConvolutionReference.forward(
      inputs[0], weights: weights.converted(), bias: bias?.map { Scalar($0) },
      residual: hasResidual ? inputs[1] : nil, activation: activation, geometry: geometry)
  }

  /// The CPU reference path of the gradient of each input.
  public func inputGradients<Scalar: ReferenceScalar>(
    inputs: [Tensor<Scalar>], output: Tensor<Scalar>, gradient: Tensor<Scalar>
  ) -> [Tensor<Scalar>] {
    let first =
      usesWinograd
      ? WinogradReference.inputGradient(
        gradient, weights: weights.converted(), inputShape: inputs[0].shape,
        padding: window.padding)
      : ConvolutionReference.inputGradient(
        gradient, weights: weights.converted(), inputShape: inputs[0].shape, geometry: geometry)
    return hasResidual ? [first, gradient] : [first]
  }

  /// The padding of the window, but at the end no more than the windows reach.
  public func inputBorder(_ position: Int, inputs: [Layout], output: Layout) -> Padding {
    guard position == 0 else { return .zero }
    let reach = { (outputs: Int, stride: Int, kernel: Int, dilation: Int, before: Int) in
      (outputs - 1) * stride + (kernel - 1) * dilation - before
    }
    return Padding(
      top: window.padding.top, left: window.padding.left,
      bottom: max(
        0,
        reach(
          output.height, window.stride.height, window.kernel.height, window.dilation.height,
          window.padding.top) - inputs[0].height + 1),
      right: max(
        0,
        reach(
          output.width, window.stride.width, window.kernel.width, window.dilation.width,
          window.padding.left) - inputs[0].width + 1))
  }

  /// The border of zeros that the phases of the gradient read around the output's gradient.
  public func gradientBorder(inputs: [Layout], output: Layout) -> Padding {
    if inputs[0].isUnpadded { return interleaving(inputs[0]).border(output: output) }
    let rows = rowPhases(inputs[0].height)
    let columns = columnPhases(inputs[0].width)
    return Padding(
      top: rows.map { max(0, -$0.lowest) }.max() ?? 0,
      left: columns.map { max(0, -$0.lowest) }.max() ?? 0,
      bottom: rows.map { max(0, $0.highest - output.height + 1) }.max() ?? 0,
      right: columns.map { max(0, $0.highest - output.width + 1) }.max() ?? 0)
  }

  /// The residual's gradient is the output's.
  public func passesGradient(to position: Int, inputs: [Layout], output: Layout) -> Bool {
    position == 1
  }

  /// The residual is added where it lies.
  public func overwrites(_ position: Int) -> Bool { position == 1 }

  /// Records the forward pass.
  public func recordForward(
    _ recorder: Recorder, inputs: [DeviceTensor], output: ForwardTarget
  ) throws(ComputeError) {
    let from = inputs[0].layout
    let to = output.tensor.layout
    if takesRows(recorder, from, to) {
      return try recordRows(recorder, inputs: inputs, output: output)
    }
    let residual = hasResidual ? inputs[1] : nil
    let weights = weights
    let sum = TapSum(
      images: recorder.batch, rows: to.height, columns: to.width, taps: window.kernel,
      groups: groups, inputChannels: weights.shape[1], outputChannels: outputChannels,
      inputStart: -window.padding.top * from.rowStride - window.padding.left * from.channelStride,
      inputImage: from.imageStride, inputRow: window.stride.height * from.rowStride,
      inputStep: window.stride.width * from.channelStride,
      tapRowStep: window.dilation.height * from.rowStride,
      tapColumnStep: window.dilation.width * from.channelStride, outputImage: to.imageStride,
      outputRow: to.rowStride, outputPixel: to.channelStride, maskImage: to.interior / 16,
      maskRow: to.width * to.maskStride / 16, maskPixel: to.maskStride / 16,
      residualImage: residual?.layout.imageStride ?? 0,
      residualRow: residual?.layout.rowStride ?? 0,
      residualPixel: residual?.layout.channelStride ?? 0,
      weights: weights.values, weight: { weights.position($0, $1, $2, $3) },
      weightStep: weights.position(1, 0, 0, 0))
    try record(
      sum, recorder, input: inputs[0], output: output.tensor,
      epilogue: TapSumEpilogue(
        constants: EpilogueConstants.forward(activation, writesMask: output.mask != nil)
          + [Self.settlesZero], bias: bias, residual: residual, mask: output.mask))
  }

  /// Records adding this operation's share to the gradient of an input.
  public func recordGradient(
    _ recorder: Recorder, of position: Int, gradient: DeviceTensor, saved: Saved,
    to target: GradientTarget
  ) throws(ComputeError) {
    guard position == 0 else {
      return try recordCopy(recorder, from: gradient, to: target)
    }
    let from = gradient.layout
    let to = target.tensor.layout
    if takesRows(recorder, from, to) {
      return try recordRowsGradient(recorder, gradient: gradient, to: target)
    }
    let weights = weights
    let epilogue = TapSumEpilogue(
      constants: EpilogueConstants.gradient(target) + [Self.settlesZero], bias: nil,
      residual: nil, mask: target.mask?.bits)
    if to.isUnpadded {
      precondition(target.mask == nil, "a mask for a tensor without padding channels")
      let sum = interleaving(to).sum(
        images: recorder.batch, weights: weights, from: from, to: to)
      try recorder.tapSum(sum, input: gradient, output: target.tensor, epilogue: epilogue)
      return
    }
    let groupInputs = weights.shape[1]
    let groupOutputs = outputChannels / groups
    // One dense sum for each residue of the input pixel modulo the stride.
    for row in rowPhases(to.height) {
      for column in columnPhases(to.width) {
        let sum = TapSum(
          images: recorder.batch, rows: row.count, columns: column.count,
          taps: Extent(row.taps, column.taps), groups: groups, inputChannels: groupOutputs,
          outputChannels: groupInputs * groups,
          inputStart: row.firstOffset * from.rowStride + column.firstOffset * from.channelStride,
          inputImage: from.imageStride, inputRow: row.pixelStep * from.rowStride,
          inputStep: column.pixelStep * from.channelStride,
          tapRowStep: row.offsetStep * from.rowStride,
          tapColumnStep: column.offsetStep * from.channelStride,
          outputStart: row.residue * to.rowStride + column.residue * to.channelStride,
          outputImage: to.imageStride, outputRow: row.modulus * to.rowStride,
          outputPixel: column.modulus * to.channelStride,
          maskStart: (row.residue * to.width + column.residue) * to.maskStride / 16,
          maskImage: to.interior / 16,
          maskRow: row.modulus * to.width * to.maskStride / 16,
          maskPixel: column.modulus * to.maskStride / 16,
          weights: weights.values,
          weight: { input, output, tapRow, tapColumn in
            let group = input / groupInputs
            return weights.position(
              group * groupOutputs + output, input % groupInputs,
              row.firstTap + tapRow * row.tapStep, column.firstTap + tapColumn * column.tapStep)
          }, weightStep: weights.position(0, 1, 0, 0))
        try record(
          sum, recorder, input: gradient, output: target.tensor, epilogue: epilogue)
      }
    }
  }

  /// Sums end with `+ 0`, since the border's zeros are added to them.
  private static var settlesZero: (String, String) { ("SETTLES_ZERO", "1") }

  /// A picture without padding channels is read as it is; its gradient comes in blocks of pixels.
  public func readsUnpadded(_ position: Int) -> Bool { position == 0 && groups == 1 }

  private func interleaving(_ input: Layout) -> PixelInterleaving {
    PixelInterleaving(
      window, input: Extent(input.height, input.width), channels: weights.shape[1])
  }

  private func rowPhases(_ extent: Int) -> [Phase] {
    Phase.all(
      extent: extent, kernel: window.kernel.height, stride: window.stride.height,
      padding: window.padding.top, dilation: window.dilation.height)
  }

  private func columnPhases(_ extent: Int) -> [Phase] {
    Phase.all(
      extent: extent, kernel: window.kernel.width, stride: window.stride.width,
      padding: window.padding.left, dilation: window.dilation.width)
  }
}

/// The input pixels along one axis that are congruent modulo the stride: each of them is reached by
/// the same taps, from output pixels that step by `pixelStep`.
///
/// Input pixel i is reached by tap k from output o where o * stride + k * dilation - padding = i.
struct Phase {
  /// The pixels are residue, residue + modulus, ...
  let residue: Int
  let modulus: Int
  /// How many pixels there are.
  let count: Int
  /// The taps are firstTap, firstTap + tapStep, ...
  let taps: Int
  let firstTap: Int
  let tapStep: Int
  /// The output pixel that the first tap meets for the first pixel, and its change from tap to tap
  /// and from pixel to pixel.
  let firstOffset: Int
  let offsetStep: Int
  let pixelStep = 1

  /// The lowest and highest output pixel that is read.
  var lowest: Int { taps == 0 ? 0 : firstOffset + (taps - 1) * offsetStep }
  var highest: Int { taps == 0 ? 0 : firstOffset + (count - 1) * pixelStep }

  static func all(
    extent: Int, kernel: Int, stride: Int, padding: Int, dilation: Int
  ) -> [Phase] {
    (0..<min(stride, extent)).map { residue in
      let count = (extent - residue + stride - 1) / stride
      let reaching = (0..<kernel).filter { (residue + padding - $0 * dilation) % stride == 0 }
      let step = reaching.count > 1 ? reaching[1] - reaching[0] : 1
      let first = reaching.first ?? 0
      return Phase(
        residue: residue, modulus: stride, count: count, taps: reaching.count, firstTap: first,
        tapStep: step,
        firstOffset: reaching.isEmpty ? 0 : (residue + padding - first * dilation) / stride,
        offsetStep: -step * dilation / stride)
    }
  }
}

extension Tensor {
  /// The position of an element of a tensor of four axes.
  func position(_ a: Int, _ b: Int, _ c: Int, _ d: Int) -> Int {
    ((a * shape[1] + b) * shape[2] + c) * shape[3] + d
  }
}

extension Tensor where Scalar == Float {
  /// The same elements in another precision.
  func converted<Other: ReferenceScalar>(to type: Other.Type = Other.self) -> Tensor<Other> {
    if let same = self as? Tensor<Other> { return same }
    return Tensor<Other>(shape: shape, values: values.map { Other($0) })
  }
}
