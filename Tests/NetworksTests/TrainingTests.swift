import Compute
import Datasets
import Foundation
import Networks
import Operations
import Reference
import Testing

@Suite struct TrainingTests {
  private static let opened = Result<[Context], ComputeError> { () throws(ComputeError) in
    var contexts: [Context] = []
    for device in try Device.all() {
      contexts.append(try Context(device: device, cache: ProgramCache(folder: nil)))
    }
    guard !contexts.isEmpty else { throw ComputeError(.deviceNotFound, "Device.all") }
    return contexts
  }

  static let networks: [SmallNetwork] = [
    .fullyConnected(hidden: [12, 9], activation: .sigmoid),
    .fullyConnected(hidden: [], activation: .relu), .convolutional(channels: [5, 18]),
  ]

  /// Some digits as training pictures.
  private static func digits(_ range: Range<Int>, seed: UInt64 = 1) throws -> TrainingSet {
    let order = TrainingSet.order(count: Digits.samples.count, seed: seed, epoch: 0)
    let samples = order[range].map { Digits.samples[$0] }
    return try TrainingSet(
      pictures: Tensor(shape: [samples.count, 1, 8, 8], values: samples.flatMap(\.pixels)),
      labels: samples.compactMap(\.label), classes: 10)
  }

  private static func graph(_ network: SmallNetwork, seed: UInt64 = 3) throws -> Graph {
    try network.graph(
      inputShape: [1, 8, 8], classes: 10, parameters: RandomParameters(seed: seed))
  }

  /// The gradient of the mean cross-entropy, as the trainer weighs it.
  private static func lossGradient<Scalar: ReferenceScalar>(
    _ labels: [Int], _ scalar: Scalar.Type
  ) -> (Tensor<Scalar>) -> Tensor<Scalar> {
    let weight = Scalar(1 / Float(labels.count))
    return { logits in
      LossKernels(.crossEntropy).evaluate(
        logits, targets: labels, weights: labels.map { _ in weight }
      ).gradient
    }
  }

  private func equalBits(_ a: [Float], _ b: [Float]) -> Bool {
    a.count == b.count && zip(a, b).allSatisfy { $0.bitPattern == $1.bitPattern }
  }

