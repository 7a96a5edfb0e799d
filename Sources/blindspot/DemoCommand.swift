import ArgumentParser
import Attacks
import Compute
import Datasets
import Foundation
import Networks
import Operations
import Reference

/// `blindspot demo`: trains two small networks on the embedded digits and finds their blind spots.
struct Demo: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Train two small networks on handwritten digits and attack them, in seconds.",
    discussion: """
      A small version of Table 1 of Szegedy et al. (2013): needs no file and leaves a sheet of \
      pictures. The digits are those of the UCI repository (Alpaydin and Kaynak 1998) as \
      distributed with scikit-learn, under CC BY 4.0.
      """)

  @OptionGroup var place: DeviceOptions
  @Option(help: "At most so many test pictures are attacked.") var limit = 256
  @Option(help: "The seed of the split, the first weights and the order.") var seed: UInt64 = 0
  @Option(help: "The folder that takes the pictures.") var output = "blindspot-demo"
  @Flag(help: "Print one JSON object.") var json = false
  @Flag(help: "Show no progress.") var quiet = false

  func validate() throws {
    guard (1...400).contains(limit) else { throw ValidationError("--limit is 1 to 400") }
  }

  func run() throws {
    let start = Date()
    let context = try place.context()
    let progress = ProgressLine(quiet: quiet)
    let folder = URL(fileURLWithPath: output)
    do {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    } catch {
      throw CommandError("\(output): the folder cannot be made: \(error.localizedDescription)")
    }
    let split = try DigitSplit(seed: seed)
    var rows: [DemoRow] = []
    var results: [[AttackResult]] = []
    for model in DemoModel.all {
      let trained = try train(model, split, context, progress)
      let attacked = try attack(trained.graph, split, context, progress, model.name)
      rows.append(DemoRow(model, trained, attacked.results, attackSeconds: attacked.seconds))
      results.append(attacked.results)
    }
    progress.end()
    let sheet = folder.appending(path: "adversarial-digits.png")
    try drawSheet(results)?.write(to: sheet)
    let report = DemoReport(
      data: DemoReport.source, device: context.device.name, seed: seed,
      training_pictures: split.training.count, test_pictures: split.test.count, models: rows,
      sheet: sheet.relativePath, seconds: Date().timeIntervalSince(start))
    if json { try printJSON(report) } else { report.show() }
  }

  private func train(
    _ model: DemoModel, _ split: DigitSplit, _ context: Context, _ progress: ProgressLine
  ) throws -> TrainedDemo {
    let start = Date()
    progress.update("\(model.name): compiling")
    var settings = model.settings
    settings.seed = seed
    let graph = try model.network.graph(
      inputShape: DigitSplit.shape, classes: Digits.classCount,
      parameters: RandomParameters(seed: seed))
    let trainer = try Trainer(
      graph, context: context, batch: 32, family: try place.kernelFamily(), settings: settings)
    try trainer.train(on: split.training) { epoch in
      progress.update(
        "\(model.name): epoch \(epoch.epoch + 1)/\(settings.epochs), training error "
          + String(format: "%.1f%%", 100 * epoch.error))
      return true
    }
    return TrainedDemo(
      graph: try trainer.trainedGraph(), trainError: try trainer.measure(split.training).error,
      testError: try trainer.measure(split.test).error, seconds: Date().timeIntervalSince(start))
  }

  private func attack(
    _ graph: Graph, _ split: DigitSplit, _ context: Context, _ progress: ProgressLine,
    _ name: String
  ) throws -> (results: [AttackResult], seconds: Double) {
    let start = Date()
    let samples = split.testSamples.prefix(limit)
    let network = try CompiledNetwork(
      graph, context: context, batch: try place.batchSize() ?? min(64, samples.count),
      family: try place.kernelFamily())
    let engine = try BoxConstrainedLBFGS().engine(for: network)
    var waiting = samples.makeIterator()
    var results: [AttackResult] = []
    try engine.run(
      next: { waiting.next() },
      emit: { done in
        results += done
        progress.update("\(name): attacked \(results.count)/\(samples.count)")
      })
    results.sort { $0.sample.id < $1.sample.id }
    return (results, Date().timeIntervalSince(start))
  }

  /// Pictures that fool every model: the original, then perturbation and adversarial of each.
  private func drawSheet(_ results: [[AttackResult]]) -> PictureSheet? {
    let names = DemoModel.all.map(\.name)
    var sheet = PictureSheet(
      shape: Digits.shape, headings: ["original"] + names.flatMap { ["perturbation x10", $0] })
    var shown: Set<Int> = []
    for index in results[0].indices where sheet.rows.count < 8 {
      let attacks = results.map { $0[index] }
      let sample = attacks[0].sample
      let adversarials = attacks.compactMap(\.adversarial)
      // One row for each class as long as there are others.
      guard adversarials.count == attacks.count, let label = sample.label,
        shown.insert(label).inserted
      else { continue }
      var row = [PictureSheet.Cell(pixels: sample.pixels, lines: ["class \(label)"])]
      for (result, adversarial) in zip(attacks, adversarials) {
        let difference = PictureSheet.perturbation(from: sample.pixels, to: adversarial)
        let rms = result.distance.map { String(format: "RMS %.3f", $0.rms) }
        row.append(.init(pixels: difference, lines: [rms ?? ""]))
        row.append(
          .init(pixels: adversarial, lines: ["taken for \(result.adversarialClass ?? -1)"]))
      }
      sheet.append(row)
    }
    return sheet.rows.isEmpty ? nil : sheet
  }
}

