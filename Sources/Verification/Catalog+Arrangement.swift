import Operations
import Reference

private let plainOnly: [KernelFamily] = [.reference]

/// Numbers of elements around a shape.
private struct PadRow: Sendable {
  var shape: [Int]
  var before: [Int]
  var after: [Int]
  var dense = false

  /// Pads that every mode takes, some of them negative.
  static let all: [PadRow] = [
    .init(shape: [1, 2, 2], before: [0, 1, 1], after: [0, 1, 1]),
    .init(shape: [17, 5, 7], before: [0, 4, 3], after: [0, 4, 6]),
    .init(shape: [16, 4, 5], before: [0, -1, 2], after: [0, 2, -2]),
    .init(shape: [31, 3, 5], before: [0, 0, -2], after: [0, -1, 4]),
    .init(shape: [2, 7, 6], before: [0, -4, 3], after: [0, 5, -5]),
    .init(shape: [3, 4, 6], before: [0, 1, 2], after: [0, 3, 0], dense: true),
    .init(shape: [15, 3, 4], before: [2, 1, 0], after: [3, 1, 2]),
    .init(shape: [20, 3, 3], before: [-3, 0, 1], after: [16, 1, 0]),
    .init(shape: [3, 4, 6], before: [1, 0, 2], after: [2, 1, -1], dense: true),
    .init(shape: [5, 17], before: [2, 0], after: [4, 0]),
    .init(shape: [5, 17], before: [2, 3], after: [-1, 16]),
    .init(shape: [13], before: [5], after: [7]),
    .init(shape: [13], before: [-5], after: [2]),
    .init(shape: [2, 3, 3, 5], before: [1, 0, 2, 1], after: [0, 1, -1, 4]),
    .init(shape: [2, 1, 3, 2, 2, 3], before: [1, 0, 1, 0, 1, 2], after: [0, 0, 2, 1, 0, -1]),
  ]

  func row(_ mode: Pad.Mode, _ batch: Int) -> CatalogCase {
    CatalogCase(
      "pad", "\(mode) by \(before), \(after)", [shape], batch: batch, dense: dense,
      families: plainOnly
    ) { Pad(before: before, after: after, mode: mode) }
  }
}

/// Shapes to join along an axis.
private struct ConcatRow: Sendable {
  var axis: Int
  var shapes: [[Int]]
  var dense = false

  static let all: [ConcatRow] = [
    .init(axis: 0, shapes: [[16, 3, 5], [32, 3, 5], [16, 3, 5]]),
    .init(axis: 0, shapes: [[1, 2, 3], [15, 2, 3], [17, 2, 3], [2, 2, 3]]),
    .init(axis: 0, shapes: [[31, 7, 2], [33, 7, 2]]),
    .init(axis: 0, shapes: [[3, 4, 4], [3, 4, 4]], dense: true),
    .init(axis: 1, shapes: [[17, 2, 5], [17, 1, 5], [17, 3, 5]]),
    .init(axis: 1, shapes: [[3, 2, 5], [3, 4, 5]], dense: true),
    .init(axis: 2, shapes: [[5, 3, 1], [5, 3, 7]]),
    .init(axis: 0, shapes: [[3, 5], [2, 5]]),
    .init(axis: 1, shapes: [[3, 5], [3, 17]]),
    .init(axis: 0, shapes: [[13], [1], [16], [20]]),
    .init(axis: 0, shapes: [[2, 3, 2, 5], [1, 3, 2, 5]]),
    .init(axis: 1, shapes: [[2, 3, 2, 5], [2, 1, 2, 5], [2, 4, 2, 5]]),
    .init(axis: 3, shapes: [[2, 3, 2, 5], [2, 3, 2, 16]]),
    .init(axis: 2, shapes: [[2, 1, 2, 1, 3], [2, 1, 17, 1, 3]]),
    .init(axis: 1, shapes: [[4, 4, 4]]),
  ]
}

extension OperationCatalog {
  /// Elements added around a sample, or taken away.
  public static let pad: [CatalogCase] =
    [Pad.Mode.constant(0), .constant(-1.5), .reflect, .edge].flatMap { mode in
      PadRow.all.flatMap { [$0.row(mode, 1), $0.row(mode, 3)] }
    } + [
      // One axis of one element has an edge, but nothing to reflect.
      PadRow(shape: [3, 1, 4], before: [0, 2, 0], after: [0, 3, 1]).row(.edge, 3)
    ]

