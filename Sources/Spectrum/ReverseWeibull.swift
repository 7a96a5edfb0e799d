import Foundation

/// The law of maxima of bounded quantities: P(X <= x) = exp(-((a - x) / b)^c) below the end point a.
public struct ReverseWeibull: Hashable, Sendable {
  /// The end point that no value exceeds.
  public var location: Double
  /// b.
  public var scale: Double
  /// c, at least 1 in a fit.
  public var shape: Double

  /// The law under which some values are likeliest; nil of fewer than three or of equal values, and
  /// where no end point within ten times their range is likelier than one beyond.
  ///
  /// For each end point the best shape is the root of a monotone function and the scale follows; the
  /// end point is sought on a logarithmic grid above the largest value, then by golden section.
  /// Shapes below 1, whose likelihood has no bound, are left out. Beyond ten times the range the law
  /// is Gumbel's in all but name, and its end point says nothing.
  public init?(fitting values: [Double]) {
    guard values.count >= 3, values.allSatisfy(\.isFinite), let largest = values.max(),
      let smallest = values.min(), largest > smallest
    else { return nil }
    let range = largest - smallest
    func fit(_ logarithm: Double) -> (law: ReverseWeibull, likelihood: Double) {
      Self.fit(values, location: largest + range * exp(logarithm))
    }
    let grid = stride(from: -12, through: 2.4, by: 0.2).map { ($0, fit($0).likelihood) }
    guard let best = grid.max(by: { $0.1 < $1.1 })?.0, best < 2.3 else { return nil }
    let golden = (5.0.squareRoot() - 1) / 2
    var (low, high) = (best - 0.2, best + 0.2)
    for _ in 0..<60 {
      let (a, b) = (high - golden * (high - low), low + golden * (high - low))
      if fit(a).likelihood > fit(b).likelihood { high = b } else { low = a }
    }
    self = fit(0.5 * (low + high)).law
  }

  private init(location: Double, scale: Double, shape: Double) {
    (self.location, self.scale, self.shape) = (location, scale, shape)
  }

  /// The likeliest shape and scale for an end point, and the log-likelihood.
  private static func fit(
    _ values: [Double], location: Double
  ) -> (law: ReverseWeibull, likelihood: Double) {
    let count = Double(values.count)
    // Relative to the largest distance, so that no power overflows.
    let distances = values.map { location - $0 }
    let unit = distances.max() ?? 1
    let logarithms = distances.map { log($0 / unit) }
    let mean = logarithms.reduce(0, +) / count
    func excess(_ shape: Double) -> Double {
      var (powers, weighted) = (0.0, 0.0)
      for logarithm in logarithms {
        let power = exp(shape * logarithm)
        powers += power
        weighted += power * logarithm
      }
      return weighted / powers - 1 / shape - mean
    }
    var (low, high) = (1.0, 2.0)
    while excess(high) < 0, high < 1e6 { high *= 2 }
    for _ in 0..<80 {
      let middle = 0.5 * (low + high)
      if excess(middle) < 0 { low = middle } else { high = middle }
    }
    let shape = 0.5 * (low + high)
    let power = logarithms.reduce(0) { $0 + exp(shape * $1) } / count
    let likelihood =
      count * (log(shape) - log(power) - log(unit) - 1) + (shape - 1) * count * mean
    return (
      ReverseWeibull(location: location, scale: unit * pow(power, 1 / shape), shape: shape),
      likelihood
    )
  }
}
