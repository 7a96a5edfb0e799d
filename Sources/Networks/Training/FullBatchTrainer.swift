public import Compute
public import Operations
import Reference

/// Trains a graph on a device by L-BFGS on the mean loss over all pictures.
///
/// Minimises mean loss + sum over the layers of lambda * (sum of squares of its weights), as the
/// networks of Szegedy et al. (2013) were trained. Gradients are summed in canonical order over
/// `block` pictures, the blocks then in double precision on the host in their order, so that the
/// trained weights are the same bits on every device and in every kernel family.
///
/// It belongs to one task at a time.
public final class FullBatchTrainer {
  /// What is minimised besides the weights' penalty.
  public enum Loss: Hashable, Sendable {
    /// The cross-entropy of the logits with the class.
    case crossEntropy
    /// Half the squared distance of the last part of the output from the picture, and a penalty on
    /// the mean activations of the first part; the output is the hidden units, then the pixels.
    case sparseReconstruction(SparsityPenalty)
  }

  /// How far a training has come.
  public struct Progress: Hashable, Sendable {
    /// Evaluations of the loss and its gradient over all pictures.
    public var evaluations: Int
    /// The mean loss and the penalties.
    public var objective: Double
  }

  /// The pictures of a block: part of what the trained bits depend on.
  public static let block = 500

  /// The network in training; its passes use the weights of the moment.
  public let network: CompiledNetwork
  private let loss: Loss
  private let graph: Graph
  private let parameters: TrainedParameters
  /// Lambda for each slot of the parameters.
  private let decay: [Double]
  private let lossPass: Recorder
  private let results: LossKernels.Results
  private let targets: Buffer<Int32>
  private let weights: Buffer<Float>

  /// Builds the kernels of a training.
  ///
  /// - Parameters:
  ///   - graph: A network with its first weights; its output suits the loss.
  ///   - context: The device.
  ///   - loss: What is minimised.
  ///   - weightDecay: Lambda of lambda * |w|^2 by the node's name; none for other nodes and biases.
  ///   - family: The kernels to prefer, by default those that suit the device.
  /// - Throws: `ComputeError` when a kernel cannot be built or the memory is not there.
  public init(
    _ graph: Graph, context: Context, loss: Loss = .crossEntropy,
    weightDecay: [String: Double] = [:], family: KernelFamily? = nil
  ) throws(ComputeError) {
    let graph = graph.with(convolution: .direct)
    self.graph = graph
    self.loss = loss
    let parameters = try TrainedParameters(graph, context: context)
    self.parameters = parameters
    decay = parameters.slots.map { weightDecay[$0.name] ?? 0 }
    let network = try CompiledNetwork(
      parameters.live(graph), context: context, batch: Self.block, family: family)
    self.network = network
    guard let gradient = network.logitsGradient else {
      preconditionFailure("compiled without the gradient")
    }
    lossPass = Recorder(context: context, family: network.family, batch: Self.block)
    results = try LossKernels.Results(context, batch: Self.block)
    targets = try Buffer(context, count: Self.block)
    weights = try Buffer(context, count: Self.block)
    if case .crossEntropy = loss {
      precondition(
        graph.outputShape.count == 1 && graph.outputShape[0] > 1, "logits \(graph.outputShape)")
      try LossKernels(.crossEntropy).record(
        lossPass, logits: network.logits, targets: targets, weights: weights, results: results,
        gradient: GradientTarget(tensor: gradient))
    }
  }

  /// Minimises until ten iterations gain no more than a part of the objective.
  ///
  /// - Parameters:
  ///   - set: The pictures.
  ///   - evaluations: At most so many evaluations over all pictures.
  ///   - tolerance: That part.
  ///   - progress: Told of each iteration; training ends when it returns false.
  /// - Returns: Where it ended.
  @discardableResult
  public func train(
    on set: TrainingSet, evaluations: Int, tolerance: Double = 1e-4,
    progress: (Progress) -> Bool = { _ in true }
  ) throws(ComputeError) -> Progress {
    precondition(
      Array(set.pictures.shape.dropFirst()) == graph.inputShape,
      "pictures \(set.pictures.shape) for the input \(graph.inputShape)")
    let packed = network.input.layout.pack(set.pictures.values, batch: set.count)
    var minimizer = LimitedMemoryMinimizer()
    minimizer.maximumEvaluations = evaluations
    minimizer.tolerance = tolerance
    let start = try parameters.values.read().map { Double($0) }
    let result = try minimizer.minimize(
      from: start,
      objective: { (x: [Double]) throws(ComputeError) -> (Double, [Double]) in
        try self.evaluate(x, set, packed)
      },
      progress: { progress(Progress(evaluations: $0, objective: $1)) })
    try parameters.values.write(result.x.map { Float($0) })
    return Progress(evaluations: result.evaluations, objective: result.value)
  }

