/// Batch normalisation at inference (Ioffe and Szegedy 2015): one scale and shift a channel.
public enum BatchNormalizationReference {
  /// A channel's running statistics and learnt factors.
  public struct Parameters<Scalar: ReferenceScalar>: Sendable {
    /// Learnt factors, one a channel.
    public var gamma: [Scalar]
    /// Learnt summands.
    public var beta: [Scalar]
    /// Means.
    public var mean: [Scalar]
    /// Variances, not negative.
    public var variance: [Scalar]
    /// What is added to the variance.
    public var epsilon: Double

    /// The parameters of one layer, one number a channel in each list.
    public init(
      gamma: [Scalar], beta: [Scalar], mean: [Scalar], variance: [Scalar], epsilon: Double = 1e-5
    ) {
      precondition(
        beta.count == gamma.count && mean.count == gamma.count && variance.count == gamma.count,
        "batch normalisation of \(gamma.count) channels")
      self.gamma = gamma
      self.beta = beta
      self.mean = mean
      self.variance = variance
      self.epsilon = epsilon
    }

    /// gamma / sqrt(variance + epsilon), in double precision.
    fileprivate var factors: [Double] {
      gamma.indices.map { Double(gamma[$0]) / (Double(variance[$0]) + epsilon).squareRoot() }
    }
  }

  /// y = fma(x, scale_c, shift_c).
  ///
  /// - Parameters:
  ///   - x: `[N, C, ...]`.
  ///   - scale: C factors.
  ///   - shift: C summands.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func scaleShift<Scalar: ReferenceScalar>(
    _ x: Tensor<Scalar>, scale: [Scalar], shift: [Scalar]
  ) -> Tensor<Scalar> {
    check(x.shape, scale.count)
    precondition(scale.count == shift.count, "\(scale.count) scales, \(shift.count) shifts")
    let plane = x.shape[2...].reduce(1, *)
    var y = x
    for i in y.values.indices {
      let channel = i / plane % scale.count
      y.values[i] = shift[channel].addingProduct(x.values[i], scale[channel])
    }
    return y
  }

  /// The gradient of ``scaleShift(_:scale:shift:)``: dy * scale_c.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func scaleShiftGradient<Scalar: ReferenceScalar>(
    _ dy: Tensor<Scalar>, scale: [Scalar]
  ) -> Tensor<Scalar> {
    check(dy.shape, scale.count)
    let plane = dy.shape[2...].reduce(1, *)
    var dx = dy
    for i in dx.values.indices { dx.values[i] *= scale[i / plane % scale.count] }
    return dx
  }

  /// The scale gamma / sqrt(variance + epsilon) and the shift beta - mean * scale.
  ///
  /// Both are computed in double precision (the shift from the unrounded scale) and rounded once.
  public static func folded<Scalar: ReferenceScalar>(
    _ parameters: Parameters<Scalar>
  ) -> (scale: [Scalar], shift: [Scalar]) {
    let factors = parameters.factors
    let shift = factors.indices.map {
      Scalar(Double(parameters.beta[$0]) - Double(parameters.mean[$0]) * factors[$0])
    }
    return (factors.map { Scalar($0) }, shift)
  }

  /// The weights and bias of the convolution that equals a convolution and then the normalisation.
  ///
  /// Weights w * scale and bias beta + (bias - mean) * scale are computed in double precision and
  /// rounded once.
  ///
  /// - Parameters:
  ///   - parameters: of OC channels.
  ///   - weights: `[OC, C / groups, KH, KW]`.
  ///   - bias: OC numbers; zeros if nil.
  public static func folded<Scalar: ReferenceScalar>(
    _ parameters: Parameters<Scalar>, into weights: Tensor<Scalar>, bias: [Scalar]?
  ) -> (weights: Tensor<Scalar>, bias: [Scalar]) {
    let factors = parameters.factors
    precondition(weights.shape.first == factors.count, "\(factors.count) channels to fold")
    precondition(bias.map { $0.count == factors.count } ?? true, "convolution bias")
    let length = weights.count / max(1, factors.count)
    var weights = weights
    for i in weights.values.indices {
      weights.values[i] = Scalar(Double(weights.values[i]) * factors[i / length])
    }
    let folded = factors.indices.map { channel in
      let offset = bias.map { Double($0[channel]) } ?? 0
      let centred = offset - Double(parameters.mean[channel])
      return Scalar(Double(parameters.beta[channel]) + centred * factors[channel])
    }
    return (weights, folded)
  }

  private static func check(_ shape: [Int], _ channels: Int) {
    precondition(
      shape.count >= 2 && shape[1] == channels, "\(channels) scales do not fit the shape \(shape)")
  }
}
