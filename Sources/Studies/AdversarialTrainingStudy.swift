import Attacks
import Datasets
import Foundation
import Networks
import Runs

/// Whether distorted examples make a network better: the end of section 4.2 of Szegedy and others (2013).
///
/// FC100-100-10 with weight decay alone, with dropout, with pools of distorted examples at one layer
/// and at all of them, and with projected gradient descent on pictures (Madry et al. 2017) beside it.
public struct AdversarialTrainingStudy: Study {
  /// The name on the command line.
  public let name = "adversarial-training"
  /// What it shows.
  public let summary = "Section 4.2's end: training with pools of distorted examples for each layer"

  /// A study.
  public init() {}

  private static let hidden = [100, 100]
  /// Test errors that the paper has for this size, and how it words them.
  private static let regimes: [(regime: TrainingRegime, paper: Double?)] = [
    (.weightDecay, 0.016), (.dropout, 0.013), (.pools(levels: [0]), nil),
    (.pools(levels: [1]), nil), (.pools(levels: [2]), nil), (.pools(levels: [0, 1, 2]), 0.012),
    (.projectedGradient, nil),
  ]
  /// The ball of the second attack.
  private static let radius: Float = 0.1

  /// One regime over all seeds.
  private struct Line {
    var regime: TrainingRegime
    var paper: Double?
    var networks: [TrainedNetwork]
    /// Box-constrained L-BFGS on the first seed's network.
    var attacked: AttackedPictures
    /// What projected gradient descent leaves right, of the attacked pictures.
    var remaining: ShareFigure
    var testCount: Int

    var trainError: Double { mean(networks.map(\.trainError)) }
    var testError: Double { mean(networks.map(\.testError)) }
    /// Wilson's interval for all tests of all networks together.
    var testShare: ShareFigure {
      let total = testCount * networks.count
      return ShareFigure(count: Int((testError * Double(total)).rounded()), total: total)
    }
    var distortion: MeanFigure? { MeanFigure(attacked.distortions) }

    private func mean(_ values: [Double]) -> Double {
      values.reduce(0, +) / Double(values.count)
    }
  }

  /// Trains the networks on the whole training set and attacks pictures of the test set.
  public func run(_ environment: StudyEnvironment) throws -> StudyReport {
    let (training, test) = try LabelledPictures.bothParts(environment)
    let trainer = NetworkTrainer(environment)
    let chosen = test[0..<min(environment.limit ?? DistortionStudy.pictures, test.count)]
    let seeds = environment.isQuick ? 1 : 2
    var lines: [Line] = []
    for (regime, paper) in Self.regimes {
      let networks = try (0..<seeds).map { seed in
        var model = StudyModel.sigmoid(Self.hidden)
        model.regime = regime
        model.seedOffset = UInt64(seed)
        return try trainer.network(model, training: training, test: test)
      }
      lines.append(
        Line(
          regime: regime, paper: paper, networks: networks,
          attacked: try AttackedPictures(
            networks[0].graph, chosen, environment, name: regime.description),
          remaining: try remaining(networks[0].graph, chosen, environment),
          testCount: test.count))
    }
    var report = StudyReport(
      study: name, title: "Training with distorted examples for every layer")
    report.settings = trainer.reportSettings(training: training, test: test, attacked: chosen)
    report.settings["seeds"] = .integer(Int64(seeds))
    report.settings["epochs"] = .integer(Int64(trainer.plan.adversarialEpochs))
    report.rows = lines.map(row)
    report.findings = findings(lines)
    report.blocks = try blocks(lines)
    return report
  }

  /// What 20 steps of projected gradient descent in the ball leave right.
  private func remaining(
    _ graph: Graph, _ pictures: LabelledPictures, _ environment: StudyEnvironment
  ) throws -> ShareFigure {
    let attack = ProjectedGradientDescent(radius: Self.radius, seed: environment.seed)
    let network = try CompiledNetwork(
      graph, context: environment.context, batch: environment.batch ?? min(64, pictures.count),
      family: environment.family)
    var waiting = pictures.samples(pictures.count).makeIterator()
    var right = 0
    try attack.engine(for: network).run(
      next: { waiting.next() },
      emit: { right += $0.count { $0.wasAttempted && !$0.succeeded } })
    return ShareFigure(count: right, total: pictures.count)
  }

  private func row(_ line: Line) -> [String: JSONValue] {
    let own: [String: JSONValue] = [
      "model": .string(line.networks[0].model.name), "regime": .string(line.regime.name),
      "description": .string(line.regime.description),
      "networks": .integer(Int64(line.networks.count)),
      "train_error": .number(line.trainError),
      "paper_test_error": .optional(line.paper),
      "mean_distortion": .optional(line.distortion?.mean),
      "mean_distortion_low": .optional(line.distortion?.interval?.lowerBound),
      "mean_distortion_high": .optional(line.distortion?.interval?.upperBound),
      "accuracy_after_attack": .number(line.attacked.remainingAccuracy),
    ]
    return own.merging(line.testShare.fields("test_error")) { own, _ in own }
      .merging(line.remaining.fields("accuracy_under_pgd")) { own, _ in own }
  }

