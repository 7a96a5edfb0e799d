/// Local response normalisation across channels, as ONNX defines it.
///
/// Source: Krizhevsky, Sutskever and Hinton 2012, section 3.3.
///
/// y_c = x_c * scale_c^-beta, scale_c = bias + alpha / n * sum of x^2 over the n channels from
/// c - floor((n - 1) / 2) to c + ceil((n - 1) / 2) that exist.
public enum LocalResponseNormalizationReference {
  /// The window and the constants.
  public struct Parameters: Hashable, Sendable {
    /// Channels in the window, n.
    public var size: Int
    /// Weight of the mean square.
    public var alpha: Float
    /// Exponent.
    public var beta: Float
    /// What is added to the weighted mean square (k in the paper).
    public var bias: Float

    /// A normalisation; ONNX's defaults.
    public init(size: Int, alpha: Float = 1e-4, beta: Float = 0.75, bias: Float = 1) {
      precondition(size > 0, "a window of \(size) channels")
      self.size = size
      self.alpha = alpha
      self.beta = beta
      self.bias = bias
    }

    /// Channels of the window before its own.
    fileprivate var before: Int { (size - 1) / 2 }
    /// Channels of the window after its own.
    fileprivate var after: Int { size / 2 }
  }

  /// Normalises `[N, C, H, W]` (or any shape whose axis 1 is channels).
  ///
  /// Order: q = fma(x, x, q) from +0, channels ascending; scale = fma(alpha / n, q, bias);
  /// y = x * power(scale, -beta).
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func forward<Scalar: ReferenceScalar>(
    _ x: Tensor<Scalar>, _ parameters: Parameters
  ) -> Tensor<Scalar> {
    var y = scales(x, parameters)
    for i in y.values.indices {
      y.values[i] = x.values[i] * Scalar.canonicalPower(y.values[i], -Scalar(parameters.beta))
    }
    return y
  }

  /// The gradient with respect to the input, recomputing scale and output.
  ///
  /// dx_c = dy_c * scale_c^-beta - (2 alpha beta / n) x_c t, where t sums dy_c' * y_c' / scale_c'
  /// over the channels c' whose window holds c: from c - ceil((n - 1) / 2) to
  /// c + floor((n - 1) / 2). Order: t = fma(dy_c', y_c' / scale_c', t) from +0, c' ascending;
  /// f = ((2 * alpha) * beta) / n; dx_c = fma(-(f * x_c), t, dy_c * power(scale_c, -beta)).
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func gradient<Scalar: ReferenceScalar>(
    _ dy: Tensor<Scalar>, input x: Tensor<Scalar>, _ parameters: Parameters
  ) -> Tensor<Scalar> {
    precondition(dy.shape == x.shape, "gradient \(dy.shape) for the shape \(x.shape)")
    let scale = scales(x, parameters)
    let powers = scale.values.map { Scalar.canonicalPower($0, -Scalar(parameters.beta)) }
    let ratios = x.values.indices.map { x.values[$0] * powers[$0] / scale.values[$0] }
    let factor = 2 * Scalar(parameters.alpha) * Scalar(parameters.beta) / Scalar(parameters.size)
    var dx = dy
    forEachElement(x.shape, before: parameters.after, after: parameters.before) { index, window in
      var sum: Scalar = 0
      for other in window { sum.addProduct(dy.values[other], ratios[other]) }
      let own = dy.values[index] * powers[index]
      dx.values[index] = own.addingProduct(-(factor * x.values[index]), sum)
    }
    return dx
  }

  private static func scales<Scalar: ReferenceScalar>(
    _ x: Tensor<Scalar>, _ parameters: Parameters
  ) -> Tensor<Scalar> {
    let weight = Scalar(parameters.alpha) / Scalar(parameters.size)
    var scale = x
    forEachElement(x.shape, before: parameters.before, after: parameters.after) { index, window in
      var squares: Scalar = 0
      for other in window { squares.addProduct(x.values[other], x.values[other]) }
      scale.values[index] = Scalar(parameters.bias).addingProduct(weight, squares)
    }
    return scale
  }

  /// Calls `body` with each element's index and those of its window's elements, ascending.
  @inline(__always)
  private static func forEachElement(
    _ shape: [Int], before: Int, after: Int, _ body: (Int, StrideThrough<Int>) -> Void
  ) {
    precondition(shape.count >= 2, "normalisation across channels of the shape \(shape)")
    let channels = shape[1]
    let plane = shape[2...].reduce(1, *)
    for n in 0..<shape[0] {
      for c in 0..<channels {
        let first = max(0, c - before)
        let last = min(channels - 1, c + after)
        for position in 0..<plane {
          let start = n * channels * plane + position
          body(
            start + c * plane,
            stride(from: start + first * plane, through: start + last * plane, by: plane))
        }
      }
    }
  }
}
