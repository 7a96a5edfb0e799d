import Operations
import Reference

/// One convolution: channels in and out, picture, window, groups.
private struct ConvolutionRow: Sendable {
  var input: [Int]
  var outputs: Int
  var kernel = Extent(3)
  var stride = Extent(1)
  var padding = Padding(1)
  var dilation = Extent(1)
  var groups = 1
  var batch = 3

  var window: WindowGeometry {
    WindowGeometry(kernel: kernel, stride: stride, padding: padding, dilation: dilation)
  }

  var detail: String {
    "to \(outputs), \(kernel.height)x\(kernel.width), stride \(stride.height)x\(stride.width), "
      + "padding \(padding.top) \(padding.left) \(padding.bottom) \(padding.right), dilation "
      + "\(dilation.height), groups \(groups)"
  }

  func operation(
    bias: Bool = true, residual: Bool = false, activation: Activation = .none
  ) -> Convolution {
    var generator = ValueGenerator(seed: 7)
    let weights = generator.tensor(
      [outputs, input[0] / groups, kernel.height, kernel.width], .real(-1...1))
    return Convolution(
      weights: weights,
      bias: bias ? generator.tensor([outputs], .real(-1...1)).values : nil,
      window: window, groups: groups, hasResidual: residual, activation: activation)
  }

  var plain: CatalogCase {
    CatalogCase("convolution", detail, [input], batch: batch) { operation() }
  }

  /// Over a picture without padding channels, whose gradient comes in blocks of pixels.
  var ofPicture: CatalogCase {
    CatalogCase("convolution", detail, [input], batch: batch, dense: true) { operation() }
  }

  /// Without a bias and without a residual, and with both.
  func fused(_ activation: Activation) -> [CatalogCase] {
    let extent = window.outputExtent(of: Extent(input[1], input[2]))
    return [
      CatalogCase("convolution", "\(detail), then \(activation)", [input], batch: batch) {
        operation(bias: false, activation: activation)
      },
      CatalogCase(
        "convolution", "\(detail), residual, then \(activation)",
        [input, [outputs, extent.height, extent.width]], batch: batch
      ) {
        operation(residual: true, activation: activation)
      },
    ]
  }

