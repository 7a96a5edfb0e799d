import Compute
import Datasets
import Foundation
import Networks
import Operations
import Reference
import Testing

/// L-BFGS on functions whose minima are known.
@Suite struct LimitedMemoryMinimizerTests {
  @Test func `Rosenbrock's valley is followed to its end`() {
    var minimizer = LimitedMemoryMinimizer()
    minimizer.tolerance = 0
    let result = minimizer.minimize(from: [-1.2, 1, -1.2, 1]) { x -> (Double, [Double]) in
      var value = 0.0
      var gradient = [Double](repeating: 0, count: 4)
      for i in [0, 2] {
        let (a, b) = (1 - x[i], x[i + 1] - x[i] * x[i])
        value += a * a + 100 * b * b
        gradient[i] = -2 * a - 400 * x[i] * b
        gradient[i + 1] = 200 * b
      }
      return (value, gradient)
    }
    // scipy 1.17's L-BFGS-B takes 47 evaluations from the same start to 1e-22.
    #expect(result.evaluations < 70, "\(result.evaluations)")
    for x in result.x { #expect(abs(x - 1) < 1e-6) }
  }

  @Test func `a quadratic of condition 10000 is minimised, and the budget is kept`() {
    let scales = (0..<30).map { pow(10, 4 * Double($0) / 29) }
    let quadratic = { (x: [Double]) -> (Double, [Double]) in
      let slopes = zip(scales, x).map { $0 * ($1 - 1) }
      return (0.5 * zip(slopes, x).reduce(0) { $0 + $1.0 * ($1.1 - 1) }, slopes)
    }
    var minimizer = LimitedMemoryMinimizer()
    minimizer.tolerance = 0
    let zeros = [Double](repeating: 0, count: 30)
    let result = minimizer.minimize(from: zeros, objective: quadratic)
    #expect(result.value < 1e-6, "\(result.value) after \(result.evaluations)")
    minimizer.maximumEvaluations = 7
    var calls = 0
    let short = minimizer.minimize(from: zeros) { x in
      calls += 1
      return quadratic(x)
    }
    #expect(calls == 7 && short.evaluations == 7 && short.value < quadratic(zeros).0)
    #expect(short.stop == .exhausted)
  }
}

/// Training on all pictures at once.
@Suite struct FullBatchTests {
  private static func context() throws -> Context {
    let device = try #require(try Device.all().first)
    return try Context(device: device, cache: ProgramCache(folder: nil))
  }

  /// More digits than a block holds.
  private static func digits() throws -> TrainingSet {
    let samples = Digits.samples.prefix(FullBatchTrainer.block + 37)
    return try TrainingSet(
      pictures: Tensor(shape: [samples.count, 64], values: samples.flatMap(\.pixels)),
      labels: samples.compactMap(\.label), classes: 10)
  }

  /// 64 pixels, hidden sigmoid units, then logits or the units and the pixels again.
  private static func graph(autoencoder: Bool) throws -> Graph {
    func layer(_ name: String, _ inputs: Int, _ outputs: Int) throws -> Linear {
      let rows = try GlorotParameters(seed: 5).parameter(
        name, shape: [outputs, inputs], fanIn: inputs)
      return Linear(weights: rows.transposed(), bias: Array(repeating: 0.1, count: outputs))
    }
    var graph = Graph(inputShape: [64])
    try graph.append(layer("fc1", 64, 12), name: "fc1")
    let hidden = try graph.append(Pointwise(.sigmoid))
    guard autoencoder else {
      try graph.append(layer("fc2", 12, 10), name: "fc2")
      return graph
    }
    try graph.append(layer("decoder", 12, 64), name: "decoder")
    try graph.append(Pointwise(.sigmoid))
    try graph.append(Concat(axis: 0), to: [hidden, graph.output])
    return graph
  }

  private static let penalty = SparsityPenalty(units: 12, target: 0.2, weight: 0.7)
  private static let decay = ["fc1": 0.01, "fc2": 0.003]

