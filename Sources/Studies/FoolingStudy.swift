import Datasets
import Foundation
import Networks
import Runs

/// Pictures that machines read and people do not: Figure 7 (c) of the paper by Szegedy and others
/// (2013), and what Nguyen and others (2015) and Goodfellow and others (2015) made of it.
public struct FoolingStudy: Study {
  /// The name on the command line.
  public let name = "fooling"
  /// What it shows.
  public let summary = "Figure 7 (c): pictures that machines read and people do not"

  /// A study.
  public init() {}

  private static let deviations = [0.1, 0.3, 0.5, 1]
  /// The accuracy that the paper has at a deviation of 1.
  private static let paperAccuracy = 0.51
  /// Classes of networks that have more.
  private static let classes = 10
  /// Pictures of nothing but noise.
  private static let noisePictures = 256

  /// One network with what was found.
  private struct Subject {
    var name: String
    var note: String
    var pictures: LabelledPictures?
    /// For each deviation.
    var accuracies: [ShareFigure]
    var noisy: [Float]
    var noise: [Double]
    var ascended: [FoolingPicture]
    var evolved: [FoolingPicture]
    var shape: PictureShape

    var confidentNoise: ShareFigure {
      ShareFigure(count: noise.count { $0 > 0.5 }, total: noise.count)
    }
    var methods: [(name: String, description: String, found: [FoolingPicture])] {
      [
        ("gradient", "Gradient from grey noise", ascended),
        ("evolution", "Evolution of pixels", evolved),
      ]
    }
  }

  /// Makes pictures for the networks of `--model`, or for networks trained on MNIST.
  public func run(_ environment: StudyEnvironment) throws -> StudyReport {
    var subjects: [Subject] = []
    if environment.models.isEmpty {
      let (training, test) = try LabelledPictures.bothParts(environment)
      let trainer = NetworkTrainer(environment)
      let chosen = test[0..<min(environment.limit ?? test.count, test.count)]
      for model in [StudyModel.table1[0], StudyModel.table1[3], StudyModel.table1[4]] {
        let network = try trainer.network(model, training: training, test: test)
        subjects.append(
          try subject(
            model.name, "test error \(percent(network.testError, 2))", network.graph, chosen,
            environment))
      }
    }
    for named in try NamedNetwork.all(environment, limit: environment.limit ?? 64) {
      var pictures = named.pictures
      if let read = pictures, environment.images?.labels == nil {
        // Without labels: how many keep the class that the clean picture is given.
        pictures = read.labelled(
          try Classifier(named.graph, environment, batch: 8).classes(read.pixels))
      }
      subjects.append(try subject(named.name, named.note, named.graph, pictures, environment))
    }
    var report = StudyReport(study: name, title: "Pictures that machines read and people do not")
    report.settings = [
      "networks": .array(subjects.map { .string($0.name) }),
      "gradient_steps": .integer(Int64(gradientSteps(environment))),
      "generations": .integer(Int64(generations(environment))),
      "noise_pictures": .integer(Int64(Self.noisePictures)),
    ]
    report.rows = subjects.flatMap(rows)
    report.findings = subjects.flatMap(findings)
    report.blocks = try blocks(subjects)
    return report
  }

  private func gradientSteps(_ environment: StudyEnvironment) -> Int {
    environment.isQuick ? 200 : 500
  }
  private func generations(_ environment: StudyEnvironment) -> Int {
    environment.isQuick ? 120 : 2000
  }

  private func subject(
    _ name: String, _ note: String, _ graph: Graph, _ pictures: LabelledPictures?,
    _ environment: StudyEnvironment
  ) throws -> Subject {
    let input = graph.inputShape
    guard input.count == 3, [1, 3].contains(input[0]) else {
      throw StudyError("\(name) takes \(input), not pictures")
    }
    let isLarge = input.reduce(1, *) > 10000
    let classes = graph.outputShape.reduce(1, *)
    let targets = (0..<min(Self.classes, classes)).map {
      $0 * classes / min(Self.classes, classes)
    }
    let maker = try FoolingPictures(graph, environment, batch: isLarge ? targets.count : 100)
    var accuracies: [ShareFigure] = []
    var noisy: [Float] = []
    if let pictures {
      let classifier = try Classifier(graph, environment, batch: isLarge ? 8 : 500)
      let noise = GaussianNoise(seed: environment.seed)
      for deviation in Self.deviations {
        environment.progress("\(name): noise of deviation \(deviation)")
        noisy = noise.added(to: pictures, deviation: deviation)
        let mistakes = try classifier.mistakes(noisy, labels: pictures.labels)
        accuracies.append(
          ShareFigure(count: pictures.count - mistakes, total: pictures.count))
      }
    }
    environment.progress("\(name): pictures by gradient")
    let ascended = try maker.ascend(to: targets, steps: gradientSteps(environment))
    environment.progress("\(name): pictures by evolution")
    return Subject(
      name: name, note: note, pictures: pictures, accuracies: accuracies, noisy: noisy,
      noise: try maker.confidencesOfNoise(isLarge ? 32 : Self.noisePictures), ascended: ascended,
      evolved: try maker.evolve(targets, generations: generations(environment)),
      shape: PictureShape(channels: input[0], height: input[1], width: input[2]))
  }

