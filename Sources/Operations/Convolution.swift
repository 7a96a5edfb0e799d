public import Reference

/// Two-dimensional convolution (cross-correlation) with bias, residual and activation fused.
///
/// Input 0 is `[C, H, W]`; input 1, if there is a residual, has the output's shape and is added
/// after the bias. Order of summation: row tap, column tap, input channel of the group, unless
/// Winograd's algorithm is asked for and fits.
public struct Convolution: Operation {
  /// `[OC, C / groups, KH, KW]`.
  public let weights: Tensor<Float>
  /// One number for each output channel.
  public let bias: [Float]?
  /// Where the windows lie.
  public let window: WindowGeometry
  /// Groups of channels that do not mix.
  public let groups: Int
  /// Whether input 1 is added before the activation.
  public let hasResidual: Bool
  /// What is applied to the sum.
  public let activation: Activation
  /// How it is summed, in both passes.
  public var algorithm: ConvolutionAlgorithm

  /// The operation's name.
  public var kind: String { "convolution" }

  /// A convolution; the window's kernel must be that of the weights.
  public init(
    weights: Tensor<Float>, bias: [Float]? = nil, window: WindowGeometry, groups: Int = 1,
    hasResidual: Bool = false, activation: Activation = .none,
    algorithm: ConvolutionAlgorithm = .direct
  ) {
    precondition(weights.shape.count == 4, "convolution weights of shape \(weights.shape)")
    precondition(
      Extent(weights.shape[2], weights.shape[3]) == window.kernel,
      "convolution weights of shape \(weights.shape) for the kernel \(window.kernel)")
    precondition(bias.map { $0.count == weights.shape[0] } ?? true, "convolution bias")
    self.weights = weights
    self.bias = bias
    self.window = window
    self.groups = groups
    self.hasResidual = hasResidual
    self.activation = activation
    self.algorithm = algorithm
  }

  /// Channels of the output.
  public var outputChannels: Int { weights.shape[0] }

  /// The shape of a sample's output; throws when the inputs do not fit.
  public func outputShape(for inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard inputs.count == (hasResidual ? 2 : 1), inputs[0].count == 3 else {
      throw ShapeError("convolution takes a picture [C, H, W], not \(inputs)")
    }
    let input = inputs[0]
    guard groups > 0, weights.shape[1] * groups == input[0], outputChannels % groups == 0 else {
      throw ShapeError(
        "weights \(weights.shape) with \(groups) groups do not fit \(input[0]) channels")
    }
    let extent = window.outputExtent(of: Extent(input[1], input[2]))
    guard extent.height > 0, extent.width > 0 else {
      throw ShapeError("a picture of \(input[1])x\(input[2]) is smaller than the kernel")
    }
    let output = [outputChannels, extent.height, extent.width]
    if hasResidual, inputs[1] != output {
      throw ShapeError("the residual is \(inputs[1]), the convolution's output \(output)")
    }
    return output
  }

  /// The cost of the forward pass for one sample.
  public func cost(inputs: [[Int]], output: [Int]) -> Cost {
    let outputs = output.reduce(1, *)
    let read = inputs.reduce(weights.count) { $0 + $1.reduce(1, *) }
    return Cost(
      flops: 2 * outputs * weights.count / outputChannels, bytes: 4 * (outputs + read))
  }
}
