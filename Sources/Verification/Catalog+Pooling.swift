import Operations
import Reference

private let plainOnly: [KernelFamily] = [.reference]

/// One window over one picture.
private struct PoolingRow: Sendable {
  var input: [Int]
  var kernel = Extent(3)
  var stride = Extent(2)
  var padding = Padding.zero
  var dilation = Extent(1)
  var ceilMode = false
  var batch = 3
  var dense = false

  var window: WindowGeometry {
    WindowGeometry(
      kernel: kernel, stride: stride, padding: padding, dilation: dilation, ceilMode: ceilMode)
  }

  var detail: String {
    "\(kernel.height)x\(kernel.width), stride \(stride.height)x\(stride.width), "
      + "padding \(padding.top) \(padding.left) \(padding.bottom) \(padding.right), "
      + "dilation \(dilation.height)\(ceilMode ? ", ceiling" : "")"
  }

  /// Channels around the vectors of 16; windows that overlap, touch, leave gaps and see only
  /// padding.
  static let all: [PoolingRow] = [
    .init(input: [1, 1, 1], kernel: Extent(1), stride: Extent(1), batch: 1),
    .init(input: [2, 2, 2], kernel: Extent(2)),
    .init(input: [15, 7, 5], stride: Extent(1), padding: Padding(1)),
    .init(input: [16, 11, 13], padding: Padding(1)),
    .init(input: [17, 12, 9], ceilMode: true, batch: 1),
    .init(input: [31, 7, 7], kernel: Extent(2), stride: Extent(3), ceilMode: true),
    .init(input: [33, 6, 8], kernel: Extent(3, 2), stride: Extent(1, 2)),
    .init(input: [4, 8, 7], kernel: Extent(2), padding: Padding(1), ceilMode: true),
    .init(
      input: [5, 10, 9], stride: Extent(3, 1),
      padding: Padding(top: 0, left: 1, bottom: 1, right: 0)),
    .init(input: [3, 13, 12], padding: Padding(1), dilation: Extent(2), batch: 1),
    .init(input: [3, 9, 9], stride: Extent(1), padding: Padding(2), dilation: Extent(3, 2)),
    .init(
      input: [2, 1, 5], kernel: Extent(2), stride: Extent(1), padding: Padding(2),
      dilation: Extent(3)),
    .init(input: [6, 16, 16], kernel: Extent(15), stride: Extent(1), batch: 1),
    .init(input: [3, 11, 9], padding: Padding(1), dense: true),
    .init(input: [16, 5, 5], stride: Extent(1), padding: Padding(1), dense: true),
    .init(input: [19, 5, 6], ceilMode: true, dense: true),
    // Strides of one to four, whose phases the gradient takes apart, and one beyond.
    .init(input: [33, 15, 14], padding: Padding(1)),
    .init(input: [47, 14, 15], stride: Extent(1), padding: Padding(1), batch: 1),
    .init(input: [17, 17, 19], kernel: Extent(5, 3), stride: Extent(3, 4), padding: Padding(2)),
    .init(input: [18, 14, 17], kernel: Extent(2), stride: Extent(4, 3), batch: 1),
    .init(input: [16, 23, 22], stride: Extent(5), padding: Padding(1)),
    .init(input: [32, 15, 17], padding: Padding(2), dilation: Extent(2, 3), batch: 1),
    // More taps than are unrolled.
    .init(input: [17, 12, 11], kernel: Extent(8), padding: Padding(3)),
  ]

  func row(
    _ name: String, _ reduction: Pooling.Reduction, _ values: OperationCheck.Values
  ) -> CatalogCase {
    CatalogCase(
      "pooling", "\(name), \(detail)", [input], batch: batch, values: values, dense: dense,
      families: reduction == .maximum ? nil : plainOnly
    ) { Pooling(reduction, window: window) }
  }
}

extension OperationCatalog {
  /// Maximum and average over sliding windows.
  public static let pooling: [CatalogCase] = PoolingRow.all.flatMap { row in
    // Few values, so that equal maxima are the rule.
    [
      row.row("maximum of few values", .maximum, .integers(-1...1)),
      row.row("maximum", .maximum, .real(-2...2)),
      row.row("average", .average(countsPadding: false), .real(-2...2)),
      row.row("average with padding", .average(countsPadding: true), .real(-2...2)),
    ]
  }

  /// Maximum and average over all pixels.
  public static let globalPooling: [CatalogCase] =
    [GlobalPooling.Reduction.average, .maximum].flatMap { reduction in
      func row(
        _ shape: [Int], _ batch: Int, dense: Bool = false,
        _ values: OperationCheck.Values = .real(-2...2)
      ) -> CatalogCase {
        CatalogCase(
          "global-pooling", "\(reduction)", [shape], batch: batch, values: values, dense: dense,
          families: plainOnly
        ) { GlobalPooling(reduction) }
      }
      return [[1, 1, 1], [2, 1, 7], [15, 7, 7], [16, 3, 5], [17, 8, 8], [33, 13, 2]].flatMap {
        [
          row($0, 1), row($0, 3), row($0, 1, dense: true), row($0, 3, dense: true),
          row($0, 3, .integers(-1...1)),
        ]
      }
    }
}
