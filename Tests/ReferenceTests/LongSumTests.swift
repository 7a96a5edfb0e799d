import Reference
import Testing

/// The long sums against exact integers, against double precision with a bound from theory, and
/// against the checksums that `Scripts/check_elementary.py` computes on devices, in both styles.
@Suite struct LongSumTests {
  static let lengths = [1, 2, 3, 15, 16, 17, 255, 256, 257, 511, 512, 513, 1000, 4099, 150_528]

  /// FNV-1a over the results for every length, in order, of x and y: symmetric elements of the
  /// streams of samples 0 and 1 (seed, attack and restart 0), step 0, draw 0.
  static let checksums: [String: UInt64] = [
    "dot": 0x4285_cd92_b0a6_5a9e,
    "sum": 0x9cc4_3af5_41a9_fa4a,
    "squared norm": 0xeab4_6a2d_7e2e_8937,
    "squared distance": 0x2933_e51e_5578_cea8,
    "maximum": 0x53a8_933a_f762_ade8,
  ]

  static let x = PhiloxStream(seed: 0, sample: 0, attack: 0, restart: 0)
    .symmetric(count: 150_528, step: 0)
  static let y = PhiloxStream(seed: 0, sample: 1, attack: 0, restart: 0)
    .symmetric(count: 150_528, step: 0)

  @Test func `has the bits that OpenCL has in both styles`() {
    let dots = Self.lengths.map { LongSum.dot(Self.x[..<$0], Self.y[..<$0]) }
    #expect(bitChecksum(dots) == Self.checksums["dot"])
    let sums = Self.lengths.map { LongSum.sum(Self.x[..<$0]) }
    #expect(bitChecksum(sums) == Self.checksums["sum"])
    let norms = Self.lengths.map { LongSum.squaredNorm(Self.x[..<$0]) }
    #expect(bitChecksum(norms) == Self.checksums["squared norm"])
    let distances = Self.lengths.map { LongSum.squaredDistance(Self.x[..<$0], Self.y[..<$0]) }
    #expect(bitChecksum(distances) == Self.checksums["squared distance"])
    let maxima = Self.lengths.map { LongSum.maximum(Self.x[..<$0]).value }
    #expect(bitChecksum(maxima) == Self.checksums["maximum"])
  }

  @Test func `adds lanes first and then the tree`() {
    // 2^24 in lane 0 swallows a 1 that is added to it alone, and not a 2 that two lanes make first.
    var elements = [Float](repeating: 0, count: 512)
    elements[0] = 0x1p24
    elements[256] = 1
    #expect(LongSum.sum(elements) == 0x1p24)
    elements[256] = 0
    elements[1] = 1
    elements[65] = 1
    #expect(LongSum.sum(elements) == 0x1p24 + 2)
    elements[65] = 0
    elements[64] = 1
    #expect(LongSum.sum(elements) == 0x1p24)
  }

  @Test(arguments: lengths)
  func `is exact on small integers`(length: Int) {
    let a = (0..<length).map { Float($0 % 7 - 3) }
    let b = (0..<length).map { Float($0 % 5 - 2) }
    let pairs = (0..<length).map { ($0 % 7 - 3, $0 % 5 - 2) }
    #expect(LongSum.dot(a, b) == Float(pairs.reduce(0) { $0 + $1.0 * $1.1 }))
    #expect(LongSum.sum(a) == Float(pairs.reduce(0) { $0 + $1.0 }))
    #expect(LongSum.squaredNorm(a) == Float(pairs.reduce(0) { $0 + $1.0 * $1.0 }))
    #expect(
      LongSum.squaredDistance(a, b)
        == Float(pairs.reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }))
  }

  @Test(arguments: lengths)
  func `stays within the bound of blocked summation`(length: Int) {
    let a = Self.x[..<length]
    let b = Self.y[..<length]
    let exact: Double = zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    let magnitude: Double = zip(a, b).reduce(0) { $0 + abs(Double($1.0) * Double($1.1)) }
    let roundings = Double(length / LongSum.laneCount + 9)
    let result: Float = LongSum.dot(a, b)
    #expect(abs(Double(result) - exact) <= roundings * 0x1p-24 * magnitude)
    let doubled: Double = LongSum.dot(a.map(Double.init), b.map(Double.init))
    #expect(abs(doubled - exact) <= 1e-12 * (1 + magnitude))
  }

  @Test func `products are fused`() {
    let a: Float = 1 + 0x1p-12
    var left = [Float](repeating: 0, count: 257)
    var right = left
    (left[0], right[0]) = (-1, 1 + 0x1p-11)
    (left[256], right[256]) = (a, a)
    #expect(LongSum.dot(left, right) == 0x1p-24, "an unfused product loses this bit")
  }

  @Test func `sums start at plus zero`() {
    #expect(LongSum.sum([-0.0] as [Float]).bitPattern == 0)
    #expect(LongSum.sum([] as [Float]) == 0)
    let tiny: Float = 1e-30
    let underflown: Float = LongSum.dot([tiny], [-tiny])
    #expect(underflown == 0)
  }

  @Test func `takes slices and buffers where they lie`() {
    let whole = Array(Self.x[..<1300])
    let part = Array(whole[300...])
    #expect(LongSum.sum(whole[300...]) == LongSum.sum(part))
    let same = unsafe whole.withUnsafeBufferPointer { unsafe LongSum.sum($0[300...]) }
    #expect(same == LongSum.sum(part))
    #expect(LongSum.maximum(whole[300...]) == LongSum.maximum(part))
  }

  @Test func `the maximum is the first of equals and the first NaN`() {
    #expect(LongSum.maximum([1, 3, 3, 2] as [Float]) == (3, 1))
    #expect(LongSum.maximum([-0.0, 0.0] as [Float]).offset == 0)
    #expect(LongSum.maximum([-Float.infinity, -.infinity]) == (-.infinity, 0))
    let withNaN = LongSum.maximum([1, .nan, .infinity, .nan] as [Float])
    #expect(withNaN.value.isNaN && withNaN.offset == 1)
  }
}
