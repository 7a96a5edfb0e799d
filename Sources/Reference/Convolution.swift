/// Where the windows of a two-dimensional convolution lie, and how its channels are grouped.
public struct ConvolutionGeometry: Hashable, Sendable {
  /// Taps of the window.
  public var kernel: Extent
  /// Pixels from one window to the next.
  public var stride: Extent
  /// Zeros around the picture.
  public var padding: Padding
  /// Pixels from one tap to the next.
  public var dilation: Extent
  /// Groups of channels that do not mix; as many as channels is a depthwise convolution.
  public var groups: Int

  /// A geometry.
  public init(
    kernel: Extent, stride: Extent = Extent(1), padding: Padding = .zero,
    dilation: Extent = Extent(1), groups: Int = 1
  ) {
    self.kernel = kernel
    self.stride = stride
    self.padding = padding
    self.dilation = dilation
    self.groups = groups
  }

  /// The geometry of a sliding window; its ceiling mode has no meaning here.
  public init(_ window: WindowGeometry, groups: Int = 1) {
    self.init(
      kernel: window.kernel, stride: window.stride, padding: window.padding,
      dilation: window.dilation, groups: groups)
  }

  /// The sliding window.
  public var window: WindowGeometry {
    WindowGeometry(kernel: kernel, stride: stride, padding: padding, dilation: dilation)
  }
}

