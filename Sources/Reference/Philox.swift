/// The random streams of canonical arithmetic, the twin of `Kernels/common/philox.clh`.
///
/// A number depends on the seed, the sample, the attack, the restart, the step, the draw and the
/// element, never on the batch, the slot or the shard: any device makes it alone, in any order.
///
/// The stream's key is the words 0 and 1 of Philox keyed by the seed's halves (low, high) at the
/// counter (sample's low half, its high half, attack, restart). Element e of a draw in a step is
/// word e % 4 of Philox with that key at the counter (e / 4, step, draw, 0).
///
/// Source: Salmon, Moraes, Dror and Shaw 2011, Philox4x32-10.
public struct PhiloxStream: Equatable, Sendable {
  /// The key, as kernels take it.
  public let key: SIMD2<UInt32>

  /// The stream of one attack's restart on one sample.
  public init(seed: UInt64, sample: UInt64, attack: UInt32, restart: UInt32) {
    let words = Philox.words(
      counter: SIMD4(Self.low(sample), Self.high(sample), attack, restart),
      key: SIMD2(Self.low(seed), Self.high(seed)))
    key = SIMD2(words.x, words.y)
  }

  /// Elements uniform in [0, 1), multiples of 2^-24.
  ///
  /// - Parameters:
  ///   - count: how many elements, from element 0.
  ///   - step: the attack's step.
  ///   - draw: numbers the arrays that one step draws.
  public func uniform(count: Int, step: UInt32, draw: UInt32 = 0) -> [Float] {
    elements(count, step, draw, Philox.uniform)
  }

  /// Elements uniform in (-1, 1), odd multiples of 2^-24; parameters as in `uniform`.
  public func symmetric(count: Int, step: UInt32, draw: UInt32 = 0) -> [Float] {
    elements(count, step, draw, Philox.symmetric)
  }

  /// Standard normal elements, at most 6.8 in magnitude; parameters as in `uniform`.
  public func gaussian(count: Int, step: UInt32, draw: UInt32 = 0) -> [Float] {
    elements(count, step, draw, Philox.gaussian)
  }

  private func elements(
    _ count: Int, _ step: UInt32, _ draw: UInt32, _ transform: (SIMD4<UInt32>) -> SIMD4<Float>
  ) -> [Float] {
    precondition(count >= 0 && count <= 1 << 34, "\(count) elements do not fit a block counter")
    let blocks = (count + 3) / 4
    // Parts large enough to be worth a core's while.
    let blocksPerPart = 1 << 12
    return unsafe Array(unsafeUninitializedCapacity: count) { result, initialized in
      // Each part is written by one call alone.
      nonisolated(unsafe) let result = unsafe result
      concurrently((blocks + blocksPerPart - 1) / blocksPerPart, work: 40 * blocks) { part in
        for block in part * blocksPerPart..<min(blocks, (part + 1) * blocksPerPart) {
          let words = Philox.words(counter: SIMD4(UInt32(block), step, draw, 0), key: key)
          let values = transform(words)
          for lane in 0..<min(4, count - 4 * block) {
            unsafe result.initializeElement(at: 4 * block + lane, to: values[lane])
          }
        }
      }
      initialized = count
    }
  }

  private static func low(_ word: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: word) }
  private static func high(_ word: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: word >> 32) }
}

/// The counter-based generator Philox4x32-10 and what is made of its words.
public enum Philox {
  /// Four words from a counter and a key, ten rounds.
  public static func words(counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
    var counter = counter
    var key = key
    for _ in 0..<10 {
      let first = (counter.x).multipliedFullWidth(by: 0xd251_1f53)
      let second = (counter.z).multipliedFullWidth(by: 0xcd9e_8d57)
      counter = SIMD4(
        second.high ^ counter.y ^ key.x, second.low, first.high ^ counter.w ^ key.y, first.low)
      key &+= SIMD2(0x9e37_79b9, 0xbb67_ae85)
    }
    return counter
  }

  /// Uniform in [0, 1): the top 24 bits, in steps of 2^-24.
  public static func uniform(_ words: SIMD4<UInt32>) -> SIMD4<Float> {
    map(words) { Float($0 >> 8) * 0x1p-24 }
  }

  /// Uniform in (-1, 1): odd multiples of 2^-24, so that zero and the ends do not occur.
  public static func symmetric(_ words: SIMD4<UInt32>) -> SIMD4<Float> {
    map(words) { Float(Int32($0 >> 8) * 2 + 1 - (1 << 24)) * 0x1p-24 }
  }

  /// Four standard normal numbers by Box and Muller (1958).
  ///
  /// Words 0 and 2 give the radii sqrt(-2 log u), u = (word + 1/2) 2^-32 rounded to a float; the
  /// symmetric words 1 and 3 are angles in half turns, cosine first.
  public static func gaussian(_ words: SIMD4<UInt32>) -> SIMD4<Float> {
    let turns = symmetric(words)
    let first = radius(words.x)
    let second = radius(words.z)
    return SIMD4(
      first * Elementary.cosPi(turns.y), first * Elementary.sinPi(turns.y),
      second * Elementary.cosPi(turns.w), second * Elementary.sinPi(turns.w))
  }

  private static func radius(_ word: UInt32) -> Float {
    let u = Float(0x1p-33).addingProduct(Float(word), 0x1p-32)
    return (-2 * Elementary.log(u)).squareRoot()
  }

  private static func map(
    _ words: SIMD4<UInt32>, _ transform: (UInt32) -> Float
  ) -> SIMD4<Float> {
    SIMD4(transform(words.x), transform(words.y), transform(words.z), transform(words.w))
  }
}
