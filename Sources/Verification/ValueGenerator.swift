public import Reference

/// SplitMix64 (Steele, Lea and Flood 2014): the same values on every machine.
public struct ValueGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  /// A generator that starts from a seed.
  public init(seed: UInt64) { state = seed }

  /// The next 64 bits.
  public mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// Bytes of any value.
  public mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
  }

  /// A tensor of such elements.
  public mutating func tensor(
    _ shape: [Int], _ values: OperationCheck.Values
  ) -> Tensor<Float> {
    Tensor(shape: shape, values: (0..<shape.reduce(1, *)).map { element($0, values) })
  }

  private mutating func element(_ index: Int, _ values: OperationCheck.Values) -> Float {
    switch values {
    case .integers(let range): return Float(Int.random(in: range, using: &self))
    case .special:
      let values: [Float] = [
        0, -0.0, 1, -1, .nan, .infinity, -.infinity, 0x1p-149, -0x1p-140, 0x1.fffffep127,
        -0x1.fffffep127, 0.5, -3, 6, 88.5, -90,
      ]
      return values[Int.random(in: values.indices, using: &self)]
    case .real(let range):
      let value = Float.random(in: range, using: &self)
      guard index % 7 == 3 else { return value }
      let special: [Float] = [0, -0.0, 0x1p-140, -0x1p-140]
      let chosen = special[Int.random(in: 0..<4, using: &self)]
      return range.contains(chosen) ? chosen : value
    }
  }
}