  /// The objective in double precision, by the definition.
  private static func objective(_ graph: Graph, _ set: TrainingSet, autoencoder: Bool) -> Double {
    let x = set.pictures.doubled
    let output: Tensor<Double> = ReferenceNetwork(graph).forward(x)
    var value = 0.0
    if autoencoder {
      let width = 12 + 64
      var means = [Double](repeating: 0, count: 12)
      for row in 0..<set.count {
        for unit in 0..<12 { means[unit] += output.values[row * width + unit] / Double(set.count) }
        for pixel in 0..<64 {
          let difference = output.values[row * width + 12 + pixel] - x.values[row * 64 + pixel]
          value += 0.5 * difference * difference / Double(set.count)
        }
      }
      for mean in means {
        value += 0.7 * (0.2 * log(0.2 / mean) + 0.8 * log(0.8 / (1 - mean)))
      }
    } else {
      value =
        LossReference.crossEntropy(output, labels: set.labels).reduce(0, +) / Double(set.count)
    }
    for (name, weights) in graph.namedParameters where name.hasSuffix(".weight") {
      let lambda = decay[String(name.dropLast(".weight".count))] ?? 0
      value += lambda * weights.values.reduce(0) { $0 + Double($1) * Double($1) }
    }
    return value
  }

  @Test(arguments: [false, true])
  func `objective and gradient are those of the definition`(autoencoder: Bool) throws {
    let graph = try Self.graph(autoencoder: autoencoder)
    let set = try Self.digits()
    let trainer = try FullBatchTrainer(
      graph, context: try Self.context(),
      loss: autoencoder ? .sparseReconstruction(Self.penalty) : .crossEntropy,
      weightDecay: Self.decay)
    let (value, gradient) = try trainer.evaluate(set)
    let expected = Self.objective(graph, set, autoencoder: autoencoder)
    #expect(abs(value - expected) < 1e-5 * expected, "\(value), \(expected)")
    // Weights of the first layer, then its bias: [inputs, units] and units.
    for place in [391, 767, 779] {
      var values: [Double] = []
      for change in [-1, 1] as [Float] {
        var changed = Graph(inputShape: [64])
        for (index, node) in graph.nodes.enumerated() {
          var operation = node.operation
          if index == 0, let linear = operation as? Linear {
            var (weights, bias) = (linear.weights, linear.bias ?? [])
            if place < weights.count {
              weights.values[place] += change * 0x1p-9
            } else {
              bias[place - weights.count] += change * 0x1p-9
            }
            operation = Linear(weights: weights, bias: bias)
          }
          try changed.append(operation, name: node.name, to: node.inputs)
        }
        values.append(Self.objective(changed, set, autoencoder: autoencoder))
      }
      let slope = (values[1] - values[0]) / 0x1p-8
      #expect(
        abs(slope - gradient[place]) < 1e-5 + 1e-3 * abs(slope),
        "\(place): \(slope), \(gradient[place])")
    }
  }

  @Test func `Adam lowers an autoencoder's objective, twice with the same bits`() throws {
    let graph = try Self.graph(autoencoder: true)
    let set = try Self.digits()
    let context = try Self.context()
    var first: [LayerParameters]?
    for _ in 0..<2 {
      let trainer = try FullBatchTrainer(
        graph, context: context, loss: .sparseReconstruction(Self.penalty))
      let before = try trainer.evaluate(set).0
      var epochs: [Int] = []
      try trainer.descend(on: set, epochs: 60, rate: 0.02, seed: 3) { epoch, _ in
        epochs.append(epoch)
        return true
      }
      #expect(epochs == Array(0..<60))
      let after = try trainer.evaluate(set).0
      #expect(after < 0.6 * before, "\(before), \(after)")
      let layers = try trainer.layers()
      #expect(first ?? layers == layers)
      first = layers
    }
  }

  @Test func `training lowers the objective, twice with the same bits, in every family`() throws {
    let graph = try Self.graph(autoencoder: false)
    let set = try Self.digits()
    let context = try Self.context()
    var first: [LayerParameters]?
    let families: [KernelFamily] = context.device.kind == .cpu ? [.cpu, .reference] : [.reference]
    for family in families + [families[0]] {
      let trainer = try FullBatchTrainer(
        graph, context: context, weightDecay: ["fc1": 1e-4, "fc2": 1e-4], family: family)
      let end = try trainer.train(on: set, evaluations: 60)
      #expect(end.objective < 0.15 && end.evaluations <= 60, "\(end)")
      let layers = try trainer.layers()
      #expect(first ?? layers == layers, "\(family)")
      first = layers
    }
  }
}
