import Operations
import Testing

@Test func `pads that do not fit are refused`() {
  #expect(throws: ShapeError.self) {
    try Pad(before: [0, 4, 0], after: [0, 0, 0], mode: .reflect).outputShape(for: [[3, 4, 4]])
  }
  #expect(throws: ShapeError.self) {
    try Pad(before: [0, -2, 0], after: [0, -2, 0]).outputShape(for: [[3, 4, 4]])
  }
  #expect(throws: ShapeError.self) { try Pad(before: [], after: []).outputShape(for: [[]]) }
}
