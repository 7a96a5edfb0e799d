import Compute
import Networks
import Operations
import Reference

/// The vectors of all slots on a device.
///
/// Each slot has the clean picture and the best point; with a history also the accepted point, its
/// gradient and the direction. The trial point is the network's input.
final class SlotVectors {
  let network: CompiledNetwork
  let history: Int
  let count: Int
  private let slots: Int
  /// The clean pictures.
  let origins: Buffer<Float>
  private let bests: Buffer<Float>
  private let active: StagedBuffer<Int32>
  private let commands: StagedBuffer<Int32>
  private let parameters: StagedBuffer<Float>
  private let numbers: StagedBuffer<Float>
  private let keys: StagedBuffer<Int32>
  private let observing: Launch?
  private let proposing: Launch
  private let stepping: Launch?
  private let trials: Buffer<Float>

  /// Takes memory for the vectors of all slots of a network.
  ///
  /// - Parameters:
  ///   - history: Pairs of the L-BFGS history; 0 for attacks that follow the gradient alone.
  ///   - ball: The ball of a gradient step, for attacks that follow the gradient alone.
  init(_ network: CompiledNetwork, history: Int, ball: StepBall?) throws(ComputeError) {
    guard let gradients = network.inputGradient else {
      preconditionFailure("attacks need a network compiled with its gradient")
    }
    self.network = network
    self.history = history
    slots = network.batch
    count = network.input.layout.imageStride
    let context = network.context
    let size = slots * count
    let keepsHistory = history > 0
    trials = network.input.buffer
    origins = try Buffer(context, count: size)
    bests = try Buffer(context, count: size)
    active = try StagedBuffer(context, count: slots)
    commands = try StagedBuffer(context, count: slots * 4)
    parameters = try StagedBuffer(context, count: slots * 8)
    numbers = try StagedBuffer(context, count: slots * 16)
    try numbers.buffer.fill(0)
    keys = try StagedBuffer(context, count: slots * 2)
    let xs = try Buffer<Float>(context, count: keepsHistory ? size : 1)
    let slopes = try Buffer<Float>(context, count: keepsHistory ? size : 1)
    let directions = try Buffer<Float>(context, count: keepsHistory ? size : 1)
    let steps = try Buffer<Float>(context, count: keepsHistory ? size * history : 1)
    let changes = try Buffer<Float>(context, count: keepsHistory ? size * history : 1)
    let recorder = Recorder(context: context, family: network.family, batch: slots)
    let lanes = recorder.lanesPerItem
    let group = lanes == 256 ? 1 : 256
    let grid = Grid([slots * group], groups: [group])
    let constants = [("LANES_PER_ITEM", "\(lanes)"), ("HISTORY", "\(max(1, history))")]
    let program = try recorder.program(
      "reference/lbfgs", constants + [("KEEPS_POINT", keepsHistory ? "1" : "0")])
    // Attacks that follow the gradient alone look at the loss only.
    observing =
      keepsHistory
      ? try Launch(
        program, "observe", grid, Int32(count), active.buffer, parameters.buffer, origins, xs,
        slopes, trials, gradients.buffer, numbers.buffer) : nil
    proposing = try Launch(
      program, "propose", grid, Int32(count), commands.buffer, parameters.buffer, origins, xs,
      slopes, trials, gradients.buffer, bests, directions, steps, changes, numbers.buffer)
    if let ball {
      let program = try recorder.program("reference/box_step", constants + ball.constants)
      stepping = try Launch(
        program, "box_step", grid, Int32(count), commands.buffer, parameters.buffer, keys.buffer,
        origins, trials, gradients.buffer)
    } else {
      stepping = nil
    }
  }

  /// Queues the commands of all slots; an empty command leaves a slot alone.
  ///
  /// - Returns: The event of the first thing that is queued.
  func propose(_ requests: [(VectorCommand, VectorParameters)]) throws(ComputeError) -> Event {
    var words = [Int32](repeating: 0, count: slots * 4)
    var values = [Float](repeating: 0, count: slots * 8)
    for (slot, (command, numbers)) in requests.enumerated() {
      words[4 * slot] = command.rawValue
      words[4 * slot + 1] = Int32(numbers.pairs)
      words[4 * slot + 2] = Int32(numbers.newest)
      values[8 * slot] = numbers.c
      values[8 * slot + 1] = numbers.c
      values[8 * slot + 2] = numbers.alpha
      values[8 * slot + 3] = numbers.firstGamma
      values[8 * slot + 4] = numbers.half
      values[8 * slot + 5] = numbers.radius
    }
    let first = try commands.send(words)
    try parameters.send(values)
    try proposing.enqueue()
    guard let stepping else { return first }
    try keys.send(
      requests.flatMap { [Int32(bitPattern: $0.1.key.x), Int32(bitPattern: $0.1.key.y)] })
    try stepping.enqueue()
    return first
  }

  /// Queues the measurement of the slots in use, which attacks without a history do without, and its copy to the host; its end is that of all that
  /// was queued before.
  func observe(_ slotsInUse: [Bool]) throws(ComputeError) -> Event {
    if let observing {
      try active.send(slotsInUse.map { $0 ? 1 : 0 })
      try observing.enqueue()
    }
    return try numbers.fetch()
  }

  /// What was measured, once the event of `observe` has been waited for.
  var measures: [(TrialMeasures, DirectionMeasures)] {
    let values = numbers.fetched
    return (0..<slots).map {
      (
        TrialMeasures(values[16 * $0..<16 * $0 + 6]),
        DirectionMeasures(values[16 * $0 + 8..<16 * $0 + 11])
      )
    }
  }

  /// Queues a copy of the best point of a slot to the host.
  func fetchBest(_ slot: Int, _ target: StagingBuffer<Float>) throws(ComputeError) -> Event {
    try bests.read(staged: target, 0..<count, from: slot * count)
  }

  /// Queues a copy of the trial point of a slot to the host.
  func fetchTrial(_ slot: Int, _ target: StagingBuffer<Float>) throws(ComputeError) -> Event {
    try trials.read(staged: target, 0..<count, from: slot * count)
  }
}

/// The ball around the clean picture that a gradient step may not leave.
struct StepBall: Sendable {
  /// The norm that measures the perturbation and shapes the step.
  let norm: PerturbationNorm
  /// The radius, in units of [0, 1] pixels.
  let radius: Float

  var constants: [(String, String)] {
    [
      ("NORM", norm == .linf ? "0" : "2"),
      ("RADIUS", "as_float(0x\(String(radius.bitPattern, radix: 16))u)"),
    ]
  }
}

/// The norms in which perturbations are bounded.
public enum PerturbationNorm: String, Sendable, CaseIterable {
  /// The largest absolute change.
  case linf
  /// The Euclidean norm.
  case l2
}
