import Compute
public import Networks
import Operations
import Reference

/// Runs an attack over any number of pictures in the slots of one compiled network: a sample that is
/// done leaves at once and the next one takes its slot.
///
/// Each step is one dense batch: commands to the vectors, a forward pass, the loss, a gradient pass if
/// any slot asks for one, measurements, and one wait of the host. Results do not depend on the number
/// of slots.
public final class SlotEngine<Machine: SampleMachine> {
  /// What makes the machine of a sample.
  public typealias MakeMachine = (AttackSample) -> Machine

  private struct Slot {
    var sample: AttackSample
    var machine: Machine
    var command: VectorCommand
    var parameters: VectorParameters
    var wantsGradient: Bool
    var forwardEvaluations = 0
    var gradientEvaluations = 0
  }

  /// The network under attack.
  public let network: CompiledNetwork
  /// What confirms successes canonically; a network in a looser precision must have it.
  public var confirmation: CanonicalConfirmation?
  private let vectors: SlotVectors
  private let losses: SlotLoss
  private let makeMachine: MakeMachine
  private var slots: [Slot?]

  init(
    network: CompiledNetwork, history: Int, ball: StepBall?,
    makeMachine: @escaping MakeMachine
  ) throws(ComputeError) {
    guard let logitsGradient = network.logitsGradient else {
      preconditionFailure("attacks need a network compiled with its gradient")
    }
    self.network = network
    self.makeMachine = makeMachine
    vectors = try SlotVectors(network, history: history, ball: ball)
    losses = try SlotLoss(
      recorder: Recorder(context: network.context, family: network.family, batch: network.batch),
      classes: network.graph.outputShape.reduce(1, *), logits: network.logits,
      gradient: logitsGradient)
    slots = Array(repeating: nil, count: network.batch)
  }

  /// Attacks pictures until there are no more.
  ///
  /// - Parameters:
  ///   - next: The next picture, or nil at the end; called only when a slot is free.
  ///   - emit: Takes the results of one step, in the order of the slots.
  ///   - shouldStop: Asked once a step; when true, samples in progress are dropped.
  public func run(
    next: () throws -> AttackSample?, emit: ([AttackResult]) throws -> Void,
    shouldStop: () -> Bool = { false }
  ) throws {
    precondition(
      network.arithmetic.isCanonical || confirmation != nil,
      "\(network.arithmetic.precision) without a confirmation")
    var isDrained = false
    defer { slots = Array(repeating: nil, count: slots.count) }
    while !shouldStop() {
      for index in slots.indices where slots[index] == nil && !isDrained {
        guard let sample = try next() else {
          isDrained = true
          break
        }
        try load(sample, into: index)
      }
      guard slots.contains(where: { $0 != nil }) else { return }
      let results = try step()
      if !results.isEmpty { try emit(results) }
    }
  }

  private func load(_ sample: AttackSample, into index: Int) throws(ComputeError) {
    try vectors.load(sample.pixels, into: index)
    var machine = makeMachine(sample)
    guard case .evaluate(let command, let parameters, let gradient) = machine.start() else {
      preconditionFailure("a machine ended before it began")
    }
    slots[index] = Slot(
      sample: sample, machine: machine, command: command.union(.start), parameters: parameters,
      wantsGradient: gradient)
  }

  /// One batch; the results of the samples that are done.
  private func step() throws(ComputeError) -> [AttackResult] {
    try vectors.propose(
      slots.map { slot in
        slot.map { ($0.command, $0.parameters) } ?? ([], VectorParameters())
      })
    try network.forward()
    let idle = GoalLoss(label: 0, leaves: true)
    try losses.run(slots.map { $0?.machine.goal ?? SlotGoal(loss: idle, criterion: idle) })
    if slots.contains(where: { $0?.wantsGradient ?? false }) { try network.gradient() }
    try vectors.observe(slots.map { $0 != nil })
    let measures = try vectors.readMeasures()
    let found = try losses.read()
    var results: [(result: AttackResult, criterion: GoalLoss)] = []
    for index in slots.indices {
      guard var slot = slots[index] else { continue }
      if slot.wantsGradient { slot.gradientEvaluations += 1 } else { slot.forwardEvaluations += 1 }
      let request = slot.machine.observe(
        Evaluation(
          loss: found[index].loss, predicted: found[index].predicted, rival: found[index].rival,
          leastLikely: found[index].least, margin: found[index].margin, measures: measures[index].0,
          direction: measures[index].1))
      switch request {
      case .evaluate(let command, let parameters, let gradient):
        (slot.command, slot.parameters, slot.wantsGradient) = (command, parameters, gradient)
        slots[index] = slot
      case .finish(let outcome):
        results.append((try result(slot, outcome, index), slot.machine.goal.criterion))
        slots[index] = nil
      }
    }
    return try confirmation?.confirm(results) ?? results.map(\.result)
  }

  private func result(
    _ slot: Slot, _ outcome: SlotOutcome, _ index: Int
  ) throws(ComputeError) -> AttackResult {
    var result = AttackResult(
      sample: slot.sample, cleanClass: outcome.cleanClass, isCleanCorrect: outcome.isCleanCorrect,
      wasAttempted: outcome.reason != .misclassified, target: outcome.target,
      adversarialClass: outcome.adversarialClass, succeeded: outcome.succeeded,
      succeeded8Bit: outcome.succeeded8Bit, c: outcome.c,
      forwardEvaluations: slot.forwardEvaluations, gradientEvaluations: slot.gradientEvaluations,
      iterations: outcome.iterations, stopReason: outcome.reason)
    if outcome.succeeded {
      let picture = try vectors.readBest(index)
      result.adversarial = picture
      result.distance = PictureDistance(picture, slot.sample.pixels)
    }
    if outcome.succeeded8Bit {
      let picture = try vectors.readTrial(index)
      result.rounded = picture
      result.roundedDistance = PictureDistance(picture, slot.sample.pixels)
    }
    return result
  }
}
