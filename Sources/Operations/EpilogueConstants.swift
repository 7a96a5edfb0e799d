import Compute
public import Reference

/// The build constants with which kernels include `epilogue.clh`.
public enum EpilogueConstants {
  /// What follows a forward sum: `ACTIVATION`, `LOW`, `HIGH`, `SLOPE` and `WRITES_MASK`.
  ///
  /// Without an activation there are no bits to write, whatever `writesMask` says.
  public static func forward(
    _ activation: Activation, writesMask: Bool
  ) -> [(String, String)] {
    let mask = ("WRITES_MASK", writesMask && activation != .none ? "1" : "0")
    return switch activation {
    case .none: [("ACTIVATION", "0"), mask]
    case .relu: [("ACTIVATION", "1"), mask]
    case .clip(let low, let high):
      [("ACTIVATION", "2"), ("LOW", literal(low)), ("HIGH", literal(high)), mask]
    case .leakyReLU(let slope): [("ACTIVATION", "3"), ("SLOPE", literal(slope)), mask]
    }
  }

  /// What follows a gradient's share: `ACCUMULATES`, `MASKS` and `SLOPE`.
  public static func gradient(_ target: GradientTarget) -> [(String, String)] {
    let accumulates = ("ACCUMULATES", target.accumulates ? "1" : "0")
    return switch target.mask?.activation {
    case nil, .some(.none): [accumulates, ("MASKS", "0")]
    case .relu, .clip: [accumulates, ("MASKS", "1")]
    case .leakyReLU(let slope): [accumulates, ("MASKS", "2"), ("SLOPE", literal(slope))]
    }
  }

  /// A number as OpenCL C that has the same bits, infinities too.
  public static func literal(_ value: Float) -> String {
    "as_float(0x\(String(value.bitPattern, radix: 16))u)"
  }
}

extension Recorder {
  /// The bytes themselves, or two of no meaning for a kernel that is built not to touch them.
  func bytesOrPlaceholder(_ bytes: DeviceBytes?) throws(ComputeError) -> DeviceBytes {
    if let bytes { return bytes }
    return DeviceBytes(buffer: try Buffer(context, count: 2))
  }
}

extension DeviceBytes {
  /// Where the bytes begin, counted in 16-bit words: what kernels get for masks.
  var firstWord: UInt64 { UInt64(offset / 2) }
}
