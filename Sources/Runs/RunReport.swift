import Foundation

/// A table that sets runs side by side: success, distances and evaluations.
public struct RunReport: Sendable {
  /// A run's name and figures.
  public struct Entry: Sendable {
    /// What the run is called, such as the attack's name.
    public let name: String
    /// Its figures.
    public let summary: RunSummary

    /// An entry of the table.
    public init(name: String, summary: RunSummary) {
      self.name = name
      self.summary = summary
    }
  }

  /// The runs, a line each.
  public let entries: [Entry]

  /// A table of these runs.
  public init(_ entries: [Entry]) { self.entries = entries }

  private static let headings = [
    "attack", "samples", "success [95 % interval]", "8-bit", "mean L2", "median L2", "mean RMS",
    "mean L-inf", "forward", "gradients",
  ]

  private var rows: [[String]] {
    entries.map { entry in
      let summary = entry.summary
      return [
        entry.name, "\(summary.samples)", Self.success(summary),
        "\(summary.succeeded8Bit)/\(summary.attempted)", Self.number(summary.meanL2),
        Self.number(summary.medianL2), Self.number(summary.meanRMS),
        Self.number(summary.meanLinf), Self.number(summary.meanForwardEvaluations),
        Self.number(summary.meanGradientEvaluations),
      ]
    }
  }

  /// Columns padded with spaces, for a terminal.
  ///
  /// Distances are over successes in units of [0, 1] pixels, evaluations a mean over the attempted
  /// samples; the interval is Wilson's.
  public var text: String {
    let lines = [Self.headings] + rows
    let widths = Self.headings.indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
    return lines.map { line in
      zip(line, widths).enumerated().map { column, cell in
        Self.padded(cell.0, cell.1, right: column > 0)
      }.joined(separator: "  ") + "\n"
    }.joined()
  }

  /// The same table in Markdown.
  public var markdown: String {
    let rule = Self.headings.indices.map { $0 == 0 ? "---" : "---:" }
    return ([Self.headings, rule] + rows).map { line in
      "| " + line.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ") + " |\n"
    }.joined()
  }

  private static func success(_ summary: RunSummary) -> String {
    guard let rate = summary.successRate, let low = summary.successRateLow,
      let high = summary.successRateHigh
    else { return "0/0" }
    return "\(summary.succeeded)/\(summary.attempted) = "
      + "\(fixed(100 * rate, 1)) % [\(fixed(100 * low, 1)), \(fixed(100 * high, 1))]"
  }

  private static func padded(_ text: String, _ width: Int, right: Bool) -> String {
    let space = String(repeating: " ", count: width - text.count)
    return right ? space + text : text + space
  }

  /// Four significant digits or a little more, without an exponent where that is readable.
  private static func number(_ value: Double?) -> String {
    guard let value else { return "-" }
    guard value != 0 else { return "0" }
    let magnitude = abs(value)
    if magnitude >= 1000 { return fixed(value, 0) }
    if magnitude >= 10 { return fixed(value, 1) }
    if magnitude >= 0.1 { return fixed(value, 3) }
    return magnitude >= 0.000_1 ? fixed(value, 5) : String(format: "%.2e", value)
  }

  private static func fixed(_ value: Double, _ digits: Int) -> String {
    String(format: "%.\(digits)f", value)
  }
}
