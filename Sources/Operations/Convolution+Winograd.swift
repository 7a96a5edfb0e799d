import Compute
import Reference

/// How convolutions are summed: each way has its own bits, and those on every device.
public enum ConvolutionAlgorithm: String, Sendable, CaseIterable {
  /// Tap by tap, channel by channel.
  case direct
  /// Winograd's F(2x2, 3x3) where `Convolution.fitsWinograd`, direct elsewhere: 2.25 times fewer
  /// products, other roundings (`WinogradReference`).
  case winograd
}

extension Convolution {
  /// Channels, both of the input and of the output, from which Winograd's products outweigh the
  /// transforms.
  public static let winogradChannels = 32

  /// Whether the shape of the weights and window lets Winograd's algorithm compute it, with a gain:
  /// 3x3 taps, stride 1, no dilation, no groups, enough channels.
  public var fitsWinograd: Bool {
    window.kernel == Extent(3) && window.stride == Extent(1) && window.dilation == Extent(1)
      && groups == 1 && min(weights.shape[0], weights.shape[1]) >= Self.winogradChannels
  }

  /// Whether both passes are computed by Winograd's algorithm.
  public var usesWinograd: Bool { algorithm == .winograd && fitsWinograd }

  /// Records a sum over taps by the algorithm of this convolution.
  func record(
    _ sum: TapSum, _ recorder: Recorder, input: DeviceTensor, output: DeviceTensor,
    epilogue: TapSumEpilogue
  ) throws(ComputeError) {
    if usesWinograd {
      try recorder.winograd(sum.ascending, input: input, output: output, epilogue: epilogue)
    } else {
      try recorder.tapSum(sum, input: input, output: output, epilogue: epilogue)
    }
  }
}

extension TapSum {
  /// The same sum with taps that step forwards through the input.
  fileprivate var ascending: TapSum {
    guard tapRowStep < 0 else { return self }
    var result = self
    let (last, weight) = (Extent(taps.height - 1, taps.width - 1), weight)
    result.inputStart += last.height * tapRowStep + last.width * tapColumnStep
    result.tapRowStep = -tapRowStep
    result.tapColumnStep = -tapColumnStep
    result.weight = { weight($0, $1, last.height - $2, last.width - $3) }
    return result
  }

  /// Tiles of 2x2 outputs of all images.
  fileprivate var tiles: Int { images * ((rows + 1) / 2) * ((columns + 1) / 2) }

  /// G g G^T of every pair of channels, rounded once, as `[width output channels][position][input
  /// channel][width]` or, unless the position is outermost, `[...][input channel][position][width]`.
  fileprivate func transformedWeights(width: Int, positionFirst: Bool) -> [Float] {
    let positions = WinogradReference.positions
    let blocks = (outputChannels + width - 1) / width
    var packed = [Float](repeating: 0, count: blocks * positions * inputChannels * width)
    unsafe packed.withUnsafeMutableBufferPointer { packed in
      // Each place is written for one input channel alone.
      nonisolated(unsafe) let packed = unsafe packed
      concurrently(inputChannels, work: 9 * inputChannels * outputChannels) { channel in
        var u = [Double](repeating: 0, count: positions)
        for output in 0..<outputChannels {
          let block = output / width * positions * inputChannels
          WinogradReference.transform(&u) {
            weight(output, channel, $0 / 3, $0 % 3).map { Double(weights[$0]) } ?? 0
          }
          for position in 0..<positions {
            let place =
              positionFirst ? position * inputChannels + channel : channel * positions + position
            unsafe packed[(block + place) * width + output % width] = Float(u[position])
          }
        }
      }
    }
    return packed
  }
}

