import Reference
import Testing

/// Ties, NaN and bounds: what no comparison with a tolerance sees.
struct ConventionTests {
  private let window = WindowGeometry(kernel: Extent(1, 3), stride: Extent(1, 2))

  private func row(_ values: [Float]) -> Tensor<Float> {
    Tensor(shape: [1, 1, 1, values.count], values: values)
  }

  @Test func `the lowest tap wins and the first NaN is kept`() {
    let ties = MaximumPoolingReference.forward(row([2, 2, 1, 3, 3]), window: window)
    #expect(ties.taps.values == [0, 1])
    let poisoned = MaximumPoolingReference.forward(
      row([1, .nan, 5, .nan, .infinity]), window: window)
    #expect(poisoned.output.values.map(\.isNaN) == [true, true])
    #expect(poisoned.taps.values == [1, 1])
  }

  @Test func `a window in the padding alone has no tap and no gradient`() {
    let padded = WindowGeometry(kernel: Extent(1), padding: Padding(left: 1))
    let pooled = MaximumPoolingReference.forward(row([-4, 2]), window: padded)
    #expect(pooled.output.values == [-.infinity, -4, 2])
    #expect(pooled.taps.values == [255, 0, 0])
    let dx = MaximumPoolingReference.gradient(
      row([1, 2, 3]), taps: pooled.taps, inputShape: [1, 1, 1, 2], window: padded)
    #expect(dx.values == [2, 3])
  }

  @Test func `wide taps reach as far as the global maximum`() {
    var random = SeededGenerator(seed: 6)
    let x = random.tensor([2, 2, 20, 17])
    let (output, indices) = MaximumPoolingReference.global(x)
    let pooled = MaximumPoolingReference.forward(
      x, window: WindowGeometry(kernel: Extent(20, 17)), taps: Int32.self)
    #expect(pooled.output == output)
    #expect(pooled.taps == indices)
  }

  @Test func `activations keep NaN and pass nothing at their bounds`() {
    let x = row([-1, -0.0, 0, 1, 6, 7, .nan])
    let relu = ActivationReference.forward(x, .relu)
    #expect(relu.values.prefix(6) == [0, 0, 0, 1, 6, 7])
    #expect(relu.values[1].sign == .plus)
    #expect(relu.values[6].isNaN)
    let ones = Tensor<Float>(shape: x.shape, repeating: 1)
    let clipped = ActivationReference.forward(x, .clip(0, 6))
    #expect(clipped.values[6].isNaN)
    let gradient = ActivationReference.gradient(ones, output: clipped, .clip(0, 6))
    #expect(gradient.values == [0, 0, 0, 1, 0, 0, 0])
  }

  @Test func `a matrix is transposed block by block to its last row and column`() {
    let (rows, columns) = (70, 33)
    let matrix = Tensor<Float>(
      shape: [rows, columns], values: (0..<rows * columns).map(Float.init))
    let transposed = matrix.transposed()
    #expect(transposed.shape == [columns, rows])
    for column in 0..<columns {
      let expected = (0..<rows).map { Float($0 * columns + column) }
      #expect(Array(transposed.values[column * rows..<(column + 1) * rows]) == expected)
    }
  }

  @Test func `the lowest class of equals and the first NaN win`() {
    let logits = Tensor<Float>(
      shape: [3, 4], values: [1, 3, 3, 2, 5, .nan, 9, .nan, 7, 7, 7, 7])
    #expect(LossReference.argmax(logits) == [1, 1, 0])
    #expect(LossReference.runnerUp(logits, labels: [1, 1, 0]) == [2, 3, 1])
    #expect(LossReference.crossEntropy(logits, labels: [0, 0, 0])[1].isNaN)
  }

  @Test func `a step stays in its ball and box and keeps NaN`() {
    let x = Tensor<Float>(shape: [1, 3], values: [0, 0.5, 1])
    let direction = Tensor<Float>(shape: [1, 3], values: [-1, .nan, -1])
    let signs = BoxStepReference.sign(direction)
    #expect(signs.values[0] == -1 && signs.values[1].isNaN)
    let y = BoxStepReference.step(
      x, direction: signs, alpha: [1], origin: x, ball: .infinity([0.25]), box: 0...1)
    #expect(y.values[0] == 0 && y.values[1].isNaN && y.values[2] == 0.75)
  }
}
