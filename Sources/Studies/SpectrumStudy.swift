import Attacks
import Compute
import Datasets
import Foundation
import Networks
import Operations
import Reference
import Runs
import Spectrum

/// Section 4.3 and Table 5 of the paper by Szegedy and others (2013): the operator norm of every
/// layer, and the distance that it proves safe beside the distance that attacks find.
public struct SpectrumStudy: Study {
  /// The name on the command line.
  public let name = "spectrum"
  /// What it shows.
  public let summary =
    "Table 5: the operator norm of every layer, and what it proves (--model for any network)"

  /// A study.
  public init() {}

  /// Table 5: the bounds of AlexNet's layers, by their order.
  private static let table5 = [2.75, 10, 7, 7.5, 11, 3.12, 4, 4]
  /// One network with what was measured.
  private struct Subject {
    var name: String
    var note: String
    var norms: [LayerNorm]
    var lipschitz: Double
    var seconds: Double
    var pictures: [SafeDistance]

    /// Layers with weights and others that stretch or shrink.
    var shown: [LayerNorm] { norms.filter { $0.hasWeights || abs($0.bound - 1) > 1e-4 } }
    var weighted: [LayerNorm] { norms.filter(\.hasWeights) }
    /// The product over layers with weights.
    var product: Double { weighted.reduce(1) { $0 * $1.bound } }

    /// Table 5's bound of a layer: by order, in networks of AlexNet's eight layers.
    func paper(_ layer: LayerNorm) -> Double? {
      let own = weighted
      guard own.count == SpectrumStudy.table5.count, own.count(where: { $0.shape.count == 4 }) == 5,
        let index = own.firstIndex(where: { $0.name == layer.name })
      else { return nil }
      return SpectrumStudy.table5[index]
    }
  }

  /// Measures the networks of `--model`, or networks trained on MNIST.
  public func run(_ environment: StudyEnvironment) throws -> StudyReport {
    let subjects =
      environment.models.isEmpty
      ? try trainedSubjects(environment) : try namedSubjects(environment)
    var report = StudyReport(study: name, title: "What the norms of layers prove")
    report.settings = [
      "networks": .array(subjects.map { .string($0.name) }),
      "attack": "box-constrained L-BFGS to the nearest class",
      "clever_radius": .number(clever(environment).radius),
      "clever_maxima": .integer(Int64(clever(environment).maxima)),
      "clever_samples": .integer(Int64(clever(environment).samples)),
    ]
    report.rows = subjects.flatMap(rows)
    report.findings = subjects.flatMap(findings)
    report.blocks = blocks(subjects)
    return report
  }

  // MARK: Networks

  private func trainedSubjects(_ environment: StudyEnvironment) throws -> [Subject] {
    let (training, test) = try LabelledPictures.bothParts(environment)
    let trainer = NetworkTrainer(environment)
    var models = [StudyModel.table1[0], StudyModel.table1[3]]
    if !environment.isQuick { models += [StudyModel.table1[4], .leNet5] }
    return try models.map { model in
      let network = try trainer.network(model, training: training, test: test)
      return try subject(
        model.name, "test error \(percent(network.testError, 2))", network.graph,
        pictures: test[0..<min(limit(environment), test.count)], environment)
    }
  }

  private func namedSubjects(_ environment: StudyEnvironment) throws -> [Subject] {
    try NamedNetwork.all(environment, limit: limit(environment)).map {
      try subject($0.name, $0.note, $0.graph, pictures: $0.pictures, environment)
    }
  }

  private func limit(_ environment: StudyEnvironment) -> Int {
    environment.limit ?? (environment.isQuick ? 16 : 64)
  }

  private func clever(_ environment: StudyEnvironment) -> Clever {
    var clever = Clever()
    clever.seed = environment.seed
    if environment.isQuick { (clever.maxima, clever.samples) = (20, 32) }
    return clever
  }

  private func subject(
    _ name: String, _ note: String, _ graph: Graph, pictures: LabelledPictures?,
    _ environment: StudyEnvironment
  ) throws -> Subject {
    let start = ContinuousClock.now
    let measure = LayerNorms(
      context: environment.context, family: environment.family, seed: environment.seed)
    var norms: [LayerNorm] = []
    for (index, node) in graph.nodes.enumerated() {
      environment.progress("\(name): layer \(index + 1) of \(graph.nodes.count)")
      norms.append(try measure.norm(of: node, in: graph))
    }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    let lipschitz = NetworkBound.lipschitz(of: graph, norms)
    var distances: [SafeDistance] = []
    if let pictures {
      distances = try SafeDistance.measure(
        graph, pictures, lipschitz: lipschitz, clever: clever(environment), environment,
        name: name)
    }
    return Subject(
      name: name, note: note, norms: norms, lipschitz: lipschitz, seconds: seconds,
      pictures: distances)
  }

