/// The result of a maximum over windows: the values, and which tap each comes from.
public struct PooledMaximum<Scalar: ReferenceScalar, Tap: FixedWidthInteger & Sendable>: Sendable {
  /// `[N, C, OH, OW]`.
  public var output: Tensor<Scalar>
  /// The tap of each maximum, kh * KW + kw, in the output's shape; the type's largest number (255
  /// in a byte) marks a window that lies in the padding altogether.
  public var taps: Tensor<Tap>
}

/// Maximum over windows of a picture and over whole channels.
public enum MaximumPoolingReference {
  /// The largest element of each window.
  ///
  /// The lowest tap wins and NaN is propagated (the first one); padding never wins; a window with
  /// no tap in the picture is -infinity.
  ///
  /// - Parameters:
  ///   - x: `[N, C, H, W]`.
  ///   - window: where the windows lie, in ceiling mode too.
  ///   - taps: the type of the taps' indices; a byte holds kernels of at most 255 taps.
  @specialized(where Scalar == Float, Tap == UInt8)
  @specialized(where Scalar == Double, Tap == UInt8)
  public static func forward<Scalar: ReferenceScalar, Tap: FixedWidthInteger & Sendable>(
    _ x: Tensor<Scalar>, window: WindowGeometry, taps: Tap.Type = UInt8.self
  ) -> PooledMaximum<Scalar, Tap> {
    let sizes = PoolingSizes(input: x.shape, window)
    precondition(
      Tap(exactly: window.kernel.height * window.kernel.width) != nil,
      "\(Tap.self) is too small for the kernel \(window.kernel)")
    var output = Tensor<Scalar>(shape: sizes.outputShape, repeating: -Scalar.infinity)
    var taps = Tensor<Tap>(shape: sizes.outputShape, repeating: Tap.max)
    sizes.forEachWindow { index, plane, rows, columns in
      var best: (value: Scalar, tap: Int)?
      for row in rows {
        for column in columns {
          let value = x.values[plane + row.position * sizes.input.width + column.position]
          if best.map({ value.supersedes($0.value) }) ?? true {
            best = (value, row.tap * window.kernel.width + column.tap)
          }
        }
      }
      if let best {
        output.values[index] = best.value
        taps.values[index] = Tap(best.tap)
      }
    }
    return PooledMaximum(output: output, taps: taps)
  }

  /// The gradient: each pixel adds dy of the windows whose maximum it is, in ascending order of
  /// output row and column, from +0 by plain adds.
  ///
  /// - Parameters:
  ///   - dy: `[N, C, OH, OW]`.
  ///   - taps: as ``forward(_:window:taps:)`` returned them.
  ///   - inputShape: `[N, C, H, W]`.
  @specialized(where Scalar == Float, Tap == UInt8)
  @specialized(where Scalar == Double, Tap == UInt8)
  public static func gradient<Scalar: ReferenceScalar, Tap: FixedWidthInteger & Sendable>(
    _ dy: Tensor<Scalar>, taps: Tensor<Tap>, inputShape: [Int], window: WindowGeometry
  ) -> Tensor<Scalar> {
    let sizes = PoolingSizes(input: inputShape, window)
    precondition(dy.shape == sizes.outputShape, "gradient \(dy.shape), not \(sizes.outputShape)")
    precondition(taps.shape == sizes.outputShape, "taps \(taps.shape), not \(sizes.outputShape)")
    var dx = Tensor<Scalar>(shape: inputShape, repeating: 0)
    // Scattering in the order of the windows adds to each pixel in the prescribed order.
    sizes.forEachWindow { index, plane, rows, columns in
      let tap = taps.values[index]
      guard tap != Tap.max else { return }
      let (kh, kw) = Int(tap).quotientAndRemainder(dividingBy: window.kernel.width)
      guard let row = rows.first(where: { $0.tap == kh }),
        let column = columns.first(where: { $0.tap == kw })
      else { preconditionFailure("tap \(tap) is no pixel of the window \(window)") }
      dx.values[plane + row.position * sizes.input.width + column.position] += dy.values[index]
    }
    return dx
  }

  /// The largest element of each channel, and its flat index h * W + w; the lowest index wins.
  ///
  /// - Parameter x: `[N, C, H, W]`.
  /// - Returns: both `[N, C, 1, 1]`.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func global<Scalar: ReferenceScalar>(
    _ x: Tensor<Scalar>
  ) -> (output: Tensor<Scalar>, indices: Tensor<Int32>) {
    precondition(x.shape.count == 4, "global pooling of the shape \(x.shape)")
    let plane = x.shape[2] * x.shape[3]
    precondition(plane > 0, "global pooling of the shape \(x.shape)")
    let shape = [x.shape[0], x.shape[1], 1, 1]
    var output = Tensor<Scalar>(shape: shape, repeating: 0)
    var indices = Tensor<Int32>(shape: shape, repeating: 0)
    for channel in output.values.indices {
      let start = channel * plane
      var best = 0
      for i in 1..<plane where x.values[start + i].supersedes(x.values[start + best]) { best = i }
      output.values[channel] = x.values[start + best]
      indices.values[channel] = Int32(best)
    }
    return (output, indices)
  }

  /// The gradient of ``global(_:)``: dy at the maximum, +0 elsewhere.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func globalGradient<Scalar: ReferenceScalar>(
    _ dy: Tensor<Scalar>, indices: Tensor<Int32>, inputShape: [Int]
  ) -> Tensor<Scalar> {
    precondition(
      inputShape.count == 4 && dy.shape == [inputShape[0], inputShape[1], 1, 1]
        && indices.shape == dy.shape, "gradient \(dy.shape) for the shape \(inputShape)")
    var dx = Tensor<Scalar>(shape: inputShape, repeating: 0)
    let plane = inputShape[2] * inputShape[3]
    for channel in dy.values.indices {
      dx.values[channel * plane + Int(indices.values[channel])] = dy.values[channel]
    }
    return dx
  }
}
