import Operations
import Testing

@Test(
  arguments: [
    ([17, 1, 1], [17]), ([33], [33, 1, 1]), ([4, 3, 5], [60]), ([17, 2, 3], [102]),
    ([60], [5, 4, 3]), ([16, 5, 3], [15, 16]), ([4, 6, 5], [8, 15]), ([8, 15], [2, 5, 12]),
    ([12, 3, 2], [3, 4, 3, 2]), ([3, 4, 3, 2], [12, 3, 2]), ([1, 6], [6]), ([7, 5], [5, 7]),
    ([2, 3, 2, 2, 1, 3], [6, 4, 3]), ([5, 3, 2], [5, 3, 2]), ([2, 1, 3, 1, 2, 1, 2], [24]),
    ([2], [1, 2, 1]), ([1], [1]),
  ] as [([Int], [Int])])
func `reshaped tensors have the reference's bits`(_ from: [Int], _ to: [Int]) throws {
  for dense in [false, true] {
    for batch in [1, 3] {
      try OperationCheck(dense: dense, families: [.reference]).run(
        Reshape(shape: to), [from], batch: batch)
    }
  }
}

@Test(
  arguments: [
    ([17], [0]), ([5, 17], [1, 0]), ([16, 3], [1, 0]), ([3, 5, 7], [0, 2, 1]),
    ([17, 4, 3], [1, 2, 0]), ([17, 4, 3], [2, 0, 1]), ([16, 2, 33], [2, 1, 0]),
    ([3, 5, 7], [0, 1, 2]), ([2, 3, 5, 7], [1, 0, 2, 3]), ([2, 3, 5, 7], [3, 1, 0, 2]),
    ([2, 3, 1, 5, 2], [4, 0, 3, 1, 2]), ([2, 3, 2, 3, 2, 3], [5, 3, 1, 4, 2, 0]),
    ([1, 1, 1], [2, 0, 1]), ([2, 1, 17], [1, 2, 0]),
  ] as [([Int], [Int])])
func `transposed tensors have the reference's bits`(
  _ shape: [Int], _ permutation: [Int]
) throws {
  for dense in [false, true] {
    for batch in [1, 3] {
      try OperationCheck(dense: dense, families: [.reference]).run(
        Transpose(permutation: permutation), [shape], batch: batch)
    }
  }
}

@Test func `more than six axes are not transposed`() {
  #expect(throws: ShapeError.self) {
    try Transpose(permutation: [6, 0, 1, 2, 3, 4, 5])
      .outputShape(for: [[2, 2, 2, 2, 2, 2, 2]])
  }
}
