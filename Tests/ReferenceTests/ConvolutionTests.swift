import Reference
import Testing

struct ConvolutionTests {
  /// Batch, channels, extent, output channels, geometry.
  struct Shape: Sendable, CustomTestStringConvertible {
    let input: [Int]
    let outputs: Int
    let geometry: ConvolutionGeometry
    var weights: [Int] {
      [
        outputs, input[1] / geometry.groups, geometry.kernel.height, geometry.kernel.width,
      ]
    }
    var testDescription: String { "\(input) to \(outputs) channels" }
  }

  static let shapes = [
    Shape(input: [1, 1, 1, 1], outputs: 1, geometry: ConvolutionGeometry(kernel: Extent(1))),
    Shape(
      input: [2, 3, 17, 13], outputs: 8,
      geometry: ConvolutionGeometry(kernel: Extent(3), padding: Padding(1))),
    Shape(
      input: [2, 4, 15, 16], outputs: 6,
      geometry: ConvolutionGeometry(
        kernel: Extent(5, 3), stride: Extent(2, 3),
        padding: Padding(top: 2, left: 0, bottom: 1, right: 3), groups: 2)),
    Shape(
      input: [1, 5, 12, 11], outputs: 5,
      geometry: ConvolutionGeometry(
        kernel: Extent(3), stride: Extent(2), padding: Padding(2), dilation: Extent(2, 1),
        groups: 5)),
    Shape(
      input: [1, 2, 5, 4], outputs: 3,
      geometry: ConvolutionGeometry(kernel: Extent(2), stride: Extent(3), padding: Padding(5))),
  ]

  @Test(arguments: shapes)
  func `sums in the prescribed order`(_ shape: Shape) {
    var random = SeededGenerator(seed: 1)
    let (x, w) = (random.tensor(shape.input), random.tensor(shape.weights))
    let geometry = shape.geometry
    let y = ConvolutionReference.forward(x, weights: w, geometry: geometry)
    let dy = random.tensor(y.shape)
    let naive = NaiveConvolution(x: x, w: w, dy: dy, geometry: geometry)
    #expect(differences(y, naive.forward()) == 0)
    let dx = ConvolutionReference.inputGradient(
      dy, weights: w, inputShape: x.shape, geometry: geometry)
    #expect(differences(dx, naive.inputGradient()) == 0)
    let dw = ConvolutionReference.weightGradient(dy, input: x, geometry: geometry)
    #expect(differences(dw, naive.weightGradient()) == 0)
  }

  @Test(arguments: shapes)
  func `errs in single precision within the bound of theory`(_ shape: Shape) {
    var random = SeededGenerator(seed: 2)
    let (x, w) = (random.tensor(shape.input), random.tensor(shape.weights))
    let y = ConvolutionReference.forward(x, weights: w, geometry: shape.geometry)
    let truth = ConvolutionReference.forward(
      x.doubled, weights: w.doubled, geometry: shape.geometry)
    let magnitudes = ConvolutionReference.forward(
      absolute(x.doubled), weights: absolute(w.doubled), geometry: shape.geometry)
    // n roundings of partial sums, each at most 2^-24 of the sum of magnitudes.
    let terms = Double(shape.weights.dropFirst().reduce(1, *))
    for index in y.values.indices {
      let error = (Double(y.values[index]) - truth.values[index]).magnitude
      #expect(error <= 1.01 * terms * 0x1p-24 * magnitudes.values[index])
    }
  }

  @Test(arguments: shapes)
  func `has adjoint derivatives`(_ shape: Shape) {
    var random = SeededGenerator(seed: 3)
    let (x, w) = (random.tensor(shape.input).doubled, random.tensor(shape.weights).doubled)
    let y = ConvolutionReference.forward(x, weights: w, geometry: shape.geometry)
    let dy = random.tensor(y.shape).doubled
    let dx = ConvolutionReference.inputGradient(
      dy, weights: w, inputShape: x.shape, geometry: shape.geometry)
    let dw = ConvolutionReference.weightGradient(dy, input: x, geometry: shape.geometry)
    let expected = dot(y, dy)
    let tolerance = 1e-13 * dot(absolute(y), absolute(dy)) * Double(w.count)
    #expect((dot(x, dx) - expected).magnitude <= tolerance)
    #expect((dot(w, dw) - expected).magnitude <= tolerance)
  }

