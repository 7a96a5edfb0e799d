import Reference
import Testing

/// Derivatives against central differences in double precision.
struct DerivativeTests {
  typealias Function = @Sendable (Tensor<Double>) -> Tensor<Double>
  typealias Gradient = @Sendable (Tensor<Double>, Tensor<Double>) -> Tensor<Double>

  @Test(arguments: [1, 2, 3, 4, 6])
  func `normalisation's gradient is the derivative`(_ size: Int) {
    let parameters = LocalResponseNormalizationReference.Parameters(
      size: size, alpha: 0.5, beta: 0.75, bias: 1.5)
    check(
      shape: [2, 5, 1, 2], { LocalResponseNormalizationReference.forward($0, parameters) },
      { LocalResponseNormalizationReference.gradient($0, input: $1, parameters) })
  }

  @Test(arguments: [0, 1, -1])
  func `softmax's gradient is the derivative`(_ axis: Int) {
    check(
      shape: [2, 4, 3], { SoftmaxReference.softmax($0, axis: axis) },
      {
        SoftmaxReference.softmaxGradient(
          $0, output: SoftmaxReference.softmax($1, axis: axis), axis: axis)
      })
    check(
      shape: [2, 4, 3], { SoftmaxReference.logSoftmax($0, axis: axis) },
      {
        SoftmaxReference.logSoftmaxGradient(
          $0, output: SoftmaxReference.logSoftmax($1, axis: axis), axis: axis)
      })
  }

  @Test func `division's gradients are the derivatives`() {
    var random = SeededGenerator(seed: 5)
    let b = PointwiseReference.exp(random.tensor([4, 1]).doubled)
    check(
      shape: [4, 3], { BroadcastingReference.forward(.divide, $0, b) },
      { BroadcastingReference.gradient(.divide, $0, $1, b).a })
    let a = random.tensor([4, 3]).doubled
    check(
      shape: [4, 1], { BroadcastingReference.forward(.divide, a, PointwiseReference.exp($0)) },
      { dy, x in
        let y = PointwiseReference.exp(x)
        let db = BroadcastingReference.gradient(.divide, dy, a, y).b
        return PointwiseReference.expGradient(db, output: y)
      })
  }

  /// Compares <gradient(dy), d> with the change of <f(x), dy> along random directions d.
  private func check(shape: [Int], _ function: Function, _ gradient: Gradient) {
    var random = SeededGenerator(seed: 4)
    let x = random.tensor(shape).doubled
    let dy = random.tensor(function(x).shape).doubled
    let dx = gradient(dy, x)
    for _ in 0..<5 {
      let direction = random.tensor(shape).doubled
      let step = 1e-5
      let ahead = Tensor(
        shape: shape, values: zip(x.values, direction.values).map { $0 + step * $1 })
      let behind = Tensor(
        shape: shape, values: zip(x.values, direction.values).map { $0 - step * $1 })
      let change = (dot(function(ahead), dy) - dot(function(behind), dy)) / (2 * step)
      #expect((change - dot(dx, direction)).magnitude < 1e-8)
    }
  }
}
