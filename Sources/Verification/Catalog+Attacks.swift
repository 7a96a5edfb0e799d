import Compute
import Operations
import Reference

/// The vectors of several slots on a device, as `lbfgs.cl` and `box_step.cl` take them.
private struct SlotMemory {
  let slots: Int
  let n: Int
  let history: Int
  let commands: Buffer<Int32>
  let active: Buffer<Int32>
  let parameters: Buffer<Float>
  let keys: Buffer<Int32>
  let origins, xs, slopes, trials, gradients, bests, directions, steps, changes: Buffer<Float>
  let numbers: Buffer<Float>

  init(
    _ context: Context, slots: Int, n: Int, history: Int, origins values: [Float]
  ) throws(ComputeError) {
    (self.slots, self.n, self.history) = (slots, n, history)
    func zeros(_ count: Int) throws(ComputeError) -> Buffer<Float> {
      try Buffer(context, [Float](repeating: 0, count: count))
    }
    commands = try Buffer(context, count: 4 * slots)
    active = try Buffer(context, count: slots)
    parameters = try zeros(8 * slots)
    keys = try Buffer(context, count: 2 * slots)
    origins = try Buffer(context, values)
    xs = try zeros(slots * n)
    slopes = try zeros(slots * n)
    trials = try zeros(slots * n)
    gradients = try zeros(slots * n)
    bests = try zeros(slots * n)
    directions = try zeros(slots * n)
    steps = try zeros(slots * n * history)
    changes = try zeros(slots * n * history)
    numbers = try zeros(16 * slots)
  }

  func write(_ requests: [(VectorCommand, VectorParameters)]) throws(ComputeError) {
    var words: [Int32] = []
    var values: [Float] = []
    var streams: [Int32] = []
    for (command, numbers) in requests {
      words += [command.rawValue, Int32(numbers.pairs), Int32(numbers.newest), 0]
      values += [
        numbers.c, numbers.c, numbers.alpha, numbers.firstGamma, numbers.half, numbers.radius, 0, 0,
      ]
      streams += [Int32(bitPattern: numbers.key.x), Int32(bitPattern: numbers.key.y)]
    }
    try commands.write(words)
    try parameters.write(values)
    try keys.write(streams)
  }
}

/// Pictures that touch both bounds of the box often.
private func pictures(_ generator: inout ValueGenerator, _ count: Int) -> [Float] {
  (0..<count).map { index in
    index % 5 == 0 ? 0 : index % 7 == 0 ? 1 : Float.random(in: 0...1, using: &generator)
  }
}

/// A script of L-BFGS steps, each slot at another place of it, some of them idle.
private func limitedMemory(
  _ context: Context, n: Int, history: Int, _ lanes: Int
) throws(ComputeError) -> [String] {
  let slots = 4
  var generator = ValueGenerator(seed: UInt64(n))
  let origins = pictures(&generator, slots * n)
  let memory = try SlotMemory(context, slots: slots, n: n, history: history, origins: origins)
  let recorder = Recorder(context: context, family: .reference, batch: slots)
  let program = try recorder.program(
    "reference/lbfgs", [("LANES_PER_ITEM", "\(lanes)"), ("HISTORY", "\(history)")])
  let grid = Grid(slots: slots, lanesPerItem: lanes)
  let observe = try Launch(
    program, "observe", grid, Int32(n), memory.active, memory.parameters, memory.origins,
    memory.xs, memory.slopes, memory.trials, memory.gradients, memory.numbers)
  let propose = try Launch(
    program, "propose", grid, Int32(n), memory.commands, memory.parameters, memory.origins,
    memory.xs, memory.slopes, memory.trials, memory.gradients, memory.bests, memory.directions,
    memory.steps, memory.changes, memory.numbers)
  var twins = (0..<slots).map { slot in
    LimitedMemoryVectors(origin: Array(origins[slot * n..<(slot + 1) * n]), history: history)
  }
  var expected = [Float](repeating: 0, count: 16 * slots)
  var failures: [String] = []
  for step in 0..<history + 6 {
    let gradients = generator.tensor([slots * n], .real(-0.5...0.5)).values
    let requests = (0..<slots).map { request(slot: $0, step: step, history: history) }
    try memory.gradients.write(gradients)
    try memory.write(requests)
    try propose.enqueue()
    try memory.active.write((0..<slots).map { ($0 + step) % 4 == 3 ? 0 : 1 })
    try observe.enqueue()
    for slot in 0..<slots {
      let gradient = Array(gradients[slot * n..<(slot + 1) * n])
      let (command, parameters) = requests[slot]
      if let made = twins[slot].propose(command, parameters, trialGradient: gradient) {
        expected[16 * slot + 8] = made.squaredGradient
        expected[16 * slot + 9] = made.projectedGradient
        expected[16 * slot + 10] = made.fellBack ? 1 : 0
      }
      guard (slot + step) % 4 != 3 else { continue }
      let seen = twins[slot].observe(c: parameters.c, trialGradient: gradient)
      expected.replaceSubrange(
        16 * slot..<16 * slot + 6,
        with: [
          seen.squaredDistance, seen.descent, seen.squaredSlope, seen.squaredFreeSlope,
          seen.absoluteDistance, seen.largestDistance,
        ])
    }
    let lines = [
      difference(try memory.numbers.read(), expected).map { "numbers: \($0)" },
      difference(try memory.xs.read(), twins.flatMap(\.x)).map { "x: \($0)" },
      difference(try memory.slopes.read(), twins.flatMap(\.lossGradient)).map { "slope: \($0)" },
      difference(try memory.trials.read(), twins.flatMap(\.trial)).map { "trial: \($0)" },
      difference(try memory.bests.read(), twins.flatMap(\.best)).map { "best: \($0)" },
      difference(try memory.directions.read(), twins.flatMap(\.direction)).map {
        "direction: \($0)"
      },
    ]
    failures += lines.compactMap { $0 }.map { "step \(step), \($0)" }
    if !failures.isEmpty { return failures }
  }
  return failures
}

