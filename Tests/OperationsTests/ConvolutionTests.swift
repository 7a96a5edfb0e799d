import Operations
import Reference
import Testing

/// One convolution to check: channels in and out, picture, window, groups.
struct ConvolutionCase: Sendable, CustomTestStringConvertible {
  var input: [Int]
  var outputs: Int
  var kernel = Extent(3)
  var stride = Extent(1)
  var padding = Padding(1)
  var dilation = Extent(1)
  var groups = 1
  var batch = 2

  var testDescription: String {
    "\(input) -> \(outputs), kernel \(kernel.height)x\(kernel.width), "
      + "stride \(stride.height)x\(stride.width), dilation \(dilation.height), groups \(groups)"
  }

  func operation(
    bias: Bool = true, residual: Bool = false, activation: Activation = .none
  ) -> Convolution {
    var generator = TestGenerator(seed: 7)
    let weights = generator.tensor(
      [outputs, input[0] / groups, kernel.height, kernel.width], .real(-1...1))
    return Convolution(
      weights: weights,
      bias: bias ? generator.tensor([outputs], .real(-1...1)).values : nil,
      window: WindowGeometry(
        kernel: kernel, stride: stride, padding: padding, dilation: dilation),
      groups: groups, hasResidual: residual, activation: activation)
  }

  /// Sizes around the tiles of 14, 9 and 7 pixels and of 16 channels, odd windows, groups.
  static let all: [ConvolutionCase] = [
    .init(input: [1, 1, 1], outputs: 1, kernel: Extent(1), padding: .zero, batch: 1),
    .init(input: [3, 9, 11], outputs: 5),
    .init(input: [16, 14, 14], outputs: 32),
    .init(input: [17, 7, 15], outputs: 33, batch: 1),
    .init(input: [5, 13, 29], outputs: 70),
    .init(input: [31, 6, 6], outputs: 15, kernel: Extent(1), padding: .zero, batch: 3),
    .init(input: [64, 7, 7], outputs: 100, kernel: Extent(1), padding: .zero),
    .init(
      input: [3, 23, 23], outputs: 16, kernel: Extent(7), stride: Extent(2), padding: Padding(3)),
    .init(
      input: [3, 27, 27], outputs: 8, kernel: Extent(11), stride: Extent(4), padding: Padding(2)),
    .init(input: [8, 15, 15], outputs: 24, kernel: Extent(1), stride: Extent(2), padding: .zero),
    .init(input: [8, 14, 14], outputs: 24, kernel: Extent(3), stride: Extent(2)),
    .init(
      input: [6, 12, 10], outputs: 20, kernel: Extent(2, 5), stride: Extent(3, 1),
      padding: Padding(top: 0, left: 3, bottom: 2, right: 1)),
    .init(
      input: [4, 17, 16], outputs: 9, kernel: Extent(3), stride: Extent(2), padding: Padding(2),
      dilation: Extent(2)),
    .init(
      input: [4, 17, 16], outputs: 9, kernel: Extent(3), stride: Extent(3), padding: Padding(4),
      dilation: Extent(2)),
    .init(input: [4, 5, 5], outputs: 6, kernel: Extent(5), padding: Padding(4)),
    .init(input: [6, 9, 9], outputs: 4, kernel: Extent(2), stride: Extent(3), padding: .zero),
    .init(input: [32, 9, 8], outputs: 64, groups: 2),
    .init(input: [96, 5, 5], outputs: 32, groups: 2),
    .init(input: [20, 8, 8], outputs: 30, groups: 5),
    .init(input: [24, 9, 10], outputs: 24, groups: 24),
    .init(input: [33, 11, 11], outputs: 33, stride: Extent(2), groups: 33, batch: 1),
    .init(input: [7, 10, 10], outputs: 14, groups: 7),
  ]
}

@Suite struct ConvolutionTests {
  @Test(arguments: ConvolutionCase.all)
  func `kernels equal the reference path bit for bit`(tested: ConvolutionCase) throws {
    try OperationCheck().run(tested.operation(), [tested.input], batch: tested.batch)
  }

  @Test(arguments: [Activation.relu, .clip(-0.5, 1), .leakyReLU(0.1)])
  func `bias, residual and activation are fused in order`(activation: Activation) throws {
    for tested in [ConvolutionCase.all[3], ConvolutionCase.all[17], ConvolutionCase.all[20]] {
      let plain = tested.operation(bias: false, activation: activation)
      try OperationCheck().run(plain, [tested.input], batch: tested.batch)
      let full = tested.operation(residual: true, activation: activation)
      let output = try tested.operation().outputShape(for: [tested.input])
      try OperationCheck().run(full, [tested.input, output], batch: tested.batch)
    }
  }
}

@Suite struct LinearTests {
  @Test(arguments: [1, 2, 7, 14, 17], [[1, 1], [5, 3], [33, 17], [64, 100]])
  func `vectors are multiplied bit for bit`(batch: Int, sizes: [Int]) throws {
    var generator = TestGenerator(seed: 3)
    let weights = generator.tensor(sizes, .real(-1...1))
    let bias = generator.tensor([sizes[1]], .real(-1...1)).values
    try OperationCheck().run(
      Linear(weights: weights, bias: bias, activation: .relu), [[sizes[0]]], batch: batch)
  }

  @Test func `matrices are multiplied along the last axis`() throws {
    var generator = TestGenerator(seed: 4)
    let weights = generator.tensor([13, 21], .real(-1...1))
    try OperationCheck().run(Linear(weights: weights), [[5, 13]], batch: 3)
  }
}
