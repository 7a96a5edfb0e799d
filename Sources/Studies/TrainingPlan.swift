import Networks
import Runs

/// How long and in which steps networks are trained for a study.
struct TrainingPlan: Sendable {
  /// Epochs of gradient descent that fully connected networks begin with.
  var startEpochs: Int
  /// Evaluations of L-BFGS over all pictures after that.
  var evaluations: Int
  /// Evaluations of L-BFGS for the autoencoder, over its own pictures.
  var autoencoderEvaluations: Int
  /// Pictures of the autoencoder, the first of the training set.
  var autoencoderPictures: Int
  /// Epochs of gradient descent for convolutional networks.
  var convolutionalEpochs: Int

  /// What the figures of the pages come from.
  static let full = TrainingPlan(
    startEpochs: 20, evaluations: 150, autoencoderEvaluations: 300, autoencoderPictures: 20_000,
    convolutionalEpochs: 6)
  /// Close to it, in a fraction of the time.
  static let quick = TrainingPlan(
    startEpochs: 6, evaluations: 25, autoencoderEvaluations: 60, autoencoderPictures: 5000,
    convolutionalEpochs: 2)

  /// The minibatch of gradient descent.
  static let batch = 100
  /// The share of the hidden units that the autoencoder wants active.
  static let sparsity = 0.1
  /// The weight of that wish.
  static let sparsityWeight = 0.3
  /// The autoencoder's factor of the sum of the squares of its weights.
  static let autoencoderDecay = 1e-4

  /// What a model's weights depend on, besides the pictures.
  func settings(for model: StudyModel, seed: UInt64) -> [String: JSONValue] {
    var settings: [String: JSONValue] = [
      "model": .string(model.name), "seed": .string("\(seed)"), "recipe": 1,
      "lambdas": .array(model.lambdas.map { .number($0) }),
    ]
    switch model.kind {
    case .fullyConnected:
      settings["start_epochs"] = .integer(Int64(startEpochs))
      settings["evaluations"] = .integer(Int64(evaluations))
    case .autoencoder:
      settings["evaluations"] = .integer(Int64(evaluations))
      settings["autoencoder_evaluations"] = .integer(Int64(autoencoderEvaluations))
      settings["autoencoder_pictures"] = .integer(Int64(autoencoderPictures))
      settings["autoencoder_decay"] = .number(Self.autoencoderDecay)
      settings["sparsity"] = .number(Self.sparsity)
      settings["sparsity_weight"] = .number(Self.sparsityWeight)
    case .convolutional, .leNet5:
      settings["epochs"] = .integer(Int64(convolutionalEpochs))
    }
    return settings
  }
}
