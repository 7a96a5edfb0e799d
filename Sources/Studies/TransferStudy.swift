import Attacks
import Datasets
import Foundation
import Reference
import Runs

/// Table 2 of the paper by Szegedy and others (2013): how often pictures distorted for one network are wrong for
/// another.
public struct TransferStudy: Study {
  /// The name on the command line.
  public let name = "transfer"
  /// What it shows.
  public let summary = "Table 2: distorted pictures of one network are fed to the others"

  /// A study.
  public init() {}

  /// The paper's errors: rows made for, columns fed to, in the order of Table 1.
  private static let paper: [[Double]] = [
    [1, 0.117, 0.227, 0.02, 0.039, 0.027], [0.871, 1, 0.352, 0.359, 0.273, 0.098],
    [0.719, 0.762, 1, 0.481, 0.47, 0.344], [0.289, 0.137, 0.211, 1, 0.066, 0.02],
    [0.382, 0.14, 0.238, 0.203, 1, 0.027], [0.234, 0.16, 0.248, 0.094, 0.066, 1],
  ]
  /// The same under Gaussian noise, by its deviation.
  private static let paperNoise: [(deviation: Double, errors: [Double])] = [
    (0.1, [0.05, 0.101, 0.183, 0, 0, 0.008]), (0.3, [0.156, 0.113, 0.227, 0.05, 0.043, 0.031]),
  ]

  /// Trains the networks of Table 1 and feeds the first pictures of the training set, distorted for
  /// each, to all.
  public func run(_ environment: StudyEnvironment) throws -> StudyReport {
    let (training, test) = try LabelledPictures.bothParts(environment)
    let trainer = NetworkTrainer(environment)
    let count = min(environment.limit ?? DistortionStudy.pictures, training.count)
    let chosen = training[0..<count]
    let networks = try StudyModel.table1.map {
      try trainer.network($0, training: training, test: test)
    }
    var grid = ErrorGrid(
      networks: networks.map(\.model.name),
      classifiers: try networks.map { try Classifier($0.graph, environment) },
      labels: chosen.labels)
    try grid.append("clean pictures", chosen.pixels, distortion: 0)
    for (index, network) in networks.enumerated() {
      let attacked = try AttackedPictures(
        network.graph, chosen, environment, name: network.model.name)
      try grid.append(
        network.model.name, attacked.pixels, distortion: MeanFigure(attacked.distortions)?.mean,
        paper: Self.paper[index])
    }
    for noise in Self.paperNoise {
      try grid.append(
        "noise \(noise.deviation)",
        GaussianNoise(seed: environment.seed).added(to: chosen, deviation: noise.deviation),
        distortion: noise.deviation, paper: noise.errors)
    }
    var report = StudyReport(
      study: name, title: "Pictures distorted for one network fool others")
    report.settings = trainer.reportSettings(training: training, test: test, attacked: chosen)
    report.rows = grid.rows(noise: "noise 0.1")
    report.findings = findings(grid) + Comparison.errors(networks)
    report.blocks = blocks(grid)
    return report
  }

  private func findings(_ grid: ErrorGrid) -> [String] {
    let names = grid.networks
    let diagonal = names.enumerated().filter { index, name in
      grid.line(name)?.errors[index].share != 1
    }
    var findings = [
      diagonal.isEmpty
        ? "Every network is wrong on all pictures that were distorted for it."
        : "Not wrong on all of its own distorted pictures: "
          + diagonal.map(\.element).joined(separator: ", ") + "."
    ]
    var wanted = 0
    var missing: [String] = []
    let paperNoise = Self.paperNoise[0].errors
    guard let noise = grid.line("noise 0.1") else { return findings }
    for (row, name) in names.enumerated() {
      for column in names.indices where column != row {
        guard Self.paper[row][column] > paperNoise[column] + 0.05, let line = grid.line(name) else {
          continue
        }
        wanted += 1
        if line.errors[column].share <= noise.errors[column].share {
          missing.append("\(name) fed to \(names[column])")
        }
      }
    }
    findings.append(
      "In \(wanted) pairs of networks the paper's error is more than 5 points above that of noise "
        + "of deviation 0.1; ours is above its noise in "
        + (missing.isEmpty
          ? "all of them." : "all but \(missing.count): \(missing.joined(separator: ", "))."))
    return findings
  }

