import Operations
import Testing

/// Shapes to join along an axis.
struct ConcatCase: Sendable, CustomTestStringConvertible {
  var axis: Int
  var shapes: [[Int]]
  var dense = false

  var testDescription: String { "\(shapes) along \(axis)\(dense ? ", dense" : "")" }

  static let all: [ConcatCase] = [
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

@Test(arguments: ConcatCase.all, [1, 3])
func `joined tensors have the reference's bits`(_ joined: ConcatCase, batch: Int) throws {
  try OperationCheck(dense: joined.dense, families: [.reference]).run(
    Concat(axis: joined.axis), joined.shapes, batch: batch)
}