extension Recorder {
  /// Records a sum over 3x3 taps by Winograd's algorithm, with the kernel of the family, or with the
  /// reference one where the device's local memory is too small for tiles.
  fileprivate func winograd(
    _ sum: TapSum, input: DeviceTensor, output: DeviceTensor, epilogue: TapSumEpilogue
  ) throws(ComputeError) {
    precondition(liveParameters == nil, "weights that change cannot be transformed once")
    let block = WinogradBlock(sum, localMemoryBytes: context.device.localMemoryBytes)
    let isTiled = family == .cpu && block != nil
    let width = isTiled ? 2 * Layout.channelAlignment : Layout.channelAlignment
    let weights = try packing { () throws(ComputeError) in
      try Buffer(context, sum.transformedWeights(width: width, positionFirst: isTiled))
    }
    let bias = try bias(epilogue, count: (sum.outputVectors + 1) * Layout.channelAlignment)
    let mask = try bytesOrPlaceholder(epilogue.mask)
    var constants = constants(epilogue)
    let grid: Grid
    if isTiled, let block {
      constants += [("TILES", "\(block.tiles)"), ("ROW", "\(block.row)")]
      grid = Grid(block.groups, groups: [1, 1])
    } else {
      constants += [("GROUP", "\(groupSize)")]
      grid = Grid(
        [sum.outputVectors * ((sum.columns + 1) / 2), (sum.rows + 1) / 2, sum.images],
        groups: [groupSize, 1, 1])
    }
    try launch(
      try program(isTiled ? "cpu/winograd" : "reference/winograd", constants),
      isTiled ? "winograd" : "winograd_reference", grid, input.buffer,
      start(input, sum.inputStart), weights, bias, (epilogue.residual ?? output).buffer,
      start(epilogue.residual, 0), output.buffer, start(output, sum.outputStart), mask.buffer,
      UInt64(mask.offset / 2 + sum.maskStart), Int32(sum.images), Int32(sum.rows),
      Int32(sum.columns), Int32(sum.inputChannels), UInt64(sum.inputImage), Int32(sum.inputRow),
      Int32(sum.inputStep), UInt64(sum.residualImage), Int32(sum.residualRow),
      Int32(sum.residualPixel), UInt64(sum.outputImage), Int32(sum.outputRow),
      Int32(sum.outputPixel), UInt64(sum.maskImage), Int32(sum.maskRow), Int32(sum.maskPixel),
      Int32(sum.outputVectors), Int32(block?.vectors ?? sum.outputVectors))
  }
}

/// What one work-group of the `cpu` family computes, so that its transformed inputs stay in the
/// second-level cache while every weight serves many tiles.
private struct WinogradBlock {
  /// Tiles of a group, a multiple of the register tile's 14.
  let tiles: Int
  /// Floats from one transformed tile to the next; sixteen more than its channels, because powers of
  /// two would share few cache sets.
  let row: Int
  /// Sixteen-channel vectors of the output that a group computes; even.
  let vectors: Int
  /// Groups along the tiles and along the output's channels.
  let groups: [Int]

  /// The largest block that fits; nil when not even fourteen tiles do.
  init?(_ sum: TapSum, localMemoryBytes: Int) {
    let alignment = Layout.channelAlignment
    let row = (sum.inputChannels + alignment - 1) / alignment * alignment + alignment
    // Products of 32 channels lie beside the inputs.
    let bytes = 4 * WinogradReference.positions * (row + 2 * alignment)
    guard 14 * bytes <= localMemoryBytes else { return nil }
    // Half of the memory, for the weights pass through the same cache; two register tiles, since
    // more were not faster.
    let fitting = max(1, min(localMemoryBytes / 2, 1 << 20) / bytes / 14)
    let needed = (sum.tiles + 13) / 14
    let products = min(fitting, 2, needed)
    tiles = 14 * products
    self.row = row
    let tileGroups = (sum.tiles + tiles - 1) / tiles
    // Few groups leave cores idle at the end: then the output's channels are shared out too, at the
    // cost of transforming the inputs again.
    let pairs = (sum.outputVectors + 1) / 2
    let parts = min(pairs, (12 + tileGroups - 1) / tileGroups)
    vectors = (pairs + parts - 1) / parts * 2
    groups = [tileGroups, (sum.outputVectors + vectors - 1) / vectors]
  }
}