/// The digits, parted by a seed: 1397 to train on, 400 to test.
private struct DigitSplit {
  static let shape = [Digits.shape.channels, Digits.shape.height, Digits.shape.width]
  let training: TrainingSet
  let test: TrainingSet
  let testSamples: [AttackSample]

  init(seed: UInt64) throws {
    let digits = Digits.samples
    // The order of an epoch that no training has.
    let order = TrainingSet.order(count: digits.count, seed: seed, epoch: 1 << 32)
    let chosen = order.map { digits[$0] }
    training = try Self.set(chosen.dropLast(400))
    let rest = chosen.suffix(400)
    test = try Self.set(rest)
    testSamples = rest.map {
      AttackSample(id: $0.index, name: $0.id, pixels: $0.pixels, label: $0.label)
    }
  }

  private static func set(_ samples: ArraySlice<PictureSample>) throws -> TrainingSet {
    try TrainingSet(
      pictures: Tensor(shape: [samples.count] + shape, values: samples.flatMap(\.pixels)),
      labels: samples.map { $0.label ?? -1 }, classes: Digits.classCount)
  }
}

/// A network of the demonstration and how it is trained.
private struct DemoModel {
  let network: SmallNetwork
  let description: String
  let settings: TrainingSettings

  var name: String { network.name(classes: Digits.classCount) }

  static let all: [DemoModel] = [
    DemoModel(
      .fullyConnected(hidden: [100, 100], activation: .sigmoid), "sigmoid", epochs: 60, rate: 0.5),
    DemoModel(.convolutional(channels: [16, 32]), "3x3, ReLU, maximum", epochs: 10, rate: 0.05),
  ]

  private init(_ network: SmallNetwork, _ text: String, epochs: Int, rate: Float) {
    self.network = network
    var settings = TrainingSettings()
    settings.epochs = epochs
    settings.learningRate = rate
    settings.weightDecay = 1e-5
    self.settings = settings
    description = text + ", decay 1e-5"
  }
}

/// What training gave.
private struct TrainedDemo {
  var graph: Graph
  var trainError: Double
  var testError: Double
  var seconds: Double
}

/// One row of the table.
private struct DemoRow: Encodable {
  var model: String
  var description: String
  var train_error: Double
  var test_error: Double
  var average_distortion_rms: Double?
  var average_l2: Double?
  var success_rate: Double?
  var attacked: Int
  var succeeded: Int
  var succeeded_8_bit: Int
  var gradient_evaluations_per_picture: Double?
  var training_seconds: Double
  var attack_seconds: Double

  init(
    _ model: DemoModel, _ trained: TrainedDemo, _ results: [AttackResult], attackSeconds: Double
  ) {
    self.model = model.name
    description = model.description
    train_error = trained.trainError
    test_error = trained.testError
    let tried = results.filter(\.wasAttempted)
    let distances = tried.filter(\.succeeded).compactMap(\.distance)
    average_distortion_rms = Self.mean(distances.map(\.rms))
    average_l2 = Self.mean(distances.map(\.l2))
    attacked = tried.count
    succeeded = distances.count
    succeeded_8_bit = tried.count(where: \.succeeded8Bit)
    success_rate = tried.isEmpty ? nil : Double(succeeded) / Double(attacked)
    gradient_evaluations_per_picture = Self.mean(tried.map { Double($0.gradientEvaluations) })
    training_seconds = trained.seconds
    attack_seconds = attackSeconds
  }

  private static func mean(_ values: [Double]) -> Double? {
    values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
  }
}

/// What the command prints.
private struct DemoReport: Encodable {
  static let source =
    "UCI optical recognition of handwritten digits (Alpaydin and Kaynak 1998), as in scikit-learn, "
    + "CC BY 4.0"

  var data: String
  var device: String
  var seed: UInt64
  var training_pictures: Int
  var test_pictures: Int
  var models: [DemoRow]
  var sheet: String
  var seconds: Double

  func show() {
    let percent = { (value: Double) in String(format: "%.2f%%", 100 * value) }
    let number = { (value: Double?, digits: Int) in
      value.map { String(format: "%.\(digits)f", $0) } ?? "-"
    }
    print("digits   \(data)")
    print("         \(training_pictures) to train on, \(test_pictures) to test")
    print("device   \(device)")
    print("")
    var table = [
      [
        "Model", "Description", "Train error", "Test error", "Av. distortion", "Success",
        "Gradients/picture",
      ]
    ]
    for row in models {
      table.append([
        row.model, row.description, percent(row.train_error), percent(row.test_error),
        number(row.average_distortion_rms, 4),
        "\(row.succeeded)/\(row.attacked) (\(row.success_rate.map(percent) ?? "-"))",
        number(row.gradient_evaluations_per_picture, 1),
      ])
    }
    let widths = table[0].indices.map { column in table.map { $0[column].count }.max() ?? 0 }
    for row in table {
      let cells = zip(row, widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }
      print(cells.joined(separator: "  "))
    }
    print("")
    print("The distortion is the root mean square of the change of a pixel, in [0, 1].")
    print("Pictures: \(sheet)  (\(number(seconds, 1)) s)")
  }
}
