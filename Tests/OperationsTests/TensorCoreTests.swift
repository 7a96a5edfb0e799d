import Compute
import Operations
import Reference
import Testing
import Verification

/// The looser modes, emulated, against double precision: what they round, and what they must not.
@Suite struct TensorCoreTests {
  private static let modes: [Precision] = [.tf32, .bf16x3, .tf32x3]

  /// The largest error of a product of two factors, relative to it: tf32 rounds both to 11 bits, the
  /// split modes round what is left and drop the product of the two rests.
  private static func unit(_ precision: Precision) -> Double {
    switch precision {
    case .canonical: 0x1p-24
    case .tf32: 0x1p-10 + 0x1p-22
    case .bf16x3: 3 * 0x1p-16 + 0x1p-22
    case .tf32x3: 3 * 0x1p-22 + 0x1p-30
    }
  }

  private func product(
    _ precision: Precision, _ a: Tensor<Float>, _ b: Tensor<Float>, tile: LocalTile? = nil,
    on context: Context
  ) throws -> [Float] {
    let (m, k, n) = (a.shape[0], a.shape[1], b.shape[1])
    let recorder = Recorder(context: context, family: .gpu, batch: 1)
    recorder.arithmetic = Arithmetic(precision, emulatesTensorCores: true)
    recorder.fixedLocalTile = tile
    let result = try Buffer<Float>(context, count: m * n)
    try result.fill(.nan)
    try MatrixProduct().record(
      recorder, DeviceMatrix(buffer: try Buffer(context, a.values), rows: m, columns: k),
      DeviceMatrix(buffer: try Buffer(context, b.values), rows: k, columns: n),
      to: DeviceMatrix(buffer: result, rows: m, columns: n))
    try recorder.run()
    return try result.read()
  }

  @Test(arguments: modes) func `products are as exact as their mode allows`(
    precision: Precision
  ) throws {
    for context in try OperationCheck.contexts() {
      for (m, n, k) in [(1, 1, 1), (65, 33, 17), (130, 67, 100), (64, 64, 16), (3, 129, 31)] {
        var generator = TestGenerator(seed: UInt64(m * n + k))
        let a = generator.tensor([m, k], .real(-2...2))
        let b = generator.tensor([k, n], .real(-2...2))
        let found = try product(precision, a, b, on: context)
        var worst = 0.0
        for row in 0..<m {
          for column in 0..<n {
            var (sum, size) = (0.0, 0.0)
            for i in 0..<k {
              let term = Double(a.values[row * k + i]) * Double(b.values[i * n + column])
              sum += term
              size += abs(term)
            }
            let error = abs(Double(found[row * n + column]) - sum)
            let bound = size * (Self.unit(precision) + Double(3 * k + 3) * 0x1p-24) + 0x1p-100
            #expect(error <= bound, "\(precision) \(m)x\(n)x\(k) at \(row), \(column)")
            if size > 0 { worst = max(worst, error / size) }
          }
        }
        // It is the mode that was asked for: less exact than the next better one.
        if m > 60, precision == .tf32 { #expect(worst > 0x1p-14) }
        if m > 60, precision == .bf16x3 { #expect(worst > 0x1p-21 && worst < 0x1p-15) }
        if m > 60, precision == .tf32x3 { #expect(worst < 0x1p-19) }
      }
    }
  }

  @Test func `factors are rounded and split as by the instructions`() throws {
    let values: [Float] = [
      1, 1 + 0x1p-11, 1 + 0x1p-12, -1 - 0x1p-11, 1 + 0x1p-8, 1 + 0x1p-9, 1 + 3 * 0x1p-8,
      0x1.fffffep0, 0x1.234568p-20, -0x1.7ffffep5, 0, 0x1p-126,
    ]
    /// To nearest by the bits above the lowest ones; ties go away from zero, or to even.
    func rounded(_ x: Float, dropping bits: UInt32, toEven: Bool) -> Float {
      let whole = UInt32(1) << bits
      let magnitude = x.magnitude.bitPattern
      let (kept, rest) = (magnitude / whole, magnitude % whole)
      let up = rest > whole / 2 || rest == whole / 2 && (!toEven || kept % 2 == 1)
      let result = Float(bitPattern: (kept + (up ? 1 : 0)) * whole)
      return x.sign == .minus ? -result : result
    }
    let identity = Tensor<Float>(shape: [1, 1], values: [1])
    for context in try OperationCheck.contexts() {
      let column = Tensor<Float>(shape: [values.count, 1], values: values)
      for precision in Self.modes {
        let expected = values.map { x in
          let (bits, toEven): (UInt32, Bool) = precision == .bf16x3 ? (16, true) : (13, false)
          let high = rounded(x, dropping: bits, toEven: toEven)
          return precision == .tf32
            ? high : rounded(x - high, dropping: bits, toEven: toEven) + high
        }
        #expect(try product(precision, column, identity, on: context) == expected, "\(precision)")
      }
      for special in [Float.nan, .infinity] {
        let one = Tensor<Float>(shape: [1, 1], values: [special])
        #expect(try !product(.tf32, one, identity, on: context)[0].isFinite)
        #expect(try !product(.bf16x3, one, identity, on: context)[0].isFinite)
      }
    }
  }

  @Test(arguments: modes) func `the probe takes emulation and refuses other devices in one line`(
    precision: Precision
  ) throws {
    for context in try OperationCheck.contexts() {
      #expect(Arithmetic(precision, emulatesTensorCores: true).obstacle(on: context) == nil)
      guard !Arithmetic.hasTensorCores(context.device) else { continue }
      let line = try #require(Arithmetic(precision).obstacle(on: context))
      #expect(line.contains(precision.rawValue) && line.contains("NVIDIA"))
      #expect(!line.contains("\n"))
    }
    #expect(Arithmetic.canonical.obstacle(on: try OperationCheck.contexts()[0]) == nil)
  }
}