  private func blocks(_ grid: ErrorGrid) -> [StudyReport.Block] {
    [
      .text(
        "Each row's pictures are the same of the training set, distorted for the row's network; "
          + "each column is the error of a network on them. Pictures that the row's network had "
          + "wrong already stay as they are. Noise is Gaussian, not cut to [0, 1]. An error is above "
          + "chance only where it is above the clean error of its column, which is high for strongly "
          + "penalised networks."),
      .table(
        StudyTable(
          caption: "Errors, ours (paper's)", columns: ["Made for"] + grid.networks + ["Distortion"],
          rows: grid.cells)),
      .table(
        StudyTable(
          caption: "Intervals of 95 % of our errors, in per cent",
          columns: ["Made for"] + grid.networks, rows: grid.intervalCells)),
      .plot(
        StudyPlot(
          caption: "Errors by the network that the pictures were distorted for",
          axis: .categories(grid.networks), quantity: "error, fed to the network",
          series: grid.lines.filter { $0.madeFor != "clean pictures" }.prefix(7).map { line in
            .init(line.madeFor, line.errors.map { .init($0.share) })
          })),
    ]
  }
}

/// The errors of several networks on several versions of the same pictures.
struct ErrorGrid {
  /// One version of the pictures.
  struct Line {
    var madeFor: String
    /// An error a network.
    var errors: [ShareFigure]
    var distortion: Double?
    var paper: [Double]?
  }

  let networks: [String]
  let classifiers: [Classifier]
  let labels: [Int]
  private(set) var lines: [Line] = []

  init(networks: [String], classifiers: [Classifier], labels: [Int]) {
    self.networks = networks
    self.classifiers = classifiers
    self.labels = labels
  }

  /// Feeds a version of the pictures to all networks.
  mutating func append(
    _ name: String, _ pixels: [Float], distortion: Double?, paper: [Double]? = nil
  ) throws {
    let errors = try classifiers.map {
      ShareFigure(count: try $0.mistakes(pixels, labels: labels), total: labels.count)
    }
    lines.append(Line(madeFor: name, errors: errors, distortion: distortion, paper: paper))
  }

  func line(_ name: String) -> Line? { lines.first { $0.madeFor == name } }

  /// A row a version and network, with the error under noise beside it.
  func rows(noise: String) -> [[String: JSONValue]] {
    lines.flatMap { line in
      networks.indices.map { column in
        var row: [String: JSONValue] = [
          "made_for": .string(line.madeFor), "fed_to": .string(networks[column]),
          "mean_distortion": .optional(line.distortion),
          "paper_error": .optional(line.paper?[column]),
          "noise_error": .optional(self.line(noise)?.errors[column].share),
          "clean_error": .optional(lines.first?.errors[column].share),
        ]
        row.merge(line.errors[column].fields("error")) { own, _ in own }
        return row
      }
    }
  }

  var cells: [[String]] {
    lines.map { line in
      [line.madeFor]
        + line.errors.enumerated().map { column, error in
          percent(error.share) + (line.paper.map { " (\(percent($0[column])))" } ?? "")
        } + [decimal(line.distortion)]
    }
  }

  var intervalCells: [[String]] {
    lines.map { line in
      [line.madeFor]
        + line.errors.map { error in
          error.interval.map {
            "\(decimal(100 * $0.lowerBound, 1))–\(decimal(100 * $0.upperBound, 1))"
          } ?? "-"
        }
    }
  }
}

/// Gaussian noise on pictures, the same for a seed and a picture's place.
struct GaussianNoise {
  var seed: UInt64
  /// What tells these streams from others of the seed ("nois").
  private static let purpose: UInt32 = 0x6e6f_6973

  init(seed: UInt64) { self.seed = seed }

  /// The pictures with noise, not cut to [0, 1].
  func added(to pictures: LabelledPictures, deviation: Double) -> [Float] {
    (0..<pictures.count).flatMap { index -> [Float] in
      let draws = PhiloxStream(
        seed: seed, sample: UInt64(index), attack: Self.purpose, restart: 0
      ).gaussian(count: pictures.shape.count, step: 0)
      return zip(pictures.picture(index), draws).map { $0 + Float(deviation) * $1 }
    }
  }
}
