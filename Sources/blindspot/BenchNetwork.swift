import ArgumentParser
import Compute
import Foundation
import Networks
import Operations

/// `blindspot bench network`: a whole network's passes, its memory and its start.
struct BenchNetwork: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "network",
    abstract: "Times a network's forward pass and input gradient, its memory and its start.",
    discussion: """
      A gradient is a forward pass and a gradient pass. Rates are medians of seven batches, timed by
      the host. peak_device_bytes counts every buffer of the network: activations, gradients, masks,
      pictures and the weights, packed once for each direction; not what the driver itself takes.
      bytes_per_image is that divided by the batch. first_run_seconds is a process of its own, from
      its start to the end of its first gradient, with new, empty folders for this program's and the
      driver's compiled programs; warm_start_seconds is a second process with the folders that the
      first one left. (A driver may keep compiled programs in yet other places; those of PoCL, NVIDIA
      and Intel are redirected.)

      With several devices, as --device gpu,cpu, they are measured one after the other and shown
      side by side, each with how often its rate is the last device's; --json then prints
      {"devices": [...]}.
      """)

  @OptionGroup var model: ModelOptions
  @OptionGroup var place: DeviceOptions
  @OptionGroup var rounding: PrecisionOptions
  @Flag(help: "Print one JSON object.") var json = false
  @Flag(help: "No progress line.") var quiet = false
  @Flag(help: "Leave out the start: only the rates and the memory.") var ratesOnly = false
  @Flag(help: .hidden) var startOnly = false

  func run() throws {
    let devices = try Device.list(place.device)
    let graph = try model.load().graph.withBenchNormalisation()
    if startOnly {
      _ = try NetworkRun(graph, try Context(device: devices[0]), self, ProgressLine(quiet: true))
      return
    }
    let progress = ProgressLine(quiet: quiet)
    let results = try devices.map { try measure(graph, on: $0, progress) }
    progress.end()
    if json {
      return try devices.count > 1 ? printJSON(["devices": results]) : printJSON(results[0])
    }
    let weights = 8 * graph.optimized().packedParameterCount
    print(
      "\(model.model), precision \(rounding.arithmetic), weights \(weights >> 20) MiB for both "
        + "directions")
    printTable(NetworkResult.table(results))
  }

  /// All figures of one device.
  private func measure(
    _ graph: Graph, on device: Device, _ progress: ProgressLine
  ) throws -> NetworkResult {
    var (first, warm): (Double?, Double?)
    var cache = ProgramCache.standard()
    let caches = try ratesOnly ? nil : TemporaryCaches()
    if let caches {
      progress.update("\(device.name): starting with nothing compiled")
      first = try start(device, caches)
      progress.update("\(device.name): starting again")
      warm = try start(device, caches)
      cache = ProgramCache(folder: caches.programs)
    }
    let context = try Context(device: device, cache: cache)
    let run = try NetworkRun(graph, context, self, progress)
    let batch = run.network.batch
    progress.update("\(device.name): timing")
    let forward = try run.median { network in try network.forward() }
    let gradient = try run.median { network in
      try network.forward()
      try network.gradient()
    }
    return NetworkResult(
      model: model.model, batch: batch, device: device.name,
      precision: rounding.name,
      forwardImagesPerSecond: Double(batch) / forward,
      gradientImagesPerSecond: Double(batch) / gradient, peakDeviceBytes: context.peakBytes,
      bytesPerImage: (context.peakBytes + batch - 1) / batch, firstRunSeconds: first,
      warmStartSeconds: warm)
  }

  /// Seconds that a process of its own takes to its first gradient.
  private func start(_ device: Device, _ caches: TemporaryCaches) throws -> Double {
    let process = Process()
    process.executableURL = Bundle.main.executableURL
    process.arguments =
      [
        "bench", "network", "--start-only", "--model", model.model, "--seed", "\(model.seed)",
        "--batch", place.batch, "--device", "\(device.index)", "--convolution",
        model.convolution.rawValue, "--precision", rounding.precision.rawValue,
      ] + (rounding.emulateTensorCores ? ["--emulate-tensor-cores"] : [])
      + (model.weights.map { ["--weights", $0] } ?? [])
      + (place.family.map { ["--family", $0] } ?? [])
    process.environment = ProcessInfo.processInfo.environment.merging(caches.environment) { $1 }
    let errors = Pipe()
    process.standardOutput = FileHandle.nullDevice
    process.standardError = errors
    let clock = ContinuousClock()
    let begin = clock.now
    try process.run()
    // Ends with the process, which has then done its work.
    let message = errors.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    let seconds = (clock.now - begin) / .seconds(1)
    guard process.terminationStatus == 0 else {
      let text = String(decoding: message, as: UTF8.self)
      throw CommandError("the start of a network failed: \(text)")
    }
    return seconds
  }
}