  /// Sizes around the tiles of 14, 9 and 7 pixels and of 16 channels, odd windows, groups.
  static let all: [ConvolutionRow] = [
    .init(input: [1, 1, 1], outputs: 1, kernel: Extent(1), padding: .zero, batch: 1),
    .init(input: [3, 9, 11], outputs: 5),
    .init(input: [16, 14, 14], outputs: 32, batch: 1),
    .init(input: [17, 7, 15], outputs: 33, batch: 1),
    .init(input: [5, 13, 29], outputs: 70),
    .init(input: [15, 3, 8], outputs: 17),
    .init(input: [33, 4, 13], outputs: 16, kernel: Extent(1), padding: .zero, batch: 1),
    .init(input: [31, 6, 6], outputs: 15, kernel: Extent(1), padding: .zero),
    .init(input: [64, 7, 7], outputs: 100, kernel: Extent(1), padding: .zero),
    .init(
      input: [3, 23, 23], outputs: 16, kernel: Extent(7), stride: Extent(2), padding: Padding(3),
      batch: 1),
    .init(
      input: [3, 27, 27], outputs: 8, kernel: Extent(11), stride: Extent(4), padding: Padding(2),
      batch: 1),
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
      dilation: Extent(2), batch: 1),
    .init(input: [4, 5, 5], outputs: 6, kernel: Extent(5), padding: Padding(4)),
    .init(input: [6, 9, 9], outputs: 4, kernel: Extent(2), stride: Extent(3), padding: .zero),
    .init(input: [32, 9, 8], outputs: 64, groups: 2),
    .init(input: [96, 5, 5], outputs: 32, groups: 2),
    .init(input: [20, 8, 8], outputs: 30, groups: 5),
    .init(input: [24, 9, 10], outputs: 24, groups: 24),
    .init(input: [33, 11, 11], outputs: 33, stride: Extent(2), groups: 33, batch: 1),
    .init(input: [7, 10, 10], outputs: 14, groups: 7),
  ]

  /// First layers: strides, taps and pictures around the blocks of pixels, up to three vectors a
  /// block, windows that miss pixels, dilation.
  static let first: [ConvolutionRow] = [
    .init(input: [1, 1, 1], outputs: 1, kernel: Extent(1), padding: .zero, batch: 1),
    .init(input: [1, 9, 11], outputs: 20, kernel: Extent(5), padding: Padding(2)),
    .init(input: [3, 9, 11], outputs: 5, batch: 1),
    .init(input: [3, 24, 30], outputs: 17),
    .init(
      input: [3, 23, 58], outputs: 16, kernel: Extent(7), stride: Extent(2), padding: Padding(3)),
    .init(
      input: [3, 27, 61], outputs: 9, kernel: Extent(11), stride: Extent(4), padding: Padding(2),
      batch: 1),
    .init(input: [3, 15, 16], outputs: 24, stride: Extent(2), padding: .zero),
    .init(input: [2, 9, 9], outputs: 4, kernel: Extent(2), stride: Extent(3), padding: .zero),
    .init(
      input: [4, 12, 10], outputs: 20, kernel: Extent(2, 5), stride: Extent(3, 1),
      padding: Padding(top: 0, left: 3, bottom: 2, right: 1), batch: 1),
    .init(
      input: [4, 17, 16], outputs: 9, kernel: Extent(3), stride: Extent(2), padding: Padding(2),
      dilation: Extent(2)),
    .init(
      input: [3, 17, 16], outputs: 9, kernel: Extent(3), stride: Extent(3), padding: Padding(4),
      dilation: Extent(2), batch: 1),
  ]

  /// Depthwise ones around the tiles of four to eight pixels, with every phase of a stride.
  static let depthwise: [ConvolutionRow] = [
    .init(input: [17, 6, 7], outputs: 17, groups: 17),
    .init(input: [16, 5, 8], outputs: 16, groups: 16, batch: 1),
    .init(input: [47, 4, 11], outputs: 47, groups: 47),
    .init(input: [32, 14, 14], outputs: 32, stride: Extent(2), groups: 32),
    .init(input: [33, 13, 15], outputs: 33, stride: Extent(2), padding: .zero, groups: 33),
    .init(
      input: [19, 12, 13], outputs: 19, stride: Extent(2),
      padding: Padding(top: 0, left: 0, bottom: 1, right: 1),
      groups: 19, batch: 1),
    .init(input: [18, 11, 10], outputs: 18, kernel: Extent(5), padding: Padding(2), groups: 18),
    .init(
      input: [20, 15, 17], outputs: 20, kernel: Extent(5, 3), stride: Extent(2, 3),
      padding: Padding(2), groups: 20, batch: 1),
    .init(
      input: [24, 13, 12], outputs: 24, padding: Padding(2), dilation: Extent(2), groups: 24),
    .init(
      input: [17, 14, 15], outputs: 17, stride: Extent(2), padding: Padding(3),
      dilation: Extent(3), groups: 17, batch: 1),
    .init(
      input: [16, 9, 19], outputs: 16, kernel: Extent(2), stride: Extent(3, 4), padding: .zero,
      groups: 16),
    .init(input: [16, 16, 17], outputs: 16, stride: Extent(5), groups: 16),
    .init(input: [17, 11, 12], outputs: 17, kernel: Extent(8), padding: Padding(4), groups: 17),
  ]

  /// One for the tiles, one in groups, two depthwise: every activation follows each of them.
  static let fusing: [ConvolutionRow] = [
    .init(input: [17, 7, 15], outputs: 33, batch: 1),
    .init(input: [20, 8, 8], outputs: 30, groups: 5),
    .init(input: [24, 9, 10], outputs: 24, groups: 24),
    .init(input: [33, 9, 15], outputs: 33, stride: Extent(2), groups: 33, batch: 1),
  ]
}

extension OperationCatalog {
  /// Convolutions, grouped and depthwise ones among them, and what is fused to them.
  public static let convolution: [CatalogCase] =
    (ConvolutionRow.all + ConvolutionRow.depthwise).map(\.plain)
    + ConvolutionRow.first.map(\.ofPicture)
    + ConvolutionRow.fusing.flatMap { row in
      [Activation.relu, .clip(-0.5, 1), .leakyReLU(0.125)].flatMap { row.fused($0) }
    }

  /// Matrix products.
  public static let linear: [CatalogCase] =
    [1, 2, 7, 14, 17].flatMap { batch in
      [[1, 1], [5, 3], [15, 16], [33, 17], [64, 100], [147, 128], [130, 288]].map { sizes in
        CatalogCase("linear", "to \(sizes[1])", [[sizes[0]]], batch: batch) {
          var generator = ValueGenerator(seed: 3)
          return Linear(
            weights: generator.tensor(sizes, .real(-1...1)),
            bias: generator.tensor([sizes[1]], .real(-1...1)).values, activation: .relu)
        }
      }
    } + [
      // Contractions whose weights exceed the second cache, for a tile's row and its rest.
      CatalogCase("linear", "to 130", [[4100]], batch: 31) {
        var generator = ValueGenerator(seed: 5)
        return Linear(
          weights: generator.tensor([4100, 130], .real(-1...1)), activation: .leakyReLU(0.125))
      },
      CatalogCase("linear", "of rows", [[5, 13]], batch: 3) {
        var generator = ValueGenerator(seed: 4)
        return Linear(weights: generator.tensor([13, 21], .real(-1...1)))
      },
    ]
}
