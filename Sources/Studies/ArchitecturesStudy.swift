import Attacks
import Datasets
import Foundation
import Runs

/// Whether only convolutional networks fall victim: the distortion that fools linear, fully connected,
/// autoencoder and convolutional networks of nearly equal test error.
///
/// The question is that of a reader of Szegedy et al. (2013); Gu and Rigazio (2014) measured networks
/// of unequal error.
public struct ArchitecturesStudy: Study {
  /// The name on the command line.
  public let name = "architectures"
  /// What it shows.
  public let summary = "Whether only convolutional networks are fooled, at equal test error"

  /// A study.
  public init() {}

  /// Test errors so near, relative to the linear network's, count as equal.
  private static let tolerance = 0.05
  /// Training sets that are tried for a network, at most.
  private static let attempts = (quick: 2, full: 4)

  /// The networks, and how many training pictures give them the linear network's error on MNIST, or
  /// nearly: where the search begins.
  private static let rivals: [(model: StudyModel, pictures: Int)] = [
    (.sigmoid([100, 100]), 2400),
    (
      StudyModel(
        name: "AE400-10", kind: .autoencoder(units: 400), lambdas: [1e-6],
        description: "Autoencoder with softmax"), 2800
    ),
    (.convolutional([8, 16]), 1000), (.leNet5, 800),
  ]

  /// One network at the error of the linear one.
  private struct Line {
    var network: TrainedNetwork
    var trainingPictures: Int
    var attacked: AttackedPictures

    var distortion: MeanFigure? { MeanFigure(attacked.distortions) }
    var isConvolutional: Bool {
      switch network.model.kind {
      case .convolutional, .leNet5: true
      case .fullyConnected, .autoencoder: false
      }
    }
  }

  /// Trains a softmax classifier on all pictures, then others on as many as bring them near its test
  /// error, and attacks the first pictures of the test set.
  public func run(_ environment: StudyEnvironment) throws -> StudyReport {
    let (training, test) = try LabelledPictures.bothParts(environment)
    let trainer = NetworkTrainer(environment)
    let chosen = test[0..<min(environment.limit ?? DistortionStudy.pictures, test.count)]
    let linear = try trainer.network(StudyModel.table1[0], training: training, test: test)
    var lines = [
      Line(
        network: linear, trainingPictures: training.count,
        attacked: try AttackedPictures(
          linear.graph, chosen, environment, name: linear.model.name))
    ]
    for (model, pictures) in Self.rivals {
      let (network, count) = try matched(
        model, to: linear.testError, from: pictures, training, test, trainer)
      lines.append(
        Line(
          network: network, trainingPictures: count,
          attacked: try AttackedPictures(network.graph, chosen, environment, name: model.name)))
    }
    var report = StudyReport(
      study: name, title: "Are only convolutional networks fooled?")
    report.settings = trainer.reportSettings(training: training, test: test, attacked: chosen)
    report.rows = lines.map(row)
    report.findings = findings(lines)
    report.blocks = try blocks(lines)
    return report
  }

  /// The network trained on as many pictures as bring its test error nearest to a given one.
  ///
  /// Test errors fall about as the root of the number of pictures does; each try corrects the number
  /// by that rule.
  private func matched(
    _ model: StudyModel, to error: Double, from start: Int, _ training: LabelledPictures,
    _ test: LabelledPictures, _ trainer: NetworkTrainer
  ) throws -> (network: TrainedNetwork, count: Int) {
    var nearest: (network: TrainedNetwork, count: Int)?
    var tried: Set<Int> = []
    var count = min(start, training.count)
    let attempts = trainer.environment.isQuick ? Self.attempts.quick : Self.attempts.full
    while tried.count < attempts, tried.insert(count).inserted {
      let network = try trainer.network(model, training: training[0..<count], test: test)
      if abs(network.testError - error) < abs((nearest?.network.testError ?? 2) - error) {
        nearest = (network, count)
      }
      let ratio = network.testError / max(error, 1 / Double(test.count))
      if abs(ratio - 1) <= Self.tolerance { break }
      let next = Double(count) * min(4, max(0.25, ratio * ratio))
      count = min(training.count, max(100, Int(next.rounded())))
    }
    guard let nearest else { throw StudyError("no training pictures for \(model.name)") }
    return nearest
  }

