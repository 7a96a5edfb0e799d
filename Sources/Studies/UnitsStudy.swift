import Datasets
import Foundation
import Networks
import Operations
import Reference
import Runs

/// Section 3 of the paper by Szegedy and others (2013), Figures 1 to 4: the pictures that a unit likes
/// best beside those that a random direction among units likes best.
public struct UnitsStudy: Study {
  /// The name on the command line.
  public let name = "units"
  /// What it shows.
  public let summary =
    "Figures 1 to 4: pictures that single units and random directions like best (--layer for any)"

  /// A study.
  public init() {}

  /// Pictures of a row, as in the figures.
  private static let top = 10
  /// Rows of a sheet, as in the figures.
  private static let shownDirections = 4
  /// Directions that are measured, at most.
  private static let directions = 256

  /// How directions are chosen.
  private enum Basis: String, CaseIterable {
    case units, rotated, standardized, chance

    var description: String {
      switch self {
      case .units: "Single units"
      case .rotated: "Random directions"
      case .standardized: "Random directions, units of equal variance"
      case .chance: "Random pictures"
      }
    }
  }

  /// What one basis shows of one layer.
  private struct Line {
    var basis: Basis
    /// For each direction the pictures it likes best, the best first.
    var best: [[Int]]
    var purity: MeanFigure?
    var entropy: MeanFigure?

    init(_ basis: Basis, _ best: [[Int]], labels: [Int]) {
      self.basis = basis
      self.best = best
      let counts = best.map { pictures in
        Dictionary(grouping: pictures.map { labels[$0] }) { $0 }.values.map {
          Double($0.count) / Double(pictures.count)
        }
      }
      purity = MeanFigure(counts.map { $0.max() ?? 0 })
      // In the order of size, so that sums have the same bits every time.
      entropy = MeanFigure(
        counts.map { shares in shares.sorted().reduce(0) { $0 - $1 * log2($1) } })
    }
  }

  /// One layer of one network.
  private struct Subject {
    var network: String
    var note: String
    var layer: String
    var units: Int
    var lines: [Line]
    var pictures: LabelledPictures
  }

  /// Looks at layers of the networks of `--model`, or of a convolutional network trained on MNIST,
  /// with pictures that it was not trained on.
  public func run(_ environment: StudyEnvironment) throws -> StudyReport {
    var subjects: [Subject] = []
    if environment.models.isEmpty {
      let (training, test) = try LabelledPictures.bothParts(environment)
      // As many as the study of architectures begins with, which keeps its networks.
      let used = environment.isQuick ? training[0..<min(800, training.count)] : training
      let network = try NetworkTrainer(environment).network(
        network(for: training), training: used, test: test)
      subjects += try layers(
        network.model.name, "test error \(percent(network.testError, 2))", network.graph,
        test[0..<min(environment.limit ?? test.count, test.count)], environment)
    }
    for named in try NamedNetwork.all(environment, limit: environment.limit ?? 1000) {
      guard var pictures = named.pictures else {
        throw StudyError("--images names the pictures that units of \(named.name) are shown")
      }
      if environment.images?.labels == nil {
        // Without labels, what the network says of a picture is its class.
        pictures = pictures.labelled(
          try Classifier(named.graph, environment, batch: 8).classes(pictures.pixels))
      }
      subjects += try layers(named.name, named.note, named.graph, pictures, environment)
    }
    var report = StudyReport(study: name, title: "What single units like, and random directions")
    report.settings = [
      "top_pictures": .integer(Int64(Self.top)), "directions": .integer(Int64(Self.directions)),
      "networks": .array(subjects.map { .string($0.network) }),
    ]
    report.rows = subjects.flatMap(rows)
    report.findings = subjects.flatMap(findings)
    report.blocks = try blocks(subjects)
    return report
  }

  private func network(for pictures: LabelledPictures) -> StudyModel {
    let shape = pictures.shape
    return [shape.channels, shape.height, shape.width] == [1, 28, 28]
      ? .leNet5 : .convolutional([8, 16])
  }

  // MARK: Layers

  private func layers(
    _ name: String, _ note: String, _ graph: Graph, _ pictures: LabelledPictures,
    _ environment: StudyEnvironment
  ) throws -> [Subject] {
    guard pictures.count > Self.top else {
      throw StudyError("more than \(Self.top) pictures are needed, not \(pictures.count)")
    }
    let chosen =
      environment.layers.isEmpty
      ? [try lastFeatures(graph)] : try environment.layers.map { try value(named: $0, graph) }
    return try chosen.map { layer in
      var part = graph
      part.setOutput(layer.value)
      environment.progress("\(name): \(layer.name)")
      let features = try features(part, pictures, environment)
      let units = features[0].count
      return Subject(
        network: name, note: note, layer: layer.name, units: units,
        lines: Basis.allCases.map {
          lines($0, features, pictures.labels, seed: environment.seed)
        }, pictures: pictures)
    }
  }