  /// Tensors joined along an axis.
  public static let concat: [CatalogCase] = ConcatRow.all.flatMap { joined in
    [1, 3].map { batch in
      CatalogCase(
        "concat", "axis \(joined.axis)", joined.shapes, batch: batch, dense: joined.dense,
        families: plainOnly
      ) { Concat(axis: joined.axis) }
    }
  }

  /// Other shapes for the same elements, and other orders of axes.
  public static let reshape: [CatalogCase] = {
    let shapes: [(from: [Int], to: [Int])] = [
      ([17, 1, 1], [17]), ([33], [33, 1, 1]), ([4, 3, 5], [60]), ([17, 2, 3], [102]),
      ([60], [5, 4, 3]), ([16, 5, 3], [15, 16]), ([4, 6, 5], [8, 15]), ([8, 15], [2, 5, 12]),
      ([12, 3, 2], [3, 4, 3, 2]), ([3, 4, 3, 2], [12, 3, 2]), ([1, 6], [6]), ([7, 5], [5, 7]),
      ([2, 3, 2, 2, 1, 3], [6, 4, 3]), ([5, 3, 2], [5, 3, 2]), ([2, 1, 3, 1, 2, 1, 2], [24]),
      ([2], [1, 2, 1]), ([1], [1]),
    ]
    let orders: [(shape: [Int], permutation: [Int])] = [
      ([17], [0]), ([5, 17], [1, 0]), ([16, 3], [1, 0]), ([3, 5, 7], [0, 2, 1]),
      ([17, 4, 3], [1, 2, 0]), ([17, 4, 3], [2, 0, 1]), ([16, 2, 33], [2, 1, 0]),
      ([3, 5, 7], [0, 1, 2]), ([2, 3, 5, 7], [1, 0, 2, 3]), ([2, 3, 5, 7], [3, 1, 0, 2]),
      ([2, 3, 1, 5, 2], [4, 0, 3, 1, 2]), ([2, 3, 2, 3, 2, 3], [5, 3, 1, 4, 2, 0]),
      ([1, 1, 1], [2, 0, 1]), ([2, 1, 17], [1, 2, 0]),
    ]
    return layouts.flatMap { dense, batch in
      shapes.map { from, to in
        CatalogCase(
          "reshape", "to \(to)", [from], batch: batch, dense: dense, families: plainOnly
        ) { Reshape(shape: to) }
      }
        + orders.map { shape, permutation in
          CatalogCase(
            "transpose", "\(permutation)", [shape], batch: batch, dense: dense,
            families: plainOnly
          ) { Transpose(permutation: permutation) }
        }
    }
  }()

  /// Means over axes.
  public static let reduceMean: [CatalogCase] = {
    let cases: [(shape: [Int], axes: [Int])] = [
      ([17, 5, 3], [1, 2]), ([17, 5, 3], [0]), ([16, 5, 3], [1]), ([33, 2, 7], [2]),
      ([15, 4, 4], [0, 2]), ([3, 4, 5], [0, 1, 2]), ([2, 1, 1], [1, 2]), ([13], [0]),
      ([5, 17], [1]), ([5, 17], [0]), ([3, 2, 5, 7], [1]), ([3, 2, 5, 7], [0, 2]),
      ([3, 2, 5, 7], [1, 3]), ([2, 3, 2, 3, 2, 3], [0, 2, 4]), ([2, 3, 2, 3, 2, 3], [1, 3, 5]),
      ([4, 3, 2], []),
    ]
    return [false, true].flatMap { keepsAxes in
      [(false, 3), (true, 3), (false, 1)].flatMap { dense, batch in
        cases.map { shape, axes in
          CatalogCase(
            "reduce-mean", "axes \(axes)\(keepsAxes ? " kept" : "")", [shape], batch: batch,
            dense: dense, families: plainOnly
          ) { ReduceMean(axes: axes, keepsAxes: keepsAxes) }
        }
      }
    }
  }()

  private static let layouts: [(dense: Bool, batch: Int)] = [
    (false, 1), (false, 3), (true, 1), (true, 3),
  ]
}
