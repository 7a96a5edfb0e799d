public import Compute
public import Reference

/// An operation whose weights and bias training can change.
public protocol TrainableOperation: Operation {
  /// The weights.
  var weights: Tensor<Float> { get }
  /// One number for each output channel, if there is a bias.
  var bias: [Float]? { get }

  /// The same operation with other parameters of the same shapes.
  func replacing(weights: Tensor<Float>, bias: [Float]?) -> Self

  /// The CPU reference path of the gradients of weights and bias.
  ///
  /// - Parameters:
  ///   - input: Input 0, the batch axis first.
  ///   - gradient: With respect to the value before the activation, the batch axis first.
  func parameterGradients<Scalar: ReferenceScalar>(
    input: Tensor<Scalar>, gradient: Tensor<Scalar>
  ) -> (weights: Tensor<Scalar>, bias: [Scalar])

  /// Records the gradients of weights and bias: two launches.
  ///
  /// - Parameters:
  ///   - input: Input 0, as the forward pass read it.
  ///   - gradient: With respect to the value before the activation.
  ///   - target: Where the gradients go; the bias's is not computed without a place.
  func recordParameterGradients(
    _ recorder: Recorder, input: DeviceTensor, gradient: DeviceTensor, to target: LiveParameters
  ) throws(ComputeError)
}

extension Convolution: TrainableOperation {
  /// The same operation with other parameters of the same shapes.
  public func replacing(weights: Tensor<Float>, bias: [Float]?) -> Convolution {
    Convolution(
      weights: weights, bias: bias, window: window, groups: groups, hasResidual: hasResidual,
      activation: activation, algorithm: algorithm)
  }

  /// The CPU reference path of the gradients of weights and bias.
  public func parameterGradients<Scalar: ReferenceScalar>(
    input: Tensor<Scalar>, gradient: Tensor<Scalar>
  ) -> (weights: Tensor<Scalar>, bias: [Scalar]) {
    (
      ConvolutionReference.weightGradient(
        gradient, input: input, geometry: ConvolutionGeometry(window, groups: groups)),
      ConvolutionReference.biasGradient(gradient)
    )
  }

  /// Records the gradients of weights and bias: two launches.
  public func recordParameterGradients(
    _ recorder: Recorder, input: DeviceTensor, gradient: DeviceTensor, to target: LiveParameters
  ) throws(ComputeError) {
    let shape = weights.shape
    try recorder.parameterGradients(
      window, groups: groups, groupInputs: shape[1],
      strides: Extents(shape[1] * shape[2] * shape[3], shape[2] * shape[3], shape[3], 1),
      input: input, gradient: gradient, to: target)
  }
}

extension Linear: TrainableOperation {
  /// The same operation with other parameters of the same shapes.
  public func replacing(weights: Tensor<Float>, bias: [Float]?) -> Linear {
    Linear(weights: weights, bias: bias, activation: activation)
  }

  /// The CPU reference path of the gradients of weights and bias.
  public func parameterGradients<Scalar: ReferenceScalar>(
    input: Tensor<Scalar>, gradient: Tensor<Scalar>
  ) -> (weights: Tensor<Scalar>, bias: [Scalar]) {
    let (inputs, outputs) = (weights.shape[0], weights.shape[1])
    return MatmulReference.linearWeightGradient(
      Tensor(shape: [gradient.count / outputs, outputs], values: gradient.values),
      input: Tensor(shape: [input.count / inputs, inputs], values: input.values))
  }

  /// Records the gradients of weights and bias: two launches.
  public func recordParameterGradients(
    _ recorder: Recorder, input: DeviceTensor, gradient: DeviceTensor, to target: LiveParameters
  ) throws(ComputeError) {
    // A matrix product is a convolution by a window of one pixel.
    try recorder.parameterGradients(
      WindowGeometry(kernel: Extent(1)), groups: 1, groupInputs: weights.shape[0],
      strides: Extents(1, weights.shape[1], 0, 0), input: input, gradient: gradient, to: target)
  }
}

extension Recorder {
  /// Records the gradients of weights, whose strides are those of (output channel, channel of the
  /// group, tap row, tap column), and of the bias.
  fileprivate func parameterGradients(
    _ window: WindowGeometry, groups: Int, groupInputs: Int, strides: Extents,
    input: DeviceTensor, gradient: DeviceTensor, to target: LiveParameters
  ) throws(ComputeError) {
    let from = input.layout
    let to = gradient.layout
    precondition(!to.isUnpadded, "an output's gradient without padding channels")
    let vectors = (to.channels + 15) / 16
    let taps = window.kernel.height * window.kernel.width
    // Samples of one pixel are the pixels of one row: the same sums in the same order, without a loop
    // for each.
    let isRow = from.pixels == 1 && to.pixels == 1 && taps == 1
    let outputs =
      isRow ? Extents(1, 1, batch, to.channels) : Extents(batch, to.height, to.width, to.channels)
    func place(_ tensor: DeviceTensor) -> Place {
      isRow
        ? Place(tensor.start, sample: 0, row: 0, pixel: tensor.layout.imageStride) : Place(tensor)
    }
    // On a processor: enough sums at once to hide the fma's latency, few enough items a group for
    // every core to have some.
    let tile = groups > 1 || family == .reference ? 1 : groupInputs < 8 ? 4 : 8
    let groupSize = family == .cpu ? min(8, self.groupSize) : self.groupSize
    let blocks = (groupInputs + tile - 1) / tile
    let program = try program(
      "reference/weight_gradient",
      [
        ("GROUP", "\(groupSize)"), ("TILE", "\(tile)"), ("GROUPED", groups > 1 ? "1" : "0"),
      ])
    // Each group of channels is a product of its own, and small: that is no work for large tiles.
    let local = family == .gpu && groups == 1
    let localTile = localTile(rows: to.channels, columns: groupInputs, products: taps)
    let (tiled, grid) =
      local
      ? (
        try self.program(
          "gpu/weight_gradient",
          localTile.constants + [
            aligned(
              "ALIGNED_INPUT", Int(input.start), from.imageStride, from.rowStride,
              from.channelStride),
            aligned(
              "ALIGNED_OUTPUT", Int(gradient.start), to.imageStride, to.rowStride, to.channelStride),
          ]), localTile.grid(rows: to.channels, columns: groupInputs, products: taps)
      ) : (program, Grid([vectors * blocks * taps], groups: [groupSize]))
    try launch(
      tiled, "weight_gradient", grid,
      input.buffer, place(input), gradient.buffer, place(gradient), target.buffer,
      UInt64(target.weights), strides,
      Extents(
        window.kernel.height, window.kernel.width, window.stride.height, window.stride.width),
      Extents(
        window.padding.top, window.padding.left, window.dilation.height, window.dilation.width),
      Extents(from.height, isRow ? batch : from.width, groupInputs, groups), outputs)
    guard let bias = target.bias else { return }
    try launch(
      program, "bias_gradient", Grid([vectors], groups: [groupSize]), gradient.buffer,
      place(gradient), target.buffer, UInt64(bias), outputs)
  }
}