/// Two-dimensional convolution (cross-correlation, as in ONNX) and its derivatives.
///
/// Every output is one sum `s = +0; s = fma(a, b, s)` in the prescribed order; taps in the padding
/// contribute nothing. The sums of the forward pass and of the input's gradient end with `+ 0`, which
/// makes a negative zero (of products that underflow) positive: so a kernel may add products with
/// zeros, of the padding for instance, and change no bit.
public enum ConvolutionReference {
  /// The convolution, then `+ bias`, then `+ residual`, then the activation.
  ///
  /// Order of summation: row tap, column tap, input channel of the group, each ascending.
  ///
  /// - Parameters:
  ///   - x: `[N, C, H, W]`.
  ///   - weights: `[OC, C / groups, KH, KW]`.
  ///   - bias: OC numbers.
  ///   - residual: in the output's shape.
  /// - Returns: `[N, OC, OH, OW]`.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func forward<Scalar: ReferenceScalar>(
    _ x: Tensor<Scalar>, weights: Tensor<Scalar>, bias: [Scalar]? = nil,
    residual: Tensor<Scalar>? = nil, activation: Activation = .none,
    geometry: ConvolutionGeometry
  ) -> Tensor<Scalar> {
    let sizes = ConvolutionSizes(input: x.shape, weights: weights.shape, geometry)
    precondition(bias.map { $0.count == sizes.outputChannels } ?? true, "convolution bias")
    precondition(residual.map { $0.shape == sizes.outputShape } ?? true, "convolution residual")
    var y = Tensor<Scalar>(shape: sizes.outputShape, repeating: 0)
    let plane = sizes.output.height * sizes.output.width
    unsafe y.values.withUnsafeMutableBufferPointer { y in
      unsafe x.values.withUnsafeBufferPointer { x in
        unsafe weights.values.withUnsafeBufferPointer { weights in
          concurrently(sizes.batch * sizes.outputChannels, work: sizes.work) { index in
            let sums = unsafe UnsafeMutableBufferPointer(
              rebasing: y[index * plane..<(index + 1) * plane])
            unsafe sumForward(sums, x, weights, sizes, index)
            let offset = bias?[index % sizes.outputChannels]
            for position in 0..<plane {
              var sum = unsafe sums[position] + 0
              if let offset { sum += offset }
              if let residual { sum += residual.values[index * plane + position] }
              unsafe sums[position] = ActivationReference.value(sum, activation)
            }
          }
        }
      }
    }
    return y
  }

  /// Adds one output plane's products, tap by tap.
  @inline(__always)
  private static func sumForward<Scalar: ReferenceScalar>(
    _ sums: UnsafeMutableBufferPointer<Scalar>, _ x: UnsafeBufferPointer<Scalar>,
    _ weights: UnsafeBufferPointer<Scalar>, _ sizes: ConvolutionSizes, _ index: Int
  ) {
    let (n, oc) = index.quotientAndRemainder(dividingBy: sizes.outputChannels)
    let firstChannel = oc / sizes.groupOutputs * sizes.groupInputs
    sizes.forEachTap { tap in
      for c in 0..<sizes.groupInputs {
        let weight = unsafe weights[(oc * sizes.groupInputs + c) * sizes.taps + tap.index]
        let plane = (n * sizes.inputChannels + firstChannel + c) * sizes.input.height
        for oh in tap.rows {
          let ih = oh * sizes.stride.height + tap.rowOffset
          let start = (plane + ih) * sizes.input.width + tap.columnOffset
          let output = oh * sizes.output.width
          for ow in tap.columns {
            unsafe sums[output + ow].addProduct(x[start + ow * sizes.stride.width], weight)
          }
        }
      }
    }
  }

  /// The gradient with respect to the input.
  ///
  /// Order of summation: the taps that exist, row then column ascending, then the output channels
  /// of the group.
  ///
  /// - Parameters:
  ///   - dy: `[N, OC, OH, OW]`, the gradient of the sum (before the activation).
  ///   - weights: `[OC, C / groups, KH, KW]`.
  ///   - inputShape: `[N, C, H, W]`.
  /// - Returns: in the input's shape.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func inputGradient<Scalar: ReferenceScalar>(
    _ dy: Tensor<Scalar>, weights: Tensor<Scalar>, inputShape: [Int],
    geometry: ConvolutionGeometry
  ) -> Tensor<Scalar> {
    let sizes = ConvolutionSizes(input: inputShape, weights: weights.shape, geometry)
    precondition(dy.shape == sizes.outputShape, "gradient \(dy.shape), not \(sizes.outputShape)")
    var dx = Tensor<Scalar>(shape: inputShape, repeating: 0)
    let plane = sizes.input.height * sizes.input.width
    unsafe dx.values.withUnsafeMutableBufferPointer { dx in
      unsafe dy.values.withUnsafeBufferPointer { dy in
        unsafe weights.values.withUnsafeBufferPointer { weights in
          concurrently(sizes.batch * sizes.inputChannels, work: sizes.work) { index in
            let sums = unsafe UnsafeMutableBufferPointer(
              rebasing: dx[index * plane..<(index + 1) * plane])
            unsafe sumBackward(sums, dy, weights, sizes, index)
            for position in 0..<plane { unsafe sums[position] += 0 }
          }
        }
      }
    }
    return dx
  }

  /// Adds one input plane's products, tap by tap; a tap meets each input pixel at most once.
  @inline(__always)
  private static func sumBackward<Scalar: ReferenceScalar>(
    _ sums: UnsafeMutableBufferPointer<Scalar>, _ dy: UnsafeBufferPointer<Scalar>,
    _ weights: UnsafeBufferPointer<Scalar>, _ sizes: ConvolutionSizes, _ index: Int
  ) {
    let (n, ic) = index.quotientAndRemainder(dividingBy: sizes.inputChannels)
    let (group, c) = ic.quotientAndRemainder(dividingBy: sizes.groupInputs)
    sizes.forEachTap { tap in
      for oc in group * sizes.groupOutputs..<(group + 1) * sizes.groupOutputs {
        let weight = unsafe weights[(oc * sizes.groupInputs + c) * sizes.taps + tap.index]
        let plane = (n * sizes.outputChannels + oc) * sizes.output.height
        for oh in tap.rows {
          let ih = oh * sizes.stride.height + tap.rowOffset
          let start = ih * sizes.input.width + tap.columnOffset
          let output = (plane + oh) * sizes.output.width
          for ow in tap.columns {
            unsafe sums[start + ow * sizes.stride.width].addProduct(dy[output + ow], weight)
          }
        }
      }
    }
  }

  /// The gradient with respect to the weights.
  ///
  /// Order of summation: sample, output row, output column, each ascending.
  ///
  /// - Parameters:
  ///   - dy: `[N, OC, OH, OW]`, the gradient of the sum (before the activation).
  ///   - input: `[N, C, H, W]`.
  /// - Returns: `[OC, C / groups, KH, KW]`.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func weightGradient<Scalar: ReferenceScalar>(
    _ dy: Tensor<Scalar>, input: Tensor<Scalar>, geometry: ConvolutionGeometry
  ) -> Tensor<Scalar> {
    precondition(dy.shape.count == 4, "convolution gradient of shape \(dy.shape)")
    precondition(input.shape.count == 4 && geometry.groups > 0, "convolution of \(input.shape)")
    let shape = [
      dy.shape[1], input.shape[1] / geometry.groups, geometry.kernel.height, geometry.kernel.width,
    ]
    let sizes = ConvolutionSizes(input: input.shape, weights: shape, geometry)
    precondition(dy.shape == sizes.outputShape, "gradient \(dy.shape), not \(sizes.outputShape)")
    var dw = Tensor<Scalar>(shape: shape, repeating: 0)
    unsafe dw.values.withUnsafeMutableBufferPointer { dw in
      unsafe dy.values.withUnsafeBufferPointer { dy in
        unsafe input.values.withUnsafeBufferPointer { x in
          concurrently(sizes.outputChannels * sizes.groupInputs, work: sizes.work) { index in
            let sums = unsafe UnsafeMutableBufferPointer(
              rebasing: dw[index * sizes.taps..<(index + 1) * sizes.taps])
            unsafe sumWeights(sums, dy, x, sizes, index)
          }
        }
      }
    }
    return dw
  }

  /// Sums the weights between one output channel and one input channel of its group.
  @inline(__always)
  private static func sumWeights<Scalar: ReferenceScalar>(
    _ sums: UnsafeMutableBufferPointer<Scalar>, _ dy: UnsafeBufferPointer<Scalar>,
    _ x: UnsafeBufferPointer<Scalar>, _ sizes: ConvolutionSizes, _ index: Int
  ) {
    let (oc, c) = index.quotientAndRemainder(dividingBy: sizes.groupInputs)
    let channel = oc / sizes.groupOutputs * sizes.groupInputs + c
    sizes.forEachTap { tap in
      var sum: Scalar = 0
      for n in 0..<sizes.batch {
        let inputPlane = (n * sizes.inputChannels + channel) * sizes.input.height
        let outputPlane = (n * sizes.outputChannels + oc) * sizes.output.height
        for oh in tap.rows {
          let ih = oh * sizes.stride.height + tap.rowOffset
          let start = (inputPlane + ih) * sizes.input.width + tap.columnOffset
          let output = (outputPlane + oh) * sizes.output.width
          for ow in tap.columns {
            unsafe sum.addProduct(dy[output + ow], x[start + ow * sizes.stride.width])
          }
        }
      }
      unsafe sums[tap.index] = sum
    }
  }

  /// The gradient with respect to the bias: dy added over sample, row and column, ascending.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func biasGradient<Scalar: ReferenceScalar>(_ dy: Tensor<Scalar>) -> [Scalar] {
    precondition(dy.shape.count == 4, "convolution gradient of shape \(dy.shape)")
    let plane = dy.shape[2] * dy.shape[3]
    var sums = [Scalar](repeating: 0, count: dy.shape[1])
    for n in 0..<dy.shape[0] {
      for oc in sums.indices {
        let start = (n * sums.count + oc) * plane
        for position in start..<start + plane { sums[oc] += dy.values[position] }
      }
    }
    return sums
  }
}
