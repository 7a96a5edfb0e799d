import Attacks
import Compute
import Datasets
import Foundation
import Networks
import Operations
import Reference

/// Trains fully connected sigmoid networks against distorted pictures and distorted outputs of
/// layers, as section 4.2 of Szegedy and others (2013) tells of it.
///
/// For each level there is a pool of examples: what the layers below make of a picture, changed as
/// little as box-constrained L-BFGS can until the layers above give another class, with the picture's
/// own class. Minibatches of pools come between those of the pictures, and train the layers above their
/// level alone. Some of each pool is replaced all the time.
struct AdversarialTraining {
  /// The numbers that the paper does not give.
  enum Constants {
    /// The minibatch of every turn.
    static let batch = 50
    /// Turns of the pictures before each turn of a pool.
    static let pictureTurns = 9
    /// The examples of a pool.
    static let poolSize = 2000
    /// Turns of a pool after which some of it is replaced.
    static let turnsBetweenRefreshes = 20
    /// The examples that are then replaced.
    static let refresh = 400
    /// Gradient evaluations that one example may cost.
    static let evaluations = 60
    /// The rate of the first step.
    static let rate: Float = 0.3
    /// What dropout leaves out of the pixels and of hidden units.
    static let dropout: (pixels: Float, units: Float) = (0.1, 0.2)
    /// The ball (L-infinity) and the steps of projected gradient descent.
    static let gradient: (radius: Float, step: Float, steps: Int) = (0.1, 0.04, 5)
  }

  let environment: StudyEnvironment
  let name: String
  /// The sizes of the hidden layers.
  let hidden: [Int]
  let regime: TrainingRegime
  /// Lambda of lambda * |w|^2 by the node's name.
  let decay: [String: Double]
  let epochs: Int
  let seed: UInt64

  /// The network's parameters after minibatches for so many epochs, those of pools counted in.
  func parameters(
    _ training: LabelledPictures, from start: GlorotParameters
  ) throws -> [String: Tensor<Float>] {
    var settings = TrainingSettings()
    settings.weightDecay = 0
    settings.layerWeightDecay = decay.mapValues { Float(2 * $0) }
    settings.learningRate = Constants.rate
    let sizes = [training.shape.count] + hidden + [training.classes]
    var masks: [DropoutMask] = []
    if regime == .dropout {
      masks = try sizes.dropLast().enumerated().map { level, size in
        try DropoutMask(
          environment.context, shape: [size], batch: Constants.batch,
          rate: level == 0 ? Constants.dropout.pixels : Constants.dropout.units,
          seed: seed &+ UInt64(level))
      }
    }
    let layers = SigmoidLayers(sizes: sizes, parameters: start)
    let trainer = try Trainer(
      try layers.graph(from: 0, masks: masks), context: environment.context,
      batch: Constants.batch, family: environment.family, settings: settings)
    var pools: [AdversarialPool] = []
    if case .pools(let levels) = regime {
      pools = try levels.map { level in
        try AdversarialPool(
          trainer, lower: level == 0 ? nil : try layers.graph(from: 0, upTo: level),
          upper: try layers.graph(from: level), pictures: training, environment: environment,
          settings: settings, seed: seed &+ UInt64(1000 + level))
      }
    }
    var order = MinibatchOrder(count: training.count, batch: Constants.batch, seed: seed)
    let turns = epochs * order.batchesPerEpoch
    for turn in 0..<turns {
      let rate = settings.rate(step: turn, of: turns)
      let (round, place) = turn.quotientAndRemainder(dividingBy: Constants.pictureTurns + 1)
      if place == Constants.pictureTurns, !pools.isEmpty {
        try pools[round % pools.count].train(rate: rate)
      } else {
        for mask in masks { try mask.draw(step: turn) }
        var set = try training.flatSet(order.next())
        if regime == .projectedGradient {
          set = try distorted(set, trainer, turn: turn, classes: training.classes)
        }
        try trainer.step(on: set, rate: rate)
      }
      if (turn + 1) % order.batchesPerEpoch == 0 {
        environment.progress(
          "\(name): epoch \((turn + 1) / order.batchesPerEpoch) of \(epochs)")
      }
    }
    return try trainer.trainedGraph().namedParameters
  }

  /// Pictures after steps along the sign of the gradient from a random point of the ball.
  ///
  /// Madry and others (2017).
  private func distorted(
    _ set: TrainingSet, _ trainer: Trainer, turn: Int, classes: Int
  ) throws -> TrainingSet {
    let (radius, step, steps) = Constants.gradient
    let clean = set.pictures.values
    let start = PhiloxStream(seed: seed, sample: UInt64(turn), attack: 0x7067_6474, restart: 0)
    var pixels = zip(clean, start.symmetric(count: clean.count, step: 0)).map {
      min(1, max(0, $0 + radius * $1))
    }
    for _ in 0..<steps {
      let moved = try TrainingSet(
        pictures: Tensor(shape: set.pictures.shape, values: pixels), labels: set.labels,
        classes: classes)
      let gradient = try trainer.inputGradients(of: moved).values
      for i in pixels.indices where gradient[i] != 0 {
        let next = pixels[i] + (gradient[i] > 0 ? step : -step)
        pixels[i] = min(1, clean[i] + radius, max(0, clean[i] - radius, next))
      }
    }
    return try TrainingSet(
      pictures: Tensor(shape: set.pictures.shape, values: pixels), labels: set.labels,
      classes: classes)
  }
}

/// Fully connected layers with sigmoids between them: nodes `fc1`, `fc2`, ...
private struct SigmoidLayers {
  /// Pixels, hidden units, classes.
  let sizes: [Int]
  let parameters: GlorotParameters

