public import Reference

/// y = x * scale + shift with one scale and shift for each channel (axis 0): batch normalisation at
/// inference where it could not be folded, and the normalisation of pictures.
public struct ScaleShift: Operation {
  /// One factor for each output channel.
  public let scale: [Float]
  /// One summand for each output channel.
  public let shift: [Float]
  /// Whether output channel c reads input channel C - 1 - c (RGB to BGR).
  public let reversesChannels: Bool
  public let activation: Activation

  public var kind: String { "scale-shift" }

  /// One scale and shift for each channel.
  public init(
    scale: [Float], shift: [Float], reversesChannels: Bool = false, activation: Activation = .none
  ) {
    precondition(scale.count == shift.count, "scale-shift of \(scale.count) and \(shift.count)")
    self.scale = scale
    self.shift = shift
    self.reversesChannels = reversesChannels
    self.activation = activation
  }

  public func outputShape(for inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard inputs.count == 1, let channels = inputs[0].first, channels == scale.count,
      [1, 3].contains(inputs[0].count)
    else { throw ShapeError("\(scale.count) scales do not fit \(inputs)") }
    return inputs[0]
  }

  public func cost(inputs: [[Int]], output: [Int]) -> Cost {
    let count = output.reduce(1, *)
    return Cost(flops: 2 * count, bytes: 8 * count)
  }
}