  // MARK: The report

  private func rows(_ subject: Subject) -> [[String: JSONValue]] {
    var rows = zip(Self.deviations, subject.accuracies).map { deviation, accuracy in
      let own: [String: JSONValue] = [
        "table": "noise", "model": .string(subject.name), "deviation": .number(deviation),
        "pictures": .integer(Int64(accuracy.total)),
        "paper_accuracy": deviation == 1 ? .number(Self.paperAccuracy) : .null,
      ]
      return own.merging(accuracy.fields("accuracy")) { own, _ in own }
    }
    let nothing: [String: JSONValue] = [
      "table": "nothing-but-noise", "model": .string(subject.name),
      "mean_confidence": .optional(MeanFigure(subject.noise)?.mean),
    ]
    rows.append(
      nothing.merging(subject.confidentNoise.fields("share_above_half")) { own, _ in own })
    for method in subject.methods {
      for picture in method.found {
        rows.append([
          "table": "fooling", "model": .string(subject.name), "method": .string(method.name),
          "class": .integer(Int64(picture.target)), "confidence": .number(picture.confidence),
          "steps": .integer(Int64(picture.steps)),
        ])
      }
    }
    return rows
  }

  private func findings(_ subject: Subject) -> [String] {
    var findings: [String] = []
    if let accuracy = subject.accuracies.last, let range = accuracy.interval {
      findings.append(
        "\(subject.name) has \(percent(accuracy.share)) [\(percent(range.lowerBound)), "
          + "\(percent(range.upperBound))] of the pictures right under noise of deviation 1 (paper "
          + "51 %, network not named); of pictures distorted against it, with a twentieth of the "
          + "length, none.")
    }
    for method in subject.methods {
      let sure = method.found.count { $0.confidence >= 0.99 }
      findings.append(
        "\(subject.name): \(method.description.lowercased()) makes unreadable pictures that it is 99 % "
          + "sure of for \(sure) of \(method.found.count) classes.")
    }
    findings.append(
      "\(subject.name) is more than 50 % sure of \(percent(subject.confidentNoise.share)) of pictures "
        + "of nothing but noise.")
    return findings
  }

  private func blocks(_ subjects: [Subject]) throws -> [StudyReport.Block] {
    var blocks: [StudyReport.Block] = [
      .text(
        "Noise of deviation 1 makes a digit hardly readable for people, and yet networks often have "
          + "it right, while a much smaller distortion aimed at them always succeeds. The other way "
          + "round, pictures that show nothing can be made that a network is sure of: by the gradient "
          + "from grey noise (the steps end at a confidence of \(percent(FoolingPictures.enough, 2))), "
          + "and by evolution without gradients (Nguyen and others 2015, pixels as genes; their "
          + "regular pictures, encoded by networks that draw, are not repeated). Goodfellow and "
          + "others (2015) count how often plain Gaussian noise alone is given a class with more than "
          + "50 %: 59.8 % for their softmax regression on MNIST.")
    ]
    for subject in subjects {
      blocks.append(.heading("\(subject.name), \(subject.note)"))
      if !subject.accuracies.isEmpty {
        blocks.append(
          .table(
            StudyTable(
              caption: "Accuracy on pictures with Gaussian noise, not cut to [0, 1]; Wilson's "
                + "intervals of 95 %",
              columns: ["Deviation", "Accuracy", "Interval", "Paper"],
              rows: zip(Self.deviations, subject.accuracies).map { deviation, accuracy in
                [
                  decimal(deviation, 1), percent(accuracy.share),
                  accuracy.interval.map {
                    "[\(percent($0.lowerBound)), \(percent($0.upperBound))]"
                  } ?? "-", deviation == 1 ? percent(Self.paperAccuracy) : "-",
                ]
              })))
      }
      blocks.append(
        .table(
          StudyTable(
            caption:
              "Pictures that show nothing: how sure the network is, and after how many steps "
              + "or generations",
            columns: ["Class"] + subject.methods.flatMap { [$0.description, "Steps"] },
            rows: subject.ascended.indices.map { index in
              ["\(subject.ascended[index].target)"]
                + subject.methods.flatMap { method in
                  [percent(method.found[index].confidence, 2), "\(method.found[index].steps)"]
                }
            })))
      blocks.append(
        .picture(
          try StudyPicture(
            sheet(subject),
            caption: "Noise of deviation 1 on pictures, then pictures by gradient, then by "
              + "evolution, with their classes")))
    }
    return blocks
  }

  private func sheet(_ subject: Subject) -> PictureSheet {
    let size = subject.shape.count
    var sheet = PictureSheet(
      shape: subject.shape, magnification: max(1, 56 / subject.shape.height))
    if let pictures = subject.pictures {
      sheet.append(
        (0..<min(10, pictures.count)).map {
          .init(
            pixels: Array(subject.noisy[$0 * size..<($0 + 1) * size]),
            lines: ["class \(pictures.labels[$0])"])
        })
    }
    for method in subject.methods {
      sheet.append(
        method.found.map {
          .init(
            pixels: $0.pixels,
            lines: ["as \($0.target)", String(format: "%.2f%%", 100 * $0.confidence)])
        })
    }
    return sheet
  }
}
