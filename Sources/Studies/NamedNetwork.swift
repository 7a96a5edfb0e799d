import BlindspotKit
import Datasets
import Foundation
import Networks

/// A network that `--model` names, with the pictures of `--images`.
struct NamedNetwork {
  var name: String
  /// Whether its weights are random or trained, for headlines.
  var note: String
  /// With the normalisation of pixels as its first layer.
  var graph: Graph
  /// Pictures in [0, 1]; labels where there are any.
  var pictures: LabelledPictures?

  /// Every network that was named; pictures are treated as `preprocessing` says.
  ///
  /// - Parameter limit: Pictures at most.
  /// - Throws: `StudyError` when the pictures do not fit, and the errors of reading files.
  static func all(_ environment: StudyEnvironment, limit: Int) throws -> [NamedNetwork] {
    try environment.models.map { model in
      let network = try Network(named: model, seed: environment.seed)
      let isBuiltIn = Architecture(rawValue: model) != nil
      let isColoured = network.graph.inputShape.first == 3
      let preprocessing = environment.preprocessing ?? (isColoured ? .imageNet : .unit)
      let graph = try network.graph.normalized(by: preprocessing.normalization)
      let classes = graph.outputShape.reduce(1, *)
      var pictures: LabelledPictures?
      if let (path, labels) = environment.images {
        let source = try openPictures(
          path, labels: labels, preprocessing: preprocessing, classCount: classes, limit: limit)
        let read = try LabelledPictures(
          source, classes: classes, origin: path.path, defaultLabel: 0)
        guard read.shape.count == graph.inputShape.reduce(1, *) else {
          throw StudyError(
            "\(path.path): pictures of \(read.shape.count) numbers for \(model), which takes "
              + "\(graph.inputShape)")
        }
        pictures = read
      }
      return NamedNetwork(
        name: isBuiltIn
          ? model : URL(fileURLWithPath: model).deletingPathExtension().lastPathComponent,
        note: isBuiltIn ? "random weights" : "trained weights", graph: graph, pictures: pictures)
    }
  }
}

extension LabelledPictures {
  /// The same pictures with other labels.
  func labelled(_ labels: [Int]) -> LabelledPictures {
    LabelledPictures(shape: shape, classes: classes, pixels: pixels, labels: labels)
  }
}