  /// The layers from a level to another, by default to the logits; level 0 is the picture.
  func graph(from level: Int, upTo end: Int? = nil, masks: [DropoutMask] = []) throws -> Graph {
    let end = end ?? sizes.count - 1
    var graph = Graph(inputShape: [sizes[level]])
    for layer in level..<end {
      if !masks.isEmpty { try graph.append(Dropout(masks[layer])) }
      let name = "fc\(layer + 1)"
      let rows = try parameters.parameter(
        name + ".weight", shape: [sizes[layer + 1], sizes[layer]], fanIn: sizes[layer])
      try graph.append(
        Linear(
          weights: rows.transposed(), bias: Array(repeating: 0, count: sizes[layer + 1])),
        name: name)
      if layer + 2 < sizes.count { try graph.append(Pointwise(.sigmoid), name: name + ".sigmoid") }
    }
    return graph
  }
}

/// The examples of one level.
private final class AdversarialPool {
  private let trainer: Trainer
  private let lower: CompiledNetwork?
  private let engine: SlotEngine<LBFGSMachine>
  private let pictures: LabelledPictures
  private let environment: StudyEnvironment
  private var examples: [(values: [Float], label: Int)] = []
  private var fresh: MinibatchOrder
  private var order: MinibatchOrder
  /// Where the next example goes.
  private var place = 0
  private var turns = 0

  /// - Parameters:
  ///   - whole: The training of the whole network.
  ///   - lower: The layers below, or nil for level 0.
  ///   - upper: The layers above.
  init(
    _ whole: Trainer, lower: Graph?, upper: Graph, pictures: LabelledPictures,
    environment: StudyEnvironment, settings: TrainingSettings, seed: UInt64
  ) throws {
    typealias Constants = AdversarialTraining.Constants
    self.pictures = pictures
    self.environment = environment
    trainer = try Trainer(
      upper, context: environment.context, batch: Constants.batch, family: environment.family,
      settings: settings, sharing: whole)
    self.lower = try lower.map {
      try whole.network($0, batch: Constants.refresh, withGradient: false)
    }
    var attack = BoxConstrainedLBFGS(target: .untargeted)
    attack.seed = seed
    attack.maximumEvaluations = Constants.evaluations
    engine = try attack.engine(for: whole.network(upper, batch: Constants.refresh))
    fresh = MinibatchOrder(
      count: pictures.count, batch: min(Constants.refresh, pictures.count), seed: seed)
    order = MinibatchOrder(count: Constants.poolSize, batch: Constants.batch, seed: seed)
  }

  /// One minibatch of the pool.
  func train(rate: Float) throws {
    typealias Constants = AdversarialTraining.Constants
    if turns % Constants.turnsBetweenRefreshes == 0 { try refresh() }
    turns += 1
    guard !examples.isEmpty else { return }
    let chosen = order.next().map { examples[$0 % examples.count] }
    try trainer.step(
      on: TrainingSet(
        pictures: Tensor(
          shape: [chosen.count, chosen[0].values.count], values: chosen.flatMap(\.values)),
        labels: chosen.map(\.label), classes: pictures.classes), rate: rate)
  }

  /// Attacks what the layers below now make of some pictures; the oldest examples give way.
  private func refresh() throws {
    let chosen = fresh.next()
    let set = try pictures.flatSet(chosen)
    let width: Int
    let inputs: [Float]
    if let lower {
      try lower.write(set.pictures)
      try lower.forward()
      inputs = try lower.readLogits().values
      width = lower.graph.outputShape[0]
    } else {
      inputs = set.pictures.values
      width = pictures.shape.count
    }
    var waiting = chosen.indices.map { index in
      AttackSample(
        id: chosen[index], name: "", pixels: Array(inputs[index * width..<(index + 1) * width]),
        label: set.labels[index])
    }.makeIterator()
    var found: [AttackResult] = []
    try engine.run(next: { waiting.next() }, emit: { found += $0 })
    // In the order of the pictures: that of the results depends on how many slots there are.
    let adversarial = Dictionary(
      found.compactMap { result in
        result.succeeded && result.stopReason == .converged
          ? result.adversarial.map { (result.sample.id, $0) } : nil
      }, uniquingKeysWith: { first, _ in first })
    for (id, label) in zip(chosen, set.labels) {
      guard let values = adversarial[id] else { continue }
      if examples.count < AdversarialTraining.Constants.poolSize {
        examples.append((values, label))
      } else {
        examples[place] = (values, label)
        place = (place + 1) % examples.count
      }
    }
  }
}

/// Numbers of pictures in an order drawn anew for each epoch, a minibatch at a time.
private struct MinibatchOrder {
  let count: Int
  let batch: Int
  let seed: UInt64
  private var epoch = 0
  private var order: [Int] = []
  private var position = 0

  var batchesPerEpoch: Int { (count + batch - 1) / batch }

  init(count: Int, batch: Int, seed: UInt64) {
    (self.count, self.batch, self.seed) = (count, batch, seed)
  }

  mutating func next() -> [Int] {
    if position >= order.count {
      order = TrainingSet.order(count: count, seed: seed, epoch: epoch)
      epoch += 1
      position = 0
    }
    defer { position += batch }
    return Array(order[position..<min(count, position + batch)])
  }
}

extension LabelledPictures {
  /// Some pictures for training, pixels as one vector.
  fileprivate func flatSet(_ chosen: [Int]) throws(TrainingSetError) -> TrainingSet {
    try TrainingSet(
      pictures: Tensor(shape: [chosen.count, shape.count], values: chosen.flatMap(picture)),
      labels: chosen.map { labels[$0] }, classes: classes)
  }
}
