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

/// Pictures whose success is confirmed together.
private let confirmationBatch = 8

/// What confirms the successes of a network in a looser precision; nil for a canonical one.
func canonicalConfirmation(
  of network: CompiledNetwork, _ graph: Graph
) throws -> CanonicalConfirmation? {
  guard !network.arithmetic.isCanonical else { return nil }
  return CanonicalConfirmation(
    try CompiledNetwork(
      graph, context: network.context, batch: min(network.batch, confirmationBatch),
      withGradient: false))
}

/// One attack of the command line, from the options to the printed summary.
struct AttackRun<Machine: SampleMachine> {
  let name: String
  let options: AttackOptions
  /// The attack's own settings, for `run.json`.
  let settings: [String: JSONValue]
  /// Pictures of memory a slot that the attack takes besides the network.
  let extraPictures: Int
  let makeEngine: (CompiledNetwork, AttackTarget) throws -> SlotEngine<Machine>

  func run() throws {
    let isNew = try checkOutput()
    let loaded = try options.model.load()
    let preprocessing = try options.pictures.prepared()
    let source = try options.pictures.open(for: loaded.graph, preprocessing)
    let target = try options.attackTarget(classes: loaded.graph.outputShape.reduce(1, *))
    let targets = try options.targets.map { file in
      var pictures = options.pictures
      pictures.treatment.labels = file
      return try pictures.open(for: loaded.graph, preprocessing)
    }
    let graph = try normalized(loaded.graph, preprocessing.normalization)
    let contexts = try options.place.contexts()
    let arithmetic = try options.rounding.arithmetic(on: contexts, options.place)
    let progress = ProgressLine(quiet: options.quiet)
    // All of them before the first picture: drivers do not like to compile while kernels run.
    let networks = try contexts.map { context in
      try compile(
        graph, context: context, batch: try options.place.batchSize(),
        samples: (source.count + contexts.count - 1) / contexts.count,
        family: try options.place.kernelFamily(), withGradient: true,
        extraPictures: extraPictures, tuner: try options.place.tuner(context),
        arithmetic: arithmetic, progress: progress)
    }
    let engines = try networks.map { try makeEngine($0, target) }
    for (engine, network) in zip(engines, networks) {
      engine.confirmation = try canonicalConfirmation(of: network, graph)
    }
    let batch = networks.reduce(0) { $0 + $1.batch }
    let store = try openStore(loaded, source, preprocessing, networks)
    let finished = store?.finishedIDs ?? []
    let indices = (0..<source.count).filter { !finished.contains($0) }
    let prefetcher = PicturePrefetcher(source, indices: indices, lookAhead: 2 * batch)
    var results = try store?.results() ?? []
    signal(SIGINT) { _ in wasInterrupted.store(true, ordering: .relaxed) }
    let start = Date()
    var (attempted, succeeded) = (0, 0)
    do {
      try SlotEngine.run(
        engines,
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
    } catch {
      progress.end()
      // A run without a single result is worth nothing, and would be in the way of the next try.
      if let store, isNew, store.finishedCount == 0 {
        try? FileManager.default.removeItem(at: store.folder)
      }
      throw error
    }
    progress.end()
    let seconds = Date().timeIntervalSince(start)
    let summary = AttackSummary(
      attack: name, model: loaded.path, device: joined(networks) { $0.context.device.name },
      precision: options.rounding.arithmetic.description, batch: batch, seconds: seconds,
      imagesPerSecond: Double(results.count - finished.count) / max(seconds, 1e-9),
      peakDeviceBytes: contexts.reduce(0) { $0 + $1.peakBytes }, run: RunSummary(results: results))
    if options.json { try printJSON(summary) } else { summary.printLines() }
    if wasInterrupted.load(ordering: .relaxed) {
      throw CommandError("interrupted: \(results.count) of \(source.count) pictures are done")
    }
  }

  /// Whether the output's folder does not exist yet; throws when it is no folder.
  private func checkOutput() throws -> Bool {
    guard let output = options.output else { return false }
    var isFolder: ObjCBool = false
    guard unsafe FileManager.default.fileExists(atPath: output, isDirectory: &isFolder) else {
      return true
    }
    guard isFolder.boolValue else { throw CommandError("\(output): is a file, not a folder") }
    return false
  }

  private func openStore(
    _ loaded: LoadedModel, _ source: any PictureSource, _ preprocessing: Preprocessing,
    _ networks: [CompiledNetwork]
  ) throws -> RunStore? {
    guard let output = options.output else { return nil }
    var settings = settings
    settings["target"] = .string(options.target)
    if let targets = options.targets {
      settings["targets_sha256"] = .string(
        sha256(try Data(contentsOf: URL(fileURLWithPath: targets))))
    }
    let description = RunDescription(
      attack: name, settings: settings, modelPath: loaded.path, modelSHA256: loaded.digest,
      listSHA256: RunDescription.listSHA256(of: source), sampleCount: source.count,
      inputShape: source.shape, preprocessing: "\(preprocessing)", seed: options.model.seed,
      device: joined(networks) { $0.context.device.name },
      driver: joined(networks) { $0.context.device.driverVersion },
      platform: joined(networks) {
        "\($0.context.device.platformName) \($0.context.device.platformVersion)"
      }, codeVersion: codeVersion, precision: options.rounding.arithmetic.description,
      kernelFamily: joined(networks) { $0.family.rawValue },
      batch: networks.reduce(0) { $0 + $1.batch },
      convolution: options.model.convolution.rawValue)
    let folder = URL(fileURLWithPath: output)
    return options.resume
      ? try RunStore.resume(folder, expecting: description)
      : try RunStore.create(folder, description, overwrite: options.overwrite)
  }
}

/// What is said of each network, once where all say the same, else in their order.
private func joined(_ networks: [CompiledNetwork], _ text: (CompiledNetwork) -> String) -> String {
  let all = networks.map(text)
  return Set(all).count == 1 ? all[0] : all.joined(separator: " + ")
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
