import Operations
public import Reference

extension ReferenceNetwork {
  /// The result for a batch, and the gradients of all weights and biases, by the node's position.
  ///
  /// - Parameters:
  ///   - x: `[N]` + input shape.
  ///   - outputGradient: makes the gradient of the result from the result.
  public func parameterGradients<Scalar: ReferenceScalar>(
    _ x: Tensor<Scalar>, outputGradient: (Tensor<Scalar>) -> Tensor<Scalar>
  ) -> (output: Tensor<Scalar>, gradients: [Int: (weights: Tensor<Scalar>, bias: [Scalar])]) {
    var gradients: [Int: (weights: Tensor<Scalar>, bias: [Scalar])] = [:]
    let (output, _) = gradient(x, outputGradient: outputGradient) { index, inputs, gradient in
      guard let operation = graph.nodes[index].operation as? any TrainableOperation else { return }
      gradients[index] = operation.parameterGradients(input: inputs[0], gradient: gradient)
    }
    return (output, gradients)
  }
}
