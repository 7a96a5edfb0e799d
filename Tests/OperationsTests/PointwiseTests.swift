import Operations
import Reference
import Testing

@Suite struct PointwiseTests {
  static let shapes: [[Int]] = [
    [1], [15], [33], [2, 17], [1, 1, 1], [3, 5, 7], [16, 3, 2], [31, 2, 3], [2, 3, 2, 5],
  ]

  @Test(arguments: [
    Pointwise.Function.sigmoid, .tanh, .exp, .negate, .absolute, .activation(.none),
    .activation(.relu), .activation(.clip(-0.5, 1)), .activation(.leakyReLU(0.25)),
  ])
  func `a function of real numbers equals the reference path`(
    _ function: Pointwise.Function
  ) throws {
    var check = OperationCheck()
    check.values = .real(-12...12)
    for shape in Self.shapes { try check.run(Pointwise(function), [shape], batch: 3) }
    check.dense = true
    try check.run(Pointwise(function), [[3, 5, 7]], batch: 1)
    try check.run(Pointwise(function), [[19, 2, 3]], batch: 2)
  }

  @Test(arguments: [Pointwise.Function.log, .sqrt])
  func `a function of positive numbers equals the reference path`(
    _ function: Pointwise.Function
  ) throws {
    var check = OperationCheck()
    check.values = .real(0...50)
    for shape in Self.shapes { try check.run(Pointwise(function), [shape], batch: 3) }
    check.dense = true
    try check.run(Pointwise(function), [[3, 5, 7]], batch: 1)
  }

  @Test func `NaN and infinities go through activations as the reference says`() throws {
    var check = OperationCheck()
    check.values = .special
    for activation in [Activation.relu, .clip(-1, 6), .leakyReLU(0.125), .none] {
      try check.run(Pointwise(.activation(activation)), [[37, 3, 3]])
    }
    for function in [Pointwise.Function.sigmoid, .tanh, .exp, .log, .sqrt, .negate, .absolute] {
      try check.run(Pointwise(function), [[37, 3, 3]])
    }
  }
}
