public import Compute
public import Reference

// Temporary: operations whose paths are still being written. This file goes when they are there.
extension Operation {
  public func evaluate<Scalar: ReferenceScalar>(_ inputs: [Tensor<Scalar>]) -> Tensor<Scalar> {
    preconditionFailure("\(kind): pending")
  }
  public func inputGradients<Scalar: ReferenceScalar>(
    inputs: [Tensor<Scalar>], output: Tensor<Scalar>, gradient: Tensor<Scalar>
  ) -> [Tensor<Scalar>] { preconditionFailure("\(kind): pending") }
  public func recordForward(
    _ recorder: Recorder, inputs: [DeviceTensor], output: ForwardTarget
  ) throws(ComputeError) { preconditionFailure("\(kind): pending") }
  public func recordGradient(
    _ recorder: Recorder, of position: Int, gradient: DeviceTensor, saved: Saved,
    to target: GradientTarget
  ) throws(ComputeError) { preconditionFailure("\(kind): pending") }
}
