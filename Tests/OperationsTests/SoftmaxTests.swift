import Operations
import Reference
import Testing

@Suite struct SoftmaxTests {
  @Test(arguments: [false, true])
  func `softmax equals the reference path along every axis`(isLogarithmic: Bool) throws {
    var check = OperationCheck()
    check.values = .real(-9...9)
    for count in [1, 2, 15, 16, 17, 31, 33, 1000] {
      try check.run(Softmax(axis: 0, isLogarithmic: isLogarithmic), [[count]], batch: 3)
    }
    for axis in 0..<3 {
      for shape in [[17, 3, 5], [33, 1, 2], [1, 7, 3], [16, 2, 2]] {
        try check.run(Softmax(axis: axis, isLogarithmic: isLogarithmic), [shape], batch: 2)
      }
    }
    for axis in 0..<2 {
      try check.run(Softmax(axis: axis, isLogarithmic: isLogarithmic), [[3, 17]], batch: 1)
    }
    check.dense = true
    try check.run(Softmax(axis: 0, isLogarithmic: isLogarithmic), [[3, 5, 2]], batch: 2)
  }

  @Test(arguments: [false, true])
  func `NaN and infinities go as the reference says`(isLogarithmic: Bool) throws {
    var check = OperationCheck()
    check.values = .special
    try check.run(Softmax(axis: 0, isLogarithmic: isLogarithmic), [[3, 11, 3]], batch: 2)
  }
}
