/// Gradient descent with momentum (Polyak 1964), the twin of `Kernels/reference/parameter_update.cl`.
public enum ParameterUpdateReference {
  /// One step: v = fma(momentum, v, fma(decay, w, g)), then w = fma(-rate, v, w).
  ///
  /// - Parameters:
  ///   - weights: The parameters w, changed.
  ///   - velocities: The running sums v, changed; zeros at first.
  ///   - gradients: The loss's gradients g, without the penalty's.
  ///   - momentum: The part of the velocity that stays.
  ///   - decay: lambda of the penalty lambda / 2 * |w|^2.
  ///   - rate: The learning rate.
  public static func step<Scalar: ReferenceScalar>(
    weights: inout [Scalar], velocities: inout [Scalar], gradients: [Scalar], momentum: Scalar,
    decay: Scalar, rate: Scalar
  ) {
    precondition(
      weights.count == velocities.count && weights.count == gradients.count,
      "\(weights.count) weights, \(velocities.count) velocities, \(gradients.count) gradients")
    for i in weights.indices {
      let gradient = gradients[i].addingProduct(decay, weights[i])
      velocities[i] = gradient.addingProduct(momentum, velocities[i])
      weights[i].addProduct(-rate, velocities[i])
    }
  }
}
