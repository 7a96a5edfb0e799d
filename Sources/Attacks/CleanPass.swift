import Reference

/// The first part of every attack: the clean picture's class, whether it is right, and the target.
struct CleanPass: Sendable {
  private let sample: AttackSample
  private let target: AttackTarget
  private let classes: Int
  private let seed: UInt64
  /// The network's class for the clean picture.
  private(set) var cleanClass = -1
  /// Whether it is the true class.
  private(set) var isCorrect = false
  /// The class that is aimed at, where there is one.
  private(set) var targetClass: Int?
  /// What the sample's slot minimises.
  private(set) var goal: SlotGoal

  init(_ sample: AttackSample, target: AttackTarget, classes: Int, seed: UInt64) {
    self.sample = sample
    self.target = target
    self.classes = classes
    self.seed = seed
    let away = GoalLoss(label: sample.label ?? -1, leaves: true)
    goal = SlotGoal(loss: away, criterion: away)
  }

  /// Whether the first evaluation can already have the right loss, so that its gradient is of use.
  var knowsGoal: Bool { target == .untargeted }

  /// Takes the first evaluation; the reason to stop, if there is one.
  mutating func observe(_ evaluation: Evaluation) -> StopReason? {
    cleanClass = evaluation.predicted
    guard cleanClass >= 0 else { return .invalid }
    let label = sample.label ?? cleanClass
    isCorrect = cleanClass == label
    guard isCorrect else { return .misclassified }
    let away = GoalLoss(label: label, leaves: true)
    switch target {
    case .untargeted: goal = SlotGoal(loss: away, criterion: away)
    case .runnerUp:
      // The criterion of the first evaluation is the true class, so its rival is the runner-up.
      targetClass = evaluation.rival
      goal = SlotGoal(
        loss: GoalLoss(label: evaluation.rival, leaves: false), criterion: away)
    case .leastLikely, .fixed, .random, .given:
      let wanted = wantedClass(label, evaluation.leastLikely)
      targetClass = wanted
      // A picture that already has the target's class has nothing to reach.
      guard let wanted, wanted != label else { return .misclassified }
      let towards = GoalLoss(label: wanted, leaves: false)
      goal = SlotGoal(loss: towards, criterion: towards)
    }
    return nil
  }

  private func wantedClass(_ label: Int, _ leastLikely: Int) -> Int? {
    switch target {
    case .leastLikely: return leastLikely
    case .fixed(let wanted): return wanted
    case .given: return sample.target
    case .random:
      let stream = PhiloxStream(
        seed: seed, sample: UInt64(truncatingIfNeeded: sample.id), attack: 1, restart: 0)
      let drawn = Int(stream.uniform(count: 1, step: 0)[0] * Float(classes - 1))
      return drawn < label ? drawn : drawn + 1
    default: return nil
    }
  }
}