  private func findings(_ lines: [Line]) -> [String] {
    func line(_ regime: TrainingRegime) -> Line? { lines.first { $0.regime == regime } }
    var findings: [String] = []
    if let base = line(.weightDecay) {
      for other in lines.dropFirst() {
        let apart =
          !(base.testShare.interval.flatMap { a in
            other.testShare.interval.map { a.overlaps($0) }
          } ?? true)
        let relation = other.testError < base.testError ? "better" : "not better"
        findings.append(
          "\(other.regime.description): test error \(percent(other.testError, 2)), \(relation) than "
            + "weight decay alone (\(percent(base.testError, 2)))"
            + (apart ? "." : "; intervals overlap."))
      }
    }
    if let base = line(.weightDecay), let all = line(.pools(levels: [0, 1, 2])) {
      findings.append(
        all.testError < base.testError
          ? "Pools for every layer lower the test error, as in the paper (1.2 % against 1.6 %)."
          : "The paper's gain by pools for every layer (1.2 % against 1.6 %) is not seen with this "
            + "recipe.")
    }
    if let low = line(.pools(levels: [0])), let first = line(.pools(levels: [1])),
      let second = line(.pools(levels: [2]))
    {
      let best = [low, first, second].min { $0.testError < $1.testError }
      findings.append(
        "The paper finds examples for higher layers more useful than for the picture; of single "
          + "pools, here \(best?.regime.description.lowercased() ?? "none") give the smallest error."
      )
    }
    if let wide = lines.max(by: { ($0.distortion?.mean ?? 0) < ($1.distortion?.mean ?? 0) }) {
      findings.append(
        "The largest distortion is needed after \(wide.regime.description.lowercased()): "
          + "\(decimal(wide.distortion?.mean, 4)). No regime makes the network immune.")
    }
    return findings
  }

  private func blocks(_ lines: [Line]) throws -> [StudyReport.Block] {
    typealias Constants = AdversarialTraining.Constants
    var blocks: [StudyReport.Block] = [
      .text(
        "All networks see equally many minibatches of \(Constants.batch); with pools, one in "
          + "\(Constants.pictureTurns + 1) comes from one of them. A pool holds "
          + "\(Constants.poolSize) examples: what the layers below make of a training picture, "
          + "changed as little as box-constrained L-BFGS can (untargeted, "
          + "\(Constants.evaluations) gradients at most) until the layers above give another class. "
          + "Sigmoid units lie in [0, 1], so the box is that of pixels. After every "
          + "\(Constants.turnsBetweenRefreshes) minibatches of a pool \(Constants.refresh) examples "
          + "are replaced. Minibatches of a pool train the layers above it alone. The paper gives "
          + "none of these numbers, nor the optimiser: here it is gradient descent with momentum. "
          + "Tried with 20 epochs on MNIST, with no better outcome for any pool: one minibatch in five "
          + "or in ten from pools, their rate a fifth of the pictures', examples from 40 or 120 "
          + "gradients."),
      .table(
        StudyTable(
          caption: "Test errors with Wilson's intervals of 95 %; mean distortion of "
            + "box-constrained L-BFGS to a drawn class; what PGD with 20 steps in an L∞ ball of "
            + "\(Self.radius) leaves right",
          columns: [
            "Training", "Train error", "Test error", "Interval", "Paper", "Mean distortion",
            "Interval", "Right under PGD",
          ],
          rows: lines.map { line in
            [
              line.regime.description, percent(line.trainError, 2), percent(line.testError, 2),
              line.testShare.interval.map {
                "[\(percent($0.lowerBound, 2)), \(percent($0.upperBound, 2))]"
              } ?? "-",
              line.paper.map { percent($0) } ?? "-", decimal(line.distortion?.mean, 4),
              interval(line.distortion?.interval, 4), percent(line.remaining.share),
            ]
          })),
      .plot(
        StudyPlot(
          caption: "Test errors with intervals of 95 %",
          axis: .categories(lines.map(\.regime.description)), quantity: "test error",
          series: [
            .init("ours", lines.map { .init($0.testError, $0.testShare.interval) }),
            .init("paper", lines.map { $0.paper.map { .init($0) } }),
          ])),
    ]
    blocks += try AdversarialSheet.blocks(lines.map { ($0.regime.description, $0.attacked) })
    return blocks
  }
}
