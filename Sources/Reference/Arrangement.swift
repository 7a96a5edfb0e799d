/// Joining, splitting, permuting and reshaping: elements move, none is computed.
public enum ArrangementReference {
  /// Tensors joined along one axis (negative ones count from the last).
  public static func concatenate<Scalar: ReferenceScalar>(
    _ tensors: [Tensor<Scalar>], axis: Int
  ) -> Tensor<Scalar> {
    guard let first = tensors.first else { preconditionFailure("nothing to concatenate") }
    let axis = axis < 0 ? axis + first.shape.count : axis
    precondition(first.shape.indices.contains(axis), "no axis \(axis) in \(first.shape)")
    var shape = first.shape
    shape[axis] = 0
    for tensor in tensors {
      var expected = first.shape
      precondition(tensor.shape.count == shape.count, "\(tensor.shape) beside \(first.shape)")
      expected[axis] = tensor.shape[axis]
      precondition(tensor.shape == expected, "\(tensor.shape) beside \(first.shape)")
      shape[axis] += tensor.shape[axis]
    }
    var values: [Scalar] = []
    values.reserveCapacity(shape.reduce(1, *))
    let inner = shape[axis...].dropFirst().reduce(1, *)
    for outer in 0..<shape[..<axis].reduce(1, *) {
      for tensor in tensors {
        let length = tensor.shape[axis] * inner
        values += tensor.values[outer * length..<(outer + 1) * length]
      }
    }
    return Tensor(shape: shape, values: values)
  }

  /// A tensor cut along one axis: the gradient of ``concatenate(_:axis:)``.
  ///
  /// - Parameters:
  ///   - extents: those of the pieces along the axis; they must add up to the tensor's.
  ///   - axis: negative ones count from the last.
  public static func split<Scalar: ReferenceScalar>(
    _ tensor: Tensor<Scalar>, extents: [Int], axis: Int
  ) -> [Tensor<Scalar>] {
    let axis = axis < 0 ? axis + tensor.shape.count : axis
    precondition(tensor.shape.indices.contains(axis), "no axis \(axis) in \(tensor.shape)")
    precondition(
      extents.reduce(0, +) == tensor.shape[axis] && extents.allSatisfy { $0 >= 0 },
      "pieces \(extents) of the shape \(tensor.shape) along \(axis)")
    let inner = tensor.shape[axis...].dropFirst().reduce(1, *)
    let outer = tensor.shape[..<axis].reduce(1, *)
    var offset = 0
    return extents.map { extent in
      defer { offset += extent }
      var shape = tensor.shape
      shape[axis] = extent
      var values: [Scalar] = []
      for row in 0..<outer {
        let start = (row * tensor.shape[axis] + offset) * inner
        values += tensor.values[start..<start + extent * inner]
      }
      return Tensor(shape: shape, values: values)
    }
  }

  /// The axes in another order: output axis i is input axis `permutation[i]`.
  public static func transpose<Scalar: ReferenceScalar>(
    _ tensor: Tensor<Scalar>, permutation: [Int]
  ) -> Tensor<Scalar> {
    precondition(
      permutation.sorted() == Array(tensor.shape.indices),
      "the permutation \(permutation) of the shape \(tensor.shape)")
    let steps = Strides.rowMajor(tensor.shape)
    let shape = permutation.map { tensor.shape[$0] }
    let offsets = Strides.offsets(shape, permutation.map { steps[$0] })
    return Tensor(shape: shape, values: offsets.map { tensor.values[$0] })
  }

  /// The gradient of ``transpose(_:permutation:)``: the inverse permutation.
  public static func transposeGradient<Scalar: ReferenceScalar>(
    _ dy: Tensor<Scalar>, permutation: [Int]
  ) -> Tensor<Scalar> {
    var inverse = permutation
    for (position, axis) in permutation.enumerated() { inverse[axis] = position }
    return transpose(dy, permutation: inverse)
  }

  /// The same elements in row-major order under another shape; its gradient is the way back.
  public static func reshape<Scalar: ReferenceScalar>(
    _ tensor: Tensor<Scalar>, to shape: [Int]
  ) -> Tensor<Scalar> { Tensor(shape: shape, values: tensor.values) }
}
