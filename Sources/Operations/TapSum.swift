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
  /// The position in `weights` of (output channel, channel of its group, tap row, tap column); nil
  /// for a weight of zero.
  var weight: (Int, Int, Int, Int) -> Int?
  /// From one output channel's weight to the next one's of its group; nil where some are zero or the
  /// distances differ.
  var weightStep: Int?
  /// Whether the other pass reads the packed weights too.
  var sharesWeights = false
  /// Where the output's lanes go when they are not the channels of one pixel.
  var scatter: Scatter?

  /// An output pixel is a block of pixels of few channels, its lanes their channels.
  struct Scatter {
    /// Pixels of a block.
    var blockRows: Int
    var blockColumns: Int
    /// Pixels of the whole output; the first and last blocks may reach beyond.
    var rows: Int
    var columns: Int
    /// For each lane the floats from the block's pixel, then the rows and columns from there.
    var lanes: [SIMD4<Int32>]
  }

  /// Sixteen-channel vectors of an output pixel.
  var outputVectors: Int { (outputChannels + 15) / 16 }
  /// Channels of the output in one group.
  var groupOutputChannels: Int { outputChannels / groups }

  /// Tells the weights of neighbouring output channels for one tap, `[input channel][width]`.
  ///
  /// - Parameters:
  ///   - outputs: The output channels, at most `width`.
  ///   - tap: The tap, row by row.
  ///   - start: The position of the first weight.
  ///   - places: Where each output channel stands among the `width`; nil for their order.
  func weights(
    of outputs: Range<Int>, tap: Int, at start: Int, width: Int, places: [Int]? = nil,
    place: (ParameterRun) -> Void
  ) {
    let (tapRow, tapColumn) = tap.quotientAndRemainder(dividingBy: taps.width)
    let areOfOneGroup =
      outputs.lowerBound / groupOutputChannels == (outputs.upperBound - 1) / groupOutputChannels
    let step = places == nil && areOfOneGroup ? weightStep : nil
    for channel in 0..<inputChannels {
      let position = start + channel * width
      if let step, let source = weight(outputs.lowerBound, channel, tapRow, tapColumn) {
        place(
          ParameterRun(position: position, source: source, count: outputs.count, stride: step))
        continue
      }
      for (lane, output) in outputs.enumerated() {
        if let source = weight(output, channel, tapRow, tapColumn) {
          place(ParameterRun(position: position + (places?[lane] ?? lane), source: source))
        }
      }
    }
  }
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
  ///
  /// - Returns: The weights as register tiles read them; nil where another kernel does.
  @discardableResult
  func tapSum(
    _ sum: TapSum, input: DeviceTensor, output: DeviceTensor, epilogue: TapSumEpilogue
  ) throws(ComputeError) -> PackedWeights? {
    if sum.inputChannels == 1, sum.groupOutputChannels == 1, sum.groups > 1 {
      try depthwise(sum, input, output, epilogue)
      return nil
    }
    let hasWholeVectors = sum.groups == 1 || sum.groupOutputChannels % 16 == 0
    switch family {
    case .cpu where hasWholeVectors: return try tiled(sum, input, output, epilogue)
    case .gpu where hasWholeVectors: try locallyTiled(sum, input, output, epilogue)
    default: try plain(sum, input, output, epilogue)
    }
    return nil
  }

  func bias(_ epilogue: TapSumEpilogue, count: Int) throws(ComputeError) -> Buffer<Float> {
    guard let bias = epilogue.bias else { return try placeholder() }
    return try parameters(bias, count: count, startingAt: liveParameters?.bias) { _, place in
      place(ParameterRun(position: 0, source: 0, count: bias.count))
    }
  }

  func constants(
    _ epilogue: TapSumEpilogue, _ scatter: TapSum.Scatter? = nil
  ) -> [(String, String)] {
    var constants =
      epilogue.constants + [
        ("HAS_BIAS", epilogue.bias == nil ? "0" : "1"),
        ("HAS_RESIDUAL", epilogue.residual == nil ? "0" : "1"),
      ]
    if let scatter {
      constants += [
        ("SCATTERS", "1"), ("BLOCK_ROWS", "\(scatter.blockRows)"),
        ("BLOCK_COLUMNS", "\(scatter.blockColumns)"),
      ]
    }
    return constants
  }

  /// The lanes of whole vectors; one beyond every picture where there is none.
  func lanes(
    _ scatter: TapSum.Scatter?, count: Int
  ) throws(ComputeError) -> Buffer<SIMD4<Int32>> {
    guard let scatter else { return try placeholder() }
    let none = SIMD4<Int32>(0, .max, .max, 0)
    return try Buffer(
      context, scatter.lanes + Array(repeating: none, count: count - scatter.lanes.count))
  }

  private func plain(
    _ sum: TapSum, _ input: DeviceTensor, _ output: DeviceTensor, _ epilogue: TapSumEpilogue
  ) throws(ComputeError) {
    let taps = sum.taps.height * sum.taps.width
    let vectors = sum.outputVectors
    let weights = try parameters(
      sum.weights, count: max(1, vectors * taps * sum.inputChannels * 16),
      startingAt: liveParameters?.weights, parts: vectors * taps
    ) { part, place in
      let (vector, tap) = part.quotientAndRemainder(dividingBy: taps)
      sum.weights(
        of: 16 * vector..<min(16 * vector + 16, sum.outputChannels), tap: tap,
        at: part * sum.inputChannels * 16, width: 16, place: place)
    }
    let mask = try bytesOrPlaceholder(epilogue.mask)
    let program = try program(
      "reference/convolution", constants(epilogue, sum.scatter) + [("GROUP", "\(groupSize)")])
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
      Int32(vectors), try lanes(sum.scatter, count: 16 * vectors),
      Int32(sum.scatter?.rows ?? 0), Int32(sum.scatter?.columns ?? 0))
  }

  func start(_ tensor: DeviceTensor?, _ shift: Int) -> UInt64 {
    tensor.map { UInt64($0.offset + $0.layout.origin + shift) } ?? 0
  }
}
