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

  /// Training pictures that are tried, the fewest first.
  private static let sizes = [300, 600, 1200, 2400, 4800, 9600]

  private static let rivals: [StudyModel] = [
    .sigmoid([100, 100]),
    StudyModel(
      name: "AE400-10", kind: .autoencoder(units: 400), lambdas: [1e-6],
      description: "Autoencoder with softmax"),
    .convolutional([8, 16]), .leNet5,
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

  /// Trains a softmax classifier on all pictures, then others on as many as bring them nearest to its
  /// test error, and attacks the first pictures of the test set.
  public func run(_ environment: StudyEnvironment) throws -> StudyReport {
    let folder = try environment.requiredData()
    let training = try LabelledPictures(folder, split: .train)
    let test = try LabelledPictures(folder, split: .test)
    let trainer = NetworkTrainer(environment)
    let chosen = test[0..<min(environment.limit ?? DistortionStudy.pictures, test.count)]
    let linear = try trainer.network(StudyModel.table1[0], training: training, test: test)
    var lines = [
      Line(
        network: linear, trainingPictures: training.count,
        attacked: try AttackedPictures(
          linear.graph, chosen, environment, name: linear.model.name))
    ]
    for model in Self.rivals {
      var nearest: (network: TrainedNetwork, count: Int)?
      for size in Self.sizes where size <= training.count {
        let network = try trainer.network(model, training: training[0..<size], test: test)
        let difference = abs(network.testError - linear.testError)
        if difference < abs((nearest?.network.testError ?? 2) - linear.testError) {
          nearest = (network, size)
        }
        if network.testError <= linear.testError { break }
      }
      guard let nearest else {
        throw StudyError("\(folder.path): fewer than \(Self.sizes[0]) training pictures")
      }
      lines.append(
        Line(
          network: nearest.network, trainingPictures: nearest.count,
          attacked: try AttackedPictures(
            nearest.network.graph, chosen, environment, name: model.name)))
    }
    var report = StudyReport(
      study: name, title: "Are only convolutional networks fooled?")
    report.settings = trainer.reportSettings(training: training, test: test, attacked: chosen)
    report.rows = lines.map(row)
    report.findings = findings(lines)
    report.blocks = try blocks(lines)
    return report
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
          + "trained on so many pictures, out of \(Self.sizes.map(String.init).joined(separator: ", ")), "
          + "as bring them nearest to it. All are attacked alike, on the same pictures of the test "
          + "set, towards the same drawn classes."),
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
    if let sheet = AdversarialSheet.draw(lines.map { ($0.network.model.name, $0.attacked) }) {
      blocks.append(
        .picture(
          try StudyPicture(
            sheet,
            caption: "Originals, changes ten times as strong around grey, and distorted pictures "
              + "with the class they are taken for")))
    }
    return blocks
  }
}
