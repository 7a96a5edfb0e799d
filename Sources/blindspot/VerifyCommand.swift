import ArgumentParser
import Compute
import Foundation
import Operations
import Verification

/// `blindspot verify`: every kernel on this device against the reference path.
struct Verify: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compares every kernel on a device with the reference path, bit for bit.",
    discussion: """
      Runs the whole catalogue: all operations at edge sizes with all kernel families, the
      elementary functions, random streams, long sums, losses, the vectors of the attacks and small
      networks. Exits with 1 when a bit differs.
      """)

  @Option(help: "The device: its index, kind (cpu, gpu) or part of its name.")
  var device: String?

  @Option(
    help:
      "Only one kernel family: \(KernelFamily.allCases.map(\.rawValue).joined(separator: ", ")).")
  var family: String?

  @Flag(help: "A few small rows of each kind, all kernel families: for simulators.")
  var tiny = false

  @Flag(help: "Print one JSON object.")
  var json = false

  @Flag(help: "No progress line.")
  var quiet = false

  func run() throws {
    let families =
      try kernelFamily(named: family).map { [$0] } ?? (tiny ? KernelFamily.allCases : nil)
    let context = try Context(device: try Device.matching(device))
    let progress = ProgressLine(quiet: quiet)
    let start = Date()
    let report = try VerificationReport(
      context, families: families, rows: tiny ? OperationCatalog.tiny : OperationCatalog.all
    ) { done, all, row in
      progress.update(done: done, of: all, row.description)
    }
    progress.end()
    if json {
      try printJSON(VerifyResult(context.device, report))
    } else {
      for line in report.failures { print(line.split(separator: "\n").joined(separator: " ")) }
      for reason in report.skipped { print("skipped: \(reason)") }
      let seconds = String(format: "%.1f", Date().timeIntervalSince(start))
      print(
        "\(context.device): \(report.cases) cases, \(report.failed) failed, arithmetic "
          + "\(report.isCanonical ? "canonical" : "not canonical"), \(seconds) s")
    }
    guard report.isBitIdentical else {
      throw CommandError(
        report.failed > 0
          ? "\(report.failed) of \(report.cases) cases differ from the reference path"
          : "the device's arithmetic is not canonical")
    }
  }
}

/// What `verify --json` prints.
private struct VerifyResult: Encodable {
  let device: String
  let driver: String
  let cases: Int
  let failed: Int
  let bitIdentical: Bool
  let skipped: [String]
  let canonical: Bool
  let failures: [String]

  enum CodingKeys: String, CodingKey {
    case device, driver, cases, failed, skipped, canonical, failures
    case bitIdentical = "bit_identical"
  }

  init(_ device: Device, _ report: VerificationReport) {
    self.device = device.name
    driver = device.driverVersion
    cases = report.cases
    failed = report.failed
    bitIdentical = report.isBitIdentical
    skipped = report.skipped
    canonical = report.isCanonical
    failures = report.failures
  }
}
