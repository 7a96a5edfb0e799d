/// Mean over windows of a picture and over whole channels.
public enum AveragePoolingReference {
  /// The mean of each window.
  ///
  /// The taps in the picture are added from +0, row then column ascending, by plain adds; then the
  /// sum is divided by the count. The count is that of the taps in the picture, or, if padding
  /// counts, in the picture and its padding; what a last window in ceiling mode has beyond the
  /// padding never counts (PyTorch, ONNX). A window without any is +0.
  ///
  /// - Parameters:
  ///   - x: `[N, C, H, W]`.
  ///   - window: where the windows lie.
  ///   - countsPadding: whether the padding's zeros count.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func forward<Scalar: ReferenceScalar>(
    _ x: Tensor<Scalar>, window: WindowGeometry, countsPadding: Bool
  ) -> Tensor<Scalar> {
    let sizes = PoolingSizes(input: x.shape, window)
    let padded = sizes.paddedTaps()
    var y = Tensor<Scalar>(shape: sizes.outputShape, repeating: 0)
    sizes.forEachWindow { index, plane, rows, columns in
      var sum: Scalar = 0
      for row in rows {
        for column in columns {
          sum += x.values[plane + row.position * sizes.input.width + column.position]
        }
      }
      let count = countsPadding ? padded[index % padded.count] : rows.count * columns.count
      if count > 0 { y.values[index] = sum / Scalar(count) }
    }
    return y
  }

  /// The gradient: each pixel adds dy / count of its windows, in ascending order of output row and
  /// column, from +0 by plain adds.
  ///
  /// - Parameters:
  ///   - dy: `[N, C, OH, OW]`.
  ///   - inputShape: `[N, C, H, W]`.
  ///   - window: where the windows lie.
  ///   - countsPadding: whether the padding's zeros count.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func gradient<Scalar: ReferenceScalar>(
    _ dy: Tensor<Scalar>, inputShape: [Int], window: WindowGeometry, countsPadding: Bool
  ) -> Tensor<Scalar> {
    let sizes = PoolingSizes(input: inputShape, window)
    precondition(dy.shape == sizes.outputShape, "gradient \(dy.shape), not \(sizes.outputShape)")
    let padded = sizes.paddedTaps()
    var dx = Tensor<Scalar>(shape: inputShape, repeating: 0)
    // Scattering in the order of the windows adds to each pixel in the prescribed order.
    sizes.forEachWindow { index, plane, rows, columns in
      let count = countsPadding ? padded[index % padded.count] : rows.count * columns.count
      guard count > 0 else { return }
      let share = dy.values[index] / Scalar(count)
      for row in rows {
        for column in columns {
          dx.values[plane + row.position * sizes.input.width + column.position] += share
        }
      }
    }
    return dx
  }

  /// The mean of each channel: added row by row from +0 by plain adds, then divided.
  ///
  /// - Parameter x: `[N, C, H, W]`.
  /// - Returns: `[N, C, 1, 1]`.
  public static func global<Scalar: ReferenceScalar>(_ x: Tensor<Scalar>) -> Tensor<Scalar> {
    precondition(x.shape.count == 4, "global pooling of the shape \(x.shape)")
    return ReductionReference.mean(x, axes: [2, 3], keepsAxes: true)
  }

  /// The gradient of ``global(_:)``: dy / (H * W) at every pixel.
  public static func globalGradient<Scalar: ReferenceScalar>(
    _ dy: Tensor<Scalar>, inputShape: [Int]
  ) -> Tensor<Scalar> {
    precondition(inputShape.count == 4, "global pooling of the shape \(inputShape)")
    return ReductionReference.meanGradient(dy, inputShape: inputShape, axes: [2, 3])
  }
}
