import Attacks
import Compute
import Datasets
import Digests
import Foundation
import ModelFiles
import Networks
import Operations
import Reference
import Runs

/// A network with what it was measured to be.
struct TrainedNetwork {
  var model: StudyModel
  var graph: Graph
  var trainError: Double
  var testError: Double
}

/// Trains the models of studies, or takes them from the folder of networks if they are there.
struct NetworkTrainer {
  let environment: StudyEnvironment
  let plan: TrainingPlan

  init(_ environment: StudyEnvironment) {
    self.environment = environment
    plan = environment.isQuick ? .quick : .full
  }

  /// The trained network and its errors.
  ///
  /// - Parameters:
  ///   - training: The pictures to train on.
  ///   - test: The pictures whose error is measured.
  func network(
    _ model: StudyModel, training: LabelledPictures, test: LabelledPictures
  ) throws -> TrainedNetwork {
    let graph = try cached(model, training) ?? trainedAndKept(model, training)
    let classifier = try Classifier(graph, environment)
    return TrainedNetwork(
      model: model, graph: graph, trainError: try classifier.error(on: training),
      testError: try classifier.error(on: test))
  }

  // MARK: The folder of networks

  /// The name of a network's files: equal names are trained to equal bits.
  private func stem(_ model: StudyModel, _ training: LabelledPictures) -> String {
    let settings = JSONValue.object(plan.settings(for: model, seed: environment.seed))
    let key = SHA256.hexDigest(of: Data("\(settings) \(training.digest)".utf8))
    let name = model.name.filter { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }
    return "\(name)-\(key.prefix(16))"
  }

  private func cached(_ model: StudyModel, _ training: LabelledPictures) throws -> Graph? {
    let file = environment.networks.appending(path: stem(model, training) + ".safetensors")
    guard FileManager.default.fileExists(atPath: file.path) else { return nil }
    return try graph(model, training, NamedParameters(Safetensors(contentsOf: file).tensors))
  }

  private func trainedAndKept(
    _ model: StudyModel, _ training: LabelledPictures
  ) throws -> Graph {
    let graph = try train(model, training)
    let stem = stem(model, training)
    try writeONNX(
      graph, name: model.name, to: environment.networks.appending(path: stem + ".onnx"))
    // Last, since this is the file that is looked for.
    try Safetensors(
      tensors: graph.namedParameters,
      metadata: plan.settings(for: model, seed: environment.seed).mapValues { "\($0)" }
    ).write(to: environment.networks.appending(path: stem + ".safetensors"))
    return graph
  }

  private func graph(
    _ model: StudyModel, _ pictures: LabelledPictures, _ parameters: some ParameterSource,
    isFlat: Bool = false
  ) throws(ArchitectureError) -> Graph {
    let shape = pictures.shape
    return try model.network.graph(
      inputShape: isFlat ? [shape.count, 1, 1] : [shape.channels, shape.height, shape.width],
      classes: pictures.classes, parameters: parameters)
  }

  // MARK: Training

  private func train(_ model: StudyModel, _ training: LabelledPictures) throws -> Graph {
    let seed = environment.seed &+ model.seedOffset
    switch model.kind {
    case .fullyConnected(let hidden):
      let decay = Dictionary(
        uniqueKeysWithValues: model.lambdas.enumerated().map {
          ("fc\($0 + 1)", StudyModel.decay(lambda: $1))
        })
      if let regime = model.regime {
        let epochs = plan.epochs(
          plan.adversarialEpochs, pictures: training.count, batch: TrainingPlan.batch)
        let adversarial = AdversarialTraining(
          environment: environment, name: model.name, hidden: hidden, regime: regime, decay: decay,
          epochs: epochs, seed: seed)
        return try graph(
          model, training,
          NamedParameters(adversarial.parameters(training, from: GlorotParameters(seed: seed))))
      }
      // Pixels as channels of one place: devices pad the channels of each place to whole vectors.
      let set = try TrainingSet(
        pictures: Tensor(
          shape: [training.count, training.shape.count, 1, 1], values: training.pixels),
        labels: training.labels, classes: training.classes)
      var network = try graph(model, training, GlorotParameters(seed: seed), isFlat: true)
      if let widest = hidden.max() {
        // Sums over more units take shorter steps.
        network = try descend(
          model, network, set, epochs: plan.startEpochs, rate: 0.3 * min(1, 200 / Float(widest)),
          decay: decay, seed: seed)
      }
      network = try minimize(
        model, network, set, decay: decay,
        evaluations: hidden.isEmpty ? plan.layerEvaluations : plan.evaluations)
      return try graph(model, training, NamedParameters(network.namedParameters))
    case .autoencoder(let units):
      return try trainAutoencoder(model, units, training, seed)
    case .convolutional, .leNet5:
      let start = try graph(model, training, RandomParameters(seed: seed))
      return try descend(
        model, start, try training.trainingSet(), epochs: plan.convolutionalEpochs, rate: 0.05,
        decay: [:], seed: seed)
    }
  }

