public import Compute
import Operations
import Reference

/// Whether a device's arithmetic is canonical, found out by values, not by what it advertises.
///
/// Division and square root must be correctly rounded, a product and a sum must round twice and a
/// fused multiply-add once, denormals must be kept and a polynomial must have the reference's bits.
public struct CanonicalProbe: Sendable {
  /// One line for each kind of arithmetic whose bits are others; none on a canonical device.
  public let differences: [String]
  /// Whether all bits were as they must be.
  public var isCanonical: Bool { differences.isEmpty }

  /// Probes a device; one launch over 16384 triples of numbers.
  ///
  /// - Throws: `ComputeError` when the probe cannot be built or run.
  public init(_ context: Context) throws(ComputeError) {
    let count = 16384
    var generator = ValueGenerator(seed: 20)
    var operands: [[Float]] = []
    for _ in 0..<3 {
      // Mantissas of all kinds; exponents such that nothing overflows.
      operands.append(
        (0..<count).map { _ in
          let bits = generator.next()
          let exponent = UInt32(127 - 20 + bits >> 32 % 41)
          return Float(bitPattern: UInt32(truncatingIfNeeded: bits) & 0x807f_ffff | exponent << 23)
        })
    }
    let (x, y, z) = (operands[0], operands[1], operands[2])
    let recorder = Recorder(context: context, family: .reference, batch: 1)
    let output = try Buffer<Float>(context, count: 6 * count)
    try recorder.launch(
      try recorder.program("reference/canonical_probe", [("GROUP", "\(recorder.groupSize)")]),
      "canonical_probe", Grid([count], groups: [recorder.groupSize]), try Buffer(context, x),
      try Buffer(context, y), try Buffer(context, z), output, Int32(count))
    try recorder.run()
    let found = try output.read()
    let expected: [(String, (Int) -> Float)] = [
      ("division", { x[$0] / y[$0] }), ("square root", { abs(x[$0]).squareRoot() }),
      ("a product and a sum", { x[$0] * y[$0] + z[$0] }),
      ("fused multiply-add", { z[$0].addingProduct(x[$0], y[$0]) }),
      ("products of denormals", { (x[$0] * 0x1p-70) * (y[$0] * 0x1p-70) }),
      (
        "a polynomial",
        { i in
          let p = Float(0x1.12398ep-7).addingProduct(0x1.6a4d6p-10, x[i])
          return y[i].addingProduct(Float(0x1.5558bp-5).addingProduct(p, x[i]), x[i])
        }
      ),
    ]
    var differences: [String] = []
    for (index, (name, value)) in expected.enumerated() {
      let part = Array(found[index * count..<(index + 1) * count])
      if let line = difference(part, (0..<count).map(value)) {
        differences.append("\(name): \(line)")
      }
    }
    self.differences = differences
  }
}
