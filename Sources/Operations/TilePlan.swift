import Reference

/// How the `cpu` family cuts a tap sum into tiles and groups of work; no plan changes a bit.
struct TilePlan: Hashable, Codable {
  /// What a work-item holds in registers.
  let tile: RegisterTile
  /// Rows of the output that one work-item computes.
  let rowsPerGroup: Int
  /// Blocks of output channels that one work-item computes, for each row one after the other.
  let blocksPerItem: Int
  /// Whether all images take one group of blocks before the next.
  let imagesFirst: Bool
  /// How far the loop over the channels is unrolled.
  let unroll: Int
  /// The part of its sums that a whole row takes before the next part; nil for all at once.
  let pass: Pass?
  /// Whether the input that the next row reads first is asked for while this row's last block is
  /// computed.
  let asksAhead: Bool

  /// A part of a sum.
  enum Pass: Hashable, Codable {
    /// So many channels of the one tap.
    case channels(Int)
    /// So many rows of taps.
    case taps(Int)
  }

  /// Blocks whose weights take so much of the second cache are computed together.
  private static let cachedWeightBytes = 1 << 19
  /// Weights of so many bytes have left the second cache when the next image begins.
  private static let distantWeightBytes = 1 << 22
  /// Groups of work of a few million operations keep all cores busy to the end.
  private static let groupFlops = 2_000_000
  /// A tile's pixels and the next one's, of at most so many bytes each, lie in the first cache together.
  private static let aheadBytes = 1 << 15
  /// Rows of taps in a pass: few, for their weights and the row's sums share the first cache.
  private static let passedTaps = 4
  /// Channels in a pass of a row that alone reads its weights.
  private static let passedChannels = 128
  /// The longest row whose sums a work-item keeps between passes.
  private static let longestPassedRow = 128

  /// The plan by rule, without measuring.
  init(_ sum: TapSum, registers: VectorRegisters) {
    self.init(sum, sum.tiles(registers)[0])
  }

  /// A plan of a given tile; nil takes what the rule says.
  init(
    _ sum: TapSum, _ tile: RegisterTile, blocksPerItem: Int? = nil, imagesFirst: Bool? = nil,
    unroll: Int? = nil
  ) {
    let width = 16 * tile.vectors
    let steps = max(1, sum.taps.height * sum.taps.width * sum.inputChannels)
    let blocks = sum.groups * ((sum.groupOutputChannels + width - 1) / width)
    // A row's input stays in the first cache for as many blocks as have their weights in the second.
    let together =
      blocksPerItem
      ?? Self.even(blocks, atMost: max(1, Self.cachedWeightBytes / (4 * steps * width)))
    self.tile = tile
    self.imagesFirst = imagesFirst ?? (4 * steps * width * blocks >= Self.distantWeightBytes)
    self.blocksPerItem = min(together, blocks)
    rowsPerGroup = min(
      sum.rows, max(1, Self.groupFlops / (2 * sum.columns * steps * width * self.blocksPerItem)))
    pass =
      sum.columns > tile.pixels && sum.columns <= Self.longestPassedRow
      ? Self.pass(sum, width: width) : nil
    asksAhead =
      pass == nil && 4 * tile.pixels * sum.inputStep <= Self.aheadBytes
      && (sum.taps == Extent(1)
        ? sum.inputStep == sum.inputChannels
        : sum.taps.height > 1 && sum.inputRow == abs(sum.tapRowStep) && !self.imagesFirst)
    // Where neighbouring pixels' channels follow one another, a longer unrolled loop tempts the
    // compiler to load them as vectors and to take these apart.
    self.unroll = unroll ?? (sum.inputStep < 16 ? 2 : 16)
  }

  /// The size of groups of nearly the same size.
  private static func even(_ count: Int, atMost limit: Int) -> Int {
    let groups = (count + limit - 1) / limit
    return (count + groups - 1) / groups
  }

  /// The part of a sum that a row of several tiles takes at a time.
  private static func pass(_ sum: TapSum, width: Int) -> Pass? {
    let channels = cachedWeightBytes / (4 * width)
    // Weights that serve one row come from memory: few at a time, so that the next are brought while
    // these are used.
    if sum.taps == Extent(1), sum.rows * sum.images == 1 {
      return sum.inputChannels > passedChannels ? .channels(passedChannels) : nil
    }
    // Weights beyond the second cache would come anew for every tile of the row.
    if sum.taps == Extent(1), sum.inputChannels > channels { return .channels(channels) }
    // Where the taps of a tile's few pixels lie far apart, as in a matrix's blocks, the row's are read
    // together.
    let isMatrix = sum.taps.width == 1 && sum.tapRowStep >= sum.rows * sum.columns * sum.inputStep
    return isMatrix && sum.taps.height > passedTaps ? .taps(passedTaps) : nil
  }

  /// The plans worth a measurement, the rule's first.
  ///
  /// Those of the rule's tile that differ in the order of loops need no other program; every further
  /// tile or unrolling is one to compile.
  static func candidates(
    _ sum: TapSum, registers: VectorRegisters, effort: Tuner.Effort
  ) -> [TilePlan] {
    let tiles = sum.tiles(registers)
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

extension TapSum {
  /// The register tiles that compute the sum, the best first; of shared weights only those whose
  /// blocks the output's channels fill, if there are any.
  fileprivate func tiles(_ registers: VectorRegisters) -> [RegisterTile] {
    let all = RegisterTile.candidates(
      columns: columns, channels: groupOutputChannels, registers: registers)
    guard sharesWeights else { return all }
    let filled = all.filter { groupOutputChannels % (16 * $0.vectors) == 0 }
    return filled.isEmpty ? all : filled
  }
}
