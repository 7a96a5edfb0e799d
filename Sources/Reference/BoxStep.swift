/// A step of each sample along a direction, back into a ball around its origin and into the box.
public enum BoxStepReference {
  /// The ball that a perturbation may not leave; one radius a sample, in the pixels' unit.
  public enum Ball<Scalar: ReferenceScalar>: Sendable {
    /// No bound.
    case unbounded
    /// max |x - origin| <= radius
    case infinity([Scalar])
    /// sqrt(sum of (x - origin)^2) <= radius
    case euclidean([Scalar])
  }

  /// x' = clip(project(x + alpha_n * d), low, high).
  ///
  /// Order: fma(alpha_n, d, x); then the ball: L-infinity clips to
  /// [origin - radius, origin + radius] (both rounded); L2 takes delta = x - origin and its norm,
  /// sqrt(sum by fma over 256 lanes), and, only if the norm exceeds the radius,
  /// fma(radius / norm, delta, origin); then the box. Clipping is `v < low ? low : v > high ? high
  /// : v`, so NaN stays NaN.
  ///
  /// - Parameters:
  ///   - x: `[N, ...]`.
  ///   - direction: in the same shape.
  ///   - alpha: N step sizes; negative ones descend.
  ///   - origin: the ball's centres, in the same shape; needed if there is a ball.
  ///   - ball: the bound on the perturbation.
  ///   - box: the least and largest pixel.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func step<Scalar: ReferenceScalar>(
    _ x: Tensor<Scalar>, direction: Tensor<Scalar>, alpha: [Scalar],
    origin: Tensor<Scalar>? = nil, ball: Ball<Scalar> = .unbounded, box: ClosedRange<Scalar>
  ) -> Tensor<Scalar> {
    precondition(direction.shape == x.shape, "direction \(direction.shape), x \(x.shape)")
    precondition(x.shape.first == alpha.count, "\(alpha.count) steps for the shape \(x.shape)")
    let length = x.count / max(1, alpha.count)
    var moved = x
    for i in moved.values.indices {
      moved.values[i].addProduct(alpha[i / length], direction.values[i])
    }
    return projected(moved, origin: origin, ball: ball, box: box)
  }

  /// Projects onto the ball and then the box, in the order given for a step.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func projected<Scalar: ReferenceScalar>(
    _ x: Tensor<Scalar>, origin: Tensor<Scalar>?, ball: Ball<Scalar>, box: ClosedRange<Scalar>
  ) -> Tensor<Scalar> {
    var result = x
    switch ball {
    case .unbounded: break
    case .infinity(let radii):
      let origin = centre(x, origin, radii)
      let length = x.count / max(1, radii.count)
      for i in result.values.indices {
        let (centre, radius) = (origin.values[i], radii[i / length])
        result.values[i] = clip(result.values[i], centre - radius, centre + radius)
      }
    case .euclidean(let radii):
      let origin = centre(x, origin, radii)
      let length = x.count / max(1, radii.count)
      for n in radii.indices {
        let range = n * length..<(n + 1) * length
        let delta = range.map { x.values[$0] - origin.values[$0] }
        let norm = LongSum.dot(delta, delta).squareRoot()
        guard norm > radii[n] else { continue }
        let factor = radii[n] / norm
        for i in range {
          result.values[i] = origin.values[i].addingProduct(factor, delta[i - range.lowerBound])
        }
      }
    }
    for i in result.values.indices {
      result.values[i] = clip(result.values[i], box.lowerBound, box.upperBound)
    }
    return result
  }

  /// 1 where positive, -1 where negative, +0 for zeros; NaN stays NaN.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func sign<Scalar: ReferenceScalar>(_ gradient: Tensor<Scalar>) -> Tensor<Scalar> {
    Tensor(
      shape: gradient.shape,
      values: gradient.values.map { $0 > 0 ? 1 : $0 < 0 ? -1 : $0 == 0 ? 0 : $0 })
  }

  private static func clip<Scalar: ReferenceScalar>(
    _ value: Scalar, _ low: Scalar, _ high: Scalar
  ) -> Scalar { value < low ? low : value > high ? high : value }

  private static func centre<Scalar: ReferenceScalar>(
    _ x: Tensor<Scalar>, _ origin: Tensor<Scalar>?, _ radii: [Scalar]
  ) -> Tensor<Scalar> {
    guard let origin, origin.shape == x.shape else {
      preconditionFailure("a ball around no origin of the shape \(x.shape)")
    }
    precondition(x.shape.first == radii.count, "\(radii.count) radii for the shape \(x.shape)")
    return origin
  }
}