  @Test(arguments: networks)
  func `two steps equal the reference bit for bit`(_ network: SmallNetwork) throws {
    let graph = try Self.graph(network)
    // The second minibatch leaves slots empty.
    let sets = try [Self.digits(0..<7), Self.digits(7..<11)]
    var settings = TrainingSettings()
    settings.momentum = 0.75
    settings.weightDecay = 0.01
    settings.layerWeightDecay = ["fc1": 0.25]
    for context in try Self.opened.get() {
      for family in KernelFamily.allCases where family != .cpu || context.device.kind == .cpu {
        let trainer = try Trainer(
          graph, context: context, batch: 7, family: family, settings: settings)
        var expected = try trainer.layers()
        var velocities = expected.map { layer in
          (
            [Float](repeating: 0, count: layer.weights.count),
            layer.bias?.map { _ in Float(0) } ?? []
          )
        }
        var current = graph
        for set in sets {
          let rate: Float = 0.125
          let slopes = try trainer.inputGradients(of: set)
          let expectedSlopes = ReferenceNetwork(current).gradient(
            set.pictures, outputGradient: Self.lossGradient(set.labels, Float.self)
          ).inputGradient
          #expect(
            equalBits(Array(slopes.values.prefix(expectedSlopes.count)), expectedSlopes.values))
          let found = try trainer.step(on: set, rate: rate)
          let reference = ReferenceNetwork(current).parameterGradients(
            set.pictures, outputGradient: Self.lossGradient(set.labels, Float.self))
          let losses = LossReference.crossEntropy(reference.output, labels: set.labels)
          let mean = losses.reduce(0) { $0 + Double($1) } / Double(losses.count)
          #expect(found.count == set.count && found.loss == mean)
          let gradients = try trainer.gradients()
          let nodes = reference.gradients.keys.sorted()
          #expect(nodes.count == gradients.count)
          for (index, node) in nodes.enumerated() {
            guard let share = reference.gradients[node] else { continue }
            let name = "\(expected[index].name), \(family)"
            #expect(equalBits(gradients[index].weights.values, share.weights.values), "\(name)")
            #expect(equalBits(gradients[index].bias ?? [], share.bias), "bias of \(name)")
            let decay = settings.layerWeightDecay[expected[index].name] ?? settings.weightDecay
            ParameterUpdateReference.step(
              weights: &expected[index].weights.values, velocities: &velocities[index].0,
              gradients: share.weights.values, momentum: settings.momentum, decay: decay,
              rate: rate)
            var bias = expected[index].bias ?? []
            ParameterUpdateReference.step(
              weights: &bias, velocities: &velocities[index].1, gradients: share.bias,
              momentum: settings.momentum, decay: 0, rate: rate)
            expected[index].bias = bias
          }
          #expect(try trainer.layers() == expected, "\(network), \(family)")
          current = try trainer.trainedGraph()
        }
        #expect(try trainer.measure(sets[0]).loss > 0)
      }
    }
  }

  @Test(arguments: networks)
  func `gradients of weights agree with finite differences in double precision`(
    _ network: SmallNetwork
  ) throws {
    // Biases and grey pictures keep sums away from the kink of the ReLU at zero.
    let graph = try network.graph(
      inputShape: [1, 8, 8], classes: 10, parameters: ParametersWithBiases())
    let set = try Self.digits(0..<5)
    let x = Tensor(
      shape: set.pictures.shape, values: set.pictures.values.map { 0.05 + 0.9 * Double($0) })
    let gradients = ReferenceNetwork(graph).parameterGradients(
      x, outputGradient: Self.lossGradient(set.labels, Double.self)
    ).gradients
    let weight = Double(1 / Float(set.count))
    let loss = { (graph: Graph) in
      let logits: Tensor<Double> = ReferenceNetwork(graph).forward(x)
      return weight * LossReference.crossEntropy(logits, labels: set.labels).reduce(0, +)
    }
    var compared = 0
    for (node, gradient) in gradients {
      guard let operation = graph.nodes[node].operation as? any TrainableOperation else { continue }
      let count = operation.weights.count
      for trial in 0..<24 {
        // Weights all over the tensor, then biases.
        let isBias = trial >= 18
        let place = isBias ? trial % gradient.bias.count : trial * 37 % count
        var values: [Double] = []
        var step = 0.0
        for sign in [-1, 1] as [Float] {
          var weights = operation.weights
          var bias = operation.bias ?? []
          let change = sign * 0x1p-18
          let old = isBias ? bias[place] : weights.values[place]
          if isBias { bias[place] += change } else { weights.values[place] += change }
          step += Double(sign) * Double((isBias ? bias[place] : weights.values[place]))
          #expect((isBias ? bias[place] : weights.values[place]) != old)
          values.append(loss(graph.replacing(node, weights, bias)))
        }
        let difference = (values[1] - values[0]) / step
        let expected = isBias ? gradient.bias[place] : gradient.weights.values[place]
        #expect(
          abs(difference - expected) <= 1e-7 + 1e-4 * abs(expected),
          "\(graph.nodes[node].name) \(place): \(difference), \(expected)")
        compared += 1
      }
    }
    #expect(compared == 24 * gradients.count && !gradients.isEmpty)
  }

  @Test func `digits are learnt, twice with the same bits, in every family`() throws {
    let training = try Self.digits(0..<1397)
    let test = try Self.digits(1397..<1797)
    for context in try Self.opened.get() {
      let models: [(SmallNetwork, Int, Float)] = [
        (.fullyConnected(hidden: [32], activation: .relu), 12, 0.1),
        (.convolutional(channels: [8, 16]), 4, 0.1),
      ]
      for (network, epochs, rate) in models {
        var settings = TrainingSettings()
        settings.epochs = epochs
        settings.learningRate = rate
        settings.seed = 5
        var first: [LayerParameters]?
        let families: [KernelFamily] =
          context.device.kind == .cpu ? [.cpu, .cpu, .reference] : [.reference, .reference]
        for family in families {
          let trainer = try Trainer(
            try Self.graph(network), context: context, batch: 32, family: family,
            settings: settings)
          var epochsSeen: [Int] = []
          try trainer.train(on: training) { epoch in
            epochsSeen.append(epoch.epoch)
            #expect(epoch.count == 1397)
            return true
          }
          #expect(epochsSeen == Array(0..<epochs))
          let layers = try trainer.layers()
          if let first {
            #expect(layers == first, "\(network), \(family)")
          } else {
            first = layers
            let found = try trainer.measure(test)
            #expect(found.error <= 0.05, "\(network): test error \(found.error)")
            // What an attack compiles computes what the trainer measured.
            let compiled = try CompiledNetwork(
              try trainer.trainedGraph(), context: context, batch: 400, withGradient: false)
            try compiled.write(test.pictures)
            try compiled.forward()
            let classes = LossReference.argmax(try compiled.readLogits())
            let wrong = zip(classes, test.labels).count { $0 != $1 }
            #expect(Double(wrong) / 400 == found.error)
          }
        }
      }
    }
  }

  @Test func `dropout drops its part, scales the rest, and lets gradients through alike`() throws {
    for context in try Self.opened.get() {
      let mask = try DropoutMask(context, shape: [1000], batch: 4, rate: 0.25, seed: 5)
      var graph = Graph(inputShape: [1000])
      try graph.append(Dropout(mask))
      let network = try CompiledNetwork(graph, context: context, batch: 4)
      let ones = Tensor<Float>(shape: [4, 1000], repeating: 1)
      func passed() throws -> [Float] {
        try network.write(ones)
        try network.forward()
        return try network.readLogits().values
      }
      #expect(try passed() == ones.values)
      try mask.draw(step: 1)
      let first = try passed()
      #expect(Set(first) == [0, 1 / 0.75])
      let dropped = first.count { $0 == 0 }
      // 4000 draws: six standard deviations.
      #expect(abs(dropped - 1000) < 165, "\(dropped)")
      let target = try #require(network.logitsGradient)
      try target.buffer.write(target.layout.pack(ones.values, batch: 4), at: target.offset)
      try network.gradient()
      #expect(try network.readInputGradient().values == first)
      try mask.draw(step: 2)
      #expect(try passed() != first)
      try mask.draw(step: 1)
      #expect(try passed() == first)
    }
  }

  @Test func `training is direct whatever the graph asks for`() throws {
    let graph = try Self.graph(.convolutional(channels: [32, 33]))
    let asking = graph.with(convolution: .winograd)
    #expect(asking.nodes.contains { ($0.operation as? Convolution)?.usesWinograd == true })
    #expect(asking.packedParameterCount == graph.packedParameterCount + 32 * 33 * (16 - 9))
    let set = try Self.digits(0..<5)
    for context in try Self.opened.get() {
      let layers = try [graph, asking].map { graph in
        let trainer = try Trainer(graph, context: context, batch: 5)
        try trainer.step(on: set, rate: 0.1)
        return try trainer.layers()
      }
      for (direct, other) in zip(layers[0], layers[1]) {
        #expect(equalBits(direct.weights.values, other.weights.values))
      }
    }
  }

  @Test func `another seed gives another order, and an order has every picture once`() {
    let order = TrainingSet.order(count: 1000, seed: 1, epoch: 0)
    #expect(order.sorted() == Array(0..<1000))
    #expect(order != TrainingSet.order(count: 1000, seed: 2, epoch: 0))
    #expect(order != TrainingSet.order(count: 1000, seed: 1, epoch: 1))
    #expect(TrainingSet.order(count: 1, seed: 1, epoch: 0) == [0])
  }

  @Test func `the cosine falls from the whole rate to nothing`() {
    var settings = TrainingSettings()
    settings.learningRate = 0.5
    #expect(settings.rate(step: 0, of: 100) == 0.5)
    #expect(settings.rate(step: 50, of: 100) == 0.25)
    #expect(settings.rate(step: 100, of: 100) == 0)
    settings.schedule = .constant
    #expect(settings.rate(step: 99, of: 100) == 0.5)
  }

  @Test func `labels and pictures that do not fit are refused`() {
    let pictures = Tensor<Float>(shape: [2, 1, 8, 8], repeating: 0)
    #expect(throws: TrainingSetError.self) {
      try TrainingSet(pictures: pictures, labels: [1], classes: 10)
    }
    #expect(throws: TrainingSetError.self) {
      try TrainingSet(pictures: pictures, labels: [1, 10], classes: 10)
    }
  }
}

