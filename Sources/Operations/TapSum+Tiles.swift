import Compute
import Reference

extension Recorder {
  /// Records a tap sum by register tiles, as the tuner or the rule says.
  ///
  /// - Returns: The packed weights.
  func tiled(
    _ sum: TapSum, _ input: DeviceTensor, _ output: DeviceTensor, _ epilogue: TapSumEpilogue
  ) throws(ComputeError) -> PackedWeights {
    let sum = sum.tiled
    let plan: TilePlan
    if let fixed = fixedTile {
      plan = TilePlan(
        sum, fixed.tile, blocksPerItem: fixed.blocksPerItem, imagesFirst: fixed.imagesFirst,
        unroll: fixed.unroll)
    } else if let tuner, liveParameters == nil {
      plan = try tuner.plan(for: sum, epilogue, on: self, input: input, output: output)
    } else {
      plan = TilePlan(sum, registers: registers)
    }
    return try recordTiles(plan, sum, input, output, epilogue)
  }

  /// The registers that tiles fill.
  var registers: VectorRegisters { VectorRegisters(context.device) }

  /// Records a tap sum by register tiles; the plan changes no bit.
  ///
  /// - Parameter packed: The weights, where they do not come from the sum.
  /// - Returns: The packed weights.
  @discardableResult
  func recordTiles(
    _ plan: TilePlan, _ sum: TapSum, _ input: DeviceTensor, _ output: DeviceTensor,
    _ epilogue: TapSumEpilogue, packed: Buffer<Float>? = nil
  ) throws(ComputeError) -> PackedWeights {
    let tile = plan.tile
    let width = 16 * tile.vectors
    let groupVectors = sum.groups == 1 ? sum.outputVectors : sum.groupOutputChannels / 16
    let blocksPerGroup = (groupVectors + tile.vectors - 1) / tile.vectors
    let blocks = blocksPerGroup * sum.groups
    let mask = try bytesOrPlaceholder(epilogue.mask)
    let program = try program(
      "cpu/convolution",
      constants(epilogue, sum.scatter) + [
        ("PIXELS", "\(tile.pixels)"), ("TAIL_PIXELS", "\(sum.columns % tile.pixels)"),
        ("VECTORS", "\(tile.vectors)"), ("INPUT_STEP", "\(sum.inputStep)"),
        ("CHANNEL_UNROLL", "\(plan.unroll)"),
        ("NEXT_ROW", plan.asksAhead ? "\(sum.taps.height)" : "0"),
      ]
        + plan.pass.constants(columns: sum.columns))
    let weights: Buffer<Float>
    if let packed {
      weights = packed
    } else {
      weights = try tileWeights(
        sum, width: width, blocks: blocks, blocksPerGroup: blocksPerGroup)
    }
    let rowGroups = (sum.rows + plan.rowsPerGroup - 1) / plan.rowsPerGroup
    let blockGroups = (blocks + plan.blocksPerItem - 1) / plan.blocksPerItem
    try launch(
      program, "convolution",
      Grid(
        plan.imagesFirst
          ? [rowGroups, sum.images, blockGroups] : [rowGroups, blockGroups, sum.images],
        groups: [1, 1, 1]),
      input.buffer, start(input, sum.inputStart),
      weights, try bias(epilogue, count: max(sum.outputVectors, blocks * tile.vectors) * 16),
      (epilogue.residual ?? output).buffer, start(epilogue.residual, 0), output.buffer,
      start(output, sum.outputStart), mask.buffer,
      UInt64(mask.offset / 2 + sum.maskStart), Int32(sum.rows), Int32(sum.columns),
      Int32(plan.rowsPerGroup), Int32(plan.blocksPerItem), Int32(blocks), Int32(sum.taps.height),
      Int32(sum.taps.width), Int32(sum.inputChannels), UInt64(sum.inputImage),
      Int32(sum.inputRow), Int32(sum.tapRowStep), Int32(sum.tapColumnStep),
      UInt64(sum.residualImage), Int32(sum.residualRow), Int32(sum.residualPixel),
      UInt64(sum.outputImage), Int32(sum.outputRow), Int32(sum.outputPixel),
      UInt64(sum.maskImage), Int32(sum.maskRow), Int32(sum.maskPixel), Int32(blocksPerGroup),
      Int32(groupVectors), try lanes(sum.scatter, count: blocks * width),
      Int32(sum.scatter?.rows ?? 0), Int32(sum.scatter?.columns ?? 0),
      Int32(plan.imagesFirst ? 1 : 0))
    return PackedWeights(buffer: weights, width: width)
  }

