import Attacks
import Datasets
import Foundation
import Runs

/// Table 1 of the paper by Szegedy and others (2013): errors of six networks on MNIST, and how far pictures of the
/// training set must be distorted until nothing is classified rightly.
public struct DistortionStudy: Study {
  /// The name on the command line.
  public let name = "distortion"
  /// What it shows.
  public let summary = "Table 1: the smallest distortion that leaves six MNIST networks no accuracy"

  /// Pictures attacked by default, as many as the paper's percentages tell of.
  static let pictures = 256

  /// A study.
  public init() {}

  /// Trains the networks of Table 1 and attacks the first pictures of the training set.
  public func run(_ environment: StudyEnvironment) throws -> StudyReport {
    let (training, test) = try LabelledPictures.bothParts(environment)
    let trainer = NetworkTrainer(environment)
    let chosen = training[0..<min(environment.limit ?? Self.pictures, training.count)]
    var lines: [DistortionLine] = []
    for model in StudyModel.table1 {
      let network = try trainer.network(model, training: training, test: test)
      lines.append(
        DistortionLine(
          network: network,
          attacked: try AttackedPictures(
            network.graph, chosen, environment, name: model.name),
          nearest: try AttackedPictures(
            network.graph, chosen, environment, name: model.name, target: .untargeted)))
    }
    var report = StudyReport(
      study: name, title: "The smallest distortion that fools networks on MNIST")
    report.settings = trainer.reportSettings(training: training, test: test, attacked: chosen)
    report.rows = lines.map(\.row)
    report.findings = findings(lines)
    report.blocks = try blocks(lines)
    return report
  }

  private func findings(_ lines: [DistortionLine]) -> [String] {
    let survivors = lines.filter { $0.attacked.remainingAccuracy > 0 }
    var findings = [
      survivors.isEmpty
        ? "The attack leaves all \(lines.count) networks an accuracy of 0 % on the attacked pictures."
        : "The attack leaves accuracy to "
          + survivors.map { "\($0.model.name) (\(percent($0.attacked.remainingAccuracy)))" }
          .joined(separator: ", ") + "."
    ]
    findings += Comparison.errors(lines.map(\.network))
    findings += Comparison.distortions(
      lines.map { ($0.model.name, $0.distortion?.mean, $0.model.paper?.distortion) })
    return findings
  }

  private func blocks(_ lines: [DistortionLine]) throws -> [StudyReport.Block] {
    let table = StudyTable(
      caption: "Table 1, ours and the paper's; distortions with intervals of 95 %",
      columns: [
        "Model", "Description", "Train error", "Paper", "Test error", "Paper", "Mean distortion",
        "Interval", "Paper", "Ours / paper", "Nearest class", "Fooled",
      ], rows: lines.map(\.cells))
    let plot = StudyPlot(
      caption: "Mean distortion (root mean square of the change of a pixel) for a drawn class, for "
        + "the nearest class, and the paper's",
      axis: .categories(lines.map(\.model.name)), quantity: "distortion",
      series: [
        .init("drawn class", lines.map { $0.distortion.map { .init($0.mean, $0.interval) } }),
        .init("nearest class", lines.map { $0.toNearest.map { .init($0.mean, $0.interval) } }),
        .init("paper", lines.map { $0.model.paper.map { .init($0.distortion) } }),
      ])
    var blocks: [StudyReport.Block] = [
      .text(
        "Six networks are trained on the whole training set. Pictures of that set are then changed "
          + "as little as box-constrained L-BFGS can until they are given another class, drawn at "
          + "random; the distortion is the root mean square of the change of a pixel, in [0, 1]. "
          + "The paper does not say which class was aimed at. The column \"nearest class\" has the "
          + "distortion to whichever class is nearest: always smaller, and too small for the "
          + "paper's figures."),
      .table(table), .plot(plot),
    ]
    blocks += try AdversarialSheet.blocks(lines.map { ($0.model.name, $0.attacked) })
    return blocks + [
      .heading("What was checked"),
      .text(
        "Weight decay: the paper adds λ Σw² / k for each layer of k units, as two readers quote it. "
          + "Read so, FC10(10⁻²) and FC10(1) reach test errors of 8.2 % and 14.6 % on MNIST. The "
          + "usual λ/2 Σw², without biases, brings the minima of all three softmax classifiers to "
          + "the paper's errors within a tenth of a point, on the training set too: six figures by "
          + "one choice. With the same decay, sigmoid networks need a few hundred evaluations of "
          + "L-BFGS to come to the paper's errors, and stop half a point above after forty. The "
          + "autoencoder's recipe is not in the paper; the weight of its sparsity was chosen for "
          + "the errors of the classifier on its units. Which class the attack aims at: a drawn "
          + "class gives the paper's distortions within a quarter, the nearest class about half of "
          + "that; it was chosen in view of the paper's figures, so that the order of the networks "
          + "is better evidence than their height. The attack here searches "
          + "the weight of the loss for each picture until the picture lies within 0.3 % of the "
          + "boundary, the paper's line search is coarser: ours may be smaller, not larger."),
    ]
  }
}

/// One network of Table 1.
private struct DistortionLine {
  let network: TrainedNetwork
  /// To a class that was drawn.
  let attacked: AttackedPictures
  /// To whichever class is nearest.
  let nearest: AttackedPictures

  var model: StudyModel { network.model }
  var distortion: MeanFigure? { MeanFigure(attacked.distortions) }
  var toNearest: MeanFigure? { MeanFigure(nearest.distortions) }

  private var ratio: Double? {
    guard let distortion, let paper = model.paper else { return nil }
    return distortion.mean / paper.distortion
  }

  var row: [String: JSONValue] {
    [
      "model": .string(model.name), "description": .string(model.description),
      "train_error": .number(network.trainError), "test_error": .number(network.testError),
      "mean_distortion": .optional(distortion?.mean),
      "mean_distortion_low": .optional(distortion?.interval?.lowerBound),
      "mean_distortion_high": .optional(distortion?.interval?.upperBound),
      "mean_distortion_nearest_class": .optional(toNearest?.mean),
      "attacked": .integer(Int64(attacked.attempted)),
      "succeeded": .integer(Int64(attacked.succeeded)),
      "accuracy_after_attack": .number(attacked.remainingAccuracy),
      "paper_train_error": .optional(model.paper?.trainError),
      "paper_test_error": .optional(model.paper?.testError),
      "paper_distortion": .optional(model.paper?.distortion),
      "distortion_ratio": .optional(ratio),
    ]
  }

  var cells: [String] {
    [
      model.name, model.description, percent(network.trainError, 2),
      model.paper.map { percent($0.trainError, 2) } ?? "-", percent(network.testError, 2),
      model.paper.map { percent($0.testError, 2) } ?? "-", decimal(distortion?.mean, 4),
      interval(distortion?.interval, 4), decimal(model.paper?.distortion), decimal(ratio, 2),
      decimal(toNearest?.mean, 4), "\(attacked.succeeded)/\(attacked.attempted)",
    ]
  }
}
