import Compute
import Operations
import Reference

/// How many lanes of a long sum one work-item takes: the styles of `Kernels/common/lanes.clh`.
let laneStyles = [256, 1]

extension Grid {
  /// One work-group for each slot, in the style of lanes that is asked for.
  init(slots: Int, lanesPerItem: Int) {
    let items = 256 / lanesPerItem
    self.init([slots * items], groups: [items])
  }
}

/// Sums over slots of n elements that lie further apart than n.
private func sums(
  _ context: Context, _ n: Int, _ lanes: Int, _ values: OperationCheck.Values
) throws(ComputeError) -> [String] {
  let slots = 3
  let stride = n + 5
  var generator = ValueGenerator(seed: UInt64(n))
  let a = generator.tensor([slots, stride], values).values
  let b = generator.tensor([slots, stride], values).values
  let recorder = Recorder(context: context, family: .reference, batch: slots)
  let program = try recorder.program("reference/longsum", [("LANES_PER_ITEM", "\(lanes)")])
  let x = try Buffer(context, a)
  let y = try Buffer(context, b)
  let output = try Buffer<Float>(context, count: slots)
  let index = try Buffer<Int32>(context, count: slots)
  let grid = Grid(slots: slots, lanesPerItem: lanes)
  func slot(_ values: [Float], _ slot: Int) -> ArraySlice<Float> {
    values[slot * stride..<slot * stride + n]
  }
  var failures: [String] = []
  func judge(_ kernel: String, _ launch: Launch, _ twin: (Int) -> Float) throws(ComputeError) {
    try launch.enqueue()
    if let line = difference(try output.read(), (0..<slots).map(twin)) {
      failures.append("\(kernel): \(line)")
    }
  }
  try judge(
    "dot product",
    try Launch(program, "dot_per_sample", grid, x, y, output, Int32(n), UInt64(stride))
  ) { LongSum.dot(slot(a, $0), slot(b, $0)) }
  try judge(
    "sum", try Launch(program, "sum_per_sample", grid, x, output, Int32(n), UInt64(stride))
  ) { LongSum.sum(slot(a, $0)) }
  try judge(
    "squared norm",
    try Launch(program, "squared_norm_per_sample", grid, x, output, Int32(n), UInt64(stride))
  ) { LongSum.squaredNorm(slot(a, $0)) }
  try judge(
    "squared distance",
    try Launch(
      program, "squared_distance_per_sample", grid, x, y, output, Int32(n), UInt64(stride))
  ) { LongSum.squaredDistance(slot(a, $0), slot(b, $0)) }
  try judge(
    "maximum",
    try Launch(
      program, "maximum_per_sample", grid, x, output, index, Int32(n), UInt64(stride))
  ) { LongSum.maximum(slot(a, $0)).value }
  let places = (0..<slots).map { Int32(LongSum.maximum(slot(a, $0)).offset) }
  if let line = difference(try index.read(), places) { failures.append("arg-max: \(line)") }
  return failures
}

extension OperationCatalog {
  /// Sums and maxima over long vectors, in both styles of lanes.
  public static let longSum: [CatalogCase] = laneStyles.flatMap { lanes in
    [1, 15, 16, 17, 255, 256, 257, 511, 4099, 100_003].map { n in
      CatalogCase("long-sum", "\(n) elements, \(lanes) lanes an item", batch: 3) {
        (context, _) throws(ComputeError) in try sums(context, n, lanes, .real(-2...2))
      }
    } + [
      CatalogCase("long-sum", "many equal maxima, \(lanes) lanes an item", batch: 3) {
        (context, _) throws(ComputeError) in try sums(context, 1000, lanes, .integers(-2...2))
      },
      CatalogCase("long-sum", "NaN and infinities, \(lanes) lanes an item", batch: 3) {
        (context, _) throws(ComputeError) in try sums(context, 300, lanes, .special)
      },
    ]
  }
}