  /// The weights `[block][tap row][tap column][channel of the group][width]`.
  ///
  /// - Parameter position: Where a block's column stands among its `width`; nil for their order.
  func tileWeights(
    _ sum: TapSum, width: Int, blocks: Int, blocksPerGroup: Int, position: ((Int) -> Int)? = nil
  ) throws(ComputeError) -> Buffer<Float> {
    let taps = sum.taps.height * sum.taps.width
    let places = position.map { (0..<width).map($0) }
    return try parameters(
      sum.weights, count: max(1, blocks * taps * sum.inputChannels * width),
      startingAt: liveParameters?.weights, parts: blocks * taps
    ) { part, place in
      let (block, tap) = part.quotientAndRemainder(dividingBy: taps)
      let (group, blockOfGroup) = block.quotientAndRemainder(dividingBy: blocksPerGroup)
      let first = group * sum.groupOutputChannels + blockOfGroup * width
      sum.weights(
        of: first..<min(first + width, (group + 1) * sum.groupOutputChannels), tap: tap,
        at: part * sum.inputChannels * width, width: width, places: places, place: place)
    }
  }
}

extension TapSum {
  /// The same sum as register tiles compute it best.
  var tiled: TapSum { flattened.merged }

  /// A sum of one tap, over pictures without borders, as rows of a length that a register tile
  /// divides; one long row, as of a matrix, as rows whose input stays in the cache.
  private var flattened: TapSum {
    let residualIsFlat = residualPixel == 0 || residualRow == columns * residualPixel
    guard scatter == nil else { return self }
    if rows == 1 {
      guard columns > 128, let length = (32...128).reversed().first(where: { columns % $0 == 0 })
      else { return self }
      return split(intoRowsOf: length)
    }
    guard taps == Extent(1), inputRow == columns * inputStep, outputRow == columns * outputPixel,
      maskRow == columns * maskPixel, residualIsFlat,
      let length = (7...14).reversed().first(where: { rows * columns % $0 == 0 })
    else { return self }
    return split(intoRowsOf: length)
  }

  private func split(intoRowsOf length: Int) -> TapSum {
    var result = self
    result.rows = rows * columns / length
    result.columns = length
    result.inputRow = length * inputStep
    result.outputRow = length * outputPixel
    result.maskRow = length * maskPixel
    result.residualRow = length * residualPixel
    return result
  }

  /// The same sum with the taps of a row as one, where their channels follow one another in memory:
  /// one longer inner loop instead of several short ones.
  var merged: TapSum {
    guard taps.width > 1, groups == 1, tapColumnStep == inputChannels else { return self }
    let (channels, weight) = (inputChannels, weight)
    var merged = self
    merged.taps = Extent(taps.height, 1)
    merged.tapColumnStep = 0
    merged.inputChannels = taps.width * channels
    merged.weight = { output, position, tapRow, _ in
      weight(output, position % channels, tapRow, position / channels)
    }
    return merged
  }
}

extension TilePlan.Pass? {
  /// The build constants of `cpu/convolution`.
  fileprivate func constants(columns: Int) -> [(String, String)] {
    switch self {
    case nil: []
    case .channels(let count): [("PASS", "\(count)"), ("COLUMNS", "\(columns)")]
    case .taps(let count):
      [("PASS", "\(count)"), ("PASS_TAPS", "1"), ("COLUMNS", "\(columns)")]
    }
  }
}
