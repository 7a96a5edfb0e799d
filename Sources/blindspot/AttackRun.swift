import Attacks
import Compute
import Datasets
import Foundation
import Networks
import Operations
import Runs
import Synchronization

/// Set by ctrl-C: the run stops after the step that is under way.
private let wasInterrupted = Atomic<Bool>(false)

/// One attack of the command line, from the options to the printed summary.
struct AttackRun<Machine: SampleMachine> {
  let name: String
  let options: AttackOptions
  /// The attack's own settings, for `run.json`.
  let settings: [String: JSONValue]
  /// Pictures of memory a slot that the attack takes besides the network.
  let extraPictures: Int
  let makeEngine: (CompiledNetwork, AttackTarget) throws -> SlotEngine<Machine>

  private struct Summary: Encodable {
    var attack: String
    var model: String
    var device: String
    var batch: Int
    var seconds: Double
    var images_per_second: Double
    var peak_device_bytes: Int
    var run: RunSummary

    private enum Key: String, CodingKey {
      case attack, model, device, batch, seconds, images_per_second, peak_device_bytes
    }

    func encode(to encoder: any Encoder) throws {
      try run.encode(to: encoder)
      var container = encoder.container(keyedBy: Key.self)
      try container.encode(attack, forKey: .attack)
      try container.encode(model, forKey: .model)
      try container.encode(device, forKey: .device)
      try container.encode(batch, forKey: .batch)
      try container.encode(seconds, forKey: .seconds)
      try container.encode(images_per_second, forKey: .images_per_second)
      try container.encode(peak_device_bytes, forKey: .peak_device_bytes)
    }
  }

  func run() throws {
    let loaded = try options.model.load()
    let preprocessing = try options.pictures.prepared()
    let source = try options.pictures.open(for: loaded.graph, preprocessing)
    let target = try options.attackTarget(classes: loaded.graph.outputShape.reduce(1, *))
    let targets = try options.targets.map { file in
      var pictures = options.pictures
      pictures.labels = file
      return try pictures.open(for: loaded.graph, preprocessing)
    }
    let graph = try normalized(loaded.graph, preprocessing.normalization)
    let context = try options.place.context()
    let progress = ProgressLine(quiet: options.quiet)
    let network = try compile(
      graph, context: context, batch: try options.place.batchSize(), samples: source.count,
      family: try options.place.kernelFamily(), withGradient: true, extraPictures: extraPictures,
      progress: progress)
    let engine = try makeEngine(network, target)
    let store = try openStore(loaded, source, preprocessing, context, network)
    let finished = store?.finishedIDs ?? []
    let indices = (0..<source.count).filter { !finished.contains($0) }
    let prefetcher = PicturePrefetcher(source, indices: indices, lookAhead: 2 * network.batch)
    var results = try store?.results() ?? []
    signal(SIGINT) { _ in wasInterrupted.store(true, ordering: .relaxed) }
    let start = Date()
    var (attempted, succeeded) = (0, 0)
    try engine.run(
      next: {
        guard let next = prefetcher.waitForNext() else { return nil }
        let sample = try next.get()
        return AttackSample(
          id: sample.index, name: sample.id, pixels: sample.pixels, label: sample.label,
          target: try targets?.sample(at: sample.index).label)
      },
      emit: { done in
        let rows = done.map(SampleResult.init)
        try store?.append(
          zip(rows, done).map { row, result in
            FinishedSample(
              result: row, adversarial: result.adversarial,
              picture: result.rounded?.map { UInt8(($0 * 255).rounded()) })
          })
        results += rows
        attempted += rows.count(where: \.attempted)
        succeeded += rows.count(where: \.success)
        progress.update(
          done: results.count - finished.count, of: indices.count,
          "\(succeeded) of \(attempted) attacked succeeded")
      },
      shouldStop: { wasInterrupted.load(ordering: .relaxed) })
    progress.end()
    let seconds = Date().timeIntervalSince(start)
    try show(
      Summary(
        attack: name, model: loaded.path, device: context.device.name, batch: network.batch,
        seconds: seconds,
        images_per_second: Double(results.count - finished.count) / max(seconds, 1e-9),
        peak_device_bytes: context.peakBytes, run: RunSummary(results: results)))
    if wasInterrupted.load(ordering: .relaxed) {
      throw CommandError("interrupted: \(results.count) of \(source.count) pictures are done")
    }
  }

  private func openStore(
    _ loaded: LoadedModel, _ source: any PictureSource, _ preprocessing: Preprocessing,
    _ context: Context, _ network: CompiledNetwork
  ) throws -> RunStore? {
    guard let output = options.output else { return nil }
    var settings = settings
    settings["target"] = .string(options.target)
    if let targets = options.targets {
      settings["targets_sha256"] = .string(
        sha256(try Data(contentsOf: URL(fileURLWithPath: targets))))
    }
    let device = context.device
    let description = RunDescription(
      attack: name, settings: settings, modelPath: loaded.path, modelSHA256: loaded.digest,
      listSHA256: RunDescription.listSHA256(of: source), sampleCount: source.count,
      inputShape: source.shape, preprocessing: "\(preprocessing)", seed: options.model.seed,
      device: device.name, driver: device.driverVersion,
      platform: "\(device.platformName) \(device.platformVersion)", codeVersion: codeVersion,
      kernelFamily: network.family.rawValue, batch: network.batch)
    let folder = URL(fileURLWithPath: output)
    return options.resume
      ? try RunStore.resume(folder, expecting: description)
      : try RunStore.create(folder, description, overwrite: options.overwrite)
  }

  private func show(_ summary: Summary) throws {
    if options.json { return try printJSON(summary) }
    let run = summary.run
    let text = { (value: Double?, digits: Int) in
      value.map { String(format: "%.\(digits)f", $0) } ?? "-"
    }
    print("attack           \(summary.attack) on \(summary.model)")
    print("device           \(summary.device), batch \(summary.batch)")
    print("pictures         \(run.samples), \(run.cleanCorrect) classified rightly")
    print(
      "success          \(run.succeeded) of \(run.attempted) (\(text(run.successRate, 4))), "
        + "\(run.succeeded8Bit) after rounding to 8 bits")
    print("L2               mean \(text(run.meanL2, 4)), median \(text(run.medianL2, 4))")
    print("RMS, L-infinity  \(text(run.meanRMS, 6)), \(text(run.meanLinf, 5))")
    print(
      "evaluations      \(text(run.meanGradientEvaluations, 1)) gradients, "
        + "\(text(run.meanForwardEvaluations, 1)) forward passes a picture")
    print(
      "time             \(text(summary.seconds, 1)) s, \(text(summary.images_per_second, 2)) "
        + "pictures/s, \(summary.peak_device_bytes >> 20) MiB of device memory")
  }
}

extension SampleResult {
  /// The row of an attack's result.
  init(_ result: AttackResult) {
    self.init(
      id: result.sample.id, name: result.sample.name, label: result.sample.label,
      cleanClass: result.cleanClass, target: result.target,
      adversarialClass: result.adversarialClass, attempted: result.wasAttempted,
      success: result.succeeded, success8Bit: result.succeeded8Bit, l0: result.distance?.l0,
      l1: result.distance?.l1, l2: result.distance?.l2, linf: result.distance?.linf,
      rms: result.distance?.rms, l28Bit: result.roundedDistance?.l2,
      c: result.c.map(Double.init),
      forwardEvaluations: result.forwardEvaluations + result.gradientEvaluations,
      gradientEvaluations: result.gradientEvaluations, iterations: result.iterations,
      stopReason: result.stopReason.rawValue)
  }
}
