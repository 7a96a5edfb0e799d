import Operations
import Testing
import Verification

@Test func `more than six axes are not transposed`() {
  #expect(throws: ShapeError.self) {
    try Transpose(permutation: [6, 0, 1, 2, 3, 4, 5])
      .outputShape(for: [[2, 2, 2, 2, 2, 2, 2]])
  }
}
