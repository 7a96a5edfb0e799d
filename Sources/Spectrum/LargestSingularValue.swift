import Reference

/// A linear map between vectors, of which products alone are known.
public protocol LinearOperator {
  /// The length of its arguments.
  var inputCount: Int { get }
  /// A x.
  mutating func product(_ x: [Float]) throws -> [Float]
  /// The transposed map's A' y.
  mutating func transposedProduct(_ y: [Float]) throws -> [Float]
}

/// The largest singular value by bidiagonalisation (Golub and Kahan 1965), Lanczos's form of power
/// iteration: the same products, but the best of all their combinations instead of the last.
///
/// Without reorthogonalisation, which the largest value does not need (Paige 1971), so two vectors
/// are kept at a time. A value is below the true one until it has converged.
public struct LargestSingularValue: Sendable {
  /// Products with the map and its transpose, at most.
  public var maximumSteps = 500
  /// The relative growth over six steps at which it has converged.
  public var tolerance = 1e-7
  /// The seed of the first vector.
  public var seed: UInt64 = 0

  /// The default settings.
  public init() {}

  /// The largest singular value of a map, in `tolerance` or so.
  public func of(_ map: inout some LinearOperator) throws -> Double {
    let stream = PhiloxStream(seed: seed, sample: 0, attack: 0x7370_6563, restart: 0)
    var v = stream.gaussian(count: map.inputCount, step: 0)
    guard normalize(&v) > 0 else { return 0 }
    var u = try map.product(v)
    var history = BidiagonalHistory(first: normalize(&u))
    while !history.isDone(maximumSteps, tolerance) {
      var next = try map.transposedProduct(u)
      subtract(history.diagonal[history.diagonal.count - 1], v, from: &next)
      let beta = normalize(&next)
      v = next
      var image = try map.product(v)
      subtract(beta, u, from: &image)
      history.append(beta: beta, alpha: normalize(&image))
      u = image
    }
    return history.largest
  }

  private func normalize(_ x: inout [Float]) -> Double {
    var squares = 0.0
    for value in x { squares += Double(value) * Double(value) }
    let norm = squares.squareRoot()
    guard norm > 0, norm.isFinite else { return norm }
    let factor = Float(1 / norm)
    for i in x.indices { x[i] *= factor }
    return norm
  }

  private func subtract(_ factor: Double, _ y: [Float], from x: inout [Float]) {
    let factor = Float(factor)
    for i in x.indices { x[i] -= factor * y[i] }
  }
}

/// A bidiagonal matrix as it grows, and its largest singular value.
struct BidiagonalHistory {
  private(set) var diagonal: [Double]
  private var above: [Double] = []
  /// The largest singular value after each step.
  private var values: [Double]

  init(first: Double) {
    diagonal = [first]
    values = [first]
  }

  var largest: Double { values[values.count - 1] }

  mutating func append(beta: Double, alpha: Double) {
    above.append(beta)
    diagonal.append(alpha)
    values.append(largestValue())
  }

  /// Whether the values have converged, the Krylov space is exhausted, or the steps are.
  func isDone(_ steps: Int, _ tolerance: Double) -> Bool {
    let value = largest
    guard values.count < steps, value.isFinite, value > 0 else { return true }
    if min(diagonal[diagonal.count - 1], above.last ?? .infinity) <= 1e-6 * value { return true }
    return values.count > 8 && value - values[values.count - 7] <= tolerance * value
  }

  /// By bisection with Sturm's sequence on the tridiagonal matrix of B'B.
  private func largestValue() -> Double {
    let count = diagonal.count
    var squares = diagonal.map { $0 * $0 }
    for i in above.indices { squares[i + 1] += above[i] * above[i] }
    let beside = (0..<count - 1).map { diagonal[$0] * above[$0] }
    var low = largest * largest
    var high = 0.0
    for i in 0..<count {
      let around = (i > 0 ? beside[i - 1] : 0) + (i < count - 1 ? beside[i] : 0)
      high = max(high, squares[i] + around)
    }
    guard high.isFinite else { return .nan }
    while high - low > 1e-14 * high {
      let middle = 0.5 * (low + high)
      guard middle > low, middle < high else { break }
      if isAboveAll(middle, squares, beside) { high = middle } else { low = middle }
    }
    return (0.5 * (low + high)).squareRoot()
  }

  /// Whether no eigenvalue reaches x: all pivots of T - x are negative.
  private func isAboveAll(_ x: Double, _ squares: [Double], _ beside: [Double]) -> Bool {
    var pivot = squares[0] - x
    for i in 1..<squares.count {
      guard pivot < 0 else { return false }
      pivot = squares[i] - x - beside[i - 1] * beside[i - 1] / pivot
    }
    return pivot < 0
  }
}