  /// Descends the gradients of minibatches of `block` pictures by Adam (Kingma and Ba 2015), for a
  /// start from which L-BFGS goes on; the last pictures of an order that fill no block are left out,
  /// but for a set that is no block itself.
  ///
  /// The rate falls along half a cosine to zero. Mean activations are those of the minibatch.
  ///
  /// - Parameters:
  ///   - set: The pictures.
  ///   - epochs: Passes over all pictures.
  ///   - rate: The rate of the first step.
  ///   - seed: The seed of the order of the pictures.
  ///   - progress: Told of each epoch's number and mean objective; descent ends when it returns false.
  public func descend(
    on set: TrainingSet, epochs: Int, rate: Double, seed: UInt64,
    progress: (Int, Double) -> Bool = { _, _ in true }
  ) throws(ComputeError) {
    let batches = max(1, set.count / Self.block)
    let packed = network.input.layout.pack(set.pictures.values, batch: set.count)
    var descent = AdamDescent(try parameters.values.read().map { Double($0) })
    for epoch in 0..<epochs {
      let order = TrainingSet.order(count: set.count, seed: seed, epoch: epoch)
      var sum = 0.0
      for index in 0..<batches {
        let chosen = Array(order[index * Self.block..<min(set.count, (index + 1) * Self.block)])
        var (value, gradient) = try evaluate(chosen, set, packed)
        value /= Double(chosen.count)
        for i in gradient.indices { gradient[i] /= Double(chosen.count) }
        sum += addDecay(of: descent.x, to: &gradient) + value
        let share = Float(epoch * batches + index) / Float(epochs * batches)
        descent.step(gradient, rate: rate * 0.5 * (1 + Double(Elementary.cosPi(share))))
        try parameters.values.write(descent.x.map { Float($0) })
      }
      guard progress(epoch, sum / Double(batches)) else { return }
    }
  }

  /// The graph with the present weights as constants.
  public func trainedGraph() throws(ComputeError) -> Graph { try parameters.constant(graph) }

  /// The present weights, node by node.
  public func layers() throws(ComputeError) -> [LayerParameters] {
    try parameters.read(parameters.values)
  }

  /// The objective and its gradient at the present parameters, all nodes one after another, the
  /// weights of each before its bias.
  package func evaluate(_ set: TrainingSet) throws(ComputeError) -> (Double, [Double]) {
    let packed = network.input.layout.pack(set.pictures.values, batch: set.count)
    return try evaluate(try parameters.values.read().map { Double($0) }, set, packed)
  }

  /// The objective and its gradient at some parameters, which become the present ones.
  private func evaluate(
    _ x: [Double], _ set: TrainingSet, _ packed: [Float]
  ) throws(ComputeError) -> (Double, [Double]) {
    let present = x.map { Float($0) }
    try parameters.values.write(present)
    let count = Double(set.count)
    var value = 0.0
    var gradient = [Double](repeating: 0, count: x.count)
    var means: [Double]?
    if case .sparseReconstruction(let penalty) = loss {
      means = try meanActivations(penalty, set, packed)
    }
    for start in stride(from: 0, to: set.count, by: Self.block) {
      let chosen = Array(start..<min(set.count, start + Self.block))
      let part = try evaluate(chosen, set, packed, means: means)
      value += part.0
      for i in gradient.indices { gradient[i] += part.1[i] }
    }
    value /= count
    for i in gradient.indices { gradient[i] /= count }
    return (value + addDecay(of: present.map { Double($0) }, to: &gradient), gradient)
  }

  /// The sum of the losses of at most a block of pictures, and its gradient.
  ///
  /// - Parameter means: The mean activations of the hidden units; by default those of the block.
  private func evaluate(
    _ chosen: [Int], _ set: TrainingSet, _ packed: [Float], means: [Double]? = nil
  ) throws(ComputeError) -> (Double, [Double]) {
    try load(chosen, set, packed)
    try network.forward()
    let value: Double
    switch loss {
    case .crossEntropy: value = try crossEntropy(chosen.count)
    case .sparseReconstruction(let penalty):
      value = try reconstructionLoss(chosen, set, penalty, means)
    }
    try network.gradient()
    return (value, try parameters.gradients.read().map { Double($0) })
  }

  /// The penalty of weights, whose gradient is added to another.
  private func addDecay(of x: [Double], to gradient: inout [Double]) -> Double {
    var penalty = 0.0
    for (slot, lambda) in zip(parameters.slots, decay) where lambda > 0 {
      var squares = 0.0
      for i in slot.weights {
        squares.addProduct(x[i], x[i])
        gradient[i].addProduct(2 * lambda, x[i])
      }
      penalty += lambda * squares
    }
    return penalty
  }

