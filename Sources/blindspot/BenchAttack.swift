import ArgumentParser
import Attacks
import Compute
import Datasets
import Foundation
import Networks
import Operations
import Reference
import Runs

/// `blindspot bench attack`: how fast a whole attack is.
struct BenchAttack: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "attack",
    abstract: "Times an attack on a network.",
    discussion: """
      One run that warms up, then --repeats runs over the same pictures, which lie decoded in memory;
      seconds is the median of the repeats, each of which must give the same result. Without --images
      the pictures are random numbers from --seed. A picture without a label, and every picture of a
      network with random weights, counts as labelled with the network's own answer. The untargeted
      attacks have their usual settings: a radius of 4/255 in L-infinity for fgsm and pgd.
      """)

  /// The attacks that can be timed.
  enum Name: String, CaseIterable, ExpressibleByArgument {
    case lbfgs, fgsm, pgd
  }

  @Argument(help: "lbfgs, fgsm or pgd.") var attack = Name.lbfgs
  @OptionGroup var model: ModelOptions
  @OptionGroup var place: DeviceOptions
  @OptionGroup var rounding: PrecisionOptions

  @Option(help: "Pictures as `attack` takes them; random ones by default.")
  var images: String?

  @OptionGroup var treatment: PictureTreatment
  @Option(help: "The number of steps of pgd.") var steps = 20
  @Option(help: "The length of a step of pgd, as 1/255; 2.5 radii / steps by default.")
  var stepSize: String?
  @Option(help: "How often the attack is timed.") var repeats = 7
  @Flag(help: "Print one JSON object.") var json = false
  @Flag(help: "Show no progress.") var quiet = false

  func validate() throws {
    guard (1...100_000).contains(steps) else { throw ValidationError("--steps is 1 to 100000") }
    guard (1...1000).contains(repeats) else { throw ValidationError("--repeats is 1 to 1000") }
    if let limit = treatment.limit, limit < 1 { throw ValidationError("--limit is 1 or more") }
  }

  func run() throws {
    switch attack {
    case .lbfgs:
      var attack = BoxConstrainedLBFGS()
      attack.seed = model.seed
      let settings = attack
      try time(settings)
    case .fgsm:
      try time(ProjectedGradientDescent.fastGradient())
    case .pgd:
      let length = try stepSize.map { try number($0, "--step-size") }
      try time(ProjectedGradientDescent(stepSize: length, steps: steps, seed: model.seed))
    }
  }

  private func time(_ attack: some PictureAttack) throws {
    let asked = try place.batchSize()
    let loaded = try model.load()
    let preprocessing = try treatment.prepared()
    let source = try images.map { try treatment.open($0, for: loaded.graph, preprocessing) }
    let graph = try normalized(loaded.graph, preprocessing.normalization)
    let context = try place.context()
    let progress = ProgressLine(quiet: quiet)
    let network = try compile(
      graph, context: context, batch: asked, samples: source?.count ?? treatment.limit ?? .max,
      family: try place.kernelFamily(), withGradient: true, extraPictures: attack.picturesPerSlot,
      tuner: try place.tuner(context),
      arithmetic: try rounding.arithmetic(on: [context], place), progress: progress)
    let samples = try source.map(decoded) ?? randomPictures(network)
    let engine = try attack.engine(for: network)
    engine.confirmation = try canonicalConfirmation(of: network, graph)
    var seconds: [Double] = []
    var first: [SampleResult]?
    for run in 0...repeats {
      progress.update(run == 0 ? "warming up" : "run \(run) of \(repeats)")
      let (results, time) = try once(engine, samples)
      guard results == first ?? results else {
        throw CommandError("two runs over the same pictures gave different results")
      }
      first = results
      // The first run compiles kernels and touches memory for the first time.
      if run > 0 { seconds.append(time) }
    }
    progress.end()
    let sorted = seconds.sorted()
    let median = (sorted[(repeats - 1) / 2] + sorted[repeats / 2]) / 2
    let result = AttackTiming(
      summary: AttackSummary(
        attack: self.attack.rawValue, model: loaded.path, device: context.device.name,
        precision: network.arithmetic.description, batch: network.batch, seconds: median,
        imagesPerSecond: Double(samples.count) / max(median, 1e-9),
        peakDeviceBytes: context.peakBytes, run: RunSummary(results: first ?? [])),
      repeatSeconds: seconds, deviceBusyShare: engine.deviceUse.share)
    if json { return try printJSON(result) }
    result.summary.printLines()
    print(
      String(
        format: "at work          %.1f %% of the device's time after the first step, last repeat",
        100 * result.deviceBusyShare))
    print(
      "repeats          \(seconds.map { String(format: "%.2f", $0) }.joined(separator: ", ")) s")
  }

  /// One run over all pictures: the results by the pictures' numbers, and the seconds on the host's
  /// clock.
  private func once<Machine: SampleMachine>(
    _ engine: SlotEngine<Machine>, _ samples: [AttackSample]
  ) throws -> ([SampleResult], Double) {
    var left = samples[...]
    var results: [SampleResult] = []
    let clock = ContinuousClock()
    let begin = clock.now
    try engine.run(
      next: { left.popFirst() },
      emit: { done in
        results += done.map { result in
          var result = result
          result.sample.label = result.sample.label ?? result.cleanClass
          return SampleResult(result)
        }
      })
    let seconds = (clock.now - begin) / .seconds(1)
    return (results.sorted { $0.id < $1.id }, seconds)
  }

  /// All pictures of a source; their labels mean nothing to a network with random weights.
  private func decoded(_ source: any PictureSource) throws -> [AttackSample] {
    let isTrained = Architecture(rawValue: model.model) == nil || model.weights != nil
    return try (0..<source.count).map { index in
      let picture = try source.sample(at: index)
      return AttackSample(
        id: index, name: picture.id, pixels: picture.pixels,
        label: isTrained ? picture.label : nil)
    }
  }

  /// Seeded random pictures, as many as asked for or one for each slot.
  private func randomPictures(_ network: CompiledNetwork) -> [AttackSample] {
    (0..<(treatment.limit ?? network.batch)).map { id in
      let stream = PhiloxStream(seed: model.seed, sample: UInt64(id), attack: 0, restart: 0)
      return AttackSample(
        id: id, name: "random \(id)",
        pixels: stream.uniform(count: network.graph.inputShape.reduce(1, *), step: 0))
    }
  }
}

/// What `bench attack --json` prints: the keys of `attack --json` and the repeats.
private struct AttackTiming: Encodable {
  let summary: AttackSummary
  let repeatSeconds: [Double]
  let deviceBusyShare: Double

  private enum Key: String, CodingKey {
    case repeats
    case repeatSeconds = "repeat_seconds"
    case deviceBusyShare = "device_busy_share"
  }

  func encode(to encoder: any Encoder) throws {
    try summary.encode(to: encoder)
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(repeatSeconds.count, forKey: .repeats)
    try container.encode(repeatSeconds, forKey: .repeatSeconds)
    try container.encode(deviceBusyShare, forKey: .deviceBusyShare)
  }
}
