public import Compute

/// The vector registers of a processor.
public struct VectorRegisters: Hashable, Sendable {
  /// How many there are.
  public let count: Int
  /// The floats of one.
  public let floats: Int

  /// So many registers of so many floats.
  public init(count: Int, floats: Int) {
    self.count = count
    self.floats = floats
  }

  /// Those of AVX-512 where the device computes sixteen floats at once, else those of AVX2.
  public init(_ device: Device) {
    self = device.nativeFloatWidth >= 16 ? Self(count: 32, floats: 16) : Self(count: 16, floats: 8)
  }

  /// Registers that sixteen floats take.
  var perVector: Int { max(1, 16 / floats) }
}

/// How many pixels and sixteen-channel vectors a work-item of the `cpu` family holds in registers.
public struct RegisterTile: Hashable, Sendable, Codable {
  /// Neighbouring pixels of a row.
  public let pixels: Int
  /// Vectors of sixteen channels.
  public let vectors: Int

  /// The tiles whose sums fit the registers, for rows of so many pixels and channels: first those
  /// that need the fewest steps, of equal ones those with the most products for each weight.
  ///
  /// - Returns: At least one tile.
  public static func candidates(
    columns: Int, channels: Int, registers: VectorRegisters
  ) -> [RegisterTile] {
    let available = (channels + 15) / 16
    var found: [(tile: RegisterTile, cost: Int)] = []
    for vectors in 1...min(4, available) {
      for pixels in 1...min(28, max(1, columns)) {
        let tile = RegisterTile(pixels: pixels, vectors: vectors)
        guard tile.fits(registers) else { continue }
        let blocks = (available + vectors - 1) / vectors
        let rest = columns % pixels
        let row =
          columns / pixels * tile.cost(pixels: pixels, registers)
          + (rest > 0 ? tile.cost(pixels: rest, registers) : 0)
        found.append((tile, blocks * row))
      }
    }
    return found.enumerated().sorted { ($0.element.cost, $0.offset) < ($1.element.cost, $1.offset) }
      .map(\.element.tile)
  }

  /// Sums, weights and one pixel's value must fit; where one vector fills a register, its products
  /// take the pixel's value from memory.
  private func fits(_ registers: VectorRegisters) -> Bool {
    let value = vectors > 1 || registers.perVector > 1 ? 1 : 0
    return (pixels * vectors + vectors) * registers.perVector + value < registers.count
  }

  /// Half cycles of one step over the contraction, for the tile or for a row's rest.
  ///
  /// Two products start in a cycle and end four cycles later, so at least eight must be under way;
  /// two loads start in a cycle, and with one vector every product loads its pixel's value, which was
  /// seen to cost a tenth; weights come from the second cache.
  private func cost(pixels: Int, _ registers: VectorRegisters) -> Int {
    let products = pixels * vectors * registers.perVector
    return max(vectors == 1 ? products * 11 / 10 : products, 8) + vectors * registers.perVector + 2
  }

  private init(pixels: Int, vectors: Int) {
    self.pixels = pixels
    self.vectors = vectors
  }
}
