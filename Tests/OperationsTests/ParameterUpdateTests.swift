import Reference
import Testing

@Suite struct ParameterUpdateTests {
  @Test func `the step is momentum's and decay's by hand`() {
    var weights: [Double] = [2]
    var velocities: [Double] = [1]
    ParameterUpdateReference.step(
      weights: &weights, velocities: &velocities, gradients: [3], momentum: 0.5, decay: 0.25,
      rate: 0.125)
    #expect(velocities == [4])
    #expect(weights == [1.5])
  }
}
