public import Compute
public import Networks
import Reference

/// Projected gradient descent in a ball around the clean picture.
///
/// Steps go along the sign (L-infinity) or the unit vector (L2) of the gradient, each projected onto
/// ball and box (Madry et al. 2017).
///
/// A sample stops at its first point that fools. With one step as long as the radius and no random
/// start it is the fast gradient sign method (Goodfellow et al. 2014). Both descend the cross-entropy
/// towards the target, or towards any class but the true one.
public struct ProjectedGradientDescent: Sendable {
  /// The norm of the ball.
  public var norm: PerturbationNorm
  /// The radius in units of [0, 1] pixels.
  public var radius: Float
  /// The length of a step in the same units.
  public var stepSize: Float
  /// The number of steps.
  public var steps: Int
  /// Whether the first point is random in the ball.
  public var startsRandomly: Bool
  /// The seed of random starts and targets.
  public var seed: UInt64
  /// What is aimed at.
  public var target: AttackTarget

  /// Projected gradient descent.
  public init(
    norm: PerturbationNorm = .linf, radius: Float = 4.0 / 255, stepSize: Float? = nil,
    steps: Int = 20, startsRandomly: Bool = true, seed: UInt64 = 0,
    target: AttackTarget = .untargeted
  ) {
    precondition(radius >= 0 && steps > 0, "a radius of \(radius), \(steps) steps")
    self.norm = norm
    self.radius = radius
    self.stepSize = stepSize ?? 2.5 * radius / Float(steps)
    self.steps = steps
    self.startsRandomly = startsRandomly
    self.seed = seed
    self.target = target
  }

  /// The fast gradient sign method, or its L2 form: one step as long as the radius.
  public static func fastGradient(
    norm: PerturbationNorm = .linf, radius: Float = 4.0 / 255, target: AttackTarget = .untargeted
  ) -> ProjectedGradientDescent {
    ProjectedGradientDescent(
      norm: norm, radius: radius, stepSize: radius, steps: 1, startsRandomly: false, target: target)
  }

  /// Pictures of device memory that a slot takes besides the network's: the clean and the best one, and
  /// at most one that waits.
  public var picturesPerSlot: Int { 3 }

  /// An engine that runs this attack on a compiled network.
  public func engine(
    for network: CompiledNetwork
  ) throws(ComputeError) -> SlotEngine<GradientMachine> {
    let classes = network.graph.outputShape.reduce(1, *)
    return try SlotEngine(
      network: network, history: 0, ball: StepBall(norm: norm, radius: radius)
    ) { sample in
      GradientMachine(self, sample: sample, classes: classes)
    }
  }
}

/// The scalar logic of projected gradient descent on one sample.
public struct GradientMachine: SampleMachine {
  private enum Phase {
    case clean
    case step
    case confirmation
  }

  private let settings: ProjectedGradientDescent
  private let key: SIMD2<UInt32>
  private var phase = Phase.clean
  private var clean: CleanPass
  private var confirmation = Confirmation()
  private var stepsDone = 0

  init(_ settings: ProjectedGradientDescent, sample: AttackSample, classes: Int) {
    self.settings = settings
    clean = CleanPass(sample, target: settings.target, classes: classes, seed: settings.seed)
    key =
      PhiloxStream(
        seed: settings.seed, sample: UInt64(truncatingIfNeeded: sample.id), attack: 2, restart: 0
      ).key
  }

  /// What the loss and the criterion aim at.
  public var goal: SlotGoal { clean.goal }

  /// Whether the clean picture's gradient gives the first step.
  private var usesCleanGradient: Bool { clean.knowsGoal && !settings.startsRandomly }

  /// The first request: the clean picture.
  public mutating func start() -> SlotRequest {
    .evaluate([], VectorParameters(), gradient: usesCleanGradient)
  }

  /// Takes what one evaluation found and says what comes next.
  public mutating func observe(_ evaluation: Evaluation) -> SlotRequest {
    guard evaluation.predicted >= 0 else { return finish(.invalid) }
    switch phase {
    case .clean:
      let canStep = usesCleanGradient
      if let reason = clean.observe(evaluation) { return finish(reason) }
      phase = .step
      if canStep { return step() }
      var parameters = VectorParameters()
      parameters.alpha = settings.radius
      parameters.key = key
      return .evaluate(
        settings.startsRandomly ? .randomStart : [], parameters, gradient: true)
    case .step:
      if evaluation.margin > 0 {
        phase = .confirmation
        guard case .evaluate(let command, let parameters, let gradient) = confirmation.first()
        else { return finish(.exhausted) }
        return .evaluate(command.union(.keepBest), parameters, gradient: gradient)
      }
      return stepsDone < settings.steps ? step() : finish(.exhausted)
    case .confirmation:
      return confirmation.observe(evaluation) ?? finish(.reached)
    }
  }

  private mutating func step() -> SlotRequest {
    stepsDone += 1
    var parameters = VectorParameters()
    parameters.alpha = -settings.stepSize
    // The last point needs no gradient of its own.
    return .evaluate(.step, parameters, gradient: stepsDone < settings.steps)
  }

  private func finish(_ reason: StopReason) -> SlotRequest {
    .finish(
      SlotOutcome(
        cleanClass: clean.cleanClass, isCleanCorrect: clean.isCorrect, target: clean.targetClass,
        adversarialClass: confirmation.adversarialClass, succeeded: confirmation.succeeded,
        succeeded8Bit: confirmation.succeeded8Bit, c: nil, iterations: stepsDone, reason: reason))
  }
}
