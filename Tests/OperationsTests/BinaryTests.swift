import Operations
import Reference
import Testing
import Verification

@Suite struct BinaryTests {
  @Test(arguments: Binary.Function.allCases)
  func `two inputs of one shape equal the reference path`(_ function: Binary.Function) throws {
    for channels in [1, 2, 15, 16, 17, 31, 33] {
      let shape = [channels, 3, 5]
      try OperationCheck().run(Binary(function), [shape, shape], batch: channels % 2 == 0 ? 1 : 3)
    }
    for shape in [[37], [3, 17], [2, 3, 2, 5]] {
      try OperationCheck().run(Binary(function, activation: .relu), [shape, shape], batch: 2)
    }
  }

  @Test(arguments: Binary.Function.allCases)
  func `repeated inputs equal the reference path`(_ function: Binary.Function) throws {
    let pairs: [[[Int]]] = [
      [[17, 3, 5], [17, 1, 1]], [[17, 1, 1], [17, 3, 5]], [[17, 3, 5], [1, 3, 5]],
      [[17, 3, 5], [1, 1, 1]], [[17, 1, 5], [1, 3, 1]], [[1, 3, 5], [17, 3, 1]],
      [[33], [1]], [[3, 17], [1, 17]], [[3, 17], [3, 1]], [[1, 17], [3, 1]], [[1, 1], [3, 17]],
      [[2, 3, 4, 3], [1, 1, 1, 1]],
    ]
    for shapes in pairs { try OperationCheck().run(Binary(function), shapes, batch: 2) }
  }

  @Test(arguments: Binary.Function.allCases, [false, true])
  func `a constant equals the reference path`(
    _ function: Binary.Function, isFirst: Bool
  ) throws {
    let cases: [(input: [Int], constant: [Int])] = [
      ([17, 3, 5], [17, 1, 1]), ([17, 3, 5], [5]), ([17, 3, 5], [3, 1]), ([17, 3, 5], []),
      ([17, 3, 5], [17, 3, 5]), ([1, 3, 5], [19, 1, 1]), ([33], [33]), ([33], [1]), ([1], [33]),
      ([3, 17], [17]), ([3, 17], [3, 1]), ([33, 1, 1], [33, 1, 1]), ([2, 3, 2, 3], []),
      ([2, 3, 2, 3], [2, 3, 2, 3]),
    ]
    var generator = TestGenerator(seed: 5)
    for (input, shape) in cases {
      let constant = generator.tensor(shape, .real(-2...2))
      try OperationCheck().run(
        Binary(function, constant: constant, constantIsFirst: isFirst), [input], batch: 2)
    }
  }

  @Test(arguments: Binary.Function.allCases)
  func `pictures without padding channels are shifted and scaled`(
    _ function: Binary.Function
  ) throws {
    var check = OperationCheck()
    check.dense = true
    let constant = Tensor<Float>(shape: [3, 1, 1], values: [0.485, 0.456, 0.406])
    try check.run(Binary(function, constant: constant), [[3, 5, 7]], batch: 3)
    try check.run(Binary(function, constant: constant, constantIsFirst: true), [[3, 5, 7]])
    try check.run(Binary(function), [[3, 5, 7], [3, 1, 1]])
    try check.run(Binary(function), [[1, 5, 7], [3, 5, 7]])
  }

  @Test(arguments: [Activation.relu, .clip(-1, 1), .leakyReLU(0.2)])
  func `an activation follows`(_ activation: Activation) throws {
    try OperationCheck().run(
      Binary(.add, activation: activation), [[17, 3, 5], [17, 3, 5]], batch: 2)
  }

  @Test func `what cannot be repeated is refused`() {
    #expect(throws: ShapeError.self) {
      try Binary(.add).outputShape(for: [[2, 3, 4, 3], [1, 3, 1, 1]])
    }
    #expect(throws: ShapeError.self) { try Binary(.add).outputShape(for: [[3], [4]]) }
    #expect(throws: ShapeError.self) {
      try Binary(.add, constant: Tensor(shape: [1, 3], values: [1, 2, 3]))
        .outputShape(for: [[3]])
    }
  }
}
