/// How many pixels and sixteen-channel vectors a work-item of the `cpu` family holds in registers.
struct RegisterTile: Hashable {
  let pixels: Int
  let vectors: Int

  /// Sums, weights and one pixel's value must fit 32 registers of sixteen floats.
  private var fitsRegisters: Bool { pixels * vectors + vectors + (vectors > 1 ? 1 : 0) <= 31 }

  /// Half cycles of one step over the contraction, for the tile or for a row's rest.
  ///
  /// Two products start in a cycle and end four cycles later, so at least eight must be under way;
  /// two loads start in a cycle, and with one vector every product loads its pixel's value, which was
  /// seen to cost a tenth; weights come from the second cache.
  private func cost(pixels: Int) -> Int {
    max(vectors == 1 ? pixels * 11 / 10 : pixels * vectors, 8) + vectors + 2
  }

  /// The tile that needs the fewest steps for rows of so many pixels and channels; of equal ones that
  /// with the most products for each weight.
  init(columns: Int, channels: Int) {
    let available = (channels + 15) / 16
    var best: (tile: RegisterTile, cost: Int)?
    for vectors in 1...min(4, available) {
      for pixels in 1...min(28, max(1, columns)) {
        let tile = RegisterTile(pixels: pixels, vectors: vectors)
        guard tile.fitsRegisters else { continue }
        let blocks = (available + vectors - 1) / vectors
        let rest = columns % pixels
        let row =
          columns / pixels * tile.cost(pixels: pixels) + (rest > 0 ? tile.cost(pixels: rest) : 0)
        if let best, blocks * row >= best.cost { continue }
        best = (tile, blocks * row)
      }
    }
    self = best?.tile ?? RegisterTile(pixels: 1, vectors: 1)
  }

  private init(pixels: Int, vectors: Int) {
    self.pixels = pixels
    self.vectors = vectors
  }
}
