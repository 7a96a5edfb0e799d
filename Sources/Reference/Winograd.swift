/// Convolution by Winograd's minimal filtering F(2x2, 3x3), and its derivative: 3x3 taps, stride 1,
/// no dilation, no groups.
///
/// The picture is cut into tiles of 2x2 outputs, which begin at output (0, 0); a tile reads 4x4
/// inputs d, zeros outside the picture. In a prescribed order, and with rounding at each step:
///
/// - U = G g G^T is computed in double precision from the taps g, rows first, and rounded once;
/// - V = B^T d B: rows first, (d0 - d2, d1 + d2, d2 - d1, d1 - d3), then columns likewise;
/// - M at each of the 16 positions is `s = +0; s = fma(v, u, s)` over the input channels, ascending;
/// - A^T M A: rows first, ((m0 + m1) + m2, (m1 - m2) - m3), then columns likewise.
///
/// Source: Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks", section 4.1.
public enum WinogradReference {
  /// Positions of a transformed tile.
  public static let positions = 16

  /// The convolution, then `+ bias`, then `+ residual`, then the activation.
  ///
  /// - Parameters:
  ///   - x: `[N, C, H, W]`.
  ///   - weights: `[OC, C, 3, 3]`.
  ///   - bias: OC numbers.
  ///   - residual: in the output's shape.
  ///   - padding: zeros around the picture.
  /// - Returns: `[N, OC, OH, OW]`.
  public static func forward<Scalar: ReferenceScalar>(
    _ x: Tensor<Scalar>, weights: Tensor<Scalar>, bias: [Scalar]? = nil,
    residual: Tensor<Scalar>? = nil, activation: Activation = .none, padding: Padding
  ) -> Tensor<Scalar> {
    let sizes = ConvolutionSizes(
      input: x.shape, weights: weights.shape,
      ConvolutionGeometry(kernel: Extent(3), padding: padding))
    precondition(bias.map { $0.count == sizes.outputChannels } ?? true, "convolution bias")
    precondition(residual.map { $0.shape == sizes.outputShape } ?? true, "convolution residual")
    var y = sums(
      x, outputs: sizes.outputChannels, extent: sizes.output, top: padding.top,
      left: padding.left, transformed: transformed(weights))
    let plane = sizes.output.height * sizes.output.width
    for index in y.values.indices {
      var sum = y.values[index]
      if let bias { sum += bias[index / plane % bias.count] }
      if let residual { sum += residual.values[index] }
      y.values[index] = ActivationReference.value(sum, activation)
    }
    return y
  }

  /// The gradient with respect to the input: the same sum over the output's gradient, with taps
  /// turned by 180 degrees, inputs and outputs exchanged, and padding 2 - p.
  ///
  /// - Parameters:
  ///   - dy: `[N, OC, OH, OW]`, the gradient of the sum (before the activation).
  ///   - weights: `[OC, C, 3, 3]`.
  ///   - inputShape: `[N, C, H, W]`.
  ///   - padding: zeros around the picture in the forward pass.
  /// - Returns: in the input's shape.
  public static func inputGradient<Scalar: ReferenceScalar>(
    _ dy: Tensor<Scalar>, weights: Tensor<Scalar>, inputShape: [Int], padding: Padding
  ) -> Tensor<Scalar> {
    let sizes = ConvolutionSizes(
      input: inputShape, weights: weights.shape,
      ConvolutionGeometry(kernel: Extent(3), padding: padding))
    precondition(dy.shape == sizes.outputShape, "gradient \(dy.shape), not \(sizes.outputShape)")
    return sums(
      dy, outputs: sizes.inputChannels, extent: sizes.input, top: 2 - padding.top,
      left: 2 - padding.left, transformed: transformed(turned(weights)))
  }

  /// Weights with inputs and outputs exchanged and taps turned by 180 degrees.
  private static func turned<Scalar>(_ weights: Tensor<Scalar>) -> Tensor<Scalar> {
    let (outputs, inputs) = (weights.shape[0], weights.shape[1])
    var result = Tensor(shape: [inputs, outputs, 3, 3], values: weights.values)
    for output in 0..<outputs {
      for input in 0..<inputs {
        for tap in 0..<9 {
          result.values[(input * outputs + output) * 9 + 8 - tap] =
            weights.values[(output * inputs + input) * 9 + tap]
        }
      }
    }
    return result
  }

  /// U for all pairs of channels, `[OC, C, 16]`.
  private static func transformed<Scalar: ReferenceScalar>(_ weights: Tensor<Scalar>) -> [Scalar] {
    var result: [Scalar] = []
    result.reserveCapacity(weights.count / 9 * positions)
    var u = [Double](repeating: 0, count: positions)
    for start in stride(from: 0, to: weights.count, by: 9) {
      transform(&u) { Double(weights.values[start + $0]) }
      for element in u { result.append(Scalar(element)) }
    }
    return result
  }

  /// Puts U = G g G^T of nine taps g into 16 places, row by row, in double precision.
  ///
  /// G's rows are (1, 0, 0), (1, 1, 1) / 2, (1, -1, 1) / 2, (0, 0, 1); the middle ones are summed as
  /// ((a + c) + b) / 2 and ((a + c) - b) / 2.
  public static func transform(_ u: inout [Double], _ taps: (Int) -> Double) {
    for column in 0..<3 { expand(&u, column, 4, taps(column), taps(3 + column), taps(6 + column)) }
    for row in stride(from: 0, to: positions, by: 4) {
      expand(&u, row, 1, u[row], u[row + 1], u[row + 2])
    }
  }

