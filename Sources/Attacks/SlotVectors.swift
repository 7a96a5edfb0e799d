import Compute
import Networks
import Operations
import Reference

/// The vectors of all slots on a device: the clean picture, the accepted and the best point, the
/// direction and the history; the trial point is the network's input.
final class SlotVectors {
  let network: CompiledNetwork
  let history: Int
  let count: Int
  private let slots: Int
  private let origins: Buffer<Float>
  private let bests: Buffer<Float>
  private let active: Buffer<Int32>
  private let commands: Buffer<Int32>
  private let parameters: Buffer<Float>
  private let numbers: Buffer<Float>
  private let keys: Buffer<Int32>
  private let observing: Launch
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
    active = try Buffer(context, count: slots)
    commands = try Buffer(context, count: slots * 4)
    parameters = try Buffer(context, count: slots * 8)
    numbers = try Buffer(context, count: slots * 16)
    try numbers.fill(0)
    keys = try Buffer(context, count: slots * 2)
    let xs = try Buffer<Float>(context, count: size)
    let slopes = try Buffer<Float>(context, count: size)
    let directions = try Buffer<Float>(context, count: keepsHistory ? size : 1)
    let steps = try Buffer<Float>(context, count: keepsHistory ? size * history : 1)
    let changes = try Buffer<Float>(context, count: keepsHistory ? size * history : 1)
    let recorder = Recorder(context: context, family: network.family, batch: slots)
    let lanes = recorder.lanesPerItem
    let group = lanes == 256 ? 1 : 256
    let grid = Grid([slots * group], groups: [group])
    let constants = [("LANES_PER_ITEM", "\(lanes)"), ("HISTORY", "\(max(1, history))")]
    let program = try recorder.program("reference/lbfgs", constants)
    observing = try Launch(
      program, "observe", grid, Int32(count), active, parameters, origins, xs, slopes, trials,
      gradients.buffer, numbers)
    proposing = try Launch(
      program, "propose", grid, Int32(count), commands, parameters, origins, xs, slopes, trials,
      gradients.buffer, bests, directions, steps, changes, numbers)
    if let ball {
      let program = try recorder.program("reference/box_step", constants + ball.constants)
      stepping = try Launch(
        program, "box_step", grid, Int32(count), commands, parameters, keys, origins, trials,
        gradients.buffer)
    } else {
      stepping = nil
    }
  }

  /// Puts a clean picture `[C, H, W]` into a slot.
  func load(_ pixels: [Float], into slot: Int) throws(ComputeError) {
    try origins.write(network.input.layout.pack(pixels, batch: 1), at: slot * count)
  }

  /// Queues the commands of all slots; an empty command leaves a slot alone.
  func propose(_ requests: [(VectorCommand, VectorParameters)]) throws(ComputeError) {
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
    try commands.write(words)
    try parameters.write(values)
    try proposing.enqueue()
    guard let stepping else { return }
    try keys.write(
      requests.flatMap { [Int32(bitPattern: $0.1.key.x), Int32(bitPattern: $0.1.key.y)] })
    try stepping.enqueue()
  }

  /// Queues the measurement of the slots in use.
  func observe(_ slotsInUse: [Bool]) throws(ComputeError) {
    try active.write(slotsInUse.map { $0 ? 1 : 0 })
    try observing.enqueue()
  }

  /// What was measured; waits for the device.
  func readMeasures() throws(ComputeError) -> [(TrialMeasures, DirectionMeasures)] {
    let values = try numbers.read()
    return (0..<slots).map {
      (
        TrialMeasures(values[16 * $0..<16 * $0 + 6]),
        DirectionMeasures(values[16 * $0 + 8..<16 * $0 + 11])
      )
    }
  }

  /// The best point of a slot, `[C, H, W]`.
  func readBest(_ slot: Int) throws(ComputeError) -> [Float] { try read(bests, slot) }

  /// The trial point of a slot, `[C, H, W]`.
  func readTrial(_ slot: Int) throws(ComputeError) -> [Float] { try read(trials, slot) }

  private func read(_ buffer: Buffer<Float>, _ slot: Int) throws(ComputeError) -> [Float] {
    network.input.layout.unpack(
      try buffer.read(from: slot * count, length: count), batch: 1)
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
