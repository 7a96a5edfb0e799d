/// Adam (Kingma and Ba 2015, algorithm 1) on the host in double precision.
struct AdamDescent: Sendable {
  /// The point.
  private(set) var x: [Double]
  private var first: [Double]
  private var second: [Double]
  private var corrections = (1.0, 1.0)

  private static let decays = (0.9, 0.999)
  private static let epsilon = 1e-8

  init(_ x: [Double]) {
    self.x = x
    first = Array(repeating: 0, count: x.count)
    second = first
  }

  /// One step against a gradient.
  mutating func step(_ gradient: [Double], rate: Double) {
    let (a, b) = Self.decays
    corrections = (corrections.0 * a, corrections.1 * b)
    let (firstShare, secondShare) = (1 / (1 - corrections.0), 1 / (1 - corrections.1))
    for i in x.indices {
      first[i] = a * first[i] + (1 - a) * gradient[i]
      second[i] = b * second[i] + (1 - b) * gradient[i] * gradient[i]
      x[i] -=
        rate * (first[i] * firstShare) / ((second[i] * secondShare).squareRoot() + Self.epsilon)
    }
  }
}
