import ArgumentParser
import Compute
import Foundation
import Networks
import Operations
import Verification

/// `blindspot bench`: how fast a device computes.
struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measures kernels and networks on a device.",
    subcommands: [BenchKernels.self, BenchNetwork.self])
}

/// `blindspot bench kernels`: each kernel against the device's ceilings.
struct BenchKernels: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kernels",
    abstract: "Times the kernels that decide the speed of networks, against the device's ceilings.",
    discussion: """
      Each time is the median of seven on the device's own clock. The ceilings are a loop of fused
      multiply-adds and a copy; a kernel's share is the least time they allow over its time.
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

  @Flag(help: "Print one JSON object.")
  var json = false

  @Flag(help: "No progress line.")
  var quiet = false

  func validate() throws { try checkBatch(batch) }

  func run() throws {
    let context = try Context(device: try Device.matching(device))
    let chosen = try kernelFamily(named: family) ?? .preferred(for: context.device)
    let progress = ProgressLine(quiet: quiet)
    let ceilings = try DeviceCeilings(context)
    let benchmark = KernelBenchmark(batch: batch, family: chosen)
    let rows = try OperationCatalog.benchmark()
    var measured: [KernelMeasurement] = []
    for (index, row) in rows.enumerated() {
      progress.update(done: index, of: rows.count, row.operation.kind)
      measured += try benchmark.measure(row, on: context, ceilings: ceilings)
    }
    progress.end()
    if json {
      return try printJSON(
        KernelsResult(
          device: context.device.name, batch: batch, ceilingGflops: ceilings.gflops,
          ceilingGbytesPerSecond: ceilings.gigabytesPerSecond,
          kernels: measured.map(KernelRow.init)))
    }
    print(
      "\(context.device): at most \(format(ceilings.gflops)) GFLOP/s, "
        + "\(format(ceilings.gigabytesPerSecond)) GB/s")
    printTable(
      [["operation", "shape", "family", "milliseconds", "GFLOP/s", "share of ceiling"]]
        + measured.map {
          [
            $0.operation, $0.shape, $0.family.rawValue,
            String(format: "%.3f", $0.medianSeconds * 1e3), format($0.gflops),
            String(format: "%.2f", $0.shareOfCeiling),
          ]
        })
  }
}

/// What `bench kernels --json` prints.
private struct KernelsResult: Encodable {
  let device: String
  let batch: Int
  let ceilingGflops: Double
  let ceilingGbytesPerSecond: Double
  let kernels: [KernelRow]

  enum CodingKeys: String, CodingKey {
    case device, batch, kernels
    case ceilingGflops = "ceiling_gflops"
    case ceilingGbytesPerSecond = "ceiling_gbytes_per_second"
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

  init(_ measured: KernelMeasurement) {
    operation = measured.operation
    shape = measured.shape
    family = measured.family.rawValue
    secondsMedian = measured.medianSeconds
    gflops = measured.gflops
    shareOfCeiling = measured.shareOfCeiling
  }
}

/// `blindspot bench network`: a whole network's passes, its memory and its start.
struct BenchNetwork: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "network",
    abstract: "Times a network's forward pass and input gradient, its memory and its start.",
    discussion: """
      A gradient is a forward pass and a gradient pass. Rates are medians of seven batches, timed by
      the host. bytes_per_image is what one more picture in the batch takes. The warm start is a
      second compilation, from the program cache, up to the first gradient.
      """)

  @Option(help: "An ONNX file (.onnx, .onnx.gz) or a built-in architecture with random weights.")
  var model: String

  @Option(help: "The device: its index, kind (cpu, gpu) or part of its name.")
  var device: String?

  @Option(
    help:
      "The kernels: \(KernelFamily.allCases.map(\.rawValue).joined(separator: ", ")); by default those that suit the device."
  )
  var family: String?

  @Option(help: "Pictures computed together.")
  var batch = 8

  @Option(help: "The seed of random weights.")
  var seed: UInt64 = 0

  @Flag(help: "Print one JSON object.")
  var json = false

  @Flag(help: "No progress line.")
  var quiet = false

  func validate() throws { try checkBatch(batch) }

  func run() throws {
    let device = try Device.matching(device)
    let family = try kernelFamily(named: family)
    let bare = try loadModel(model, seed: seed).graph
    // Attacks put the normalisation before the network; convolutions rely on its zero border.
    let channels = bare.inputShape[0]
    let graph = try bare.prepending(
      ScaleShift(
        scale: Array(repeating: 4, count: channels), shift: Array(repeating: -2, count: channels)),
      name: "normalisation")
    let progress = ProgressLine(quiet: quiet)
    let first = try time(graph, device, family, progress)
    progress.update("compiling again")
    let warm = try NetworkRun(graph, device, batch: batch, family: family, progress).startSeconds
    progress.end()
    let result = NetworkResult(
      model: model, batch: batch, device: device.name,
      forwardImagesPerSecond: Double(batch) / first.forward,
      gradientImagesPerSecond: Double(batch) / first.gradient, peakDeviceBytes: first.peakBytes,
      bytesPerImage: bytes(graph, device, batch + 1) - bytes(graph, device, batch),
      firstRunSeconds: first.start, warmStartSeconds: warm)
    if json { return try printJSON(result) }
    print("\(model), batch \(batch), \(device)")
    printTable([
      ["forward", format(result.forwardImagesPerSecond), "images/s"],
      ["input gradient", format(result.gradientImagesPerSecond), "images/s"],
      ["device memory", "\(first.peakBytes >> 20)", "MiB at most"],
      ["each more image", format(Double(result.bytesPerImage) / 1_048_576), "MiB"],
      ["first gradient after", format(result.firstRunSeconds), "s"],
      ["and again after", format(result.warmStartSeconds), "s"],
    ])
  }
}

extension BenchNetwork {
  /// The first compilation and both passes; the network's memory is free again afterwards.
  private func time(
    _ graph: Graph, _ device: Device, _ family: KernelFamily?, _ progress: ProgressLine
  ) throws -> (start: Double, forward: Double, gradient: Double, peakBytes: Int) {
    let run = try NetworkRun(graph, device, batch: batch, family: family, progress)
    progress.update("timing")
    let forward = try run.median { network in try network.forward() }
    let gradient = try run.median { network in
      try network.forward()
      try network.gradient()
    }
    return (run.startSeconds, forward, gradient, run.context.peakBytes)
  }

  /// What the memory plan takes for a batch.
  private func bytes(_ graph: Graph, _ device: Device, _ batch: Int) -> Int {
    CompiledNetwork.estimatedBytes(
      graph, batch: batch, withGradient: true, largestBufferBytes: device.largestBufferBytes)
  }
}

/// A network compiled in a context of its own, and run once.
private struct NetworkRun {
  let context: Context
  let network: CompiledNetwork
  /// Seconds from the beginning of the compilation to the end of the first gradient.
  let startSeconds: Double

  init(
    _ graph: Graph, _ device: Device, batch: Int, family: KernelFamily?, _ progress: ProgressLine
  ) throws {
    let clock = ContinuousClock()
    let start = clock.now
    context = try Context(device: device)
    network = try CompiledNetwork(graph, context: context, batch: batch, family: family) {
      done, all in
      progress.update("compiling \(done)/\(all)")
    }
    try network.input.buffer.fill(0.5)
    guard let gradient = network.logitsGradient else {
      throw CommandError("the network was compiled without its gradient")
    }
    try gradient.buffer.write(
      gradient.layout.pack(
        [Float](repeating: 0.01, count: batch * graph.outputShape.reduce(1, *)), batch: batch),
      at: gradient.offset)
    try network.forward()
    try network.gradient()
    try context.finish()
    startSeconds = (clock.now - start) / .seconds(1)
  }

  /// The median of seven batches, in seconds on the host's clock.
  func median(_ body: (CompiledNetwork) throws -> Void) throws -> Double {
    let clock = ContinuousClock()
    var seconds: [Double] = []
    for _ in 0..<8 {
      let start = clock.now
      try body(network)
      try context.finish()
      seconds.append((clock.now - start) / .seconds(1))
    }
    // The first is not counted: memory may be touched for the first time.
    return seconds.dropFirst().sorted()[3]
  }
}

/// What `bench network --json` prints.
private struct NetworkResult: Encodable {
  let model: String
  let batch: Int
  let device: String
  let forwardImagesPerSecond: Double
  let gradientImagesPerSecond: Double
  let peakDeviceBytes: Int
  let bytesPerImage: Int
  let firstRunSeconds: Double
  let warmStartSeconds: Double

  enum CodingKeys: String, CodingKey {
    case model, batch, device
    case forwardImagesPerSecond = "forward_images_per_second"
    case gradientImagesPerSecond = "gradient_images_per_second"
    case peakDeviceBytes = "peak_device_bytes"
    case bytesPerImage = "bytes_per_image"
    case firstRunSeconds = "first_run_seconds"
    case warmStartSeconds = "warm_start_seconds"
  }
}

private func format(_ value: Double) -> String {
  String(format: value < 10 ? "%.2f" : "%.1f", value)
}

private func checkBatch(_ batch: Int) throws {
  guard batch > 0 else { throw ValidationError("--batch is a positive number, not \(batch)") }
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
