import Networks
import Runs

/// How long and in which steps networks are trained for a study.
struct TrainingPlan: Sendable {
  /// Epochs of gradient descent that fully connected networks begin with.
  var startEpochs: Int
  /// Evaluations of L-BFGS over all pictures after that.
  var evaluations: Int
  /// Evaluations of L-BFGS for layers that are trained alone, which cost little.
  var layerEvaluations: Int
  /// Epochs of Adam for the autoencoder.
  var autoencoderEpochs: Int
  /// Epochs of gradient descent for convolutional networks.
  var convolutionalEpochs: Int
  /// Epochs of networks that are trained against distortions.
  var adversarialEpochs: Int

  /// What the figures of the pages come from.
  static let full = TrainingPlan(
    startEpochs: 12, evaluations: 300, layerEvaluations: 400, autoencoderEpochs: 40,
    convolutionalEpochs: 6, adversarialEpochs: 12)
  /// Close to it, in a fraction of the time.
  static let quick = TrainingPlan(
    startEpochs: 5, evaluations: 12, layerEvaluations: 50, autoencoderEpochs: 6,
    convolutionalEpochs: 2, adversarialEpochs: 2)

  /// The minibatch of gradient descent.
  static let batch = 50
  /// The rate of Adam's first step on the autoencoder.
  static let autoencoderRate = 5e-3
  /// The share of the hidden units that the autoencoder wants active.
  static let sparsity = 0.1
  /// The weight of that wish: a tenth of Ng's (2011), with which a softmax classifier on the units
  /// has the errors that the paper has.
  static let sparsityWeight = 0.3
  /// The autoencoder's factor of the sum of the squares of its weights: Ng's, by two thirds.
  static let autoencoderDecay = 1e-3

  /// Steps of gradient descent that small sets are not trained with fewer of, by the minibatch.
  private static let leastSteps = 1800

  /// Epochs for a number of pictures: more than planned where these would be too few steps.
  func epochs(_ planned: Int, pictures: Int, batch: Int) -> Int {
    let steps = max(1, (pictures + batch - 1) / batch)
    return max(planned, (Self.leastSteps * Self.batch / batch + steps - 1) / steps)
  }

  /// Evaluations for a number of pictures: more than planned, where they cost little.
  func evaluations(_ planned: Int, pictures: Int) -> Int {
    max(planned, min(200, 1_000_000 / max(1, pictures)))
  }

  /// What a model's weights depend on, besides the pictures.
  func settings(for model: StudyModel, seed: UInt64) -> [String: JSONValue] {
    var settings: [String: JSONValue] = [
      "model": .string(model.name), "seed": .string("\(seed)"), "recipe": 9,
      "lambdas": .array(model.lambdas.map { .number($0) }),
    ]
    if let regime = model.regime {
      settings["regime"] = .string(regime.name)
      settings["epochs"] = .integer(Int64(adversarialEpochs))
      return settings
    }
    switch model.kind {
    case .fullyConnected(let hidden):
      settings["start_epochs"] = .integer(Int64(hidden.isEmpty ? 0 : startEpochs))
      settings["evaluations"] = .integer(Int64(hidden.isEmpty ? layerEvaluations : evaluations))
    case .autoencoder:
      settings["evaluations"] = .integer(Int64(layerEvaluations))
      settings["autoencoder_epochs"] = .integer(Int64(autoencoderEpochs))
      settings["autoencoder_decay"] = .number(Self.autoencoderDecay)
      settings["sparsity"] = .number(Self.sparsity)
      settings["sparsity_weight"] = .number(Self.sparsityWeight)
    case .convolutional, .leNet5:
      settings["epochs"] = .integer(Int64(convolutionalEpochs))
    }
    return settings
  }
}
