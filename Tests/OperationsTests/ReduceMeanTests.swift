import Operations
import Testing
import Verification

@Test func `an axis is reduced once at most`() {
  #expect(throws: ShapeError.self) {
    try ReduceMean(axes: [1, 1], keepsAxes: true).outputShape(for: [[2, 3, 4]])
  }
}