/// Empty folders for compiled programs, this program's own and the drivers'; gone with the object.
private final class TemporaryCaches {
  private let folder: URL
  /// This program's.
  let programs: URL
  /// What tells a process of the folders.
  let environment: [String: String]

  init() throws {
    let folder = FileManager.default.temporaryDirectory
      .appending(path: "blindspot-bench-\(UUID().uuidString)")
    self.folder = folder
    programs = folder.appending(path: "programs")
    var environment = ["BLINDSPOT_CACHE": programs.path]
    for (variable, name) in [
      ("POCL_CACHE_DIR", "pocl"), ("CUDA_CACHE_PATH", "cuda"), ("NEO_CACHE_DIR", "intel"),
    ] {
      let url = folder.appending(path: name)
      try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
      environment[variable] = url.path
    }
    self.environment = environment
  }

  deinit { try? FileManager.default.removeItem(at: folder) }
}

/// A network compiled and run once.
private struct NetworkRun {
  let context: Context
  let network: CompiledNetwork

  init(
    _ graph: Graph, _ context: Context, _ options: BenchNetwork, _ progress: ProgressLine
  ) throws {
    self.context = context
    let place = options.place
    network = try compile(
      graph, context: context, batch: try place.batchSize(), samples: .max,
      family: try place.kernelFamily(), withGradient: true, extraPictures: 0,
      tuner: try place.tuner(context),
      arithmetic: try options.rounding.arithmetic(on: [context], place),
      progress: progress)
    try network.input.buffer.fill(0.5)
    guard let gradient = network.logitsGradient else {
      throw CommandError("the network was compiled without its gradient")
    }
    try gradient.buffer.write(
      gradient.layout.pack(
        [Float](repeating: 0.01, count: network.batch * graph.outputShape.reduce(1, *)),
        batch: network.batch),
      at: gradient.offset)
    try network.forward()
    try network.gradient()
    try context.finish()
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
  /// Nil for canonical.
  let precision: String?
  let forwardImagesPerSecond: Double
  let gradientImagesPerSecond: Double
  let peakDeviceBytes: Int
  let bytesPerImage: Int
  let firstRunSeconds: Double?
  let warmStartSeconds: Double?

  enum CodingKeys: String, CodingKey {
    case model, batch, device, precision
    case forwardImagesPerSecond = "forward_images_per_second"
    case gradientImagesPerSecond = "gradient_images_per_second"
    case peakDeviceBytes = "peak_device_bytes"
    case bytesPerImage = "bytes_per_image"
    case firstRunSeconds = "first_run_seconds"
    case warmStartSeconds = "warm_start_seconds"
  }

  /// A column a device; of several, rates with how often they are the last device's.
  static func table(_ results: [NetworkResult]) -> [[String]] {
    let row = { (name: String, text: (NetworkResult) -> String?) -> [[String]] in
      let texts = results.compactMap(text)
      return texts.count == results.count ? [[name] + texts] : []
    }
    let rate = { (name: String, rate: @escaping (NetworkResult) -> Double) -> [[String]] in
      row(name) { result in
        let last = results.last.map(rate) ?? 0
        return format(rate(result))
          + (results.count > 1 ? String(format: " (%.2f)", rate(result) / last) : "")
      }
    }
    return row("") { $0.device } + row("batch") { "\($0.batch)" }
      + rate("forward, images/s") { $0.forwardImagesPerSecond }
      + rate("input gradient, images/s") { $0.gradientImagesPerSecond }
      + row("device memory at most, MiB") { "\($0.peakDeviceBytes >> 20)" }
      + row("memory an image, weights included, MiB") {
        format(Double($0.bytesPerImage) / 1_048_576)
      }
      + row("first gradient, nothing compiled before, s") { $0.firstRunSeconds.map(format) }
      + row("first gradient again, s") { $0.warmStartSeconds.map(format) }
  }
}

extension Graph {
  /// Attacks put the normalisation before the network; convolutions rely on its zero border.
  func withBenchNormalisation() throws -> Graph {
    let channels = inputShape[0]
    return try prepending(
      ScaleShift(
        scale: Array(repeating: 4, count: channels), shift: Array(repeating: -2, count: channels)),
      name: "normalisation")
  }
}
