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
    let (program, grid) = try weightGradientProgram(
      groups: groups, groupInputs: groupInputs, taps: taps, from: input, to: gradient)
    try launch(
      program, "weight_gradient", grid,
      input.buffer, place(input), gradient.buffer, place(gradient), target.buffer,
      UInt64(target.weights), strides,
      Extents(
        window.kernel.height, window.kernel.width, window.stride.height, window.stride.width),
      Extents(
        window.padding.top, window.padding.left, window.dilation.height, window.dilation.width),
      Extents(from.height, isRow ? batch : from.width, groupInputs, groups), outputs)
    guard let bias = target.bias else { return }
    try launch(
      self.program(Self.anyWeightGradient, weightGradientConstants(groups: groups)),
      "bias_gradient", Grid([(to.channels + 15) / 16], groups: [groupSize]), gradient.buffer,
      place(gradient), target.buffer, UInt64(bias), outputs)
  }

  /// The kernel of the gradients of weights that suits the family and the sizes, with its work.
  private func weightGradientProgram(
    groups: Int, groupInputs: Int, taps: Int, from input: DeviceTensor, to gradient: DeviceTensor
  ) throws(ComputeError) -> (Program, Grid) {
    let channels = gradient.layout.channels
    let vectors = (channels + 15) / 16
    // Each group of channels is a product of its own, and small: that is no work for tiles.
    switch groups > 1 ? .reference : family {
    case .cpu:
      // As many sums as registers hold beside what is read.
      let tile = min(14, groupInputs)
      let width = min(2, vectors)
      let items = (vectors + width - 1) / width * ((groupInputs + tile - 1) / tile) * taps
      return (
        try program("cpu/weight_gradient", [("TILE", "\(tile)"), ("VECTORS", "\(width)")]),
        Grid([items], groups: [1])
      )
    case .gpu:
      let tile = localTile(rows: channels, columns: groupInputs, products: taps)
      let (from, to) = (input.layout, gradient.layout)
      let constants = [
        aligned(
          "ALIGNED_INPUT", Int(input.start), from.imageStride, from.rowStride, from.channelStride),
        aligned(
          "ALIGNED_OUTPUT", Int(gradient.start), to.imageStride, to.rowStride, to.channelStride),
      ]
      return (
        try program("gpu/weight_gradient", tile.constants + constants),
        tile.grid(rows: channels, columns: groupInputs, products: taps)
      )
    case .reference:
      return (
        try program(Self.anyWeightGradient, weightGradientConstants(groups: groups)),
        Grid([vectors * groupInputs * taps], groups: [groupSize])
      )
    }
  }

  /// The kernels for all groups and sizes.
  private static var anyWeightGradient: String { "reference/weight_gradient" }

  private func weightGradientConstants(groups: Int) -> [(String, String)] {
    [groupConstant, ("GROUPED", groups > 1 ? "1" : "0")]
  }
}
