import Compute
import Reference

/// A sum over the taps of a window, dense in its outputs: the one shape that convolution's forward
/// pass, each phase of its gradient and the matrix product with constant weights have.
///
/// Output pixel (row, column) is the sum over tap rows, tap columns and channels, in this order, of
/// input(start + row * inputRow + column * inputStep + tapRow * tapRowStep + tapColumn *
/// tapColumnStep + channel) * weight. All strides count floats; starts count from the tensors'
/// first pixels.
struct TapSum {
  /// Samples summed independently.
  var images: Int
  var rows: Int
  var columns: Int
  var taps: Extent
  var groups: Int
  /// Channels of the input that one output reads.
  var inputChannels: Int
  /// All channels of the output.
  var outputChannels: Int
  var inputStart = 0
  var inputImage: Int
  var inputRow: Int
  var inputStep: Int
  var tapRowStep = 0
  var tapColumnStep = 0
  var outputStart = 0
  var outputImage: Int
  var outputRow: Int
  var outputPixel: Int
  /// Position and strides of the output's pixels in masks, in 16-bit words.
  var maskStart = 0
  var maskImage: Int
  var maskRow: Int
  var maskPixel: Int
  /// The residual's strides; its pixels are those of the output.
  var residualImage = 0
  var residualRow = 0
  var residualPixel = 0
  /// All weights of the operation, in its own order.
  var weights: [Float]
  /// The position in `weights` of (output channel, channel of its group, tap row, tap column).
  var weight: (Int, Int, Int, Int) -> Int

  /// Sixteen-channel vectors of an output pixel.
  var outputVectors: Int { (outputChannels + 15) / 16 }
  /// Channels of the output in one group.
  var groupOutputChannels: Int { outputChannels / groups }
}

/// What follows a tap sum: forward (bias, residual, activation) or gradient (accumulate, mask).
struct TapSumEpilogue {
  var constants: [(String, String)]
  var bias: [Float]?
  var residual: DeviceTensor?
  var mask: DeviceBytes?
}

extension Recorder {
  /// Records a tap sum with the best kernel of the family that can compute it.
  func tapSum(
    _ sum: TapSum, input: DeviceTensor, output: DeviceTensor, epilogue: TapSumEpilogue
  ) throws(ComputeError) {
    if sum.inputChannels == 1, sum.groupOutputChannels == 1, sum.groups > 1 {
      try depthwise(sum, input, output, epilogue)
    } else if family == .cpu, sum.groups == 1 || sum.groupOutputChannels % 16 == 0 {
      try tiled(sum, input, output, epilogue)
    } else {
      try plain(sum, input, output, epilogue)
    }
  }

  func bias(_ epilogue: TapSumEpilogue, count: Int) throws(ComputeError) -> Buffer<Float> {
    guard let bias = epilogue.bias else { return try placeholder() }
    return try parameters(bias, count: count, startingAt: liveParameters?.bias) { place in
      for channel in bias.indices { place(channel, channel) }
    }
  }

  func constants(_ epilogue: TapSumEpilogue) -> [(String, String)] {
    epilogue.constants + [
      ("HAS_BIAS", epilogue.bias == nil ? "0" : "1"),
      ("HAS_RESIDUAL", epilogue.residual == nil ? "0" : "1"),
    ]
  }

