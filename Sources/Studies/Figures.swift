import Foundation
import Runs

/// A mean with the interval that covers the expectation in 95 % of cases, by the normal law.
struct MeanFigure {
  var mean: Double
  var interval: ClosedRange<Double>?

  /// The mean of some values; nil of none, without an interval of one.
  init?(_ values: [Double]) {
    guard !values.isEmpty else { return nil }
    let count = Double(values.count)
    mean = values.reduce(0, +) / count
    guard values.count > 1 else { return }
    let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    let radius = 1.959963984540054 * (squares / (count - 1) / count).squareRoot()
    interval = (mean - radius)...(mean + radius)
  }
}

/// A part of a number of pictures, with Wilson's interval of 95 %.
struct ShareFigure {
  var count: Int
  var total: Int

  var share: Double { Double(count) / Double(max(1, total)) }

  var interval: ClosedRange<Double>? { wilsonInterval(successes: count, trials: total) }

  /// The interval of 95 % of the difference of this share and another.
  func difference(from other: ShareFigure) -> ClosedRange<Double>? {
    newcombeInterval((count, total), (other.count, other.total))
  }

  /// `NAME`, `NAME_low`, `NAME_high` for a row.
  func fields(_ name: String) -> [String: JSONValue] {
    [
      name: .number(share), name + "_low": .optional(interval?.lowerBound),
      name + "_high": .optional(interval?.upperBound),
    ]
  }
}

extension JSONValue {
  /// A number, or null.
  static func optional(_ number: Double?) -> JSONValue { number.map { .number($0) } ?? .null }
}

/// A part of 1 in per cent with so many digits after the point.
func percent(_ share: Double, _ digits: Int = 1) -> String {
  String(format: "%.\(digits)f %%", 100 * share)
}

/// A number with so many digits after the point, or a dash.
func decimal(_ number: Double?, _ digits: Int = 3) -> String {
  number.map { String(format: "%.\(digits)f", $0) } ?? "-"
}

/// Two numbers in brackets with so many digits after the point.
func interval(_ range: ClosedRange<Double>?, _ digits: Int = 3) -> String {
  range.map { "[\(decimal($0.lowerBound, digits)), \(decimal($0.upperBound, digits))]" } ?? "-"
}
