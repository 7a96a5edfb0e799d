public import Foundation

/// Results as comma-separated values (RFC 4180, lines ended by a line feed), for other programs.
public struct ResultsTable: Sendable {
  private let results: [SampleResult]

  /// A table of results, in the order given.
  public init(_ results: [SampleResult]) { self.results = results }

  /// A line of column names, then a line a sample.
  ///
  /// Numbers have as many digits as it takes to read them back unchanged; truth values are 1 and 0;
  /// what there is not is empty.
  public var commaSeparatedValues: String {
    var text = SampleResult.columnNames.joined(separator: ",") + "\n"
    for result in results {
      text += SampleResult.columns.map { $0.value(result).commaSeparatedText }.joined(
        separator: ",")
      text += "\n"
    }
    return text
  }

  /// Writes the values to a file, under a temporary name that is then renamed.
  ///
  /// - Throws: `unwritable`.
  public func writeCommaSeparatedValues(to url: URL) throws(RunError) {
    try RunFile.write(commaSeparatedValues.utf8, to: url)
  }
}

extension Field {
  fileprivate var commaSeparatedText: String {
    switch self {
    case .none: ""
    case .flag(let value): value ? "1" : "0"
    case .integer(let value): "\(value)"
    case .real(let value): "\(value)"
    case .text(let value):
      value.contains { $0 == "," || $0 == "\"" || $0.isNewline }
        ? "\"" + value.replacing("\"", with: "\"\"") + "\"" : value
    }
  }
}