  // MARK: The report

  private func rows(_ subject: Subject) -> [[String: JSONValue]] {
    let layers = subject.shown.map { layer -> [String: JSONValue] in
      [
        "table": "layers", "network": .string(subject.name), "layer": .string(layer.name),
        "kind": .string(layer.kind),
        "shape": .array(layer.shape.map { .integer(Int64($0)) }),
        "stride": layer.stride.map { .integer(Int64($0)) } ?? .null,
        "operator_norm": .optional(layer.operatorNorm),
        "circular_norm": .optional(layer.circularNorm),
        "printed_norm": .optional(layer.printedNorm),
        "bound": .finite(layer.bound), "paper_bound": .optional(subject.paper(layer)),
      ]
    }
    let network: [String: JSONValue] = [
      "table": "networks", "network": .string(subject.name), "note": .string(subject.note),
      "lipschitz_bound": .finite(subject.lipschitz),
      "product_of_weighted_layers": .finite(subject.product),
      "paper_product": .optional(
        subject.weighted.first.flatMap(subject.paper).map { _ in Self.table5.reduce(1, *) }),
      "layers": .integer(Int64(subject.norms.count)), "norm_seconds": .number(subject.seconds),
      "pictures": .integer(Int64(subject.pictures.count)),
      "mean_certified_distance": .optional(mean(subject.pictures.map(\.certified))),
      "mean_attack_distance": .optional(mean(subject.pictures.compactMap(\.found))),
      "mean_clever_distance": .optional(mean(subject.pictures.map(\.clever))),
    ]
    let pictures = subject.pictures.map { picture -> [String: JSONValue] in
      [
        "table": "pictures", "network": .string(subject.name),
        "picture": .string(picture.picture), "margin": .number(picture.margin),
        "certified_distance": .number(picture.certified),
        "attack_distance": .optional(picture.found), "clever_distance": .number(picture.clever),
      ]
    }
    return [network] + layers + pictures
  }

  private func mean(_ values: [Double]) -> Double? { MeanFigure(values)?.mean }

  private func findings(_ subject: Subject) -> [String] {
    var findings = [
      "\(subject.name) (\(subject.note)): no change of length r moves the logits by more than "
        + "\(scientific(subject.lipschitz)) r."
    ]
    if let largest = subject.weighted.max(by: { $0.bound < $1.bound }) {
      findings.append(
        "\(subject.name): the largest norm is \(largest.name)'s, \(decimal(largest.bound, 2)); "
          + "\(subject.weighted.count { $0.bound > 1 }) of \(subject.weighted.count) layers with "
          + "weights can stretch a change.")
    }
    let both = subject.pictures.compactMap { picture in
      picture.found.map { (picture.certified, $0, picture.clever) }
    }
    if let safe = mean(both.map(\.0)), let found = mean(both.map(\.1)),
      let estimate = mean(both.map(\.2))
    {
      let broken = both.count { $0.0 > $0.1 }
      let optimistic = both.count { $0.2 > $0.1 }
      findings.append(
        "\(subject.name): proved safe up to \(scientific(safe)) on average, fooled at "
          + "\(decimal(found, 3)): \(scientific(found / safe)) times as far; "
          + (broken == 0
            ? "no attack came nearer than what is proved."
            : "\(broken) attacks came nearer than what is proved, which must not be."))
      findings.append(
        "\(subject.name): CLEVER's estimate is \(decimal(estimate, 3)) on average; for "
          + "\(optimistic) of \(both.count) pictures the attack came nearer than the estimate.")
    }
    return findings
  }

