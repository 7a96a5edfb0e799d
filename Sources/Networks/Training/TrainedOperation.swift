import Compute
import Operations
import Reference

/// An operation whose parameters live in device memory: its forward pass reads them anew in every
/// run, its gradient pass also leaves their gradients where they are asked for.
///
/// On the CPU reference path it is what it was before training.
struct TrainedOperation<Base: TrainableOperation>: Operation {
  let base: Base
  /// Where the parameters live.
  let parameters: LiveParameters
  /// Where their gradients go; nil if only the input's gradient is asked for.
  let gradients: LiveParameters?

  var kind: String { base.kind }

  var activation: Activation { base.activation }

  var needsWholeBatch: Bool { true }

  func outputShape(for inputs: [[Int]]) throws(ShapeError) -> [Int] {
    try base.outputShape(for: inputs)
  }

  func cost(inputs: [[Int]], output: [Int]) -> Cost { base.cost(inputs: inputs, output: output) }

  func evaluate<Scalar: ReferenceScalar>(_ inputs: [Tensor<Scalar>]) -> Tensor<Scalar> {
    base.evaluate(inputs)
  }

  func inputGradients<Scalar: ReferenceScalar>(
    inputs: [Tensor<Scalar>], output: Tensor<Scalar>, gradient: Tensor<Scalar>
  ) -> [Tensor<Scalar>] {
    base.inputGradients(inputs: inputs, output: output, gradient: gradient)
  }

  /// What the operation needs, and its input if the gradient of the weights reads it.
  func needs(inputs: [Layout], output: Layout) -> Needs {
    var needs = base.needs(inputs: inputs, output: output)
    if gradients != nil { needs.inputs.insert(0) }
    return needs
  }

  func inputBorder(_ position: Int, inputs: [Layout], output: Layout) -> Padding {
    base.inputBorder(position, inputs: inputs, output: output)
  }

  func gradientBorder(inputs: [Layout], output: Layout) -> Padding {
    base.gradientBorder(inputs: inputs, output: output)
  }

  func recordForward(
    _ recorder: Recorder, inputs: [DeviceTensor], output: ForwardTarget
  ) throws(ComputeError) {
    try recorder.withParameters(parameters) { () throws(ComputeError) in
      try base.recordForward(recorder, inputs: inputs, output: output)
    }
  }

  func recordGradient(
    _ recorder: Recorder, of position: Int, gradient: DeviceTensor, saved: Saved,
    to target: GradientTarget
  ) throws(ComputeError) {
    if position == 0, let gradients {
      guard let input = saved.inputs[0] else { preconditionFailure("no input of \(kind)") }
      try base.recordParameterGradients(
        recorder, input: input, gradient: gradient, to: gradients)
    }
    try recorder.withParameters(parameters) { () throws(ComputeError) in
      try base.recordGradient(recorder, of: position, gradient: gradient, saved: saved, to: target)
    }
  }
}

extension TrainedOperation: ActivationFusing {
  func adding(_ activation: Activation) -> (any Operation)? {
    guard let fused = (base as? any ActivationFusing)?.adding(activation) as? Base else {
      return nil
    }
    return TrainedOperation(base: fused, parameters: parameters, gradients: gradients)
  }
}

extension TrainableOperation {
  /// The same operation with its parameters in device memory.
  func trained(parameters: LiveParameters, gradients: LiveParameters?) -> any Operation {
    TrainedOperation(base: self, parameters: parameters, gradients: gradients)
  }
}