/// What a slot is told in a step of the script: start, then search, accept and push in a ring.
private func request(
  slot: Int, step: Int, history: Int
) -> (VectorCommand, VectorParameters) {
  var parameters = VectorParameters()
  parameters.c = [0.5, 3, 0, 40][slot]
  parameters.alpha = [1, 0.25, 2, 0.75][(slot + step) % 4]
  parameters.firstGamma = [0.5, 0.03125, 0.25, 1][slot]
  parameters.radius = [0.5, 4, 0.001, 30][(slot + step) % 4]
  parameters.half = [0.5, 0.999, 0.5, 0][(slot + step) % 4]
  let pushed = max(0, step - slot)
  parameters.pairs = min(history, pushed)
  parameters.newest = (pushed + history - 1) % history
  if step == 0 { return ([.start, .direction, .trial], parameters) }
  if step == slot + 2 { return ([.keepBest, .walk], parameters) }
  if step <= slot { return step % 2 == 0 ? ([], parameters) : ([.trial], parameters) }
  switch (step + slot) % 6 {
  case 5: return ([.keepBest, .push, .accept, .direction, .segment], parameters)
  case 4: return ([.keepBest, .push, .accept, .direction, .round], parameters)
  case 3: return ([.push, .accept, .direction, .showBest], parameters)
  default: return ([.keepBest, .push, .accept, .direction, .trial], parameters)
  }
}

/// A gradient step, a random start, both and neither, one slot each.
private func stepInBox(
  _ context: Context, n: Int, isEuclidean: Bool, _ lanes: Int
) throws(ComputeError) -> [String] {
  let radius: Float = isEuclidean ? 0.5 : 8 / 255
  let commands: [VectorCommand] = [.step, .randomStart, [.randomStart, .step], [], .step, .step]
  let slots = commands.count
  var generator = ValueGenerator(seed: UInt64(n))
  let origins = pictures(&generator, slots * n)
  let memory = try SlotMemory(context, slots: slots, n: n, history: 1, origins: origins)
  // The fourth slot's trial must stay; the fifth's is far outside the ball, the sixth's inside.
  let trials = origins.enumerated().map { index, value -> Float in
    index / n == 4
      ? 1 - value : value + Float.random(in: -0.0001...0.0001, using: &generator)
  }
  let gradients = generator.tensor([slots * n], .real(-2...2)).values
  try memory.trials.write(trials)
  try memory.gradients.write(gradients)
  let requests = commands.enumerated().map { slot, command in
    var parameters = VectorParameters()
    parameters.alpha = [0.01, 0.03, -0.02, 1, 0.02, 0.0001][slot]
    parameters.key = PhiloxStream(seed: 5, sample: UInt64(slot), attack: 1, restart: 0).key
    return (command, parameters)
  }
  try memory.write(requests)
  let recorder = Recorder(context: context, family: .reference, batch: slots)
  let program = try recorder.program(
    "reference/box_step",
    [
      ("LANES_PER_ITEM", "\(lanes)"), ("HISTORY", "1"), ("NORM", isEuclidean ? "2" : "0"),
      ("RADIUS", EpilogueConstants.literal(radius)),
    ])
  let launch = try Launch(
    program, "box_step", Grid(slots: slots, lanesPerItem: lanes), Int32(n), memory.commands,
    memory.parameters, memory.keys, memory.origins, memory.trials, memory.gradients)
  try launch.enqueue()
  let found = try memory.trials.read()
  var failures: [String] = []
  for (slot, (command, parameters)) in requests.enumerated() {
    let range = slot * n..<(slot + 1) * n
    let twin = BoxStepTwin(
      origin: Array(origins[range]), gradient: Array(gradients[range]), radius: radius,
      isEuclidean: isEuclidean)
    let expected = twin.step(Array(trials[range]), command, parameters)
    if let line = difference(Array(found[range]), expected) {
      failures.append("slot \(slot): \(line)")
    }
  }
  return failures
}

