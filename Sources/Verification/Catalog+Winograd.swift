import Operations
import Reference

/// One convolution that Winograd's algorithm takes: channels in and out, picture, padding.
private struct WinogradRow: Sendable {
  var input: [Int]
  var outputs: Int
  var padding = Padding(1)
  var batch = 3

  var window: WindowGeometry { WindowGeometry(kernel: Extent(3), padding: padding) }

  func operation(
    bias: Bool = true, residual: Bool = false, activation: Activation = .none
  ) -> Convolution {
    var generator = ValueGenerator(seed: 8)
    let convolution = Convolution(
      weights: generator.tensor([outputs, input[0], 3, 3], .real(-1...1)),
      bias: bias ? generator.tensor([outputs], .real(-1...1)).values : nil,
      window: window, hasResidual: residual, activation: activation, algorithm: .winograd)
    precondition(convolution.usesWinograd, "\(input) to \(outputs) would be direct")
    return convolution
  }

  func row(
    bias: Bool = true, residual: Bool = false, activation: Activation = .none
  ) -> CatalogCase {
    let extent = window.outputExtent(of: Extent(input[1], input[2]))
    let shape = [outputs, extent.height, extent.width]
    return CatalogCase(
      "winograd",
      "to \(outputs), padding \(padding.top) \(padding.left) \(padding.bottom) \(padding.right)"
        + "\(bias ? "" : ", no bias")\(residual ? ", residual" : ""), then \(activation)",
      residual ? [input, shape] : [input], batch: batch
    ) {
      operation(bias: bias, residual: residual, activation: activation)
    }
  }

  /// One pixel, extents around the tiles of two, tiles around register tiles of 14 and groups of 28,
  /// channels around 16 and 32, every padding that leaves an output.
  static let all: [WinogradRow] = [
    .init(input: [32, 1, 1], outputs: 32, batch: 1),
    .init(input: [32, 3, 3], outputs: 32, padding: .zero, batch: 1),
    .init(input: [33, 4, 3], outputs: 47, padding: .zero),
    .init(input: [47, 7, 5], outputs: 33),
    .init(input: [40, 8, 9], outputs: 32, batch: 1),
    .init(input: [32, 13, 12], outputs: 50, padding: Padding(2), batch: 1),
    .init(
      input: [34, 9, 6], outputs: 36, padding: Padding(top: 0, left: 2, bottom: 1, right: 0)),
    .init(
      input: [36, 5, 8], outputs: 34, padding: Padding(top: 2, left: 1, bottom: 0, right: 2),
      batch: 5),
    .init(input: [32, 5, 6], outputs: 33, padding: Padding(3), batch: 1),
    .init(input: [64, 15, 15], outputs: 64, batch: 2),
    .init(input: [70, 10, 11], outputs: 90, padding: .zero, batch: 5),
    .init(input: [48, 2, 29], outputs: 33, batch: 1),
    .init(input: [160, 6, 7], outputs: 130, batch: 7),
    .init(input: [600, 4, 4], outputs: 34, batch: 1),
  ]
}

extension OperationCatalog {
  /// Convolutions by Winograd's algorithm, and what is fused to them.
  public static let winograd: [CatalogCase] =
    WinogradRow.all.map { $0.row() }
    + [Activation.relu, .clip(-0.5, 1), .leakyReLU(0.125)].flatMap { activation in
      let row = WinogradRow(input: [33, 7, 9], outputs: 47, batch: activation == .relu ? 1 : 2)
      return [
        row.row(bias: false, activation: activation),
        row.row(residual: true, activation: activation),
      ]
    }
}
