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
      """)

  @OptionGroup var model: ModelOptions
  @OptionGroup var place: DeviceOptions
  @Flag(help: "Print one JSON object.") var json = false
  @Flag(help: "No progress line.") var quiet = false
  @Flag(help: "Leave out the start: only the rates and the memory.") var ratesOnly = false
  @Flag(help: .hidden) var startOnly = false

  func run() throws {
    let device = try Device.matching(place.device)
    let family = try place.kernelFamily()
    let asked = try place.batchSize()
    let graph = try model.load().graph.withBenchNormalisation()
    let batch = try fittingBatch(
      graph, on: device, batch: asked, samples: .max, withGradient: true, extraPictures: 0)
    if startOnly {
      _ = try NetworkRun(graph, try Context(device: device), batch: batch, family: family) { _ in }
      return
    }
    let progress = ProgressLine(quiet: quiet)
    var (first, warm): (Double?, Double?)
    var cache = ProgramCache.standard()
    let caches = try ratesOnly ? nil : TemporaryCaches()
    if let caches {
      progress.update("starting with nothing compiled")
      first = try start(batch, device, caches)
      progress.update("starting again")
      warm = try start(batch, device, caches)
      cache = ProgramCache(folder: caches.programs)
    }
    let context = try Context(device: device, cache: cache)
    let run = try NetworkRun(
      graph, context, batch: batch, family: family, tuner: try place.tuner(context)
    ) { text in
      progress.update(text)
    }
    progress.update("timing")
    let forward = try run.median { network in try network.forward() }
    let gradient = try run.median { network in
      try network.forward()
      try network.gradient()
    }
    progress.end()
    let result = NetworkResult(
      model: model.model, batch: batch, device: device.name,
      forwardImagesPerSecond: Double(batch) / forward,
      gradientImagesPerSecond: Double(batch) / gradient, peakDeviceBytes: context.peakBytes,
      bytesPerImage: (context.peakBytes + batch - 1) / batch, firstRunSeconds: first,
      warmStartSeconds: warm)
    if json { return try printJSON(result) }
    let weights = 8 * graph.optimized().packedParameterCount
    print("\(result.model), batch \(batch), \(device)")
    printTable([
      ["forward", format(result.forwardImagesPerSecond), "images/s"],
      ["input gradient", format(result.gradientImagesPerSecond), "images/s"],
      ["device memory", "\(result.peakDeviceBytes >> 20)", "MiB at most"],
      ["of that weights", "\(weights >> 20)", "MiB, for both directions"],
      [
        "memory an image", format(Double(result.bytesPerImage) / 1_048_576),
        "MiB, weights included",
      ],
    ])
    if let first, let warm {
      printTable([
        ["first gradient after", format(first), "s, nothing compiled before"],
        ["and again after", format(warm), "s"],
      ])
    }
  }

  /// Seconds that a process of its own takes to its first gradient.
  private func start(_ batch: Int, _ device: Device, _ caches: TemporaryCaches) throws -> Double {
    let process = Process()
    process.executableURL = Bundle.main.executableURL
    process.arguments =
      [
        "bench", "network", "--start-only", "--model", model.model, "--seed", "\(model.seed)",
        "--batch", "\(batch)", "--device", "\(device.index)", "--convolution",
        model.convolution.rawValue,
      ] + (model.weights.map { ["--weights", $0] } ?? [])
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
    _ graph: Graph, _ context: Context, batch: Int, family: KernelFamily?, tuner: Tuner? = nil,
    progress: @escaping (String) -> Void
  ) throws {
    self.context = context
    network = try CompiledNetwork(
      graph, context: context, batch: batch, family: family, tuner: tuner
    ) { done, all in
      progress(compilingLine(done, all, tuner))
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
  let firstRunSeconds: Double?
  let warmStartSeconds: Double?

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
