/// The checked sizes of one convolution, shared by its three sums.
struct ConvolutionSizes {
  let batch, inputChannels, outputChannels, groupInputs, groupOutputs, taps: Int
  let input, output, stride: Extent
  private let geometry: ConvolutionGeometry

  init(input shape: [Int], weights: [Int], _ geometry: ConvolutionGeometry) {
    precondition(shape.count == 4, "convolution of the shape \(shape)")
    precondition(weights.count == 4, "convolution weights of the shape \(weights)")
    precondition(
      Extent(weights[2], weights[3]) == geometry.kernel,
      "convolution weights of shape \(weights) for the kernel \(geometry.kernel)")
    precondition(
      geometry.groups > 0 && weights[1] * geometry.groups == shape[1]
        && weights[0] % geometry.groups == 0,
      "weights \(weights) with \(geometry.groups) groups do not fit \(shape[1]) channels")
    self.geometry = geometry
    batch = shape[0]
    inputChannels = shape[1]
    outputChannels = weights[0]
    groupInputs = weights[1]
    groupOutputs = weights[0] / geometry.groups
    taps = weights[2] * weights[3]
    input = Extent(shape[2], shape[3])
    output = geometry.window.outputExtent(of: input)
    stride = geometry.stride
    precondition(
      output.height > 0 && output.width > 0, "a picture of \(input) is smaller than the kernel")
  }

  var outputShape: [Int] { [batch, outputChannels, output.height, output.width] }

  /// Multiply-adds, padding included.
  var work: Int { batch * outputChannels * output.height * output.width * groupInputs * taps }

  /// A tap, and the output rows and columns for which it lies inside the picture.
  struct Tap {
    let index, rowOffset, columnOffset: Int
    let rows, columns: Range<Int>
  }

  /// Calls `body` for each tap, row then column ascending.
  @inline(__always)
  func forEachTap(_ body: (Tap) -> Void) {
    for kh in 0..<geometry.kernel.height {
      let rowOffset = kh * geometry.dilation.height - geometry.padding.top
      let rows = positions(
        output.height, stride: stride.height, offset: rowOffset, inside: input.height)
      for kw in 0..<geometry.kernel.width {
        let columnOffset = kw * geometry.dilation.width - geometry.padding.left
        let columns = positions(
          output.width, stride: stride.width, offset: columnOffset, inside: input.width)
        body(
          Tap(
            index: kh * geometry.kernel.width + kw, rowOffset: rowOffset,
            columnOffset: columnOffset, rows: rows, columns: columns))
      }
    }
  }
}