  /// The input of the last layer with weights.
  private func lastFeatures(_ graph: Graph) throws -> (name: String, value: ValueID) {
    let weighted = graph.nodes.last { $0.operation is any TrainableOperation }
    guard let weighted, let input = weighted.inputs.first, input != graph.input else {
      throw StudyError("the network has no layer before its last one")
    }
    return ("input of \(weighted.name)", input)
  }

  private func value(named name: String, _ graph: Graph) throws -> (name: String, value: ValueID) {
    guard let node = graph.nodes.first(where: { $0.name == name }) else {
      let names = graph.nodes.map(\.name).filter { !$0.isEmpty }.joined(separator: ", ")
      throw StudyError("no layer '\(name)': \(names)")
    }
    return (name, node.output)
  }

  /// A number for each unit and picture; maps by their means.
  private func features(
    _ graph: Graph, _ pictures: LabelledPictures, _ environment: StudyEnvironment
  ) throws -> [[Double]] {
    let classifier = try Classifier(
      graph, environment, batch: pictures.shape.count > 10000 ? 8 : 500)
    let outputs = try classifier.outputs(pictures.pixels)
    let count = outputs.count / pictures.count
    let isMap = graph.outputShape.count == 3
    let pixels = isMap ? graph.outputShape[1] * graph.outputShape[2] : 1
    return (0..<pictures.count).map { picture in
      (0..<count / pixels).map { unit in
        let start = picture * count + unit * pixels
        return outputs[start..<start + pixels].reduce(0) { $0 + Double($1) } / Double(pixels)
      }
    }
  }

  private func lines(
    _ basis: Basis, _ features: [[Double]], _ labels: [Int], seed: UInt64
  ) -> Line {
    let units = features[0].count
    let count = min(Self.directions, max(units, Self.shownDirections))
    func best(_ scores: [Double]) -> [Int] {
      Array(
        scores.indices.sorted { scores[$0] == scores[$1] ? $0 < $1 : scores[$0] > scores[$1] }
          .prefix(Self.top))
    }
    func draws(_ direction: Int, _ count: Int) -> [Double] {
      PhiloxStream(
        seed: seed, sample: UInt64(direction), attack: 0x756e_6974, restart: 0
      ).gaussian(count: count, step: 0).map { Double($0) }
    }
    let deviations = (0..<units).map { unit in deviation(features.map { $0[unit] }) }
    let found: [[Int]]
    switch basis {
    case .units:
      // Units that never change like all pictures alike.
      let live = (0..<units).filter { deviations[$0] > 0 }
      let step = max(1, live.count / count)
      found = stride(from: 0, to: live.count, by: step).prefix(count).map { index in
        best(features.map { $0[live[index]] })
      }
    case .rotated, .standardized:
      found = (0..<count).map { direction in
        var v = draws(direction, units)
        if basis == .standardized {
          for unit in 0..<units { v[unit] = deviations[unit] > 0 ? v[unit] / deviations[unit] : 0 }
        }
        return best(features.map { row in zip(row, v).reduce(0) { $0 + $1.0 * $1.1 } })
      }
    case .chance:
      found = (0..<count).map { best(draws($0, labels.count)) }
    }
    return Line(basis, found, labels: labels)
  }

