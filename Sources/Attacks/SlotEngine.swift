import Compute
public import Networks
import Operations
import Reference

/// Runs an attack over any number of pictures in the slots of one compiled network: a sample that is
/// done leaves at once and the next one takes its slot.
///
/// Each step is one dense batch: commands to the vectors, a forward pass, the loss, a gradient pass if
/// any slot asks for one, measurements, and one wait of the host. While the device computes, the host
/// hands out what the step before has finished and fetches the next pictures. Results do not depend on
/// the number of slots.
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

  /// How much of a run the device was at work.
  public struct DeviceUse: Sendable {
    /// Seconds on the device's clock from the end of the first step to that of the last.
    public fileprivate(set) var seconds = 0.0
    /// The seconds of these in which a step lay on the device, from its first command to its last.
    public fileprivate(set) var busySeconds = 0.0
    fileprivate var latestEnd: Double?

    /// The share of the time after the first step; 1 where there was one step only.
    public var share: Double { seconds > 0 ? busySeconds / seconds : 1 }

    fileprivate mutating func add(from begin: Double, to end: Double) {
      if let latestEnd {
        seconds += end - latestEnd
        busySeconds += end - begin
      }
      latestEnd = end
    }
  }

  /// The network under attack.
  public let network: CompiledNetwork
  /// What confirms successes canonically; a network in a looser precision must have it.
  public var confirmation: CanonicalConfirmation?
  /// What the latest run, or the one under way, made of the device.
  public private(set) var deviceUse = DeviceUse()
  private let vectors: SlotVectors
  private let losses: SlotLoss
  private let feed: PictureFeed
  private let returns: PictureReturns
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
    feed = try PictureFeed(network)
    returns = PictureReturns(network, vectors)
    losses = try SlotLoss(
      recorder: Recorder(context: network.context, family: network.family, batch: network.batch),
      classes: network.graph.outputShape.reduce(1, *), logits: network.logits,
      gradient: logitsGradient)
    slots = Array(repeating: nil, count: network.batch)
  }

  /// Attacks pictures until there are no more.
  ///
  /// - Parameters:
  ///   - next: The next picture, or nil at the end, after which it is not called any more; it is asked
  ///     for up to a quarter of the slots ahead.
  ///   - emit: Takes the results of one step, in the order of the slots, while the next one runs.
  ///   - shouldStop: Asked once a step; when true, samples in progress are dropped.
  public func run(
    next: () throws -> AttackSample?, emit: ([AttackResult]) throws -> Void,
    shouldStop: () -> Bool = { false }
  ) throws {
    precondition(
      network.arithmetic.isCanonical || confirmation != nil,
      "\(network.arithmetic.precision) without a confirmation")
    defer { reset() }
    deviceUse = DeviceUse()
    var isDrained = false
    func fetch() throws -> AttackSample? {
      if isDrained { return nil }
      let sample = try next()
      isDrained = sample == nil
      return sample
    }
    func deliver() throws {
      let results = try returns.take()
      guard !results.isEmpty else { return }
      try emit(try confirmation?.confirm(results) ?? results.map(\.result))
    }
    while !shouldStop(), try fill(fetch) {
      let (begin, end) = try enqueue()
      try deliver()
      try feed.lookAhead(while: end, fetch)
      try network.context.finish(end)
      deviceUse.add(from: try begin.span().begin, to: try end.span().end)
      try observe()
    }
    try deliver()
  }

  /// Leaves nothing queued that uses memory of the host, and all slots free.
  private func reset() {
    try? network.context.finish()
    slots = Array(repeating: nil, count: slots.count)
    feed.removeAll()
    returns.removeAll()
  }

  /// Gives every free slot a picture; false when no slot has one.
  private func fill(_ next: () throws -> AttackSample?) throws -> Bool {
    for index in slots.indices where slots[index] == nil {
      guard let sample = try feed.load(into: index, of: vectors.origins, next) else { break }
      var machine = makeMachine(sample)
      guard case .evaluate(let command, let parameters, let gradient) = machine.start() else {
        preconditionFailure("a machine ended before it began")
      }
      slots[index] = Slot(
        sample: sample, machine: machine, command: command.union(.start), parameters: parameters,
        wantsGradient: gradient)
    }
    return slots.contains { $0 != nil }
  }

  /// Queues one batch, from its first command to the one that brings the host what it found.
  private func enqueue() throws(ComputeError) -> (first: Event, last: Event) {
    let first = try vectors.propose(
      slots.map { slot in
        slot.map { ($0.command, $0.parameters) } ?? ([], VectorParameters())
      })
    try network.forward()
    let idle = GoalLoss(label: 0, leaves: true)
    try losses.run(slots.map { $0?.machine.goal ?? SlotGoal(loss: idle, criterion: idle) })
    try losses.fetch()
    if slots.contains(where: { $0?.wantsGradient ?? false }) { try network.gradient() }
    let last = try vectors.observe(slots.map { $0 != nil })
    try network.context.flush()
    return (first, last)
  }

  /// Tells every sample what the batch found.
  private func observe() throws(ComputeError) {
    let (measures, found) = (vectors.measures, losses.found)
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
        try returns.add(result(slot, outcome), slot.machine.goal.criterion, slot: index)
        slots[index] = nil
      }
    }
  }

  /// What is known of a finished sample without its pictures.
  private func result(_ slot: Slot, _ outcome: SlotOutcome) -> AttackResult {
    AttackResult(
      sample: slot.sample, cleanClass: outcome.cleanClass, isCleanCorrect: outcome.isCleanCorrect,
      wasAttempted: outcome.reason != .misclassified, target: outcome.target,
      adversarialClass: outcome.adversarialClass, succeeded: outcome.succeeded,
      succeeded8Bit: outcome.succeeded8Bit, c: outcome.c,
      forwardEvaluations: slot.forwardEvaluations, gradientEvaluations: slot.gradientEvaluations,
      iterations: outcome.iterations, stopReason: outcome.reason)
  }
}
