import Attacks
import Datasets
import Foundation
import Runs

/// Tables 3 and 4 of the paper by Szegedy and others (2013): pictures distorted for a network trained on one half of
/// MNIST, fed to networks trained on the same and on the other half.
public struct SubsetsStudy: Study {
  /// The name on the command line.
  public let name = "subsets"
  /// What it shows.
  public let summary = "Tables 3 and 4: networks trained on disjoint halves are fooled alike"

  /// A study.
  public init() {}

  /// One network of Table 3 with the paper's figures: errors on both halves and the test set.
  private struct Member {
    var model: StudyModel
    var half: Int
    var paperErrors: [Double]
    var paperDistortion: Double
  }

  private static let members = [
    Member(
      model: .sigmoid([100, 100]), half: 0, paperErrors: [0, 0.024, 0.02], paperDistortion: 0.062),
    Member(
      model: .sigmoid([123, 456]), half: 0, paperErrors: [0, 0.025, 0.021],
      paperDistortion: 0.059),
    Member(
      model: .sigmoid([100, 100], prime: true), half: 1, paperErrors: [0.023, 0, 0.021],
      paperDistortion: 0.058),
  ]
  private static let paperPlain = [[1, 0.262, 0.059], [0.0625, 1, 0.051], [0.082, 0.082, 1]]
  private static let paperMagnified = [[1, 0.98, 0.43], [0.96, 1, 0.22], [0.27, 0.5, 1]]
  private static let paperNoise = [(0.06, [0.022, 0.026, 0.024]), (0.1, [0.026, 0.028, 0.027])]
  private static let magnified = 0.1

  /// Trains on both halves of the training set and attacks the first pictures of the test set.
  public func run(_ environment: StudyEnvironment) throws -> StudyReport {
    let (training, test) = try LabelledPictures.bothParts(environment)
    let trainer = NetworkTrainer(environment)
    let middle = training.count / 2
    let halves = [training[0..<middle], training[middle..<training.count]]
    let chosen = test[0..<min(environment.limit ?? DistortionStudy.pictures, test.count)]
    let networks = try Self.members.map {
      try trainer.network($0.model, training: halves[$0.half], test: test)
    }
    let classifiers = try networks.map { try Classifier($0.graph, environment) }
    let names = networks.map(\.model.name)
    let attacks = try networks.map {
      try AttackedPictures($0.graph, chosen, environment, name: $0.model.name)
    }
    var errors: [[Double]] = []
    for classifier in classifiers {
      errors.append(
        [
          try classifier.error(on: halves[0]), try classifier.error(on: halves[1]),
          try classifier.error(on: test),
        ])
    }
    var plain = ErrorGrid(networks: names, classifiers: classifiers, labels: chosen.labels)
    var magnified = plain
    try plain.append("clean pictures", chosen.pixels, distortion: 0)
    for (index, attacked) in attacks.enumerated() {
      try plain.append(
        names[index], attacked.pixels, distortion: MeanFigure(attacked.distortions)?.mean,
        paper: Self.paperPlain[index])
      try magnified.append(
        names[index], attacked.pixels(withDistortion: Self.magnified), distortion: Self.magnified,
        paper: Self.paperMagnified[index])
    }
    let noise = GaussianNoise(seed: environment.seed)
    for (deviation, paper) in Self.paperNoise {
      let pixels = noise.added(to: chosen, deviation: deviation)
      let name = "noise \(deviation)"
      if deviation == Self.magnified {
        try magnified.append(name, pixels, distortion: deviation, paper: paper)
      } else {
        try plain.append(name, pixels, distortion: deviation, paper: paper)
      }
    }
    var report = StudyReport(
      study: name, title: "Networks trained on disjoint halves of MNIST are fooled alike")
    report.settings = trainer.reportSettings(training: training, test: test, attacked: chosen)
    report.rows =
      table3Rows(networks.map(\.model), errors, attacks)
      + plain.rows(noise: "noise 0.06").map { $0.merging(Self.mark(false)) { own, _ in own } }
      + magnified.rows(noise: "noise 0.1").map { $0.merging(Self.mark(true)) { own, _ in own } }
      + [Self.asymmetryRow(plain, names)]
    report.findings = findings(plain, magnified, names, errors, attacks)
    report.blocks = blocks(plain, magnified, names, errors, attacks)
    return report
  }

  private static func mark(_ isMagnified: Bool) -> [String: JSONValue] {
    ["table": 4, "magnified": .boolean(isMagnified)]
  }

  private func table3Rows(
    _ models: [StudyModel], _ errors: [[Double]], _ attacks: [AttackedPictures]
  ) -> [[String: JSONValue]] {
    models.indices.map { index in
      let member = Self.members[index]
      let distortion = MeanFigure(attacks[index].distortions)
      var row: [String: JSONValue] = [
        "table": 3, "model": .string(models[index].name),
        "trained_on": .string("P\(member.half + 1)"),
        "mean_distortion": .optional(distortion?.mean),
        "mean_distortion_low": .optional(distortion?.interval?.lowerBound),
        "mean_distortion_high": .optional(distortion?.interval?.upperBound),
        "paper_distortion": .number(member.paperDistortion),
        "accuracy_after_attack": .number(attacks[index].remainingAccuracy),
      ]
      for (column, name) in ["error_p1", "error_p2", "test_error"].enumerated() {
        row[name] = .number(errors[index][column])
        row["paper_" + name] = .number(member.paperErrors[column])
      }
      return row
    }
  }

