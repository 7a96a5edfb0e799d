import Foundation
import Reference
import Testing

/// The random streams against the vectors published with Random123, moments, and the checksums that
/// `Scripts/check_elementary.py` computes on OpenCL devices.
@Suite struct PhiloxTests {
  /// FNV-1a over 2^16 elements of the stream (seed 2^63 + 5, sample 2^40 + 7, attack 3, restart 9),
  /// step 11, draw 2.
  static let checksums: [String: UInt64] = [
    "uniform": 0x0aae_17a0_a609_399a,
    "symmetric": 0xd714_9b39_121b_1552,
    "gaussian": 0xcded_2722_7e18_d6c9,
  ]
  static let stream = PhiloxStream(
    seed: (1 << 63) + 5, sample: (1 << 40) + 7, attack: 3, restart: 9)

  @Test func `meets the published known answers`() {
    let all = UInt32.max
    #expect(
      Philox.words(counter: SIMD4(), key: SIMD2())
        == SIMD4(0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8))
    #expect(
      Philox.words(counter: SIMD4(all, all, all, all), key: SIMD2(all, all))
        == SIMD4(0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd))
    #expect(
      Philox.words(
        counter: SIMD4(0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344),
        key: SIMD2(0xa409_3822, 0x299f_31d0))
        == SIMD4(0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1))
  }

  @Test func `has the bits that OpenCL has`() {
    let count = 1 << 16
    let stream = Self.stream
    #expect(
      bitChecksum(stream.uniform(count: count, step: 11, draw: 2)) == Self.checksums["uniform"])
    #expect(
      bitChecksum(stream.symmetric(count: count, step: 11, draw: 2)) == Self.checksums["symmetric"])
    #expect(
      bitChecksum(stream.gaussian(count: count, step: 11, draw: 2)) == Self.checksums["gaussian"])
  }

  @Test func `every part of the name changes the numbers`() {
    let base = Self.stream.uniform(count: 4, step: 0)
    let others = [
      PhiloxStream(seed: 5, sample: (1 << 40) + 7, attack: 3, restart: 9),
      PhiloxStream(seed: (1 << 63) + 5, sample: 7, attack: 3, restart: 9),
      PhiloxStream(seed: (1 << 63) + 5, sample: (1 << 40) + 7, attack: 4, restart: 9),
      PhiloxStream(seed: (1 << 63) + 5, sample: (1 << 40) + 7, attack: 3, restart: 8),
    ]
    for other in others { #expect(other.uniform(count: 4, step: 0) != base) }
    #expect(Self.stream.uniform(count: 4, step: 1) != base)
    #expect(Self.stream.uniform(count: 4, step: 0, draw: 1) != base)
  }

  @Test func `a shorter draw is the start of a longer one`() {
    let long = Self.stream.gaussian(count: 103, step: 3)
    for count in [0, 1, 2, 3, 5, 102] {
      #expect(Self.stream.gaussian(count: count, step: 3) == Array(long.prefix(count)))
    }
  }

  @Test func `numbers lie in their ranges with their moments`() {
    let count = 1 << 20
    let uniform = Self.stream.uniform(count: count, step: 0)
    #expect(uniform.allSatisfy { $0 >= 0 && $0 < 1 })
    expectMoments(uniform, mean: 0.5, variance: 1.0 / 12, fourth: 1.0 / 80)
    let symmetric = Self.stream.symmetric(count: count, step: 0)
    #expect(symmetric.allSatisfy { $0 > -1 && $0 < 1 && $0 != 0 })
    expectMoments(symmetric, mean: 0, variance: 1.0 / 3, fourth: 1.0 / 5)
    let gaussian = Self.stream.gaussian(count: count, step: 0)
    #expect(gaussian.allSatisfy { abs($0) < 6.8 })
    expectMoments(gaussian, mean: 0, variance: 1, fourth: 3)
  }

  @Test func `Gaussian numbers follow the normal distribution function`() {
    let sorted = Self.stream.gaussian(count: 1 << 18, step: 5).sorted()
    let count = Double(sorted.count)
    var distance = 0.0
    for (index, x) in sorted.enumerated() {
      let expected = 0.5 * erfc(-Double(x) / 2.squareRoot())
      distance = max(distance, abs(expected - (Double(index) + 0.5) / count))
    }
    #expect(distance < 1.95 / count.squareRoot(), "Kolmogorov and Smirnov at one in a thousand")
  }

  @Test func `the words of 0 and of all ones give the ends of the ranges`() {
    let zeros = SIMD4<UInt32>()
    let ones = SIMD4<UInt32>(repeating: .max)
    #expect(Philox.uniform(zeros).x == 0 && Philox.uniform(ones).x == 1 - 0x1p-24)
    #expect(Philox.symmetric(zeros).x == -1 + 0x1p-24 && Philox.symmetric(ones).x == 1 - 0x1p-24)
    let largest = Philox.gaussian(zeros).x
    #expect(abs(Double(-largest) - (66 * log(2.0)).squareRoot()) < 1e-6)
    #expect(Philox.gaussian(ones).x == 0)
  }
}

/// Mean, variance and fourth central moment within five standard errors.
private func expectMoments(_ values: [Float], mean: Double, variance: Double, fourth: Double) {
  let count = Double(values.count)
  let measuredMean = values.reduce(0) { $0 + Double($1) } / count
  let squares = values.map { (Double($0) - mean) * (Double($0) - mean) }
  let measuredVariance = squares.reduce(0, +) / count
  let measuredFourth = squares.reduce(0) { $0 + $1 * $1 } / count
  #expect(abs(measuredMean - mean) < 5 * (variance / count).squareRoot())
  #expect(
    abs(measuredVariance - variance) < 5 * ((fourth - variance * variance) / count).squareRoot())
  #expect(abs(measuredFourth - fourth) < 5 * fourth * (12 / count).squareRoot())
}