  private func tiled(
    _ sum: TapSum, _ input: DeviceTensor, _ output: DeviceTensor, _ epilogue: TapSumEpilogue
  ) throws(ComputeError) {
    let sum = sum.flattened
    let tile = RegisterTile(columns: sum.columns, channels: sum.groupOutputChannels)
    let width = 16 * tile.vectors
    let groupVectors = sum.groups == 1 ? sum.outputVectors : sum.groupOutputChannels / 16
    let blocksPerGroup = (groupVectors + tile.vectors - 1) / tile.vectors
    let blocks = blocksPerGroup * sum.groups
    let taps = sum.taps.height * sum.taps.width
    let weights = try parameters(
      sum.weights, count: max(1, blocks * taps * sum.inputChannels * width),
      startingAt: liveParameters?.weights
    ) { place in
      var position = 0
      for block in 0..<blocks {
        let first = block % blocksPerGroup * width
        let group = block / blocksPerGroup * sum.groupOutputChannels
        let present = min(width, sum.groupOutputChannels - first)
        for tapRow in 0..<sum.taps.height {
          for tapColumn in 0..<sum.taps.width {
            for channel in 0..<sum.inputChannels {
              for lane in 0..<present {
                place(
                  position + lane, sum.weight(group + first + lane, channel, tapRow, tapColumn))
              }
              position += width
            }
          }
        }
      }
    }
    // Groups of work of a few million operations keep both cores busy to the end.
    let rowFlops = 2 * sum.columns * max(1, taps * sum.inputChannels) * width
    let rowsPerGroup = min(sum.rows, max(1, 2_000_000 / rowFlops))
    let mask = try bytesOrPlaceholder(epilogue.mask)
    let program = try program(
      "cpu/convolution",
      constants(epilogue) + [
        ("PIXELS", "\(tile.pixels)"), ("TAIL_PIXELS", "\(sum.columns % tile.pixels)"),
        ("VECTORS", "\(tile.vectors)"), ("INPUT_STEP", "\(sum.inputStep)"),
      ])
    try launch(
      program, "convolution",
      Grid(
        [(sum.rows + rowsPerGroup - 1) / rowsPerGroup, blocks, sum.images], groups: [1, 1, 1]),
      input.buffer, start(input, sum.inputStart), weights,
      try bias(epilogue, count: max(sum.outputVectors, blocks * tile.vectors) * 16),
      (epilogue.residual ?? output).buffer, start(epilogue.residual, 0), output.buffer,
      start(output, sum.outputStart), mask.buffer,
      UInt64(mask.offset / 2 + sum.maskStart), Int32(sum.rows), Int32(sum.columns),
      Int32(rowsPerGroup), Int32(sum.taps.height), Int32(sum.taps.width),
      Int32(sum.inputChannels), UInt64(sum.inputImage), Int32(sum.inputRow),
      Int32(sum.tapRowStep), Int32(sum.tapColumnStep), UInt64(sum.residualImage),
      Int32(sum.residualRow), Int32(sum.residualPixel), UInt64(sum.outputImage),
      Int32(sum.outputRow), Int32(sum.outputPixel), UInt64(sum.maskImage), Int32(sum.maskRow),
      Int32(sum.maskPixel), Int32(blocksPerGroup), Int32(groupVectors))
  }

  private func plain(
    _ sum: TapSum, _ input: DeviceTensor, _ output: DeviceTensor, _ epilogue: TapSumEpilogue
  ) throws(ComputeError) {
    let taps = sum.taps.height * sum.taps.width
    let vectors = sum.outputVectors
    let weights = try parameters(
      sum.weights, count: max(1, vectors * taps * sum.inputChannels * 16),
      startingAt: liveParameters?.weights
    ) { place in
      var position = 0
      for vector in 0..<vectors {
        for tapRow in 0..<sum.taps.height {
          for tapColumn in 0..<sum.taps.width {
            for channel in 0..<sum.inputChannels {
              for lane in 0..<min(16, sum.outputChannels - 16 * vector) {
                place(
                  position + lane, sum.weight(16 * vector + lane, channel, tapRow, tapColumn))
              }
              position += 16
            }
          }
        }
      }
    }
    let mask = try bytesOrPlaceholder(epilogue.mask)
    let program = try program(
      "reference/convolution", constants(epilogue) + [("GROUP", "\(groupSize)")])
    try launch(
      program, "convolution_reference",
      Grid([vectors * sum.columns, sum.rows, sum.images], groups: [groupSize, 1, 1]),
      input.buffer, start(input, sum.inputStart), weights,
      try bias(epilogue, count: vectors * 16), (epilogue.residual ?? output).buffer,
      start(epilogue.residual, 0), output.buffer, start(output, sum.outputStart),
      mask.buffer, UInt64(mask.offset / 2 + sum.maskStart),
      Int32(sum.rows), Int32(sum.columns), Int32(sum.taps.height), Int32(sum.taps.width),
      Int32(sum.inputChannels), Int32(sum.outputChannels), Int32(sum.groups),
      UInt64(sum.inputImage), Int32(sum.inputRow), Int32(sum.inputStep), Int32(sum.tapRowStep),
      Int32(sum.tapColumnStep), UInt64(sum.residualImage), Int32(sum.residualRow),
      Int32(sum.residualPixel), UInt64(sum.outputImage), Int32(sum.outputRow),
      Int32(sum.outputPixel), UInt64(sum.maskImage), Int32(sum.maskRow), Int32(sum.maskPixel),
      Int32(vectors))
  }

