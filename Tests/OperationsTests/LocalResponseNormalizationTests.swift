import Operations
import Reference
import Testing

@Suite struct LocalResponseNormalizationTests {
  @Test(arguments: [1, 2, 3, 4, 5, 20])
  func `normalisation equals the reference path`(size: Int) throws {
    let operation = LocalResponseNormalization(size: size, alpha: 0.3, beta: 0.75, bias: 1.5)
    for channels in [1, 2, 3, 15, 16, 17, 31, 33, 49] {
      try OperationCheck().run(operation, [[channels, 3, 2]], batch: channels % 2 == 0 ? 1 : 3)
    }
    var check = OperationCheck()
    check.dense = true
    try check.run(operation, [[3, 3, 2]], batch: 2)
    try check.run(operation, [[19, 2, 2]], batch: 1)
  }

  @Test func `alexnet's normalisation equals the reference path on large values`() throws {
    var check = OperationCheck()
    check.values = .real(-500...500)
    try check.run(LocalResponseNormalization(size: 5), [[96, 5, 5]], batch: 2)
  }
}
