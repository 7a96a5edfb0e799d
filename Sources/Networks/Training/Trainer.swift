public import Compute
public import Operations
public import Reference

/// Trains a graph on a device: cross-entropy, minibatches in an order drawn from a seed, gradient
/// descent with momentum and quadratic weight decay.
///
/// Convolutions and matrix products are trained; every other operation stays as it is, scale-shifts
/// too. All sums have their prescribed order, so the weights after any number of steps are the same
/// bits on every device and in every kernel family. A step costs the launches of both passes, two
/// more for each layer and one for each parameter, and one wait of the host.
///
/// It belongs to one task at a time.
public final class Trainer {
  /// What a minibatch or an epoch gave, before its last update.
  public struct Progress: Hashable, Sendable {
    /// The epoch, from 0.
    public var epoch = 0
    /// The pictures.
    public var count = 0
    /// The mean cross-entropy, without the penalty.
    public var loss = 0.0
    /// The part of the pictures that were not assigned their own class.
    public var error = 0.0

    mutating func add(_ losses: some Sequence<Float>, wrong: Int) {
      var sum = loss * Double(count)
      var mistakes = error * Double(count) + Double(wrong)
      for loss in losses {
        sum += Double(loss)
        count += 1
      }
      mistakes.round()
      loss = sum / Double(max(1, count))
      error = mistakes / Double(max(1, count))
    }
  }

  /// The network in training; its passes use the weights of the moment.
  public let network: CompiledNetwork
  /// How it is trained.
  public let settings: TrainingSettings

  private let graph: Graph
  private let parameters: TrainedParameters
  private let lossPass: Recorder
  private let results: LossKernels.Results
  private let targets: Buffer<Int32>
  private let weights: Buffer<Float>
  private let updates: [ParameterUpdate]

  /// Builds the kernels of a training.
  ///
  /// - Parameters:
  ///   - graph: A network with logits `[K]`, K at least 2, and its first weights.
  ///   - context: The device.
  ///   - batch: Pictures of a minibatch, at least 1.
  ///   - family: The kernels to prefer, by default those that suit the device.
  ///   - other: A trainer whose parameters and velocities are trained further, those of equally named
  ///     nodes; nil for parameters of its own, which begin as the graph's.
  /// - Throws: `ComputeError` when a kernel cannot be built or the memory is not there.
  public init(
    _ graph: Graph, context: Context, batch: Int, family: KernelFamily? = nil,
    settings: TrainingSettings = TrainingSettings(), sharing other: Trainer? = nil
  ) throws(ComputeError) {
    precondition(
      graph.outputShape.count == 1 && graph.outputShape[0] > 1, "logits \(graph.outputShape)")
    let graph = graph.with(convolution: .direct)
    self.graph = graph
    self.settings = settings
    let parameters =
      if let other {
        TrainedParameters(graph, sharing: other.parameters)
      } else {
        try TrainedParameters(graph, context: context)
      }
    self.parameters = parameters
    let network = try CompiledNetwork(
      parameters.live(graph), context: context, batch: batch, family: family)
    self.network = network
    guard let gradient = network.logitsGradient else {
      preconditionFailure("compiled without the gradient")
    }
    lossPass = Recorder(context: context, family: network.family, batch: batch)
    results = try LossKernels.Results(context, batch: batch)
    targets = try Buffer(context, count: batch)
    weights = try Buffer(context, count: batch)
    try LossKernels(.crossEntropy).record(
      lossPass, logits: network.logits, targets: targets, weights: weights, results: results,
      gradient: GradientTarget(tensor: gradient))
    var updates: [ParameterUpdate] = []
    for slot in parameters.slots {
      let decay = settings.layerWeightDecay[slot.name] ?? settings.weightDecay
      for (range, decay) in [(slot.weights, decay), (slot.bias, 0)] {
        guard let range, !range.isEmpty else { continue }
        updates.append(
          try ParameterUpdate(
            lossPass, parameters: parameters.values, velocities: parameters.velocities,
            gradients: parameters.gradients, range: range, momentum: settings.momentum,
            decay: decay))
      }
    }
    self.updates = updates
  }

  /// Trains for all epochs of the settings.
  ///
  /// - Parameters:
  ///   - set: The pictures; every epoch takes each of them once.
  ///   - progress: Told of each epoch; training ends when it returns false.
  public func train(
    on set: TrainingSet, progress: (Progress) -> Bool = { _ in true }
  ) throws(ComputeError) {
    check(set)
    let packed = network.input.layout.pack(set.pictures.values, batch: set.count)
    let batches = (set.count + network.batch - 1) / network.batch
    for epoch in 0..<settings.epochs {
      let order = TrainingSet.order(count: set.count, seed: settings.seed, epoch: epoch)
      var total = Progress(epoch: epoch)
      for index in 0..<batches {
        let chosen = order[index * network.batch..<min(set.count, (index + 1) * network.batch)]
        try load(chosen, packed, set.labels)
        try descend(
          rate: settings.rate(
            step: epoch * batches + index, of: settings.epochs * batches))
        try add(to: &total, chosen.map { set.labels[$0] })
      }
      if !progress(total) { return }
    }
  }