  private func row(_ line: Line) -> [String: JSONValue] {
    [
      "model": .string(line.network.model.name),
      "description": .string(line.network.model.description),
      "convolutional": .boolean(line.isConvolutional),
      "training_pictures": .integer(Int64(line.trainingPictures)),
      "train_error": .number(line.network.trainError),
      "test_error": .number(line.network.testError),
      "mean_distortion": .optional(line.distortion?.mean),
      "mean_distortion_low": .optional(line.distortion?.interval?.lowerBound),
      "mean_distortion_high": .optional(line.distortion?.interval?.upperBound),
      "attacked": .integer(Int64(line.attacked.attempted)),
      "succeeded": .integer(Int64(line.attacked.succeeded)),
      "accuracy_after_attack": .number(line.attacked.remainingAccuracy),
    ]
  }

  private func findings(_ lines: [Line]) -> [String] {
    let others = lines.filter { !$0.isConvolutional }
    let victims = others.filter { $0.attacked.remainingAccuracy == 0 }
    var findings = [
      victims.count == others.count
        ? "Verdict: no. All \(others.count) networks without a convolution are fooled on every "
          + "picture that they had right."
        : "Verdict: open. Of \(others.count) networks without a convolution, \(victims.count) are "
          + "fooled on every picture that they had right."
    ]
    for convolutional in lines where convolutional.isConvolutional {
      for other in others {
        guard let a = convolutional.distortion, let b = other.distortion, let first = a.interval,
          let second = b.interval
        else { continue }
        let relation =
          first.overlaps(second)
          ? "as large a distortion as (intervals overlap)"
          : a.mean > b.mean ? "a larger distortion than" : "a smaller distortion than"
        findings.append(
          "\(convolutional.network.model.name) (\(decimal(a.mean, 4))) needs \(relation) "
            + "\(other.network.model.name) (\(decimal(b.mean, 4))).")
      }
    }
    return findings
  }

  private func blocks(_ lines: [Line]) throws -> [StudyReport.Block] {
    var blocks: [StudyReport.Block] = [
      .text(
        "A network that knows more needs not be more robust, so networks are compared at nearly the "
          + "same test error: that of a softmax classifier trained on all pictures. The others are "
          + "trained on so many pictures as bring them near it (a search that ends within "
          + "\(percent(Self.tolerance, 0)) of it, or after some tries). All are attacked alike, on the "
          + "same pictures of the test set, towards the same drawn classes."),
      .table(
        StudyTable(
          caption: "Networks at nearly equal test error",
          columns: [
            "Model", "Description", "Training pictures", "Test error", "Mean distortion",
            "Interval of 95 %", "Fooled",
          ],
          rows: lines.map { line in
            [
              line.network.model.name, line.network.model.description,
              "\(line.trainingPictures)", percent(line.network.testError, 2),
              decimal(line.distortion?.mean, 4), interval(line.distortion?.interval, 4),
              "\(line.attacked.succeeded)/\(line.attacked.attempted)",
            ]
          })),
      .plot(
        StudyPlot(
          caption: "Mean distortion with intervals of 95 %",
          axis: .categories(lines.map(\.network.model.name)), quantity: "distortion",
          series: [
            .init(
              "mean distortion", lines.map { $0.distortion.map { .init($0.mean, $0.interval) } })
          ])),
    ]
    blocks += try AdversarialSheet.blocks(lines.map { ($0.network.model.name, $0.attacked) })
    return blocks
  }
}