  private func differences(_ result: Tensor<Float>, _ expected: [Float]) -> Int {
    zip(result.values, expected).count { $0.bitPattern != $1.bitPattern }
  }

  private func absolute(_ x: Tensor<Double>) -> Tensor<Double> { PointwiseReference.absolute(x) }
}

/// The definition, one sum at a time, with every index computed anew.
private struct NaiveConvolution {
  let x, w, dy: Tensor<Float>
  let geometry: ConvolutionGeometry

  private var groupOutputs: Int { w.shape[0] / geometry.groups }

  func forward() -> [Float] {
    eachIndex(dy.shape).map { n, oc, oh, ow in
      var sum: Float = 0
      for (kh, kw) in taps {
        for c in 0..<w.shape[1] {
          let channel = oc / groupOutputs * w.shape[1] + c
          guard let pixel = pixel(n, channel, row(oh, kh), column(ow, kw)) else { continue }
          sum = sum.addingProduct(x.values[pixel], weight(oc, c, kh, kw))
        }
      }
      return sum
    }
  }

  func inputGradient() -> [Float] {
    eachIndex(x.shape).map { n, ic, ih, iw in
      var sum: Float = 0
      for (kh, kw) in taps {
        for oc in 0..<w.shape[0] where oc / groupOutputs == ic / w.shape[1] {
          for oh in 0..<dy.shape[2] where row(oh, kh) == ih {
            for ow in 0..<dy.shape[3] where column(ow, kw) == iw {
              sum = sum.addingProduct(
                gradient(n, oc, oh, ow), weight(oc, ic % w.shape[1], kh, kw))
            }
          }
        }
      }
      return sum
    }
  }

  func weightGradient() -> [Float] {
    eachIndex(w.shape).map { oc, c, kh, kw in
      var sum: Float = 0
      for (n, _, oh, ow) in eachIndex([dy.shape[0], 1, dy.shape[2], dy.shape[3]]) {
        let channel = oc / groupOutputs * w.shape[1] + c
        guard let pixel = pixel(n, channel, row(oh, kh), column(ow, kw)) else { continue }
        sum = sum.addingProduct(gradient(n, oc, oh, ow), x.values[pixel])
      }
      return sum
    }
  }

  private var taps: [(Int, Int)] {
    (0..<w.shape[2]).flatMap { kh in (0..<w.shape[3]).map { (kh, $0) } }
  }

  private func row(_ oh: Int, _ kh: Int) -> Int {
    oh * geometry.stride.height + kh * geometry.dilation.height - geometry.padding.top
  }

  private func column(_ ow: Int, _ kw: Int) -> Int {
    ow * geometry.stride.width + kw * geometry.dilation.width - geometry.padding.left
  }

  private func pixel(_ n: Int, _ c: Int, _ h: Int, _ w: Int) -> Int? {
    guard (0..<x.shape[2]).contains(h), (0..<x.shape[3]).contains(w) else { return nil }
    return ((n * x.shape[1] + c) * x.shape[2] + h) * x.shape[3] + w
  }

  private func weight(_ oc: Int, _ c: Int, _ kh: Int, _ kw: Int) -> Float {
    w.values[((oc * w.shape[1] + c) * w.shape[2] + kh) * w.shape[3] + kw]
  }

  private func gradient(_ n: Int, _ oc: Int, _ oh: Int, _ ow: Int) -> Float {
    dy.values[((n * dy.shape[1] + oc) * dy.shape[2] + oh) * dy.shape[3] + ow]
  }

  private func eachIndex(_ shape: [Int]) -> [(Int, Int, Int, Int)] {
    (0..<shape.reduce(1, *)).map { index in
      let (rest, d) = index.quotientAndRemainder(dividingBy: shape[3])
      let (outer, c) = rest.quotientAndRemainder(dividingBy: shape[2])
      return (outer / shape[1], outer % shape[1], c, d)
    }
  }
}
