import Compute
import Operations
import Reference

/// The functions of `Kernels/reference/elementary.cl`, in its order.
private let functions: [(name: String, twin: @Sendable (Float, Float) -> Float)] = [
  ("exp", { x, _ in Elementary.exp(x) }), ("log", { x, _ in Elementary.log(x) }),
  ("softplus", { x, _ in Elementary.softplus(x) }), ("tanh", { x, _ in Elementary.tanh(x) }),
  ("sigmoid", { x, _ in Elementary.sigmoid(x) }), ("erf", { x, _ in Elementary.erf(x) }),
  ("sinpi", { x, _ in Elementary.sinPi(x) }), ("cospi", { x, _ in Elementary.cosPi(x) }),
  ("powr", Elementary.power), ("division", { $0 / $1 }),
  ("square root", { x, _ in x.squareRoot() }),
]

/// Every 131101st bit pattern, so that all exponents and both signs occur, and then the numbers
/// between -32 and 32 where most functions have their bends; 49152 in all.
private let grid: [Float] =
  (0..<32768).map { Float(bitPattern: UInt32(truncatingIfNeeded: $0 * 131_101)) }
  + (0..<16384).map { Float($0 - 8192) * 0x1.0003p-8 }

/// Other bit patterns, one for each of the grid.
private let partners: [Float] = grid.indices.map { index in
  index < 32768
    ? Float(bitPattern: UInt32(truncatingIfNeeded: (index &* 40503 & 0x7fff) * 131_101))
    : Float(index % 401 - 200) / 16
}

private func compare(_ function: Int, on context: Context) throws(ComputeError) -> [String] {
  let recorder = Recorder(context: context, family: .reference, batch: 1)
  let program = try recorder.program(
    "reference/elementary", [("GROUP", "\(recorder.groupSize)")])
  let x = try Buffer(context, grid)
  let y = try Buffer(context, partners)
  let expected = zip(grid, partners).map(functions[function].twin)
  var failures: [String] = []
  for kernel in ["elementary_scalar", "elementary_vector"] {
    let output = try Buffer<Float>(context, count: grid.count)
    try output.fill(77)
    let launch = try Launch(
      program, kernel, Grid([grid.count / 16], groups: [recorder.groupSize]), Int32(function), x,
      y, output, Int32(grid.count))
    try launch.enqueue()
    if let line = difference(try output.read(), expected) { failures.append("\(kernel): \(line)") }
  }
  return failures
}

private func streams(
  _ context: Context, seed: UInt64, sample: UInt64, attack: UInt32, restart: UInt32, step: UInt32,
  draw: UInt32
) throws(ComputeError) -> [String] {
  let blocks = 1031
  let recorder = Recorder(context: context, family: .reference, batch: 1)
  let key = try Buffer<UInt32>(context, count: 2)
  let words = try Buffer<UInt32>(context, count: 4 * blocks)
  let numbers = try Buffer<Float>(context, count: 12 * blocks)
  let program = try recorder.program(
    "reference/elementary", [("GROUP", "\(recorder.groupSize)")])
  let launch = try Launch(
    program, "philox_streams", Grid([blocks], groups: [recorder.groupSize]), seed, sample, attack,
    restart, step, draw, UInt32(blocks), key, words, numbers)
  try launch.enqueue()
  let stream = PhiloxStream(seed: seed, sample: sample, attack: attack, restart: restart)
  let expectedWords = (0..<blocks).flatMap { block in
    let four = Philox.words(counter: SIMD4(UInt32(block), step, draw, 0), key: stream.key)
    return [four.x, four.y, four.z, four.w]
  }
  let expected =
    stream.uniform(count: 4 * blocks, step: step, draw: draw)
    + stream.symmetric(count: 4 * blocks, step: step, draw: draw)
    + stream.gaussian(count: 4 * blocks, step: step, draw: draw)
  return [
    difference(try key.read(), [stream.key.x, stream.key.y]).map { "key: \($0)" },
    difference(try words.read(), expectedWords).map { "words: \($0)" },
    difference(try numbers.read(), expected).map { "numbers: \($0)" },
  ].compactMap { $0 }
}

extension OperationCatalog {
  /// The canonical functions over a grid of bit patterns, and the random streams.
  public static let elementary: [CatalogCase] =
    functions.indices.map { function in
      CatalogCase("elementary", functions[function].name) {
        (context, _) throws(ComputeError) in try compare(function, on: context)
      }
    } + [
      CatalogCase("philox", "streams of small numbers") {
        (context, _) throws(ComputeError) in
        try streams(context, seed: 0, sample: 0, attack: 0, restart: 0, step: 0, draw: 0)
      },
      CatalogCase("philox", "streams of large numbers") {
        (context, _) throws(ComputeError) in
        try streams(
          context, seed: 0xfedc_ba98_7654_3210, sample: 0x8000_0001_ffff_fffe, attack: 7,
          restart: 0xffff_ffff, step: 1000, draw: 3)
      },
    ]
}