  private func blocks(_ subjects: [Subject]) -> [StudyReport.Block] {
    var blocks: [StudyReport.Block] = [
      .text(
        "A layer cannot stretch a change by more than its operator norm, a network not by more than "
          + "the product along every path. The norm of a convolution is measured as it is, with "
          + "zeros around the picture (bidiagonalisation with the layer's own passes), and on a "
          + "circle, frequency by frequency: an upper bound of the former, which is what counts "
          + "here. Fully connected layers are matrices. A maximum over overlapping windows can "
          + "stretch by the root of how many windows share a pixel, which the paper takes for 1."),
      .text(
        "As printed, the paper's equation for a stride of s has the factor 1/s²; the true one is "
          + "1/s, so that the column \"as printed\" is too small by s. Whether the paper's Conv. 1 "
          + "was computed so is not known."),
    ]
    for subject in subjects {
      blocks += [
        .heading("\(subject.name), \(subject.note)"),
        .table(
          StudyTable(
            caption: "Layers of \(subject.name) that are not contractions by themselves",
            columns: [
              "Layer", "Kind", "Shape", "Stride", "Norm", "On a circle", "As printed", "Bound",
              "Paper",
            ],
            rows: subject.shown.map { layer in
              [
                layer.name, layer.kind, layer.shape.map(String.init).joined(separator: "×"),
                layer.stride.map(String.init) ?? "-", decimal(layer.operatorNorm, 4),
                decimal(layer.circularNorm, 4), decimal(layer.printedNorm, 4),
                layer.bound.isFinite ? decimal(layer.bound, 4) : "none",
                decimal(subject.paper(layer), 2),
              ]
            })),
      ]
      if !subject.pictures.isEmpty {
        blocks.append(
          .table(
            StudyTable(
              caption: "Pictures: the distance (L2) that the norms prove safe, that CLEVER "
                + "estimates, and that box-constrained L-BFGS finds",
              columns: ["Picture", "Margin", "Proved", "CLEVER", "Attack"],
              rows: subject.pictures.map { picture in
                [
                  picture.picture, decimal(picture.margin, 2), scientific(picture.certified),
                  decimal(picture.clever, 3), decimal(picture.found, 3),
                ]
              })))
      }
    }
    blocks.append(
      .text(
        "A small bound proves that no adversarial picture is near; a large one proves nothing. The "
          + "distance proved is margin / (√2 L) (Tsuzuku et al. 2018), for the margin between the "
          + "first two logits. CLEVER (Weng et al. 2018) estimates the largest gradient near the "
          + "picture from samples; it is no proof (Goodfellow 2018). The paper's network is "
          + "Krizhevsky's AlexNet with its trained weights, which are not public in this form: "
          + "built-in architectures have random weights here."))
    return blocks
  }
}

/// How far one picture can be changed: proved, estimated, found.
private struct SafeDistance {
  var picture: String
  var margin: Double
  var certified: Double
  var clever: Double
  /// nil where the attack failed.
  var found: Double?

  /// The distances to another answer than a network gives to each picture.
  static func measure(
    _ graph: Graph, _ pictures: LabelledPictures, lipschitz: Double, clever: Clever,
    _ environment: StudyEnvironment, name: String
  ) throws -> [SafeDistance] {
    let classes = graph.outputShape.reduce(1, *)
    let network = try CompiledNetwork(
      graph, context: environment.context, batch: environment.batch ?? (classes > 100 ? 8 : 64),
      family: environment.family)
    let logits = try Classifier.outputs(network, pictures.pixels)
    // What a network says is what it can be moved from, right or wrong.
    let answers = LossReference.argmax(Tensor(shape: [pictures.count, classes], values: logits))
    let attacked = try AttackedPictures(
      graph, pictures.labelled(answers), environment, name: name, target: .untargeted)
    var distances: [SafeDistance] = []
    for (index, result) in attacked.results.enumerated() where result.wasAttempted {
      let own = Array(logits[index * classes..<(index + 1) * classes])
      let order = own.indices.sorted { own[$0] > own[$1] }
      let margin = Double(own[order[0]]) - Double(own[order[1]])
      environment.progress("\(name): CLEVER, picture \(index + 1) of \(pictures.count)")
      let score = try clever.score(
        network, pixels: result.sample.pixels, id: result.sample.id,
        classes: (order[0], order[1]), margin: margin)
      distances.append(
        SafeDistance(
          picture: result.sample.name, margin: margin,
          certified: margin / (2.0.squareRoot() * lipschitz), clever: score.radius,
          found: result.succeeded ? result.distance?.l2 : nil))
    }
    return distances
  }
}

extension JSONValue {
  /// A number, or null where it is infinite.
  fileprivate static func finite(_ number: Double) -> JSONValue {
    number.isFinite ? .number(number) : .null
  }
}

/// A number in few digits, however large or small.
private func scientific(_ number: Double) -> String {
  guard number.isFinite else { return "∞" }
  return (1e-2..<1e4).contains(abs(number)) ? decimal(number, 3) : String(format: "%.2e", number)
}