  /// One step on one minibatch, with gradients as means over its pictures.
  ///
  /// - Parameters:
  ///   - set: At most a batch of pictures.
  ///   - rate: The learning rate of this step; 0 only computes gradients.
  @discardableResult
  public func step(on set: TrainingSet, rate: Float) throws(ComputeError) -> Progress {
    check(set)
    precondition(set.count <= network.batch, "\(set.count) pictures for \(network.batch) slots")
    let packed = network.input.layout.pack(set.pictures.values, batch: set.count)
    try load(0..<set.count, packed, set.labels)
    try descend(rate: rate)
    var total = Progress()
    try add(to: &total, set.labels)
    return total
  }

  /// The gradient of the mean cross-entropy with respect to each picture, at the present weights.
  ///
  /// - Parameter set: At most a batch of pictures.
  /// - Returns: The batch + input shape; samples that are not there have zeros.
  public func inputGradients(of set: TrainingSet) throws(ComputeError) -> Tensor<Float> {
    check(set)
    precondition(set.count <= network.batch, "\(set.count) pictures for \(network.batch) slots")
    try load(
      0..<set.count, network.input.layout.pack(set.pictures.values, batch: set.count), set.labels)
    try network.forward()
    try lossPass.run()
    try network.gradient()
    return try network.readInputGradient()
  }

  /// A network whose nodes take the parameters of equally named nodes as they are at each pass.
  ///
  /// - Parameters:
  ///   - graph: A part of the trained graph, for instance; its own parameters do not matter.
  ///   - batch: Samples of a batch.
  ///   - withGradient: Whether the gradient of the input is wanted.
  public func network(
    _ graph: Graph, batch: Int, withGradient: Bool = true
  ) throws(ComputeError) -> CompiledNetwork {
    let parameters = TrainedParameters(graph, sharing: parameters)
    return try CompiledNetwork(
      parameters.live(graph.with(convolution: .direct), withGradients: false),
      context: network.context, batch: batch, family: network.family, withGradient: withGradient)
  }

  /// The loss and error of the present weights on any number of pictures.
  public func measure(_ set: TrainingSet) throws(ComputeError) -> Progress {
    check(set)
    let packed = network.input.layout.pack(set.pictures.values, batch: set.count)
    var total = Progress()
    for start in stride(from: 0, to: set.count, by: network.batch) {
      let chosen = start..<min(set.count, start + network.batch)
      try load(chosen, packed, set.labels)
      try network.forward()
      try lossPass.run()
      try add(to: &total, Array(set.labels[chosen]))
    }
    return total
  }

  /// The graph with the present weights as constants.
  public func trainedGraph() throws(ComputeError) -> Graph { try parameters.constant(graph) }

  /// The present weights, node by node.
  public func layers() throws(ComputeError) -> [LayerParameters] {
    try parameters.read(parameters.values)
  }

  /// The gradients of the last step, without the penalty's, node by node.
  public func gradients() throws(ComputeError) -> [LayerParameters] {
    try parameters.read(parameters.gradients)
  }

  /// Writes a minibatch; slots without a picture have no target, so they add nothing.
  private func load(
    _ chosen: some Collection<Int>, _ packed: [Float], _ labels: [Int]
  ) throws(ComputeError) {
    let stride = network.input.layout.imageStride
    var pixels: [Float] = []
    pixels.reserveCapacity(network.batch * stride)
    for index in chosen { pixels += packed[index * stride..<(index + 1) * stride] }
    let absent = network.batch - chosen.count
    pixels += Array(repeating: 0, count: absent * stride)
    try network.input.buffer.write(pixels, at: network.input.offset)
    try targets.write(chosen.map { Int32(labels[$0]) } + Array(repeating: -1, count: absent))
    try weights.write(
      Array(repeating: 1 / Float(chosen.count), count: chosen.count)
        + Array(repeating: 0, count: absent))
  }

  private func descend(rate: Float) throws(ComputeError) {
    try network.forward()
    try lossPass.run()
    try network.gradient()
    for update in updates { try update.run(rate: rate) }
  }

  /// Adds what the loss pass left for the pictures of these labels; waits for the device.
  private func add(to total: inout Progress, _ labels: [Int]) throws(ComputeError) {
    let losses = try results.losses.read(length: labels.count)
    let classes = try results.classes.read(length: labels.count)
    total.add(losses, wrong: zip(classes, labels).count { $0 != $1 })
  }

  private func check(_ set: TrainingSet) {
    precondition(
      Array(set.pictures.shape.dropFirst()) == graph.inputShape,
      "pictures \(set.pictures.shape) for the input \(graph.inputShape)")
    precondition(
      set.labels.allSatisfy { $0 < graph.outputShape[0] },
      "labels beyond the \(graph.outputShape[0]) classes")
  }
}
