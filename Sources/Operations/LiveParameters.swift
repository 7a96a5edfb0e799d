public import Compute
import Reference

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

/// Parameters that follow one another in a kernel's order, and at even distances in the operation's.
struct ParameterRun {
  /// The first one's position in the kernel's order.
  var position: Int
  /// The first one's position in the operation's order.
  var source: Int
  var count = 1
  /// From one to the next in the operation's order.
  var stride = 1
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
  ///   - parts: How many parts the order is told in; they have no place in common, and all cores
  ///     share them.
  ///   - order: Calls its second argument with the runs of a part.
  func parameters(
    _ values: [Float], count: Int, startingAt start: Int?, parts: Int = 1,
    order: (Int, (ParameterRun) -> Void) -> Void
  ) throws(ComputeError) -> Buffer<Float> {
    guard let live = liveParameters?.buffer, let start else {
      return try packing { () throws(ComputeError) in
        try Buffer(context, arranged(values, filler: 0, count: count, parts: parts, order: order))
      }
    }
    let places = (0..<values.count).map { Int32(start + $0) }
    let positions = arranged(places, filler: -1, count: count, parts: parts, order: order)
    let packed = try Buffer<Float>(context, count: count)
    try launch(
      try program("reference/parameter_update", [groupConstant]), "gather",
      Grid([count], groups: [groupSize]), live, try Buffer(context, positions), packed,
      Int32(count))
    return packed
  }
}

/// Elements in the order that `parameters` describes.
private func arranged<Element>(
  _ elements: [Element], filler: Element, count: Int, parts: Int,
  order: (Int, (ParameterRun) -> Void) -> Void
) -> [Element] {
  var result = [Element](repeating: filler, count: count)
  unsafe result.withUnsafeMutableBufferPointer { result in
    // Each place is written by one part alone.
    nonisolated(unsafe) let result = unsafe result
    concurrently(parts, work: count) { part in
      order(part) { run in
        precondition(run.position >= 0 && run.position + run.count <= count, "place of parameters")
        for index in 0..<run.count {
          unsafe result[run.position + index] = elements[run.source + index * run.stride]
        }
      }
    }
  }
  return result
}
