import Foundation
import Reference
import Testing

/// The canonical functions against the C library in double precision, and against the checksums
/// that `Scripts/check_elementary.py` computes on OpenCL devices over the same grid.
@Suite struct ElementaryTests {
  struct Function: Sendable, CustomTestStringConvertible {
    let name: String
    let canonical: @Sendable (Float) -> Float
    let exact: @Sendable (Double) -> Double
    let units: Double
    var testDescription: String { name }
  }

  static let functions: [Function] = [
    Function(name: "exp", canonical: Elementary.exp, exact: exp, units: 1.1),
    Function(name: "log", canonical: Elementary.log, exact: log, units: 1),
    Function(
      name: "softplus", canonical: Elementary.softplus,
      exact: { $0.isNaN ? $0 : max($0, 0) + log1p(exp(-abs($0))) }, units: 2),
    Function(name: "tanh", canonical: Elementary.tanh, exact: tanh, units: 1.4),
    Function(
      name: "sigmoid", canonical: Elementary.sigmoid,
      exact: { $0 < 0 ? exp($0) / (1 + exp($0)) : 1 / (1 + exp(-$0)) }, units: 1.5),
    Function(name: "erf", canonical: Elementary.erf, exact: erf, units: 1.1),
    Function(name: "sinpi", canonical: Elementary.sinPi, exact: sineOfHalfTurns, units: 1.1),
    Function(
      name: "cospi", canonical: Elementary.cosPi,
      exact: { abs($0) > 0x1p20 ? .nan : sineOfHalfTurns(0.5 - abs(remainder($0, 2))) },
      units: 1.1),
  ]

  /// The checksums of OpenCL: FNV-1a of the result's words for every 4099th bit pattern from 0.
  static let checksums: [String: UInt64] = [
    "exp": 0x4592_7732_8373_0c2c,
    "log": 0x96ff_d029_bd4f_04fc,
    "softplus": 0x1bad_8224_b007_801f,
    "tanh": 0x3a8c_49c8_50cb_100f,
    "sigmoid": 0x0b2d_2863_6866_a83b,
    "erf": 0x86ba_755a_621b_4ebe,
    "sinpi": 0xef0a_6b7b_01a7_7cc4,
    "cospi": 0xd855_d928_e052_3e60,
    "powr": 0x357b_22d9_d67e_538a,
  ]

  /// Exponents that the grid of the power's checksum goes through in turn.
  static let exponents: [Float] = [0.75, -0.75, -1.75, 0.5, 2, -4, 4, -1 / 3]

  static let grid = stride(from: UInt64(0), to: 1 << 32, by: 4099).map {
    Float(bitPattern: UInt32($0))
  }

  @Test(arguments: functions)
  func `stays within its documented error over every exponent`(function: Function) {
    var worst = 0.0
    for x in Self.grid {
      worst = max(worst, unitsOff(function.canonical(x), function.exact(Double(x))))
    }
    #expect(worst <= function.units)
  }

  @Test(arguments: functions)
  func `has the bits that OpenCL has`(function: Function) {
    #expect(bitChecksum(Self.grid.map(function.canonical)) == Self.checksums[function.name])
  }

  @Test func `the power has the bits that OpenCL has and one unit of error`() {
    var results: [Float] = []
    var worst = 0.0
    for (index, base) in Self.grid.enumerated() {
      let exponent = Self.exponents[index % Self.exponents.count]
      results.append(Elementary.power(base, exponent))
      if base >= 0 {
        worst = max(worst, unitsOff(results[index], pow(Double(base), Double(exponent))))
      } else {
        #expect(results[index].isNaN)
      }
    }
    #expect(worst <= 1)
    #expect(bitChecksum(results) == Self.checksums["powr"])
  }

