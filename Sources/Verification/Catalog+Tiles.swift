import Compute
import Operations
import Reference

extension OperationCatalog {
  /// Every register tile that the rules or the tuner can take on any processor, in both directions,
  /// with rows that it divides and rows that leave a rest, every unrolling, every order of the loops.
  public static let tiles: [CatalogCase] =
    RegisterTile.candidates(
      columns: 28, channels: 64, registers: VectorRegisters(count: 32, floats: 16)
    ).enumerated().map { position, tile in
      let fixed = FixedTile(
        tile, blocksPerItem: position % 2 == 0 ? 1 : .max, unroll: [2, 4, 16][position % 3],
        imagesFirst: position % 4 < 2)
      return CatalogCase(
        "convolution",
        "in tiles of \(tile.pixels) pixels and \(tile.vectors) vectors, unrolled by \(fixed.unroll), "
          + (position % 2 == 0 ? "block by block" : "row by row")
          + (fixed.imagesFirst ? ", images first" : ""), batch: 2, families: [.cpu]
      ) { (context, family) throws(ComputeError) in
        try tiledConvolution(
          context, family, seed: UInt64(fixed.tile.pixels * 8 + fixed.tile.vectors), batch: 2
        ) { $0.fixedTile = fixed }
      }
    }
}

/// A convolution whose sums fill whole tiles and leave rests.
func tiledOperation(
  seed: UInt64, inputs: Int, outputs: Int, groups: Int,
  values: OperationCheck.Values = .real(-1...1)
) -> Convolution {
  var generator = ValueGenerator(seed: seed)
  return Convolution(
    weights: generator.tensor([outputs, inputs / groups, 3, 2], values),
    bias: generator.tensor([outputs], values).values,
    window: WindowGeometry(
      kernel: Extent(3, 2), padding: Padding(top: 1, left: 1, bottom: 1, right: 1)),
    groups: groups, activation: .relu)
}

/// Differences of both passes of a convolution, whose rows have 28 + 1 pixels.
func tiledConvolution(
  _ context: Context, _ family: KernelFamily, seed: UInt64, batch: Int = 1, inputs: Int = 19,
  outputs: Int = 70, groups: Int = 1, values: OperationCheck.Values = .real(-2...2),
  _ configure: (Recorder) -> Void
) throws(ComputeError) -> [String] {
  let convolution = tiledOperation(
    seed: seed, inputs: inputs, outputs: outputs, groups: groups,
    values: values.isWhole ? values : .real(-1...1))
  var generator = ValueGenerator(seed: ~seed)
  let x = generator.tensor([batch, inputs, 3, 28], values)
  let y = convolution.evaluate([x])
  let dy = generator.tensor(y.shape, values)
  let bare = [Layout(shape: [inputs, 3, 28])]
  let plain = Layout(shape: Array(y.shape.dropFirst()))
  let from = bare[0].with(border: convolution.inputBorder(0, inputs: bare, output: plain))
  let to = plain.with(border: convolution.gradientBorder(inputs: bare, output: plain))
  let recorder = Recorder(context: context, family: family, batch: batch)
  configure(recorder)
  let input = DeviceTensor(
    buffer: try Buffer(context, from.pack(x.values, batch: batch)), layout: from)
  let output = DeviceTensor(
    buffer: try Buffer(context, count: batch * plain.imageStride), layout: plain)
  let gradient = DeviceTensor(
    buffer: try Buffer(context, to.pack(dy.values, batch: batch)), layout: to)
  let target = DeviceTensor(
    buffer: try Buffer(context, count: batch * from.imageStride), layout: from)
  try output.buffer.fill(.nan)
  try target.buffer.fill(.nan)
  try convolution.recordForward(recorder, inputs: [input], output: ForwardTarget(tensor: output))
  try convolution.recordGradient(
    recorder, of: 0, gradient: gradient,
    saved: Saved(
      inputs: [nil], output: nil, state: nil, inputLayouts: [from], outputLayout: plain),
    to: GradientTarget(tensor: target))
  try recorder.run()
  let expected = convolution.inputGradients(inputs: [x], output: y, gradient: dy)[0]
  return [
    difference(plain.unpack(try output.buffer.read(), batch: batch), y.values)
      .map { "output: \($0)" },
    difference(from.unpack(try target.buffer.read(), batch: batch), expected.values)
      .map { "gradient: \($0)" },
  ].compactMap { $0 }
}
