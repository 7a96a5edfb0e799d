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

  @Option(help: "Only rows whose operation or detail holds this text, as 'matmul' or 'batch 3'.")
  var filter: String?

  @Flag(help: "A few small rows of each kind, all kernel families: for simulators.")
  var tiny = false

  @Flag(help: "Print one JSON object.")
  var json = false

  @Flag(help: "No progress line.")
  var quiet = false

  @Option(help: .hidden)
  var part: String?

  func run() throws {
    let device = try Device.matching(device)
    let rows = try rows()
    // Compiling takes nearly all the time, and a driver compiles one program at a time.
    if device.kind == .cpu, device.computeUnits > 1, !tiny, rows.count > 100, part == nil {
      return try finish(try inParts(min(device.computeUnits, 4), on: device))
    }
    let families =
      try kernelFamily(named: family).map { [$0] } ?? (tiny ? KernelFamily.allCases : nil)
    // What this driver makes of the kernels today is verified, not what a cache has kept.
    let context = try Context(device: device, cache: .none)
    let progress = ProgressLine(quiet: quiet)
    let report = try VerificationReport(context, families: families, rows: rows) {
      done, all, row in
      progress.update(done: done, of: all, row.description)
    }
    progress.end()
    try finish(VerifyResult(device, report))
  }

  /// The rows of this process.
  private func rows() throws -> [CatalogCase] {
    let rows = (tiny ? OperationCatalog.tiny : OperationCatalog.all).filter { row in
      filter.map { row.description.contains($0) } ?? true
    }
    guard !rows.isEmpty else { throw CommandError("no row holds '\(filter ?? "")'") }
    guard let part else { return rows }
    let numbers = part.split(separator: "/").compactMap { Int($0) }
    guard numbers.count == 2, numbers[1] > 0, (0..<numbers[1]).contains(numbers[0]) else {
      throw ValidationError("--part is like 0/2, not '\(part)'")
    }
    return rows.enumerated()
      .filter { $0.offset % numbers[1] == numbers[0] }.map(\.element)
  }

  /// Runs the rows in several processes of this command, and joins what they found.
  private func inParts(_ count: Int, on device: Device) throws -> VerifyResult {
    let progress = ProgressLine(quiet: quiet)
    progress.update("verifying in \(count) processes")
    let children = try (0..<count).map { number in
      let process = Process()
      process.executableURL = Bundle.main.executableURL
      process.arguments =
        [
          "verify", "--json", "--quiet", "--part", "\(number)/\(count)", "--device",
          "\(device.index)",
        ]
        + (family.map { ["--family", $0] } ?? []) + (filter.map { ["--filter", $0] } ?? [])
      let pipe = Pipe()
      process.standardOutput = pipe
      try process.run()
      return (process, pipe)
    }
    var joined: VerifyResult?
    for (process, pipe) in children {
      let data = pipe.fileHandleForReading.readDataToEndOfFile()
      process.waitUntilExit()
      guard let result = try? JSONDecoder().decode(VerifyResult.self, from: data) else {
        throw CommandError(
          "a part of the verification ended with code \(process.terminationStatus)")
      }
      joined = joined.map { $0.joined(with: result) } ?? result
    }
    progress.end()
    guard let joined else { throw CommandError("nothing was verified") }
    return joined
  }

  /// Prints what was found; a difference is a failure of the command.
  private func finish(_ result: VerifyResult) throws {
    if json {
      try printJSON(part == nil ? result.summary : result)
    } else {
      for line in result.failures ?? [] {
        print(line.split(separator: "\n").joined(separator: " "))
      }
      for reason in result.skipped { print("skipped: \(reason)") }
      print(
        "\(result.device), driver \(result.driver): \(result.cases) cases, \(result.failed) failed, "
          + "arithmetic \(result.canonical ? "canonical" : "not canonical")")
    }
    guard result.bitIdentical else {
      if json, part == nil {
        for line in result.failures ?? [] {
          FileHandle.standardError.write(
            Data((line.split(separator: "\n").joined(separator: " ") + "\n").utf8))
        }
      }
      throw CommandError(
        result.failed > 0
          ? "\(result.failed) of \(result.cases) cases differ from the reference path"
          : "the device's arithmetic is not canonical")
    }
  }
}

/// What `verify --json` prints.
private struct VerifyResult: Codable {
  let device: String
  let driver: String
  var cases: Int
  var failed: Int
  var bitIdentical: Bool
  var skipped: [String]
  var canonical: Bool
  /// One line for each difference; only parts of a verification print them as JSON.
  var failures: [String]?

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

  /// What was found, without the single differences.
  var summary: VerifyResult {
    var result = self
    result.failures = nil
    return result
  }

  /// What two parts found together.
  func joined(with other: VerifyResult) -> VerifyResult {
    var result = self
    result.cases += other.cases
    result.failed += other.failed
    result.bitIdentical = bitIdentical && other.bitIdentical
    result.canonical = canonical && other.canonical
    result.skipped += other.skipped.filter { !skipped.contains($0) }
    result.failures = (failures ?? []) + (other.failures ?? [])
    return result
  }
}
