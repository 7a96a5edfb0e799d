public import Reference

/// What is known of one slot's trial point after an evaluation.
public struct Evaluation: Sendable {
  /// The loss that the attack minimises.
  public var loss: Float
  /// The class of the largest logit; -1 if a logit is NaN.
  public var predicted: Int
  /// The class of the largest logit besides the criterion's.
  public var rival: Int
  /// The class of the smallest logit.
  public var leastLikely: Int
  /// Positive when the goal is reached: the wanted logit less the best of the others.
  public var margin: Float
  /// Distances and slopes at the trial point, zero in attacks without a history; slopes only after an
  /// evaluation with a gradient.
  public var measures: TrialMeasures
  /// What is known of the latest direction.
  public var direction: DirectionMeasures
}

/// What one slot minimises, and what counts as success; the class -1 is the predicted one.
public struct SlotGoal: Hashable, Sendable {
  /// The loss.
  public var loss: GoalLoss
  /// The class to leave or to reach.
  public var criterion: GoalLoss
}

/// What a slot does next.
public enum SlotRequest: Sendable {
  /// Carry out a command, then evaluate the trial point, with or without its gradient.
  case evaluate(VectorCommand, VectorParameters, gradient: Bool)
  /// The sample is done.
  case finish(SlotOutcome)
}

/// How a sample ended.
public struct SlotOutcome: Sendable {
  /// The class of the clean picture.
  public var cleanClass: Int
  /// Whether it was the true class.
  public var isCleanCorrect: Bool
  /// The class aimed at.
  public var target: Int?
  /// The class of the best point, if there is one.
  public var adversarialClass: Int?
  /// Whether a best point exists and a forward pass confirmed it.
  public var succeeded: Bool
  /// Whether the trial point holds a rounded picture that fools.
  public var succeeded8Bit: Bool
  /// The weight of the loss.
  public var c: Float?
  /// Accepted steps.
  public var iterations: Int
  /// Why it ended.
  public var reason: StopReason
}

/// The scalar logic of one attack on one sample: told of each evaluation, it says what comes next.
///
/// Everything vectorial happens on the device, by `VectorCommand`; a machine sees only its own
/// sample, so results do not depend on the batch, the slot or the other samples.
public protocol SampleMachine: Sendable {
  /// What the loss compares now.
  var goal: SlotGoal { get }
  /// The first request, which also loads the clean picture into the slot.
  mutating func start() -> SlotRequest
  /// The next request, given what the last one found.
  mutating func observe(_ evaluation: Evaluation) -> SlotRequest
}
