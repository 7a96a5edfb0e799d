public import Compute

/// One step of gradient descent with momentum and quadratic weight decay on a device.
///
/// v = momentum * v + (g + decay * w), then w = w - rate * v, in the order of
/// `ParameterUpdateReference`. One launch.
public struct ParameterUpdate: Sendable {
  private let launch: Launch
  private static let rateArgument = 7

  /// Binds a range of parameters, with velocities and gradients at the same places.
  ///
  /// - Parameters:
  ///   - range: Which elements of the three buffers.
  ///   - momentum: The part of the velocity that stays, in 0..<1.
  ///   - decay: lambda of the penalty lambda / 2 * |w|^2.
  public init(
    _ recorder: Recorder, parameters: Buffer<Float>, velocities: Buffer<Float>,
    gradients: Buffer<Float>, range: Range<Int>, momentum: Float, decay: Float
  ) throws(ComputeError) {
    precondition(
      range.lowerBound >= 0
        && range.upperBound <= min(parameters.count, velocities.count, gradients.count),
      "parameters \(range) of \(parameters.count)")
    launch = try Launch(
      try recorder.program("reference/parameter_update", [recorder.groupConstant]), "update",
      Grid([range.count], groups: [recorder.groupSize]), parameters, velocities, gradients,
      UInt64(range.lowerBound), Int32(range.count), momentum, decay, 0 as Float)
  }

  /// Queues the step with a learning rate.
  public func run(rate: Float) throws(ComputeError) {
    try launch.set(Self.rateArgument, rate)
    try launch.enqueue()
  }
}
