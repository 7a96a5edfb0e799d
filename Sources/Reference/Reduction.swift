/// Sums and means over axes, and their gradients.
public enum ReductionReference {
  /// The sum over some axes, from +0 in ascending order of the input's index by plain adds.
  ///
  /// - Parameters:
  ///   - x: any shape.
  ///   - axes: axes of the batched shape; negative ones count from the last.
  ///   - keepsAxes: whether the axes stay, with extent 1.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func sum<Scalar: ReferenceScalar>(
    _ x: Tensor<Scalar>, axes: [Int], keepsAxes: Bool
  ) -> Tensor<Scalar> {
    let kept = keptShape(x.shape, axes)
    let targets = targets(x.shape, kept)
    var y = Tensor<Scalar>(shape: kept, repeating: 0)
    for i in x.values.indices { y.values[targets[i]] += x.values[i] }
    if !keepsAxes {
      let removed = Set(axes.map { $0 < 0 ? $0 + kept.count : $0 })
      y.shape = kept.indices.filter { !removed.contains($0) }.map { kept[$0] }
    }
    return y
  }

  /// The mean over some axes: the sum as above, divided by the number of elements.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func mean<Scalar: ReferenceScalar>(
    _ x: Tensor<Scalar>, axes: [Int], keepsAxes: Bool
  ) -> Tensor<Scalar> {
    var y = sum(x, axes: axes, keepsAxes: keepsAxes)
    precondition(!y.values.isEmpty && !x.values.isEmpty, "the mean of the shape \(x.shape)")
    let count = Scalar(x.count / y.count)
    for i in y.values.indices { y.values[i] /= count }
    return y
  }

  /// The gradient of the sum: dy at every element that was added.
  ///
  /// - Parameter dy: in the result's shape, with or without the axes.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func sumGradient<Scalar: ReferenceScalar>(
    _ dy: Tensor<Scalar>, inputShape: [Int], axes: [Int]
  ) -> Tensor<Scalar> {
    let kept = keptShape(inputShape, axes)
    precondition(dy.count == kept.reduce(1, *), "gradient \(dy.shape) for \(inputShape), \(axes)")
    return Tensor(shape: inputShape, values: targets(inputShape, kept).map { dy.values[$0] })
  }

  /// The gradient of the mean: dy / count at every element that was added.
  ///
  /// - Parameter dy: in the result's shape, with or without the axes.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func meanGradient<Scalar: ReferenceScalar>(
    _ dy: Tensor<Scalar>, inputShape: [Int], axes: [Int]
  ) -> Tensor<Scalar> {
    let count = Scalar(inputShape.reduce(1, *) / max(1, dy.count))
    let shares = Tensor(shape: dy.shape, values: dy.values.map { $0 / count })
    return sumGradient(shares, inputShape: inputShape, axes: axes)
  }

  private static func keptShape(_ shape: [Int], _ axes: [Int]) -> [Int] {
    var kept = shape
    for axis in axes {
      let axis = axis < 0 ? axis + shape.count : axis
      precondition(shape.indices.contains(axis), "no axis \(axis) in the shape \(shape)")
      kept[axis] = 1
    }
    return kept
  }

  private static func targets(_ shape: [Int], _ kept: [Int]) -> [Int] {
    let steps = Strides.rowMajor(kept)
    return Strides.offsets(shape, kept.indices.map { kept[$0] == 1 ? 0 : steps[$0] })
  }
}