  /// Gradient descent with momentum.
  private func descend(
    _ model: StudyModel, _ graph: Graph, _ set: TrainingSet, epochs: Int, rate: Float,
    decay: [String: Double], seed: UInt64
  ) throws -> Graph {
    let epochs = plan.epochs(epochs, pictures: set.count, batch: TrainingPlan.batch)
    var settings = TrainingSettings()
    settings.epochs = epochs
    settings.learningRate = rate
    settings.weightDecay = 0
    settings.layerWeightDecay = decay.mapValues { Float(2 * $0) }
    settings.seed = seed
    let trainer = try Trainer(
      graph, context: environment.context, batch: TrainingPlan.batch, family: environment.family,
      settings: settings)
    try trainer.train(on: set) { epoch in
      environment.progress(
        "\(model.name): epoch \(epoch.epoch + 1) of \(epochs), training error "
          + percent(epoch.error, 2))
      return true
    }
    return try trainer.trainedGraph()
  }

  /// L-BFGS until it gains nothing or the plan's evaluations are used up.
  private func minimize(
    _ model: StudyModel, _ graph: Graph, _ set: TrainingSet, decay: [String: Double],
    evaluations: Int
  ) throws -> Graph {
    let evaluations = plan.evaluations(evaluations, pictures: set.count)
    let trainer = try FullBatchTrainer(
      graph, context: environment.context, weightDecay: decay, family: environment.family)
    try trainer.train(on: set, evaluations: evaluations) { progress in
      environment.progress(
        "\(model.name): L-BFGS \(progress.evaluations) of \(evaluations), objective "
          + String(format: "%.5f", progress.objective))
      return true
    }
    return try trainer.trainedGraph()
  }

  /// The autoencoder on its own, then the classifier on its units.
  private func trainAutoencoder(
    _ model: StudyModel, _ units: Int, _ training: LabelledPictures, _ seed: UInt64
  ) throws -> Graph {
    let pixels = training.shape.count
    let parameters = GlorotParameters(seed: seed)
    var graph = Graph(inputShape: [pixels])
    func layer(_ name: String, _ inputs: Int, _ outputs: Int) throws {
      let rows = try parameters.parameter(
        name + ".weight", shape: [outputs, inputs], fanIn: inputs)
      try graph.append(
        Linear(
          weights: rows.transposed(),
          bias: Array(repeating: 0, count: outputs)), name: name)
      try graph.append(Pointwise(.sigmoid), name: name + ".sigmoid")
    }
    try layer("fc1", pixels, units)
    let hidden = graph.output
    try layer("decoder", units, pixels)
    try graph.append(Concat(axis: 0), name: "join", to: [hidden, graph.output])
    let flat = try TrainingSet(
      pictures: Tensor(shape: [training.count, pixels], values: training.pixels),
      labels: training.labels, classes: training.classes)
    let trainer = try FullBatchTrainer(
      graph, context: environment.context,
      loss: .sparseReconstruction(
        SparsityPenalty(
          units: units, target: TrainingPlan.sparsity, weight: TrainingPlan.sparsityWeight)),
      weightDecay: [
        "fc1": TrainingPlan.autoencoderDecay, "decoder": TrainingPlan.autoencoderDecay,
      ], family: environment.family)
    let epochs = plan.epochs(
      plan.autoencoderEpochs, pictures: flat.count, batch: FullBatchTrainer.block)
    try trainer.descend(
      on: flat, epochs: epochs, rate: TrainingPlan.autoencoderRate, seed: seed
    ) { epoch, objective in
      environment.progress(
        "\(model.name): autoencoder, epoch \(epoch + 1) of \(epochs), objective "
          + String(format: "%.3f", objective))
      return true
    }
    var tensors = try trainer.trainedGraph().namedParameters.filter { $0.key.hasPrefix("fc1") }
    // The classifier sees the units of pictures that were computed once.
    var encoder = Graph(inputShape: graph.inputShape)
    for node in try trainer.trainedGraph().nodes.prefix(2) {
      try encoder.append(node.operation, name: node.name)
    }
    let features = try CenteredFeatures(
      try Classifier(encoder, environment).outputs(training.pixels), width: units)
    let set = try TrainingSet(
      pictures: Tensor(shape: [training.count, features.width], values: features.values),
      labels: training.labels, classes: training.classes)
    var top = Graph(inputShape: [features.width])
    try top.append(
      Linear(
        weights: Tensor(shape: [features.width, training.classes], repeating: 0),
        bias: Array(repeating: 0, count: training.classes)), name: "fc2")
    let lambda = StudyModel.decay(lambda: model.lambdas[0])
    let classifier = try minimize(
      model, top, set, decay: ["fc2": lambda / (features.scale * features.scale)],
      evaluations: plan.layerEvaluations)
    tensors.merge(features.unscaled(classifier.namedParameters, layer: "fc2")) { own, _ in own }
    return try self.graph(model, training, NamedParameters(tensors))
  }
}

extension NetworkTrainer {
  /// The settings that a report on these pictures begins with.
  func reportSettings(
    training: LabelledPictures, test: LabelledPictures, attacked: LabelledPictures
  ) -> [String: JSONValue] {
    [
      "training_pictures": .integer(Int64(training.count)),
      "test_pictures": .integer(Int64(test.count)),
      "attacked_pictures": .integer(Int64(attacked.count)),
      "training_digest": .string(training.digest), "test_digest": .string(test.digest),
      "attack": "box-constrained L-BFGS to a drawn class",
      "start_epochs": .integer(Int64(plan.startEpochs)),
      "lbfgs_evaluations": .integer(Int64(plan.evaluations)),
      "layer_evaluations": .integer(Int64(plan.layerEvaluations)),
      "autoencoder_epochs": .integer(Int64(plan.autoencoderEpochs)),
      "convolutional_epochs": .integer(Int64(plan.convolutionalEpochs)),
    ]
  }
}
