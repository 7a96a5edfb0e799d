import Foundation
public import Reference

private typealias Vector = SIMD8<Float>

/// A convolution on a circle: its singular values are those of one small matrix a frequency.
///
/// With a stride of s along an axis, s frequencies of the input meet in one of the output, and the
/// block is 1 / s of what their transforms are side by side: the output has 1 / s as many samples, so
/// that Parseval's equation leaves the root of 1 / s^2. Szegedy et al. (2013) print 1 / s^2 there,
/// which makes norms too small by s. For stride 1: Sedghi, Gupta and Long (2018).
public struct CircularConvolution {
  /// Frequencies whose rough norm is below this part of the largest are not looked at again.
  private static let hopeful = 0.9
  private let outputs: Int
  /// Vectors of channels of one tap and output.
  private let vectors: Int
  private let taps: Extent
  private let stride: Extent
  private let dilation: Extent
  /// The circle along both axes, multiples of the stride.
  public let size: Extent
  /// The weights, `[tap][output][vector of input channels]`.
  private let weights: [Vector]

  /// A convolution `[outputs, inputs, rows, columns]` on a circle.
  ///
  /// - Precondition: the size is a multiple of the stride.
  public init(
    weights: Tensor<Float>, stride: Extent, dilation: Extent = Extent(1), size: Extent
  ) {
    precondition(
      size.height % stride.height == 0 && size.width % stride.width == 0,
      "a circle of \(size) for the stride \(stride)")
    let inputs = weights.shape[1]
    outputs = weights.shape[0]
    vectors = (inputs + 7) / 8
    taps = Extent(weights.shape[2], weights.shape[3])
    (self.stride, self.dilation, self.size) = (stride, dilation, size)
    let count = taps.height * taps.width
    var packed = [Vector](repeating: .zero, count: count * outputs * vectors)
    for output in 0..<outputs {
      for input in 0..<inputs {
        for tap in 0..<count {
          packed[(tap * outputs + output) * vectors + input / 8][input % 8] =
            weights.values[(output * inputs + input) * count + tap]
        }
      }
    }
    self.weights = packed
  }

  /// The smallest circle on which no window meets both ends of a picture: its norm is an upper bound
  /// of the convolution's with zeros around.
  public static func size(around picture: Extent, _ window: WindowGeometry) -> Extent {
    func round(_ size: Int, _ kernel: Int, _ dilation: Int, _ stride: Int) -> Int {
      let least = size + (kernel - 1) * dilation
      return (least + stride - 1) / stride * stride
    }
    return Extent(
      round(picture.height, window.kernel.height, window.dilation.height, window.stride.height),
      round(picture.width, window.kernel.width, window.dilation.width, window.stride.width))
  }

  /// The largest singular value, in six digits or so.
  ///
  /// A few steps for every frequency, all steps for those that come near the largest.
  public func norm() -> Double {
    let grid = Extent(size.height / stride.height, size.width / stride.width)
    var frequencies: [Extent] = []
    for row in 0..<grid.height {
      for column in 0..<grid.width {
        // The opposite frequency has the conjugate block.
        let opposite = Extent(
          (grid.height - row) % grid.height, (grid.width - column) % grid.width)
        if (opposite.height, opposite.width) >= (row, column) {
          frequencies.append(Extent(row, column))
        }
      }
    }
    let rough = norms(frequencies, steps: 8)
    let least = Self.hopeful * (rough.max() ?? 0)
    let hopeful = zip(frequencies, rough).filter { $0.1 >= least }.map(\.0)
    return norms(hopeful, steps: 400).max() ?? 0
  }

  private func norms(_ frequencies: [Extent], steps: Int) -> [Double] {
    var norms = [Double](repeating: 0, count: frequencies.count)
    unsafe norms.withUnsafeMutableBufferPointer { norms in
      // Each place is written by one call alone.
      nonisolated(unsafe) let norms = unsafe norms
      concurrently(frequencies.count, work: .max) { index in
        unsafe norms[index] = block(frequencies[index]).norm(steps: steps)
      }
    }
    return norms
  }