  private func deviation(_ values: [Double]) -> Double {
    let mean = values.reduce(0, +) / Double(values.count)
    return (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count))
      .squareRoot()
  }

  // MARK: The report

  private func rows(_ subject: Subject) -> [[String: JSONValue]] {
    subject.lines.map { line in
      [
        "network": .string(subject.network), "layer": .string(subject.layer),
        "units": .integer(Int64(subject.units)), "basis": .string(line.basis.rawValue),
        "directions": .integer(Int64(line.best.count)),
        "pictures": .integer(Int64(subject.pictures.count)),
        "class_purity": .optional(line.purity?.mean),
        "class_purity_low": .optional(line.purity?.interval?.lowerBound),
        "class_purity_high": .optional(line.purity?.interval?.upperBound),
        "class_entropy_bits": .optional(line.entropy?.mean),
        "class_entropy_bits_low": .optional(line.entropy?.interval?.lowerBound),
        "class_entropy_bits_high": .optional(line.entropy?.interval?.upperBound),
      ]
    }
  }

  private func findings(_ subject: Subject) -> [String] {
    func figure(_ basis: Basis) -> MeanFigure? {
      subject.lines.first { $0.basis == basis }?.purity
    }
    guard let units = figure(.units), let rotated = figure(.rotated), let chance = figure(.chance)
    else { return [] }
    let verdict: String
    if let a = units.interval, let b = rotated.interval, !a.overlaps(b) {
      verdict =
        units.mean > rotated.mean
        ? "single units are purer, which the paper does not expect"
        : "random directions are purer"
    } else {
      verdict = "no difference, as the paper has it (intervals overlap)"
    }
    return [
      "\(subject.network), \(subject.layer), \(subject.units) units: of the \(Self.top) pictures that "
        + "a unit likes best \(percent(units.mean)) are of one class, for a random direction "
        + "\(percent(rotated.mean)), by chance \(percent(chance.mean)): \(verdict)."
    ]
  }

  private func blocks(_ subjects: [Subject]) throws -> [StudyReport.Block] {
    var blocks: [StudyReport.Block] = [
      .text(
        "The paper looks for pictures that excite a single unit most, and for those that excite a "
          + "random direction most, finds meaning in both, and concludes that the space of units "
          + "carries it, not the single unit. It shows pictures and no number. Here the number is "
          + "the share of the most frequent class among the \(Self.top) pictures, and the entropy of "
          + "their classes, over up to \(Self.directions) directions, of pictures that the network "
          + "was not trained on. Directions are Gaussian; in a second reading every unit counts with "
          + "equal variance, since a direction is ruled by the units that vary most. Units are means "
          + "over a map's pixels in convolutional layers."),
      .text(
        "The objection: Network Dissection (Bau et al. 2017) counts units that answer to a concept "
          + "pixel by pixel and finds 80 % fewer after a random rotation of a layer, at equal "
          + "accuracy. Classes of whole pictures, as counted here, cannot decide between the two: a "
          + "unit may stand for a part, a texture or a colour that many classes share."),
    ]
    for subject in subjects {
      blocks += [
        .heading("\(subject.network), \(subject.note): \(subject.layer)"),
        .table(
          StudyTable(
            caption:
              "Classes of the \(Self.top) pictures that are liked best, with intervals of 95 % "
              + "over directions",
            columns: ["Basis", "Directions", "Purity", "Interval", "Entropy, bits", "Interval"],
            rows: subject.lines.map { line in
              [
                line.basis.description, "\(line.best.count)", decimal(line.purity?.mean),
                interval(line.purity?.interval), decimal(line.entropy?.mean, 2),
                interval(line.entropy?.interval, 2),
              ]
            })),
      ]
      for line in subject.lines where line.basis == .units || line.basis == .rotated {
        let shown = Thumbnails(subject.pictures)
        var sheet = PictureSheet(shape: shown.shape, magnification: max(1, 56 / shown.shape.height))
        for pictures in line.best.prefix(Self.shownDirections) {
          sheet.append(
            pictures.map {
              .init(pixels: shown.pixels($0), lines: ["class \(subject.pictures.labels[$0])"])
            })
        }
        blocks.append(
          .picture(
            try StudyPicture(
              sheet,
              caption: "\(line.basis.description), one a row: the \(Self.top) pictures that "
                + "\(subject.layer) likes best")))
      }
    }
    return blocks
  }
}

/// Pictures at most 112 pixels high, by means of squares of pixels.
private struct Thumbnails {
  let pictures: LabelledPictures
  let shape: PictureShape
  private let factor: Int

  init(_ pictures: LabelledPictures) {
    self.pictures = pictures
    factor = max(1, pictures.shape.height / 112)
    shape = PictureShape(
      channels: pictures.shape.channels, height: pictures.shape.height / factor,
      width: pictures.shape.width / factor)
  }

  func pixels(_ index: Int) -> [Float] {
    let whole = pictures.picture(index)
    guard factor > 1 else { return whole }
    let full = pictures.shape
    var result: [Float] = []
    for channel in 0..<shape.channels {
      for row in 0..<shape.height {
        for column in 0..<shape.width {
          var sum: Float = 0
          for y in 0..<factor {
            for x in 0..<factor {
              sum +=
                whole[
                  (channel * full.height + row * factor + y) * full.width + column * factor + x]
            }
          }
          result.append(sum / Float(factor * factor))
        }
      }
    }
    return result
  }
}
