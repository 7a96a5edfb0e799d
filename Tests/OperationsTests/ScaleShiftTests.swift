import Operations
import Reference
import Testing
import Verification

@Suite struct ScaleShiftTests {
  private func operation(
    _ channels: Int, reverses: Bool, _ activation: Activation = .none
  ) -> ScaleShift {
    var generator = TestGenerator(seed: UInt64(channels))
    return ScaleShift(
      scale: generator.tensor([channels], .real(-2...2)).values,
      shift: generator.tensor([channels], .real(-2...2)).values, reversesChannels: reverses,
      activation: activation)
  }

  @Test(arguments: [1, 2, 3, 15, 16, 17, 31, 33], [false, true])
  func `scale and shift equal the reference path`(channels: Int, reverses: Bool) throws {
    let check = OperationCheck()
    try check.run(operation(channels, reverses: reverses), [[channels, 5, 3]], batch: 3)
    try check.run(operation(channels, reverses: reverses, .relu), [[channels]], batch: 1)
  }

  @Test(arguments: [Activation.relu, .clip(0, 1), .leakyReLU(0.1)])
  func `an activation follows`(_ activation: Activation) throws {
    try OperationCheck().run(
      operation(17, reverses: false, activation), [[17, 3, 5]], batch: 2)
  }

  @Test(arguments: [1, 3, 17], [false, true])
  func `pictures without padding channels are normalised`(channels: Int, reverses: Bool) throws {
    var check = OperationCheck()
    check.dense = true
    try check.run(operation(channels, reverses: reverses), [[channels, 7, 5]], batch: 3)
  }

  @Test func `channels are read in reverse`() {
    let flip = ScaleShift(scale: [1, 10, 100], shift: [0, 0, 0], reversesChannels: true)
    let y = flip.evaluate([Tensor<Float>(shape: [1, 3, 1, 1], values: [1, 2, 3])])
    #expect(y.values == [3, 20, 100])
    let dx = flip.inputGradients(
      inputs: [y], output: y, gradient: Tensor(shape: [1, 3, 1, 1], values: [1, 2, 3]))
    #expect(dx[0].values == [300, 20, 1])
  }
}
