import Foundation
import Reference
import Testing

struct WinogradTests {
  /// Batch, channels, extent; output channels; padding.
  struct Shape: Sendable, CustomTestStringConvertible {
    let input: [Int]
    let outputs: Int
    var padding = Padding(1)
    var weights: [Int] { [outputs, input[1], 3, 3] }
    var geometry: ConvolutionGeometry {
      ConvolutionGeometry(kernel: Extent(3), padding: padding)
    }
    var testDescription: String { "\(input) to \(outputs) channels, \(padding)" }
  }

  static let shapes = [
    Shape(input: [1, 1, 1, 1], outputs: 1), Shape(input: [2, 3, 4, 5], outputs: 4),
    Shape(input: [1, 5, 7, 6], outputs: 3, padding: .zero),
    Shape(input: [1, 2, 5, 5], outputs: 2, padding: Padding(2)),
    Shape(input: [3, 4, 6, 3], outputs: 5, padding: Padding(3)),
    Shape(input: [2, 3, 9, 8], outputs: 2, padding: Padding(top: 2, left: 0, bottom: 0, right: 1)),
  ]

  @Test(arguments: shapes)
  func `sums in the prescribed order`(_ shape: Shape) {
    var random = SeededGenerator(seed: 1)
    let (x, w) = (random.tensor(shape.input), random.tensor(shape.weights))
    let y = WinogradReference.forward(x, weights: w, padding: shape.padding)
    let definition = WinogradDefinition(x: x, padding: shape.padding)
    for index in y.values.indices {
      let expected = definition.output(index, of: y.shape) { oc, c, row, column in
        w.values[((oc * w.shape[1] + c) * 3 + row) * 3 + column]
      }
      #expect(y.values[index].bitPattern == expected.bitPattern)
    }
    let dy = random.tensor(y.shape)
    let dx = WinogradReference.inputGradient(
      dy, weights: w, inputShape: x.shape, padding: shape.padding)
    let p = shape.padding
    let turned = WinogradDefinition(
      x: dy,
      padding: Padding(top: 2 - p.top, left: 2 - p.left, bottom: 2 - p.bottom, right: 2 - p.right))
    for index in dx.values.indices {
      let expected = turned.output(index, of: dx.shape) { c, oc, row, column in
        w.values[((oc * w.shape[1] + c) * 3 + 2 - row) * 3 + 2 - column]
      }
      #expect(dx.values[index].bitPattern == expected.bitPattern)
    }
  }

  @Test(arguments: shapes)
  func `is exact on small integers`(_ shape: Shape) {
    var random = SeededGenerator(seed: 2)
    // Quarters of small integers are exact, so that no order of summation matters.
    func integers(_ shape: [Int]) -> Tensor<Float> {
      Tensor(
        shape: shape,
        values: (0..<shape.reduce(1, *)).map { _ in Float(Int.random(in: -8...8, using: &random)) })
    }
    let (x, w) = (integers(shape.input), integers(shape.weights))
    let y = WinogradReference.forward(x, weights: w, padding: shape.padding)
    #expect(y == ConvolutionReference.forward(x, weights: w, geometry: shape.geometry))
    let dy = integers(y.shape)
    let dx = WinogradReference.inputGradient(
      dy, weights: w, inputShape: x.shape, padding: shape.padding)
    #expect(
      dx
        == ConvolutionReference.inputGradient(
          dy, weights: w, inputShape: x.shape, geometry: shape.geometry))
  }

  @Test(arguments: shapes)
  func `has an adjoint derivative`(_ shape: Shape) {
    var random = SeededGenerator(seed: 3)
    let (x, w) = (random.tensor(shape.input).doubled, random.tensor(shape.weights).doubled)
    let y = WinogradReference.forward(x, weights: w, padding: shape.padding)
    let dy = random.tensor(y.shape).doubled
    let dx = WinogradReference.inputGradient(
      dy, weights: w, inputShape: x.shape, padding: shape.padding)
    let scale = zip(y.values, dy.values).reduce(1) { $0 + ($1.0 * $1.1).magnitude }
    #expect((dot(x, dx) - dot(y, dy)).magnitude <= 1e-13 * scale * Double(w.count))
  }

  @Test func `adds bias, residual and activation in this order`() {
    var random = SeededGenerator(seed: 4)
    let (x, w) = (random.tensor([2, 3, 5, 4]), random.tensor([2, 3, 3, 3]))
    let bias = random.tensor([2]).values
    let plain = WinogradReference.forward(x, weights: w, padding: Padding(1))
    let residual = random.tensor(plain.shape)
    let y = WinogradReference.forward(
      x, weights: w, bias: bias, residual: residual, activation: .relu, padding: Padding(1))
    let plane = 20
    for index in y.values.indices {
      let sum = plain.values[index] + bias[index / plane % 2] + residual.values[index]
      #expect(y.values[index] == max(sum, 0))
    }
  }

  /// Root of the mean square of the error in single precision, and the largest, each as a share of
  /// the root of the mean square of the values.
  @Test(arguments: [32, 128, 512])
  func `errs at most twice as much as direct summation`(_ channels: Int) {
    var random = SeededGenerator(seed: 5)
    let x = random.tensor([1, channels, 13, 12])
    let w = random.tensor([16, channels, 3, 3])
    let geometry = ConvolutionGeometry(kernel: Extent(3), padding: Padding(1))
    let forward = errors(
      of: WinogradReference.forward(x, weights: w, padding: Padding(1)),
      direct: ConvolutionReference.forward(x, weights: w, geometry: geometry),
      truth: ConvolutionReference.forward(x.doubled, weights: w.doubled, geometry: geometry))
    let dy = random.tensor([1, 16, 13, 12])
    let gradient = errors(
      of: WinogradReference.inputGradient(
        dy, weights: w, inputShape: x.shape, padding: Padding(1)),
      direct: ConvolutionReference.inputGradient(
        dy, weights: w, inputShape: x.shape, geometry: geometry),
      truth: ConvolutionReference.inputGradient(
        dy.doubled, weights: w.doubled, inputShape: x.shape, geometry: geometry))
    for (name, error) in [("forward", forward), ("gradient", gradient)] {
      let line =
        "\(channels) channels, \(name): error \(error.winograd), direct \(error.direct)"
      FileHandle.standardError.write(Data("\(line)\n".utf8))
      #expect(error.winograd <= 2 * error.direct, "\(line)")
      #expect(error.winograd > 0)
    }
  }

  /// Against double precision, as shares of the values' root mean square.
  private func errors(
    of winograd: Tensor<Float>, direct: Tensor<Float>, truth: Tensor<Double>
  ) -> (winograd: Double, direct: Double) {
    func rootMeanSquare(_ values: [Double]) -> Double {
      (values.reduce(0) { $0 + $1 * $1 } / Double(values.count)).squareRoot()
    }
    func error(_ y: Tensor<Float>) -> Double {
      rootMeanSquare(zip(y.values, truth.values).map { Double($0) - $1 })
        / rootMeanSquare(truth.values)
    }
    return (error(winograd), error(direct))
  }
}