  /// Writes a block; slots without a picture add nothing to any sum.
  private func load(
    _ chosen: [Int], _ set: TrainingSet, _ packed: [Float]
  ) throws(ComputeError) {
    let stride = network.input.layout.imageStride
    let absent = Self.block - chosen.count
    var pixels: [Float] = []
    pixels.reserveCapacity(Self.block * stride)
    for index in chosen { pixels += packed[index * stride..<(index + 1) * stride] }
    pixels += Array(repeating: 0, count: absent * stride)
    try network.input.buffer.write(pixels, at: network.input.offset)
    guard case .crossEntropy = loss else { return }
    try targets.write(
      chosen.map { Int32(set.labels[$0]) } + Array(repeating: -1, count: absent))
    try weights.write(
      Array(repeating: 1, count: chosen.count) + Array(repeating: 0, count: absent))
  }

  /// The sum of the losses of a block, whose gradient it leaves; waits for the device.
  private func crossEntropy(_ count: Int) throws(ComputeError) -> Double {
    try lossPass.run()
    return try results.losses.read(length: count).reduce(0) { $0 + Double($1) }
  }

  /// The mean of each hidden unit over all pictures.
  private func meanActivations(
    _ penalty: SparsityPenalty, _ set: TrainingSet, _ packed: [Float]
  ) throws(ComputeError) -> [Double] {
    var sums = [Double](repeating: 0, count: penalty.units)
    for start in stride(from: 0, to: set.count, by: Self.block) {
      let chosen = Array(start..<min(set.count, start + Self.block))
      try load(chosen, set, packed)
      try network.forward()
      penalty.add(try network.readLogits(), pictures: chosen.count, to: &sums)
    }
    return sums.map { $0 / Double(set.count) }
  }

  /// The sum over a block of half the squared distance from the picture and of the penalty; leaves
  /// the gradient.
  private func reconstructionLoss(
    _ chosen: [Int], _ set: TrainingSet, _ penalty: SparsityPenalty, _ means: [Double]?
  ) throws(ComputeError) -> Double {
    guard let target = network.logitsGradient else { preconditionFailure("no gradient") }
    let output = try network.readLogits()
    let (width, units) = (output.shape[1], penalty.units)
    let pixels = width - units
    precondition(
      pixels == graph.inputShape.reduce(1, *), "\(pixels) pixels for \(graph.inputShape)")
    var sums = [Double](repeating: 0, count: units)
    if means == nil { penalty.add(output, pictures: chosen.count, to: &sums) }
    let sparsity = penalty.share(of: means ?? sums.map { $0 / Double(chosen.count) })
    var slopes = [Float](repeating: 0, count: Self.block * width)
    var sum = sparsity.value * Double(chosen.count)
    for (row, picture) in chosen.enumerated() {
      for unit in 0..<units { slopes[row * width + unit] = sparsity.slopes[unit] }
      for pixel in 0..<pixels {
        let place = row * width + units + pixel
        let difference = output.values[place] - set.pictures.values[picture * pixels + pixel]
        slopes[place] = difference
        sum.addProduct(Double(difference), 0.5 * Double(difference))
      }
    }
    try target.buffer.write(
      target.layout.pack(slopes, batch: Self.block), at: target.offset)
    return sum
  }
}

/// beta times the sum over hidden units of KL(rho || mean activation): few units are active in a
/// picture (Ng 2011, "Sparse autoencoder", CS294A lecture notes).
public struct SparsityPenalty: Hashable, Sendable {
  /// The number of hidden units, the first of the output.
  public var units: Int
  /// The wanted mean activation, in 0..<1.
  public var target: Double
  /// The weight of the penalty.
  public var weight: Double

  /// A penalty.
  public init(units: Int, target: Double, weight: Double) {
    precondition(units > 0 && target > 0 && target < 1, "\(units) units at \(target)")
    self.units = units
    self.target = target
    self.weight = weight
  }

  /// The penalty, and what it adds to the gradient of every picture's hidden units.
  struct Share {
    var value: Double
    var slopes: [Float]
  }

  /// The penalty for mean activations.
  ///
  /// The slopes are those of the sum over all pictures of (loss + penalty): each moves the mean by
  /// 1 / pictures.
  func share(of means: [Double]) -> Share {
    var value = 0.0
    let slopes = means.map { mean -> Float in
      let mean = min(max(mean, 1e-6), 1 - 1e-6)
      value += target * log(target / mean) + (1 - target) * log((1 - target) / (1 - mean))
      return Float(weight * ((1 - target) / (1 - mean) - target / mean))
    }
    return Share(value: weight * value, slopes: slopes)
  }

  /// Adds the hidden units of a number of pictures to sums.
  func add(_ output: Tensor<Float>, pictures: Int, to sums: inout [Double]) {
    let width = output.shape[1]
    for row in 0..<pictures {
      for unit in 0..<units { sums[unit] += Double(output.values[row * width + unit]) }
    }
  }
}

/// The canonical function, so that the search goes the same way on every host.
private func log(_ x: Double) -> Double { Double(Elementary.log(Float(x))) }
