import Operations
import Testing

@Test(
  arguments: [
    ([17, 5, 3], [1, 2]), ([17, 5, 3], [0]), ([16, 5, 3], [1]), ([33, 2, 7], [2]),
    ([15, 4, 4], [0, 2]), ([3, 4, 5], [0, 1, 2]), ([2, 1, 1], [1, 2]), ([13], [0]), ([5, 17], [1]),
    ([5, 17], [0]), ([3, 2, 5, 7], [1]), ([3, 2, 5, 7], [0, 2]), ([3, 2, 5, 7], [1, 3]),
    ([2, 3, 2, 3, 2, 3], [0, 2, 4]), ([2, 3, 2, 3, 2, 3], [1, 3, 5]), ([4, 3, 2], []),
  ] as [([Int], [Int])], [false, true])
func `means over axes have the reference's bits`(
  _ reduced: ([Int], [Int]), keepsAxes: Bool
) throws {
  for (dense, batch) in [(false, 3), (true, 3), (false, 1)] {
    try OperationCheck(dense: dense, families: [.reference]).run(
      ReduceMean(axes: reduced.1, keepsAxes: keepsAxes), [reduced.0], batch: batch)
  }
}

@Test func `an axis is reduced once at most`() {
  #expect(throws: ShapeError.self) {
    try ReduceMean(axes: [1, 1], keepsAxes: true).outputShape(for: [[2, 3, 4]])
  }
}
