public import Foundation
public import Runs

/// The folder that takes the reports of studies and the networks trained for them.
///
/// `NAME/study.json`, `NAME/study.md` and `NAME/study.html` are a study's own; `study.json`,
/// `study.md` and `study.html` beside these folders are those of the last run; `networks` keeps what
/// was trained. Every file is complete or not there.
public struct StudyFolder: Sendable {
  /// The folder.
  public let url: URL

  /// Makes the folder if it is not there.
  ///
  /// - Throws: `RunError` when it cannot be made.
  public init(_ url: URL) throws(RunError) {
    self.url = url
    try RunFile.createFolder(networks)
  }

  /// Where trained networks are kept.
  public var networks: URL { url.appending(path: "networks") }

  /// Writes a study's three files, twice: in its own folder and as the last run's.
  ///
  /// - Throws: `RunError` when a file cannot be written.
  public func write(_ report: StudyReport) throws(RunError) {
    let own = url.appending(path: report.study)
    try RunFile.createFolder(own)
    for folder in [own, url] {
      try RunFile.write(report.json, to: folder.appending(path: "study.json"))
      try RunFile.write(report.markdown.utf8, to: folder.appending(path: "study.md"))
      try RunFile.write(report.page.utf8, to: folder.appending(path: "study.html"))
    }
  }
}

extension StudyReport {
  /// The contents of `study.json`: keys in ascending order, figures with all digits.
  public var json: Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    // JSONValue writes infinities as text, and nothing else here can fail.
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    guard let data = try? encoder.encode(self) else {
      preconditionFailure("a report that is no JSON")
    }
    return data
  }
}