  /// The block of an output's frequency: a row an output, the input's frequencies side by side.
  private func block(_ frequency: Extent) -> ComplexBlock {
    let aliases = stride.height * stride.width
    let width = aliases * vectors
    let count = outputs * width
    var (real, imaginary) = (
      [Vector](repeating: .zero, count: count), [Vector](repeating: .zero, count: count)
    )
    let scale = 1 / Double(aliases).squareRoot()
    for alias in 0..<aliases {
      let row = frequency.height + alias / stride.width * (size.height / stride.height)
      let column = frequency.width + alias % stride.width * (size.width / stride.width)
      for tap in 0..<taps.height * taps.width {
        let turns =
          Double(tap / taps.width * dilation.height * row % size.height) / Double(size.height)
          + Double(tap % taps.width * dilation.width * column % size.width) / Double(size.width)
        let cosine = Vector(repeating: Float(scale * cos(2 * .pi * turns)))
        let sine = Vector(repeating: Float(-scale * sin(2 * .pi * turns)))
        for output in 0..<outputs {
          let from = (tap * outputs + output) * vectors
          let to = output * width + alias * vectors
          for vector in 0..<vectors {
            let weight = weights[from + vector]
            real[to + vector] += cosine * weight
            imaginary[to + vector] += sine * weight
          }
        }
      }
    }
    return ComplexBlock(real: real, imaginary: imaginary, rows: outputs, vectors: width)
  }
}

/// A complex matrix in rows of whole vectors.
private struct ComplexBlock {
  let real: [Vector]
  let imaginary: [Vector]
  let rows: Int
  let vectors: Int

  /// The largest singular value; a lower bound where the steps do not suffice.
  func norm(steps: Int) -> Double {
    let stream = PhiloxStream(seed: 0, sample: 1, attack: 0x7370_6563, restart: 0)
    let noise = stream.gaussian(count: 2 * rows, step: 0)
    // On the side of the rows: the padding lanes of the other side are zero by themselves.
    var u = noise.map { Double($0) }
    guard normalize(&u) > 0 else { return 0 }
    var v = transposedProduct(u)
    var history = BidiagonalHistory(first: normalize(&v.real, &v.imaginary))
    while !history.isDone(min(steps, 2 * rows + 8), 1e-7) {
      var next = product(v)
      let alpha = history.diagonal[history.diagonal.count - 1]
      for i in next.indices { next[i] -= alpha * u[i] }
      let beta = normalize(&next)
      u = next
      var image = transposedProduct(u)
      let factor = Vector(repeating: Float(beta))
      for i in 0..<vectors {
        image.real[i] -= factor * v.real[i]
        image.imaginary[i] -= factor * v.imaginary[i]
      }
      history.append(beta: beta, alpha: normalize(&image.real, &image.imaginary))
      v = image
    }
    return history.largest
  }

  /// A v, real and imaginary parts in turn.
  private func product(_ v: (real: [Vector], imaginary: [Vector])) -> [Double] {
    var result: [Double] = []
    result.reserveCapacity(2 * rows)
    for row in 0..<rows {
      var (a, b) = (Vector.zero, Vector.zero)
      for i in 0..<vectors {
        let (re, im) = (real[row * vectors + i], imaginary[row * vectors + i])
        a += re * v.real[i] - im * v.imaginary[i]
        b += re * v.imaginary[i] + im * v.real[i]
      }
      result.append(Double(a.sum()))
      result.append(Double(b.sum()))
    }
    return result
  }

  /// The conjugate transpose times u.
  private func transposedProduct(_ u: [Double]) -> (real: [Vector], imaginary: [Vector]) {
    var (a, b) = (
      [Vector](repeating: .zero, count: vectors), [Vector](repeating: .zero, count: vectors)
    )
    for row in 0..<rows {
      let re = Vector(repeating: Float(u[2 * row]))
      let im = Vector(repeating: Float(u[2 * row + 1]))
      for i in 0..<vectors {
        let (x, y) = (real[row * vectors + i], imaginary[row * vectors + i])
        a[i] += x * re + y * im
        b[i] += x * im - y * re
      }
    }
    return (a, b)
  }

  private func normalize(_ x: inout [Double]) -> Double {
    let norm = x.reduce(0) { $0 + $1 * $1 }.squareRoot()
    guard norm > 0 else { return 0 }
    for i in x.indices { x[i] /= norm }
    return norm
  }

  private func normalize(_ a: inout [Vector], _ b: inout [Vector]) -> Double {
    var squares = 0.0
    for i in 0..<vectors { squares += Double((a[i] * a[i] + b[i] * b[i]).sum()) }
    let norm = squares.squareRoot()
    guard norm > 0 else { return 0 }
    let factor = Vector(repeating: Float(1 / norm))
    for i in 0..<vectors {
      a[i] *= factor
      b[i] *= factor
    }
    return norm
  }
}