  private func findings(
    _ plain: ErrorGrid, _ magnified: ErrorGrid, _ names: [String], _ errors: [[Double]],
    _ attacks: [AttackedPictures]
  ) -> [String] {
    var findings: [String] = []
    if let other = plain.line(names[0])?.errors[1], let back = plain.line(names[1])?.errors[0] {
      let difference = other.difference(from: back)
      let verdict =
        difference.map { $0.lowerBound > 0 } == true
        ? "the asymmetry that the paper has"
        : "no asymmetry that the number of pictures would show"
      findings.append(
        "Transfer between the two networks of one half: \(names[0]) to \(names[1]) "
          + "\(Self.text(other)), back \(Self.text(back)), a difference of "
          + "\(decimal(100 * (other.share - back.share), 1)) \(Self.percentages(difference)) "
          + "points: \(verdict) (26.2 and 6.25 %).")
    }
    var grown = 0
    var pairs = 0
    for (row, name) in names.enumerated() {
      for column in names.indices where column != row {
        guard let small = plain.line(name)?.errors[column],
          let large = magnified.line(name)?.errors[column]
        else { continue }
        pairs += 1
        if let low = large.interval?.lowerBound, let high = small.interval?.upperBound, low > high {
          grown += 1
        }
      }
    }
    findings.append(
      "Magnified to a deviation of 0.1, distortions transfer more often in \(grown) of \(pairs) "
        + "pairs (intervals of 95 % apart).")
    if let cross = magnified.line(names[0])?.errors[2],
      let noise = magnified.line("noise 0.1")?.errors[2]
    {
      findings.append(
        "They fool a network trained on the other half in \(Self.text(cross)) of the pictures "
          + "(paper 43 %), noise of the same length in \(Self.text(noise)).")
    }
    for (index, member) in Self.members.enumerated() {
      let difference = errors[index][2] - member.paperErrors[2]
      if abs(difference) > 0.005 {
        findings.append(
          "\(names[index]): test error \(percent(errors[index][2], 2)), the paper has "
            + "\(percent(member.paperErrors[2], 2)).")
      }
    }
    return findings
      + Comparison.distortions(
        Self.members.indices.map {
          (names[$0], MeanFigure(attacks[$0].distortions)?.mean, Self.members[$0].paperDistortion)
        })
  }

  private static func text(_ figure: ShareFigure) -> String {
    percent(figure.share) + " " + percentages(figure.interval)
  }

  private static func percentages(_ range: ClosedRange<Double>?) -> String {
    interval(range.map { 100 * $0.lowerBound...100 * $0.upperBound }, 1)
  }

  /// How much more often distortions for the first network fool the second than the other way.
  private static func asymmetryRow(_ plain: ErrorGrid, _ names: [String]) -> [String: JSONValue] {
    guard let other = plain.line(names[0])?.errors[1], let back = plain.line(names[1])?.errors[0]
    else { preconditionFailure("no lines for \(names)") }
    let difference = other.difference(from: back)
    return [
      "table": 4, "comparison": "asymmetry", "made_for": .string(names[0]),
      "fed_to": .string(names[1]), "difference": .number(other.share - back.share),
      "difference_low": .optional(difference?.lowerBound),
      "difference_high": .optional(difference?.upperBound),
      "paper_difference": .number(paperPlain[0][1] - paperPlain[1][0]),
    ]
  }

  private func blocks(
    _ plain: ErrorGrid, _ magnified: ErrorGrid, _ names: [String], _ errors: [[Double]],
    _ attacks: [AttackedPictures]
  ) -> [StudyReport.Block] {
    let table3 = names.indices.map { index -> [String] in
      let member = Self.members[index]
      let distortion = MeanFigure(attacks[index].distortions)
      return [names[index], "P\(member.half + 1)"]
        + (0..<3).map {
          "\(percent(errors[index][$0], 2)) (\(percent(member.paperErrors[$0])))"
        }
        + [
          "\(decimal(distortion?.mean, 4)) (\(decimal(member.paperDistortion)))",
          interval(distortion?.interval, 4),
        ]
    }
    return [
      .text(
        "P1 and P2 are the first and the second half of the training set. Pictures of the test set "
          + "are distorted for each network and fed to all; magnified ones have every distortion "
          + "stretched to a root mean square of 0.1, which is what the paper's formula must mean: "
          + "with the plain norm in it, distortions would shrink. Nothing is cut to [0, 1] then."),
      .table(
        StudyTable(
          caption: "Table 3, ours (paper's)",
          columns: [
            "Model", "Trained on", "Error on P1", "Error on P2", "Test error", "Mean distortion",
            "Interval",
          ], rows: table3)),
      .table(
        StudyTable(
          caption: "Table 4, errors, ours (paper's)",
          columns: ["Made for"] + names + ["Distortion"], rows: plain.cells + magnified.cells)),
      .table(
        StudyTable(
          caption: "Intervals of 95 % of our errors, in per cent", columns: ["Made for"] + names,
          rows: plain.intervalCells + magnified.intervalCells)),
      .plot(
        StudyPlot(
          caption: "Errors of the network fed, before and after magnification",
          axis: .categories(Self.pairs(names)), quantity: "error",
          series: [("as found", plain), ("magnified to 0.1", magnified)].map { title, grid in
            .init(
              title,
              names.indices.flatMap { row in
                names.indices.filter { $0 != row }.map { column in
                  grid.line(names[row]).map {
                    .init($0.errors[column].share, $0.errors[column].interval)
                  }
                }
              })
          })),
    ]
  }

  private static func pairs(_ names: [String]) -> [String] {
    names.indices.flatMap { row in
      names.indices.filter { $0 != row }.map { "\(row + 1) to \($0 + 1)" }
    }
  }
}