/// The definition, matrix by matrix, one output at a time.
private struct WinogradDefinition {
  let x: Tensor<Float>
  let padding: Padding

  private typealias Matrix = [[Float]]

  /// One output, from the taps of (output channel, input channel, row, column).
  func output(_ index: Int, of shape: [Int], taps: (Int, Int, Int, Int) -> Float) -> Float {
    let (rest, column) = index.quotientAndRemainder(dividingBy: shape[3])
    let (plane, row) = rest.quotientAndRemainder(dividingBy: shape[2])
    let (n, oc) = plane.quotientAndRemainder(dividingBy: shape[1])
    var m = Matrix(repeating: Array(repeating: 0, count: 4), count: 4)
    for c in 0..<x.shape[1] {
      let u = weights { Double(taps(oc, c, $0, $1)) }
      let v = input(n, c, row / 2 * 2 - padding.top, column / 2 * 2 - padding.left)
      for i in 0..<4 { for j in 0..<4 { m[i][j] = m[i][j].addingProduct(v[i][j], u[i][j]) } }
    }
    let sums = (0..<4).map { j in outputs(m[0][j], m[1][j], m[2][j], m[3][j])[row % 2] }
    return outputs(sums[0], sums[1], sums[2], sums[3])[column % 2]
  }

  private func weights(_ g: (Int, Int) -> Double) -> Matrix {
    let half = 0.5
    func rows(_ a: Double, _ b: Double, _ c: Double) -> [Double] {
      [a, half * (a + c + b), half * (a + c - b), c]
    }
    let columns = (0..<3).map { rows(g(0, $0), g(1, $0), g(2, $0)) }
    return (0..<4).map { i in
      rows(columns[0][i], columns[1][i], columns[2][i]).map { Float($0) }
    }
  }

  private func input(_ n: Int, _ c: Int, _ top: Int, _ left: Int) -> Matrix {
    func element(_ i: Int, _ j: Int) -> Float {
      let (row, column) = (top + i, left + j)
      guard (0..<x.shape[2]).contains(row), (0..<x.shape[3]).contains(column) else { return 0 }
      return x.values[((n * x.shape[1] + c) * x.shape[2] + row) * x.shape[3] + column]
    }
    func differences(_ d: [Float]) -> [Float] {
      [d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]]
    }
    let columns = (0..<4).map { j in differences((0..<4).map { element($0, j) }) }
    return (0..<4).map { i in differences(columns.map { $0[i] }) }
  }

  private func outputs(_ a: Float, _ b: Float, _ c: Float, _ d: Float) -> [Float] {
    [a + b + c, b - c - d]
  }
}
