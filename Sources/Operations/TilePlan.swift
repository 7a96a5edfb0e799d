import Reference

/// How the `cpu` family cuts a tap sum into tiles and groups of work; no plan changes a bit.
struct TilePlan: Hashable, Codable {
  /// What a work-item holds in registers.
  let tile: RegisterTile
  /// Rows of the output that one work-item computes.
  let rowsPerGroup: Int
  /// Blocks of output channels that one work-item computes, for each row one after the other.
  let blocksPerItem: Int
  /// How far the loop over the channels is unrolled.
  let unroll: Int
  /// Channels that a whole row takes before the next ones; nil for all at once.
  let passChannels: Int?

  /// Blocks whose weights take so much of the second cache are computed together.
  private static let cachedWeightBytes = 1 << 19
  /// Groups of work of a few million operations keep all cores busy to the end.
  private static let groupFlops = 2_000_000
  /// The longest row whose sums a work-item keeps between passes.
  private static let longestPassedRow = 128

  /// The plan by rule, without measuring.
  init(_ sum: TapSum, registers: VectorRegisters) {
    self.init(
      sum,
      RegisterTile.candidates(
        columns: sum.columns, channels: sum.groupOutputChannels, registers: registers)[0])
  }

  /// A plan of a given tile; nil takes what the rule says.
  init(_ sum: TapSum, _ tile: RegisterTile, blocksPerItem: Int? = nil, unroll: Int? = nil) {
    let width = 16 * tile.vectors
    let steps = max(1, sum.taps.height * sum.taps.width * sum.inputChannels)
    let blocks = sum.groups * ((sum.groupOutputChannels + width - 1) / width)
    // A row's input stays in the first cache for as many blocks as have their weights in the second.
    let together =
      blocksPerItem ?? max(1, min(blocks, Self.cachedWeightBytes / (4 * steps * width)))
    self.tile = tile
    self.blocksPerItem = min(together, blocks)
    rowsPerGroup = min(
      sum.rows, max(1, Self.groupFlops / (2 * sum.columns * steps * width * self.blocksPerItem)))
    // Weights beyond the second cache would come anew for every tile of the row.
    let cached = Self.cachedWeightBytes / (4 * width)
    let isLong = sum.taps == Extent(1) && steps > cached
    passChannels =
      isLong && sum.columns > tile.pixels && sum.columns <= Self.longestPassedRow ? cached : nil
    // Where neighbouring pixels' channels follow one another, a longer unrolled loop tempts the
    // compiler to load them as vectors and to take these apart.
    self.unroll = unroll ?? (sum.inputStep < 16 ? 2 : 16)
  }

  /// The plans worth a measurement, the rule's first.
  ///
  /// Those of the rule's tile that differ in the order of loops need no other program; every further
  /// tile or unrolling is one to compile.
  static func candidates(
    _ sum: TapSum, registers: VectorRegisters, effort: Tuner.Effort
  ) -> [TilePlan] {
    let tiles = RegisterTile.candidates(
      columns: sum.columns, channels: sum.groupOutputChannels, registers: registers)
    let count = [.off: 1, .quick: 2, .full: 6][effort] ?? 1
    var plans: [TilePlan] = []
    for tile in tiles.prefix(count) {
      plans.append(TilePlan(sum, tile))
      if effort == .off { break }
      plans.append(TilePlan(sum, tile, blocksPerItem: 1))
      plans.append(TilePlan(sum, tile, blocksPerItem: .max))
      if effort == .full { plans.append(TilePlan(sum, tile, unroll: 4)) }
    }
    var seen: Set<TilePlan> = []
    return plans.filter { seen.insert($0).inserted }
  }
}