  @Test func `meets the exact values`() {
    #expect(Elementary.exp(0) == 1 && Elementary.exp(-0.0) == 1)
    #expect(Elementary.exp(.infinity) == .infinity && Elementary.exp(-.infinity) == 0)
    #expect(Elementary.exp(88.8) == .infinity && Elementary.exp(-104) == 0)
    #expect(Elementary.exp(-103).isSubnormal)
    #expect(Elementary.log(1) == 0 && Elementary.log(0) == -.infinity)
    #expect(Elementary.log(-0.0) == -.infinity && Elementary.log(-1).isNaN)
    #expect(Elementary.log(.infinity) == .infinity)
    #expect(Elementary.sigmoid(0) == 0.5 && Elementary.sigmoid(-.infinity) == 0)
    #expect(Elementary.softplus(-.infinity) == 0 && Elementary.softplus(.infinity) == .infinity)
    #expect(Elementary.tanh(.infinity) == 1 && Elementary.erf(-.infinity) == -1)
    #expect(Elementary.sinPi(0.5) == 1 && Elementary.cosPi(1) == -1 && Elementary.cosPi(0.5) == 0)
  }

  @Test func `tanh and erf are odd and keep the sign of zero`() {
    for x in Self.grid where !x.isNaN {
      #expect(Elementary.tanh(-x).bitPattern == (-Elementary.tanh(x)).bitPattern)
      #expect(Elementary.erf(-x).bitPattern == (-Elementary.erf(x)).bitPattern)
    }
    #expect(Elementary.tanh(-0.0).bitPattern == 0x8000_0000)
  }

  @Test(arguments: functions)
  func `returns one NaN whatever NaN came in`(function: Function) {
    for pattern: UInt32 in [0x7fc0_0000, 0xffc0_0000, 0x7f80_0001, 0xffff_ffff] {
      #expect(function.canonical(Float(bitPattern: pattern)).bitPattern == 0x7fc0_0000)
    }
  }

  @Test func `powers have their limits and NaN`() {
    #expect(Elementary.power(0, 0.75) == 0 && Elementary.power(0, -0.75) == .infinity)
    #expect(Elementary.power(.infinity, -0.75) == 0 && Elementary.power(.infinity, 2) == .infinity)
    #expect(Elementary.power(0, 0) == 1 && Elementary.power(.infinity, 0) == 1)
    #expect(Elementary.power(-1, 2).isNaN && Elementary.power(.nan, 0).isNaN)
    #expect(Elementary.power(2, .nan).isNaN && Elementary.power(1, .infinity).isNaN)
    #expect(Elementary.power(2, .infinity) == .infinity && Elementary.power(0.5, .infinity) == 0)
    #expect(Elementary.power(4, 0.5) == 2 && Elementary.power(2, -149) == 0x1p-149)
  }

  @Test func `generic code reaches both precisions`() {
    func logistic<Scalar: ReferenceScalar>(_ x: Scalar) -> Scalar {
      1 / (1 + Scalar.canonicalExp(-x))
    }
    #expect(logistic(Float(0)) == 0.5)
    #expect(abs(logistic(2.0) - Double.canonicalSigmoid(2)) < 1e-15)
    #expect(Double.canonicalPower(2, 0.5) == 2.squareRoot())
    #expect(Float.canonicalPower(2, 0.5) == Float(2).squareRoot())
  }
}

/// sin(πx), exact reduction first; NaN beyond 2^20 like the canonical function.
private func sineOfHalfTurns(_ x: Double) -> Double {
  guard abs(x) <= 0x1p20 else { return .nan }
  let r = remainder(x, 2)
  return sin(.pi * (abs(r) > 0.5 ? (r < 0 ? -1 : 1) * (1 - abs(r)) : r))
}

/// The distance to the exact value in units in the last place of a float; infinity counts as 2^128.
private func unitsOff(_ result: Float, _ exact: Double) -> Double {
  if exact.isNaN || result.isNaN { return exact.isNaN && result.isNaN ? 0 : .infinity }
  let limit = 0x1p128
  let got = result.isInfinite ? (result < 0 ? -limit : limit) : Double(result)
  let want = min(max(exact, -limit), limit)
  let exponent = want == 0 ? -126 : min(max(Int(want.exponent), -126), 127)
  return abs(got - want) / Double(sign: .plus, exponent: exponent - 23, significand: 1)
}

/// FNV-1a, 64 bits, one 32-bit word a step.
func bitChecksum(_ values: [Float]) -> UInt64 {
  values.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1.bitPattern)) &* 0x100_0000_01b3 }
}
