public import Compute

/// Parameters of one operation in device memory, in the operation's own order.
public struct LiveParameters: Sendable {
  /// The memory.
  public let buffer: Buffer<Float>
  /// The first weight, in floats from the buffer's start.
  public let weights: Int
  /// The first number of the bias; nil without one.
  public let bias: Int?

  /// Parameters at places of a buffer.
  public init(buffer: Buffer<Float>, weights: Int, bias: Int?) {
    self.buffer = buffer
    self.weights = weights
    self.bias = bias
  }
}

extension Recorder {
  /// A buffer of parameters in a kernel's order, zero where there are none.
  ///
  /// Constants are written here and now; live parameters are gathered by a launch of their own.
  ///
  /// - Parameters:
  ///   - values: The constants, in the operation's order.
  ///   - count: Floats of the buffer.
  ///   - start: Where live parameters begin in their buffer.
  ///   - order: Calls its argument with each (position in the kernel's order, position in `values`).
  func parameters(
    _ values: [Float], count: Int, startingAt start: Int?,
    order: ((Int, Int) -> Void) -> Void
  ) throws(ComputeError) -> Buffer<Float> {
    guard let live = liveParameters?.buffer, let start else {
      return try packing { () throws(ComputeError) in
        var packed = [Float](repeating: 0, count: count)
        order { packed[$0] = values[$1] }
        return try Buffer(context, packed)
      }
    }
    var positions = [Int32](repeating: -1, count: count)
    order { positions[$0] = Int32(start + $1) }
    let packed = try Buffer<Float>(context, count: count)
    try launch(
      try program("reference/parameter_update", [groupConstant]), "gather",
      Grid([count], groups: [groupSize]), live, try Buffer(context, positions), packed,
      Int32(count))
    return packed
  }
}
