public import Operations
import Reference

extension Graph {
  /// The same network with its convolutions summed by an algorithm, where their shapes let it:
  /// `Convolution.fitsWinograd` decides, never the device.
  ///
  /// Operations in training stay direct: their weights change in device memory, where nothing
  /// transforms them.
  public func with(convolution algorithm: ConvolutionAlgorithm) -> Graph {
    var result = self
    for (index, node) in nodes.enumerated() {
      guard var convolution = node.operation as? Convolution else { continue }
      convolution.algorithm = algorithm
      var changed = node
      changed.operation = convolution
      result.replaceNode(at: index, with: changed)
    }
    return result
  }

  /// Floats that the kernels' copies of weights and biases take for one direction: Winograd's
  /// algorithm has 16 for 9 weights.
  public var packedParameterCount: Int {
    nodes.reduce(parameterCount) { sum, node in
      guard let convolution = node.operation as? Convolution, convolution.usesWinograd else {
        return sum
      }
      return sum + convolution.weights.count / 9 * (16 - 9)
    }
  }

  /// Floats of those weights whose packed form both passes read.
  func sharedParameterCount(_ family: KernelFamily) -> Int {
    nodes.reduce(0) { sum, node in
      guard let linear = node.operation as? Linear, linear.sharesPackedWeights(family) else {
        return sum
      }
      return sum + linear.weights.count
    }
  }
}
