import ArgumentParser
import Compute
import Foundation
import Operations
import Verification

/// `blindspot bench`: how fast a device computes.
struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measures kernels, networks and attacks on a device.",
    subcommands: [BenchKernels.self, BenchNetwork.self, BenchLayers.self, BenchAttack.self])
}

/// `blindspot bench kernels`: each kernel against the device's ceilings.
struct BenchKernels: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kernels",
    abstract: "Times the kernels that decide the speed of networks, against the device's ceilings.",
    discussion: """
      Each time is the median of --repeats on the device's own clock, after a tenth of a second of
      runs that are not counted. The ceilings are a loop of fused multiply-adds and a copy much larger
      than the caches; a kernel's share is the least time they allow over its time. It may exceed 1
      where the data fit into the caches. A gradient pass is counted with the operations and bytes of
      its forward pass.
      """)

  @Option(help: "The device: its index, kind (cpu, gpu) or part of its name.")
  var device: String?

  @Option(
    help:
      "The kernels: \(KernelFamily.allCases.map(\.rawValue).joined(separator: ", ")); by default those that suit the device."
  )
  var family: String?

  @Option(help: "Pictures computed together.")
  var batch = 8

  @Option(help: "How often each pass is timed.")
  var repeats = 7

  @Flag(help: "Print one JSON object.")
  var json = false

  @Flag(help: "No progress line.")
  var quiet = false

  @Option(help: "Only kernels whose name or shape holds this text, as 'gradient' or '56x56'.")
  var filter: String?

  func validate() throws {
    guard batch > 0 else { throw ValidationError("--batch is a positive number, not \(batch)") }
    guard (1...1000).contains(repeats) else { throw ValidationError("--repeats is 1 to 1000") }
  }

  func run() throws {
    let context = try Context(device: try Device.matching(device))
    let chosen = try kernelFamily(named: family) ?? .preferred(for: context.device)
    let progress = ProgressLine(quiet: quiet)
    let benchmark = KernelBenchmark(batch: batch, family: chosen, repetitions: repeats)
    let isWanted = { (names: [String]) in
      filter.map { text in names.contains { $0.contains(text) } } ?? true
    }
    let rows = try OperationCatalog.benchmark().filter { isWanted(benchmark.names(of: $0)) }
    let products = OperationCatalog.benchmarkProducts.filter { isWanted(["matmul \($0.shape)"]) }
    let count = rows.count + products.count
    guard count > 0 else {
      throw CommandError("no kernel's name or shape holds '\(filter ?? "")'")
    }
    var ceilings = try DeviceCeilings(context)
    var measured: [KernelMeasurement] = []
    for (index, row) in rows.enumerated() {
      progress.update(done: index, of: count, row.operation.kind)
      measured += try benchmark.measure(row, on: context)
      // Other programs may hold a ceiling down for a while: the best of the whole run counts.
      try ceilings.measureAgain()
    }
    for (index, row) in products.enumerated() {
      progress.update(done: rows.count + index, of: count, "matmul")
      measured.append(try benchmark.measure(row, on: context))
      try ceilings.measureAgain()
    }
    progress.end()
    if let filter { measured.removeAll { !"\($0.operation) \($0.shape)".contains(filter) } }
    let result = KernelsResult(ceilings, measured)
    if json { return try printJSON(result) }
    print(
      "\(context.device): at most \(format(ceilings.gflops)) GFLOP/s, "
        + "\(format(ceilings.gigabytesPerSecond)) GB/s")
    printTable(
      [["operation", "shape", "family", "milliseconds", "GFLOP/s", "share of ceiling"]]
        + result.kernels.map {
          [
            $0.operation, $0.shape, $0.family, String(format: "%.3f", $0.secondsMedian * 1e3),
            format($0.gflops), String(format: "%.2f", $0.shareOfCeiling),
          ]
        })
  }
}

/// What `bench kernels --json` prints.
private struct KernelsResult: Encodable {
  let ceilingGflops: Double
  let ceilingGbytesPerSecond: Double
  let kernels: [KernelRow]

  enum CodingKeys: String, CodingKey {
    case kernels
    case ceilingGflops = "ceiling_gflops"
    case ceilingGbytesPerSecond = "ceiling_gbytes_per_second"
  }

  init(_ ceilings: DeviceCeilings, _ measured: [KernelMeasurement]) {
    ceilingGflops = ceilings.gflops
    ceilingGbytesPerSecond = ceilings.gigabytesPerSecond
    kernels = measured.map { KernelRow($0, ceilings) }
  }
}

private struct KernelRow: Encodable {
  let operation: String
  let shape: String
  let family: String
  let secondsMedian: Double
  let gflops: Double
  let shareOfCeiling: Double

  enum CodingKeys: String, CodingKey {
    case operation, shape, family, gflops
    case secondsMedian = "seconds_median"
    case shareOfCeiling = "share_of_ceiling"
  }

  init(_ measured: KernelMeasurement, _ ceilings: DeviceCeilings) {
    operation = measured.operation
    shape = measured.shape
    family = measured.family.rawValue
    secondsMedian = measured.medianSeconds
    gflops = measured.gflops
    shareOfCeiling = measured.share(of: ceilings)
  }
}

/// Two digits after the point below 10, else one.
func format(_ value: Double) -> String {
  String(format: value < 10 ? "%.2f" : "%.1f", value)
}

/// The kernel family of a name, nil for none.
func kernelFamily(named name: String?) throws -> KernelFamily? {
  guard let name else { return nil }
  guard let family = KernelFamily(rawValue: name) else {
    let names = KernelFamily.allCases.map(\.rawValue).joined(separator: ", ")
    throw ValidationError("--family is one of \(names), not '\(name)'")
  }
  return family
}