/// `box_step.cl` made of `BoxStepReference` and `Philox`.
private struct BoxStepTwin {
  let origin: [Float]
  let gradient: [Float]
  let radius: Float
  let isEuclidean: Bool

  func step(
    _ trial: [Float], _ command: VectorCommand, _ parameters: VectorParameters
  ) -> [Float] {
    guard !command.isEmpty else { return trial }
    var point = trial
    if command.contains(.randomStart) { point = randomStart(parameters) }
    guard command.contains(.step) else {
      return BoxStepReference.projected(
        tensor(point), origin: tensor(origin), ball: ball, box: 0...1
      ).values
    }
    let alpha = parameters.alpha
    let direction = isEuclidean ? tensor(gradient) : BoxStepReference.sign(tensor(gradient))
    let length = isEuclidean ? LongSum.squaredNorm(gradient).squareRoot() + 1e-12 : 1
    return BoxStepReference.step(
      tensor(point), direction: direction, alpha: [isEuclidean ? alpha / length : alpha],
      origin: tensor(origin), ball: ball, box: 0...1
    ).values
  }

  private func randomStart(_ parameters: VectorParameters) -> [Float] {
    let numbers = (0..<(origin.count + 3) / 4).flatMap { block -> [Float] in
      let words = Philox.words(counter: SIMD4(UInt32(block), 0, 0, 0), key: parameters.key)
      let four = isEuclidean ? Philox.gaussian(words) : Philox.symmetric(words)
      return [four.x, four.y, four.z, four.w]
    }
    guard isEuclidean else {
      return origin.indices.map { origin[$0].addingProduct(parameters.alpha, numbers[$0]) }
    }
    let moved = origin.indices.map { (origin[$0] + numbers[$0]) - origin[$0] }
    let factor = parameters.alpha / LongSum.squaredNorm(moved).squareRoot()
    return origin.indices.map { origin[$0].addingProduct(factor, moved[$0]) }
  }

  private var ball: BoxStepReference.Ball<Float> {
    isEuclidean ? .euclidean([radius]) : .infinity([radius])
  }

  private func tensor(_ values: [Float]) -> Tensor<Float> {
    Tensor(shape: [1, values.count], values: values)
  }
}

extension OperationCatalog {
  /// The vectors of box-constrained L-BFGS, in both styles of lanes.
  public static let lbfgs: [CatalogCase] = laneStyles.flatMap { lanes in
    [(1, 5), (17, 5), (255, 1), (300, 5), (1024, 3), (4133, 5), (10_007, 3)].map { n, history in
      CatalogCase(
        "lbfgs", "\(n) variables, \(history) pairs, \(lanes) lanes an item", batch: 4,
        groupSize: 256 / lanes
      ) { (context, _) throws(ComputeError) in
        try limitedMemory(context, n: n, history: history, lanes)
      }
    }
  }

  /// Gradient steps in a ball and the box, in both styles of lanes.
  public static let boxStep: [CatalogCase] = laneStyles.flatMap { lanes in
    [false, true].flatMap { isEuclidean in
      [1, 17, 255, 300, 1024, 4133].map { n in
        CatalogCase(
          "box-step",
          "\(n) variables, \(isEuclidean ? "L2" : "L-infinity"), \(lanes) lanes an item", batch: 6,
          groupSize: 256 / lanes
        ) { (context, _) throws(ComputeError) in
          try stepInBox(context, n: n, isEuclidean: isEuclidean, lanes)
        }
      }
    }
  }
}