  private func depthwise(
    _ sum: TapSum, _ input: DeviceTensor, _ output: DeviceTensor, _ epilogue: TapSumEpilogue
  ) throws(ComputeError) {
    let vectors = sum.outputVectors
    let taps = sum.taps.height * sum.taps.width
    let weights = try parameters(
      sum.weights, count: max(1, taps * 16 * vectors), startingAt: liveParameters?.weights
    ) { place in
      for tapRow in 0..<sum.taps.height {
        for tapColumn in 0..<sum.taps.width {
          let position = (tapRow * sum.taps.width + tapColumn) * 16 * vectors
          for channel in 0..<sum.outputChannels {
            place(position + channel, sum.weight(channel, 0, tapRow, tapColumn))
          }
        }
      }
    }
    let mask = try bytesOrPlaceholder(epilogue.mask)
    let program = try program(
      "reference/depthwise", constants(epilogue) + [("GROUP", "\(groupSize)")])
    try launch(
      program, "depthwise",
      Grid([vectors * sum.columns, sum.rows, sum.images], groups: [groupSize, 1, 1]),
      input.buffer, start(input, sum.inputStart), weights,
      try bias(epilogue, count: vectors * 16), (epilogue.residual ?? output).buffer,
      start(epilogue.residual, 0), output.buffer, start(output, sum.outputStart),
      mask.buffer, UInt64(mask.offset / 2 + sum.maskStart),
      Int32(sum.rows), Int32(sum.columns), Int32(sum.taps.height), Int32(sum.taps.width),
      UInt64(sum.inputImage), Int32(sum.inputRow), Int32(sum.inputStep), Int32(sum.tapRowStep),
      Int32(sum.tapColumnStep), UInt64(sum.residualImage), Int32(sum.residualRow),
      Int32(sum.residualPixel), UInt64(sum.outputImage), Int32(sum.outputRow),
      Int32(sum.outputPixel), UInt64(sum.maskImage), Int32(sum.maskRow), Int32(sum.maskPixel),
      Int32(vectors))
  }

  func start(_ tensor: DeviceTensor?, _ shift: Int) -> UInt64 {
    tensor.map { UInt64($0.offset + $0.layout.origin + shift) } ?? 0
  }

}

extension TapSum {
  /// A sum without taps beside one another, over pictures without borders, as rows of a length that
  /// a register tile divides.
  fileprivate var flattened: TapSum {
    let residualIsFlat = residualPixel == 0 || residualRow == columns * residualPixel
    guard taps == Extent(1), rows > 1, inputRow == columns * inputStep,
      outputRow == columns * outputPixel, maskRow == columns * maskPixel, residualIsFlat,
      let length = (7...14).reversed().first(where: { rows * columns % $0 == 0 })
    else { return self }
    var flat = self
    flat.rows = rows * columns / length
    flat.columns = length
    flat.inputRow = length * inputStep
    flat.outputRow = length * outputPixel
    flat.maskRow = length * maskPixel
    flat.residualRow = length * residualPixel
    return flat
  }
}

/// How many pixels and sixteen-channel vectors a work-item holds in registers: at most 28 of the 32.
struct RegisterTile: Hashable {
  let pixels: Int
  let vectors: Int

  init(columns: Int, channels: Int) {
    let available = (channels + 15) / 16
    if available == 1 {
      vectors = 1
      pixels = min(columns, 28)
      return
    }
    if columns <= 14 {
      pixels = max(1, columns)
    } else {
      pixels = (8...14).reversed().first { columns % $0 == 0 } ?? 14
    }
    vectors = min(available, pixels <= 6 ? 4 : pixels <= 9 ? 3 : 2)
  }
}