/// Random parameters, biases too.
private struct ParametersWithBiases: ParameterSource {
  func parameter(
    _ name: String, shape: [Int], fanIn: Int?
  ) throws(ArchitectureError) -> Tensor<Float> {
    guard fanIn == nil else {
      return try RandomParameters(seed: 3).parameter(name, shape: shape, fanIn: fanIn)
    }
    let stream = PhiloxStream(seed: 4, sample: UInt64(shape[0]), attack: 0, restart: 0)
    return Tensor(
      shape: shape, values: stream.symmetric(count: shape.reduce(1, *), step: 0).map { 0.3 * $0 })
  }
}

extension Graph {
  /// The graph with other parameters at one node.
  fileprivate func replacing(_ index: Int, _ weights: Tensor<Float>, _ bias: [Float]) -> Graph {
    var result = Graph(inputShape: inputShape)
    var renamed = [input: result.input]
    for (position, node) in nodes.enumerated() {
      var operation = node.operation
      if position == index, let trainable = operation as? any TrainableOperation {
        operation = trainable.replacing(weights: weights, bias: bias)
      }
      guard
        let value = try? result.append(
          operation, name: node.name, to: node.inputs.compactMap { renamed[$0] })
      else { continue }
      renamed[node.output] = value
    }
    return result
  }
}
