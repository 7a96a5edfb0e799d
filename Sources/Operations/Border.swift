public import Compute
/// pending
public func recordBorderFill(_ recorder: Recorder, _ tensor: DeviceTensor) throws(ComputeError) {
  preconditionFailure()
}
/// pending
public func recordCopy(_ recorder: Recorder, from: DeviceTensor, to: GradientTarget)
  throws(ComputeError)
{ preconditionFailure() }
