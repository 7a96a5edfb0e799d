public import Operations
import Reference

extension Graph {
  /// An equivalent graph with fewer passes over memory.
  ///
  /// Batch normalisation is folded into the convolution or matrix product before it; activations and
  /// residual sums become part of the operation before them; what does not reach the result goes.
  public func optimized() -> Graph {
    var graph = self
    var changed = true
    while changed {
      changed = graph.fuseOnce()
    }
    return graph.pruned()
  }

  /// The graph with an operation of one input put before everything else.
  public func prepending(_ operation: any Operation, name: String) throws(ShapeError) -> Graph {
    var result = Graph(inputShape: inputShape)
    var renamed = [input: try result.append(operation, name: name, to: result.input)]
    for node in nodes {
      renamed[node.output] = try result.append(
        node.operation, name: node.name, to: node.inputs.compactMap { renamed[$0] })
    }
    if let value = renamed[output] { result.setOutput(value) }
    return result
  }

  /// How many nodes read each value; the result counts as read once more.
  var readers: [ValueID: Int] {
    var counts: [ValueID: Int] = [output: 1]
    for node in nodes { for value in node.inputs { counts[value, default: 0] += 1 } }
    return counts
  }

  /// Applies the first rule that fits anywhere; false when none does.
  private mutating func fuseOnce() -> Bool {
    let readers = readers
    let makers = Dictionary(
      nodes.enumerated().map { ($1.output, $0) }, uniquingKeysWith: { first, _ in first })
    for index in nodes.indices {
      let node = nodes[index]
      for value in node.inputs {
        // A value that others read must keep existing.
        guard readers[value] == 1, let maker = makers[value] else { continue }
        if let fused = fuse(nodes[maker], into: node) {
          replaceNode(at: index, with: fused)
          removeNode(at: maker)
          return true
        }
      }
    }
    return false
  }

  /// One node that does what a producer and its only consumer do, or nil when no rule fits.
  private func fuse(_ producer: Node, into consumer: Node) -> Node? {
    var fused = producer
    fused.output = consumer.output
    switch consumer.operation {
    case let pointwise as Pointwise:
      guard case .activation(let activation) = pointwise.function,
        let operation = (producer.operation as? any ActivationFusing)?.adding(activation)
      else { return nil }
      fused.operation = operation
    case let scale as ScaleShift:
      guard !scale.reversesChannels,
        let operation = (producer.operation as? any ScaleFolding)?.folding(scale)
      else { return nil }
      fused.operation = operation
    case let sum as Binary:
      // The residual must have the convolution's own shape, not one that broadcasts to it.
      guard sum.function == .add, sum.constant == nil, consumer.inputs[0] != consumer.inputs[1],
        consumer.inputs.allSatisfy({ shape(of: $0) == shape(of: consumer.output) }),
        let convolution = producer.operation as? Convolution,
        let operation = convolution.addingResidual(then: sum.activation)
      else { return nil }
      fused.operation = operation
      fused.inputs += consumer.inputs.filter { $0 != producer.output }
    default:
      return nil
    }
    return fused
  }

  /// The graph without the nodes whose values nothing reads.
  private func pruned() -> Graph {
    var needed: Set<ValueID> = [output]
    for node in nodes.reversed() where needed.contains(node.output) {
      needed.formUnion(node.inputs)
    }
    var result = self
    for index in nodes.indices.reversed() where !needed.contains(nodes[index].output) {
      result.removeNode(at: index)
    }
    return result
  }
}

/// Operations that can end in an activation.
protocol ActivationFusing: Operation {
  /// The same operation with an activation at its end, or nil when it has one already.
  func adding(_ activation: Activation) -> (any Operation)?
}

/// Operations into whose constants a scale and shift of each output channel can be folded.
protocol ScaleFolding: Operation {
  /// The same operation followed by the scale and shift, or nil when something lies between.
  func folding(_ scale: ScaleShift) -> (any Operation)?
}

extension Convolution: ActivationFusing, ScaleFolding {
  func adding(_ activation: Activation) -> (any Operation)? {
    guard self.activation == .none else { return nil }
    return Convolution(
      weights: weights, bias: bias, window: window, groups: groups, hasResidual: hasResidual,
      activation: activation, algorithm: algorithm)
  }

  func folding(_ scale: ScaleShift) -> (any Operation)? {
    guard activation == .none, !hasResidual, scale.scale.count == outputChannels else { return nil }
    let folded = Folded(
      weights: weights.values, following: weights.count / outputChannels, bias: bias, scale: scale)
    return Convolution(
      weights: Tensor(shape: weights.shape, values: folded.weights), bias: folded.bias,
      window: window, groups: groups, activation: scale.activation, algorithm: algorithm)
  }

  func addingResidual(then activation: Activation) -> (any Operation)? {
    guard self.activation == .none, !hasResidual else { return nil }
    return Convolution(
      weights: weights, bias: bias, window: window, groups: groups, hasResidual: true,
      activation: activation, algorithm: algorithm)
  }
}

extension Linear: ActivationFusing, ScaleFolding {
  func adding(_ activation: Activation) -> (any Operation)? {
    guard self.activation == .none else { return nil }
    return Linear(weights: weights, bias: bias, activation: activation)
  }

  func folding(_ scale: ScaleShift) -> (any Operation)? {
    let columns = weights.shape[1]
    guard activation == .none, scale.scale.count == columns else { return nil }
    let folded = Folded(weights: weights.values, following: 1, bias: bias, scale: scale)
    return Linear(
      weights: Tensor(shape: weights.shape, values: folded.weights), bias: folded.bias,
      activation: scale.activation)
  }
}

extension ScaleShift: ActivationFusing {
  func adding(_ activation: Activation) -> (any Operation)? {
    guard self.activation == .none else { return nil }
    return ScaleShift(
      scale: scale, shift: shift, reversesChannels: reversesChannels, activation: activation)
  }
}

extension Binary: ActivationFusing {
  func adding(_ activation: Activation) -> (any Operation)? {
    guard self.activation == .none else { return nil }
    return Binary(
      function, constant: constant, constantIsFirst: constantIsFirst, activation: activation)
  }
}

/// Weights and bias after a scale and shift of each channel, computed in double precision.
private struct Folded {
  let weights: [Float]
  let bias: [Float]

  /// - Parameter length: Weights of one channel that follow one another; the next channel's come
  ///   after them, the first's after the last's.
  init(weights: [Float], following length: Int, bias: [Float]?, scale: ScaleShift) {
    var folded = weights
    var (channel, start) = (0, 0)
    while start < weights.count {
      let factor = Double(scale.scale[channel])
      for index in start..<start + length { folded[index] = Float(Double(folded[index]) * factor) }
      start += length
      channel = channel + 1 < scale.scale.count ? channel + 1 : 0
    }
    self.weights = folded
    self.bias = scale.scale.indices.map {
      Float(Double(bias?[$0] ?? 0) * Double(scale.scale[$0]) + Double(scale.shift[$0]))
    }
  }
}
