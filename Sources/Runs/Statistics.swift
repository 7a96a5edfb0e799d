/// The interval that covers the probability behind `successes` of `trials` in 95 % of cases.
///
/// Wilson's score interval, without correction for continuity (E. B. Wilson 1927): it stays within
/// [0, 1] and does not collapse at 0 or all successes. Nil without trials.
///
/// - Precondition: `0 <= successes <= trials`.
public func wilsonInterval(successes: Int, trials: Int) -> ClosedRange<Double>? {
  precondition(0 <= successes && successes <= trials, "\(successes) successes of \(trials)")
  guard trials > 0 else { return nil }
  let z = 1.959963984540054
  let count = Double(trials)
  let rate = Double(successes) / count
  let scale = 1 + z * z / count
  let center = (rate + z * z / (2 * count)) / scale
  let radius = z / scale * (rate * (1 - rate) / count + z * z / (4 * count * count)).squareRoot()
  // At the ends the formula gives exactly 0 or 1, but for its rounding.
  let low = successes == 0 ? 0 : max(0, center - radius)
  let high = successes == trials ? 1 : min(1, center + radius)
  return low...high
}

/// The interval that covers the difference of the probabilities behind two parts, the first less the
/// second, in 95 % of cases.
///
/// Newcombe's hybrid of the score intervals of both (R. G. Newcombe 1998, method 10), for parts that
/// are independent; for parts of the same pictures, which tend to fall together, it is rather too
/// wide. Nil without trials.
///
/// - Precondition: successes between 0 and trials.
public func newcombeInterval(
  _ first: (successes: Int, trials: Int), _ second: (successes: Int, trials: Int)
) -> ClosedRange<Double>? {
  guard let a = wilsonInterval(successes: first.successes, trials: first.trials),
    let b = wilsonInterval(successes: second.successes, trials: second.trials)
  else { return nil }
  let p = Double(first.successes) / Double(first.trials)
  let q = Double(second.successes) / Double(second.trials)
  func radius(_ x: Double, _ y: Double) -> Double { (x * x + y * y).squareRoot() }
  let low = p - q - radius(p - a.lowerBound, b.upperBound - q)
  return low...(p - q + radius(a.upperBound - p, q - b.lowerBound))
}

/// The arithmetic mean; nil of none.
func mean(_ values: [Double]) -> Double? {
  values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
}

/// The median, of an even number the mean of the middle two; nil of none and where it is infinite.
func median(_ values: [Double]) -> Double? {
  guard !values.isEmpty else { return nil }
  let sorted = values.sorted()
  let middle = sorted.count / 2
  let median =
    sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
  return median.isFinite ? median : nil
}
