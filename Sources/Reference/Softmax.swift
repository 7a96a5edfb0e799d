/// Softmax and its logarithm along one axis, and their gradients.
public enum SoftmaxReference {
  /// exp(x_i - m) / s, where m is the maximum and s the sum of those exponentials.
  ///
  /// Order: m (NaN is propagated); e_i = exp(x_i - m); s = +0, then `s = s + e_i` in ascending
  /// order by plain adds; e_i / s.
  ///
  /// - Parameter axis: an axis of the batched shape; negative ones count from the last.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func softmax<Scalar: ReferenceScalar>(
    _ x: Tensor<Scalar>, axis: Int = 1
  ) -> Tensor<Scalar> {
    let rows = Rows(shape: x.shape, axis: axis)
    var y = x
    for start in rows.starts {
      let maximum = rows.maximum(of: x.values, from: start)
      var sum: Scalar = 0
      for i in rows.indices(from: start) {
        y.values[i] = Scalar.canonicalExp(x.values[i] - maximum)
        sum += y.values[i]
      }
      for i in rows.indices(from: start) { y.values[i] /= sum }
    }
    return y
  }

  /// (x_i - m) - log(s), with m and s as in ``softmax(_:axis:)``.
  ///
  /// - Parameter axis: an axis of the batched shape; negative ones count from the last.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func logSoftmax<Scalar: ReferenceScalar>(
    _ x: Tensor<Scalar>, axis: Int = 1
  ) -> Tensor<Scalar> {
    let rows = Rows(shape: x.shape, axis: axis)
    var y = x
    for start in rows.starts {
      let maximum = rows.maximum(of: x.values, from: start)
      var sum: Scalar = 0
      for i in rows.indices(from: start) {
        y.values[i] = x.values[i] - maximum
        sum += Scalar.canonicalExp(y.values[i])
      }
      let logarithm = Scalar.canonicalLog(sum)
      for i in rows.indices(from: start) { y.values[i] -= logarithm }
    }
    return y
  }

  /// The gradient of softmax, y_i * (dy_i - t), where t = fma(dy_i, y_i, t) in ascending order.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func softmaxGradient<Scalar: ReferenceScalar>(
    _ dy: Tensor<Scalar>, output: Tensor<Scalar>, axis: Int = 1
  ) -> Tensor<Scalar> {
    precondition(dy.shape == output.shape, "gradient \(dy.shape), output \(output.shape)")
    let rows = Rows(shape: dy.shape, axis: axis)
    var dx = dy
    for start in rows.starts {
      var sum: Scalar = 0
      for i in rows.indices(from: start) { sum.addProduct(dy.values[i], output.values[i]) }
      for i in rows.indices(from: start) {
        dx.values[i] = output.values[i] * (dy.values[i] - sum)
      }
    }
    return dx
  }

  /// The gradient of the logarithm of softmax, fma(-exp(y_i), t, dy_i), where t is the sum of dy
  /// by plain adds in ascending order.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func logSoftmaxGradient<Scalar: ReferenceScalar>(
    _ dy: Tensor<Scalar>, output: Tensor<Scalar>, axis: Int = 1
  ) -> Tensor<Scalar> {
    precondition(dy.shape == output.shape, "gradient \(dy.shape), output \(output.shape)")
    let rows = Rows(shape: dy.shape, axis: axis)
    var dx = dy
    for start in rows.starts {
      var sum: Scalar = 0
      for i in rows.indices(from: start) { sum += dy.values[i] }
      for i in rows.indices(from: start) {
        dx.values[i] = dy.values[i].addingProduct(-Scalar.canonicalExp(output.values[i]), sum)
      }
    }
    return dx
  }
}

/// The rows of a tensor along one axis.
struct Rows {
  private let outer, length, inner: Int

  init(shape: [Int], axis: Int) {
    let axis = axis < 0 ? axis + shape.count : axis
    precondition(shape.indices.contains(axis), "no axis \(axis) in the shape \(shape)")
    outer = shape[..<axis].reduce(1, *)
    length = shape[axis]
    inner = shape[(axis + 1)...].reduce(1, *)
    precondition(length > 0, "the axis \(axis) of the shape \(shape) is empty")
  }

  /// The index of each row's first element.
  var starts: some Sequence<Int> {
    let (length, inner) = (length, inner)
    return (0..<outer * inner).lazy.map { $0 / inner * length * inner + $0 % inner }
  }

  func indices(from start: Int) -> StrideTo<Int> {
    stride(from: start, to: start + length * inner, by: inner)
  }

  /// The largest element of a row; NaN is propagated.
  func maximum<Scalar: ReferenceScalar>(of values: [Scalar], from start: Int) -> Scalar {
    var best = values[start]
    for i in indices(from: start) where values[i].supersedes(best) { best = values[i] }
    return best
  }
}

extension ReferenceScalar {
  /// Whether this later element takes the place of the maximum so far: it is larger, or the first
  /// NaN.
  @inline(__always)
  func supersedes(_ best: Self) -> Bool { self > best || (isNaN && !best.isNaN) }
}
