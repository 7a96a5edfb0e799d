import Foundation
import Runs

extension StudyReport {
  /// The report on a run of several studies: all their figures and findings, and how long each took.
  ///
  /// A row is a study's row with the study's name under `study`.
  public init(summaryOf reports: [StudyReport]) {
    self.init(study: "all", title: "All studies")
    settings = reports.first?.settings ?? [:]
    seconds = reports.reduce(0) { $0 + $1.seconds }
    rows = reports.flatMap { report in
      report.rows.map { $0.merging(["study": .string(report.study)]) { own, _ in own } }
    }
    findings = reports.flatMap { report in report.findings.map { "\(report.study): \($0)" } }
    blocks = [
      .table(
        StudyTable(
          caption: "The pages are study.html in the folders of the studies' names.",
          columns: ["Study", "Shows", "Seconds"],
          rows: reports.map { [$0.study, $0.title, String(format: "%.1f", $0.seconds)] }))
    ]
  }
}
