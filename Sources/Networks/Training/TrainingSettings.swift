public import Reference

/// How a network is trained: minibatch gradient descent with momentum.
public struct TrainingSettings: Hashable, Sendable {
  /// How the learning rate changes over a training.
  public enum Schedule: String, Sendable, CaseIterable {
    /// It stays.
    case constant
    /// It falls along half a cosine from its first value to zero (Loshchilov and Hutter 2017).
    case cosine
  }

  /// Passes over all pictures.
  public var epochs = 30
  /// The learning rate at the start.
  public var learningRate: Float = 0.05
  /// How the learning rate changes.
  public var schedule = Schedule.cosine
  /// The part of the velocity that stays from step to step, in 0..<1.
  public var momentum: Float = 0.9
  /// Lambda of the penalty lambda / 2 * |w|^2 on the weights of every layer; biases have none.
  public var weightDecay: Float = 1e-4
  /// Lambda for layers of these names, instead of `weightDecay`.
  public var layerWeightDecay: [String: Float] = [:]
  /// The seed of the order of the pictures.
  public var seed: UInt64 = 0

  /// The default settings.
  public init() {}

  /// The learning rate of a step out of a number of steps, the same on every machine.
  public func rate(step: Int, of steps: Int) -> Float {
    switch schedule {
    case .constant: learningRate
    case .cosine:
      learningRate * (0.5 * (1 + Elementary.cosPi(Float(step) / Float(max(1, steps)))))
    }
  }
}

/// Why pictures cannot be trained on.
public struct TrainingSetError: Error, Sendable, Equatable, CustomStringConvertible {
  /// One line with the picture, the label and the sizes.
  public let description: String

  init(_ description: String) { self.description = description }
}

/// Pictures with their classes.
public struct TrainingSet: Sendable {
  /// `[N]` + the network's input shape, in [0, 1] for pictures.
  public let pictures: Tensor<Float>
  /// N classes, from 0.
  public let labels: [Int]

  /// The pictures.
  public var count: Int { labels.count }

  /// Checks that pictures and labels belong together.
  ///
  /// - Parameter classes: How many classes there are.
  /// - Throws: `TrainingSetError` when there is no picture, when the numbers differ, or when a label
  ///   is not a class.
  public init(
    pictures: Tensor<Float>, labels: [Int], classes: Int
  ) throws(TrainingSetError) {
    guard !labels.isEmpty, pictures.shape.first == labels.count else {
      throw TrainingSetError("\(labels.count) labels for pictures of shape \(pictures.shape)")
    }
    if let wrong = labels.firstIndex(where: { !(0..<classes).contains($0) }) {
      throw TrainingSetError("picture \(wrong) has the class \(labels[wrong]) of \(classes)")
    }
    self.pictures = pictures
    self.labels = labels
  }

  /// The numbers 0..<count in an order drawn for one epoch (Fisher and Yates; Durstenfeld 1964).
  ///
  /// The stream is that of sample `epoch` and attack 0x74726169 of the seed.
  public static func order(count: Int, seed: UInt64, epoch: Int) -> [Int] {
    let draws = PhiloxStream(
      seed: seed, sample: UInt64(epoch), attack: 0x7472_6169, restart: 0
    ).uniform(count: count, step: 0)
    var order = Array(0..<count)
    for last in stride(from: count - 1, to: 0, by: -1) {
      // The product may round up to last + 1.
      order.swapAt(last, min(last, Int(draws[last] * Float(last + 1))))
    }
    return order
  }
}
