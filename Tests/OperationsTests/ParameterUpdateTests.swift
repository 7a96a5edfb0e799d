import Compute
import Operations
import Reference
import Testing
import Verification

@Suite struct ParameterUpdateTests {
  @Test func `steps equal the reference bit for bit`() throws {
    var generator = TestGenerator(seed: 41)
    let count = 1000
    let initial = generator.tensor([count], .real(-1...1)).values
    let gradients = (0..<3).map { _ in generator.tensor([count], .real(-1...1)).values }
    let range = 100..<927
    for context in try OperationCheck.contexts() {
      let recorder = Recorder(context: context, family: .reference, batch: 1)
      let parameters = try Buffer(context, initial)
      let velocities = try Buffer(context, [Float](repeating: 0, count: count))
      let slopes = try Buffer<Float>(context, count: count)
      let update = try ParameterUpdate(
        recorder, parameters: parameters, velocities: velocities, gradients: slopes, range: range,
        momentum: 0.9, decay: 0.01)
      var weights = Array(initial[range])
      var running = [Float](repeating: 0, count: range.count)
      for (step, gradient) in gradients.enumerated() {
        let rate = 0.1 / Float(step + 1)
        try slopes.write(gradient)
        try update.run(rate: rate)
        ParameterUpdateReference.step(
          weights: &weights, velocities: &running, gradients: Array(gradient[range]),
          momentum: 0.9, decay: 0.01, rate: rate)
      }
      let expected = initial[..<range.lowerBound] + weights + initial[range.upperBound...]
      #expect(zip(try parameters.read(), expected).allSatisfy { $0.bitPattern == $1.bitPattern })
      #expect(
        zip(try velocities.read()[range], running).allSatisfy { $0.bitPattern == $1.bitPattern })
    }
  }

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
