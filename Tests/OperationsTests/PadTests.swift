import Operations
import Reference
import Testing
import Verification

/// Numbers of elements around a shape.
struct PadCase: Sendable, CustomTestStringConvertible {
  var shape: [Int]
  var before: [Int]
  var after: [Int]
  var dense = false

  var testDescription: String { "\(shape) by \(before), \(after)\(dense ? ", dense" : "")" }

  /// Pads that every mode takes, some of them negative.
  static let all: [PadCase] = [
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
}

@Test(arguments: PadCase.all, [Pad.Mode.constant(0), .constant(-1.5), .reflect, .edge])
func `padded tensors have the reference's bits`(_ pad: PadCase, mode: Pad.Mode) throws {
  for batch in [1, 3] {
    try OperationCheck(dense: pad.dense, families: [.reference]).run(
      Pad(before: pad.before, after: pad.after, mode: mode), [pad.shape], batch: batch)
  }
}

/// One axis of one element has an edge, but nothing to reflect.
@Test func `a single row can be repeated`() throws {
  try OperationCheck(families: [.reference]).run(
    Pad(before: [0, 2, 0], after: [0, 3, 1], mode: .edge), [[3, 1, 4]])
}

@Test func `pads that do not fit are refused`() {
  #expect(throws: ShapeError.self) {
    try Pad(before: [0, 4, 0], after: [0, 0, 0], mode: .reflect).outputShape(for: [[3, 4, 4]])
  }
  #expect(throws: ShapeError.self) {
    try Pad(before: [0, -2, 0], after: [0, -2, 0]).outputShape(for: [[3, 4, 4]])
  }
  #expect(throws: ShapeError.self) { try Pad(before: [], after: []).outputShape(for: [[]]) }
}