  private static func expand(
    _ u: inout [Double], _ first: Int, _ step: Int, _ a: Double, _ b: Double, _ c: Double
  ) {
    u[first] = a
    u[first + step] = ((a + c) + b) * 0.5
    u[first + 2 * step] = ((a + c) - b) * 0.5
    u[first + 3 * step] = c
  }

  /// A^T M A for every tile and output channel, over pictures that begin `top` and `left` zeros
  /// later than the outputs.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  private static func sums<Scalar: ReferenceScalar>(
    _ x: Tensor<Scalar>, outputs: Int, extent: Extent, top: Int, left: Int,
    transformed u: [Scalar]
  ) -> Tensor<Scalar> {
    let channels = x.shape[1]
    let tiles = Tiles(input: Extent(x.shape[2], x.shape[3]), output: extent, top: top, left: left)
    var y = Tensor<Scalar>(
      shape: [x.shape[0], outputs, extent.height, extent.width], repeating: 0)
    let work = channels * outputs * tiles.count * positions
    for n in 0..<x.shape[0] {
      var v = [Scalar](repeating: 0, count: channels * positions * tiles.count)
      unsafe v.withUnsafeMutableBufferPointer { v in
        unsafe x.values.withUnsafeBufferPointer { x in
          concurrently(channels, work: work) { channel in
            unsafe tiles.transform(x, plane: n * channels + channel, to: v, channel)
          }
        }
      }
      unsafe y.values.withUnsafeMutableBufferPointer { y in
        unsafe v.withUnsafeBufferPointer { v in
          concurrently(outputs, work: work) { output in
            var m = [Scalar](repeating: 0, count: positions * tiles.count)
            for channel in 0..<channels {
              for position in 0..<positions {
                let weight = u[(output * channels + channel) * positions + position]
                let start = (channel * positions + position) * tiles.count
                for tile in 0..<tiles.count {
                  unsafe m[position * tiles.count + tile].addProduct(v[start + tile], weight)
                }
              }
            }
            unsafe tiles.finish(m, to: y, plane: n * outputs + output)
          }
        }
      }
    }
    return y
  }
}

/// How a picture is cut into tiles.
private struct Tiles {
  let input, output: Extent
  let top, left: Int

  var columns: Int { (output.width + 1) / 2 }
  var count: Int { (output.height + 1) / 2 * columns }

  /// B^T d B of every tile of a plane, to `[channel][position][tile]`.
  @inline(__always)
  func transform<Scalar: ReferenceScalar>(
    _ x: UnsafeBufferPointer<Scalar>, plane: Int, to v: UnsafeMutableBufferPointer<Scalar>,
    _ channel: Int
  ) {
    var d = [Scalar](repeating: 0, count: WinogradReference.positions)
    for tile in 0..<count {
      for i in 0..<4 {
        for j in 0..<4 {
          let row = tile / columns * 2 + i - top
          let column = tile % columns * 2 + j - left
          let isInside = row >= 0 && row < input.height && column >= 0 && column < input.width
          d[4 * i + j] =
            isInside ? unsafe x[(plane * input.height + row) * input.width + column] : 0
        }
      }
      for column in 0..<4 { four(&d, column, 4) }
      for row in 0..<4 { four(&d, 4 * row, 1) }
      for position in d.indices {
        unsafe v[(channel * d.count + position) * count + tile] = d[position]
      }
    }
  }

  @inline(__always)
  private func four<Scalar: ReferenceScalar>(_ d: inout [Scalar], _ first: Int, _ step: Int) {
    let (a, b, c) = (d[first], d[first + step], d[first + 2 * step])
    d[first] = a - c
    d[first + step] = b + c
    d[first + 2 * step] = c - b
    d[first + 3 * step] = b - d[first + 3 * step]
  }

  /// A^T M A of every tile, `[position][tile]`, to a plane of outputs.
  @inline(__always)
  func finish<Scalar: ReferenceScalar>(
    _ m: [Scalar], to y: UnsafeMutableBufferPointer<Scalar>, plane: Int
  ) {
    for tile in 0..<count {
      let element = { (row: Int, column: Int) in m[(4 * row + column) * count + tile] }
      for i in 0..<min(2, output.height - tile / columns * 2) {
        let sums = (0..<4).map { column in
          two(i, element(0, column), element(1, column), element(2, column), element(3, column))
        }
        for j in 0..<min(2, output.width - tile % columns * 2) {
          let row = plane * output.height + tile / columns * 2 + i
          unsafe y[row * output.width + tile % columns * 2 + j] =
            two(j, sums[0], sums[1], sums[2], sums[3])
        }
      }
    }
  }

  @inline(__always)
  private func two<Scalar: ReferenceScalar>(
    _ index: Int, _ a: Scalar, _ b: Scalar, _ c: Scalar, _ d: Scalar
  ) -> Scalar {
    index == 0 ? (a + b) + c : (b - c) - d
  }
}
