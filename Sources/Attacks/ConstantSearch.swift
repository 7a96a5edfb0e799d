import Reference

/// The search for the weight c of the loss whose minimiser just fools: a secant on the margin as a
/// function of log c, in two stages of tolerance, inside a bracket.
///
/// Szegedy et al. (2013) ask for a line search over c; the paper writes c in front of the norm, so its
/// largest c is the smallest here.
struct ConstantSearch: Sendable {
  /// What follows an inner run.
  enum Next {
    case again
    case converged
    case exhausted
  }

  /// The weight of the loss now.
  private(set) var c = 1.0
  /// Whether inner runs are solved to the tight tolerance.
  private(set) var isTight = false
  private var low = 0.0
  private var high = Double.infinity
  /// The last inner run: its c, margin and stage.
  private var previous: (c: Double, margin: Double, isTight: Bool)?
  /// The change of the margin with log c.
  private var slope = 0.0
  private var scale = 0.0
  private var count = 0

  init() {}

  /// Starts where the linearised loss meets the boundary: that is within a factor of about 2.
  init(cleanMargin: Double, squaredSlope: Double) {
    scale = abs(cleanMargin)
    c = 4 * scale / squaredSlope
    slope = 0.25 * scale
  }

  /// Goes on near a boundary that was reached by another way: there the distance's slope is the
  /// loss's slope times c.
  mutating func restart(at point: Point) {
    c = 2 * (point.squaredDistance / max(point.squaredSlope, 1e-30)).squareRoot()
    (previous, count) = (nil, 0)
    tighten()
  }

  /// Judges an inner run by the point where it ended.
  mutating func next(_ point: Point, gain: Double, near: Double, limit: Int) -> Next {
    let distance = point.squaredDistance.squareRoot()
    // The loss's slope divided by the probability of the true class is the margin's slope.
    let probability = max(1 - exp(-point.loss), 1e-3)
    let marginSlope = max(point.squaredSlope, 1e-30).squareRoot() / probability
    let beyond = point.margin / (marginSlope * max(distance, 1e-30))
    if isTight, beyond >= 0, beyond <= gain { return .converged }
    learnSlope(point.margin)
    if point.margin > 0 {
      high = min(high, c)
      if low >= high { low = 0 }
    } else {
      low = max(low, c)
      if high <= low { high = .infinity }
    }
    if isTight, low > 0, high / low < 1.01 { return .converged }
    count += 1
    guard count < limit else { return .exhausted }
    if !isTight, abs(beyond) <= near {
      tighten()
      return .again
    }
    if !isTight, low > 0, high / low < 1.15 { tighten() }
    return step(to: 0.3 * gain * distance * marginSlope, from: point.margin)
  }

  /// A bracket found with the loose tolerance may be wrong, so it is forgotten.
  private mutating func tighten() {
    isTight = true
    low = 0
    high = .infinity
  }

  private mutating func learnSlope(_ margin: Double) {
    if let previous, previous.isTight == isTight, abs(log(c / previous.c)) > 0.01 {
      let secant = (margin - previous.margin) / log(c / previous.c)
      slope = min(max(secant, 0.05 * scale), scale)
    }
    previous = (c, margin, isTight)
  }

  private mutating func step(to wanted: Double, from margin: Double) -> Next {
    let largest = log(isTight ? 1.25 : 3)
    var next = c * exp(min(max(-(margin - wanted) / slope, -largest), largest))
    if low > 0, high < .infinity {
      let ratio = high / low
      if next < low * exp(0.1 * log(ratio)) || next > low * exp(0.9 * log(ratio)) {
        next = (low * high).squareRoot()
      }
    }
    guard next > 1e-10, next < 1e10 else { return .exhausted }
    c = next
    return .again
  }
}

/// The canonical functions, so that the search goes the same way on every host.
private func exp(_ x: Double) -> Double { Double(Elementary.exp(Float(x))) }
private func log(_ x: Double) -> Double { Double(Elementary.log(Float(x))) }
