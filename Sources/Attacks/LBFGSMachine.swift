import Reference

/// The scalar logic of box-constrained L-BFGS on one sample.
///
/// Scalars are in double precision on the host; everything they are made of comes from the device in
/// canonical float, so that decisions are the same on every device.
public struct LBFGSMachine: SampleMachine {
  private enum Phase {
    /// The clean picture is being evaluated.
    case clean
    /// The clean picture is evaluated again, now with the gradient of the right loss.
    case origin
    /// A trial point of a line search is being evaluated.
    case trial
    /// A point of a walk to the boundary is being evaluated.
    case walk
    /// The best point is evaluated again after a walk.
    case comeback
    /// A point between the clean picture and the best one is being evaluated.
    case segment
    /// The best point is being confirmed and rounded.
    case confirmation
  }

  private let settings: BoxConstrainedLBFGS
  /// The number of variables.
  private let size: Double
  private var phase = Phase.clean
  private var clean: CleanPass
  private var confirmation = Confirmation()
  private var search = ConstantSearch()
  private var segment = SegmentSearch()
  private var walk: BoundaryWalk?
  /// The margin at the end of the last inner run, and how many runs in a row gained nothing.
  private var lastMargin: Double?
  private var stalls = 0

  /// The accepted point: its loss, margin, squared distance and squared loss gradient.
  private var accepted = Point()
  /// The point evaluated last.
  private var lastTrial = Point()
  /// The margin at the clean picture.
  private var cleanMargin = 0.0
  /// The first step: to the boundary of the linearised loss.
  private var firstStep = 0.0
  private var bestSquared = Double.infinity
  private var bestMargin = 0.0
  private var bestConstant: Double?
  private var gradientEvaluations = 0
  private var iterations = 0
  private var innerIterations = 0
  private var backtracks = 0
  private var alpha = 1.0
  private var pairs = 0
  private var newest = 0
  private var reason = StopReason.exhausted

  private static let armijo = 1e-4
  private static let maximumBacktracks = 10
  /// Inner runs without gain after which gradients are not trusted any more.
  private static let maximumStalls = 2
  /// Evaluations that are kept for what follows a walk, and the least that a walk is worth.
  private static let reserve = 20
  /// The radius where a walk begins when nothing fools yet, as a root mean square.
  private static let firstRadius = 0.03

  init(_ settings: BoxConstrainedLBFGS, sample: AttackSample, classes: Int) {
    self.settings = settings
    size = Double(sample.pixels.count)
    clean = CleanPass(sample, target: settings.target, classes: classes, seed: settings.seed)
    newest = settings.history - 1
  }

  /// What the loss and the criterion aim at.
  public var goal: SlotGoal { clean.goal }

  /// The first request: the clean picture.
  public mutating func start() -> SlotRequest {
    .evaluate([], VectorParameters(), gradient: clean.knowsGoal)
  }

  /// Takes what one evaluation found and says what comes next.
  public mutating func observe(_ evaluation: Evaluation) -> SlotRequest {
    guard evaluation.predicted >= 0 else { return finish(.invalid) }
    switch phase {
    case .clean:
      let knewGoal = clean.knowsGoal
      if let reason = clean.observe(evaluation) { return finish(reason) }
      phase = .origin
      return knewGoal
        ? observeOrigin(evaluation) : .evaluate([], VectorParameters(), gradient: true)
    case .origin: return observeOrigin(evaluation)
    case .trial: return observeTrial(evaluation)
    case .walk: return observeWalk(evaluation)
    case .comeback: return observeComeback(evaluation)
    case .segment:
      keepIfBest(evaluation)
      let command: VectorCommand = evaluation.margin > 0 ? .keepBest : []
      return nextSegment(segment.observe(margin: Double(evaluation.margin)), command)
    case .confirmation:
      return confirmation.observe(evaluation) ?? finish(reason)
    }
  }

  // MARK: The search

  private mutating func observeOrigin(_ evaluation: Evaluation) -> SlotRequest {
    gradientEvaluations += 1
    let squaredFree = Double(evaluation.measures.squaredFreeSlope)
    guard squaredFree.isFinite, evaluation.loss.isFinite else { return finish(.invalid) }
    // A loss without any slope leads nowhere.
    guard squaredFree > 0 else { return finish(.lineSearch) }
    accepted = Point(evaluation)
    cleanMargin = accepted.margin
    firstStep = abs(cleanMargin) / squaredFree
    search = ConstantSearch(cleanMargin: cleanMargin, squaredSlope: squaredFree)
    return direction(.accept)
  }

  /// Asks for a new direction from the accepted point, after the vectors were told `command`.
  private mutating func direction(_ command: VectorCommand) -> SlotRequest {
    guard innerIterations < limit else { return nextConstant(command) }
    alpha = 1
    backtracks = 0
    phase = .trial
    return .evaluate(command.union([.direction, .trial]), parameters, gradient: true)
  }

  private var limit: Int {
    search.isTight ? settings.tightIterations : settings.looseIterations
  }

  private var parameters: VectorParameters {
    var parameters = VectorParameters()
    parameters.c = Float(search.c)
    parameters.alpha = Float(alpha)
    parameters.firstGamma = Float(min(0.5, firstStep / search.c))
    parameters.pairs = pairs
    parameters.newest = newest
    return parameters
  }

  private mutating func observeTrial(_ evaluation: Evaluation) -> SlotRequest {
    gradientEvaluations += 1
    let isFirst = backtracks == 0
    if isFirst, evaluation.direction.fellBack { pairs = 0 }
    let trial = Point(evaluation)
    lastTrial = trial
    let keep: VectorCommand = keepIfBest(evaluation) ? .keepBest : []
    guard gradientEvaluations < settings.maximumEvaluations else { return startSegment(keep) }
    if isFirst, evaluation.direction.projectedGradient <= settings.gradientTolerance {
      return nextConstant(keep)
    }
    let c = search.c
    let before = accepted.objective(c)
    let after = trial.objective(c)
    let descent = Double(evaluation.measures.descent)
    if after <= before + Self.armijo * descent {
      iterations += 1
      innerIterations += 1
      newest = (newest + 1) % settings.history
      pairs = min(pairs + 1, settings.history)
      accepted = trial
      let command = keep.union([.push, .accept])
      let tolerance = Double(search.isTight ? settings.tightTolerance : settings.looseTolerance)
      return before - after <= tolerance * abs(before)
        ? nextConstant(command) : direction(command)
    }
    backtracks += 1
    guard backtracks <= Self.maximumBacktracks else {
      // Perhaps the history misleads; without one there is nothing left to try.
      guard pairs > 0 else {
        reason = .lineSearch
        return startWalk(keep) ?? startSegment(keep)
      }
      pairs = 0
      return nextConstant(keep)
    }
    let curvature = 2 * (after - before - descent)
    let minimiser = curvature > 0 ? -descent / curvature : 0.5
    // A trial that is no number halves the step as far as is allowed.
    alpha *= minimiser.isFinite ? min(max(minimiser, 0.1), 0.5) : 0.1
    return .evaluate(keep.union(.trial), parameters, gradient: true)
  }

  /// Takes a trial point for the best one if it fools and is nearer; whether it did.
  @discardableResult
  private mutating func keepIfBest(_ evaluation: Evaluation) -> Bool {
    let squared = Double(evaluation.measures.squaredDistance)
    guard evaluation.margin > 0, squared < bestSquared else { return false }
    bestSquared = squared
    bestMargin = Double(evaluation.margin)
    bestConstant = search.c
    return true
  }

  /// An inner run ended: another c, or the end.
  private mutating func nextConstant(_ command: VectorCommand) -> SlotRequest {
    innerIterations = 0
    if gainsNothing || gradientEvaluations >= settings.patience, let request = startWalk(command) {
      return request
    }
    switch search.next(
      accepted, gain: Double(settings.gain), near: Double(settings.near),
      limit: settings.maximumConstants)
    {
    case .again: return direction(command)
    case .exhausted: return startWalk(command) ?? startSegment(command)
    case .converged:
      reason = .converged
      return startSegment(command)
    }
  }

  /// Whether several inner runs in a row ended as far from a first success as the one before: more
  /// than half of the clean picture's margin is left, and the margin hardly changes.
  private var gainsNothing: Bool {
    mutating get {
      defer { lastMargin = accepted.margin }
      guard bestSquared.isInfinite, let lastMargin, accepted.margin < 0.5 * cleanMargin,
        accepted.margin - lastMargin < 0.05 * abs(cleanMargin)
      else {
        stalls = 0
        return false
      }
      stalls += 1
      return stalls >= Self.maximumStalls
    }
  }

  // MARK: The walk

  /// Leaves the search for a walk, once; nil where there was one or evaluations are short.
  private mutating func startWalk(_ command: VectorCommand) -> SlotRequest? {
    let left = settings.maximumEvaluations - gradientEvaluations - Self.reserve
    guard walk == nil, left >= Self.reserve else { return nil }
    let radius =
      bestSquared.isFinite ? bestSquared.squareRoot() : Self.firstRadius * size.squareRoot()
    walk = BoundaryWalk(radius: radius, steps: min(left, settings.walkSteps))
    phase = .walk
    // The trial point's gradient is that of the last evaluation: the walk begins there.
    return step(lastTrial, command)
  }

  private mutating func observeWalk(_ evaluation: Evaluation) -> SlotRequest {
    gradientEvaluations += 1
    return step(Point(evaluation), keepIfBest(evaluation) ? .keepBest : [])
  }

  /// The walk's next step from a point, or its end.
  private mutating func step(_ point: Point, _ command: VectorCommand) -> SlotRequest {
    if let parameters = walk?.next(point, best: bestSquared.squareRoot()) {
      return .evaluate(command.union(.walk), parameters, gradient: true)
    }
    guard bestSquared.isFinite else { return finish(reason) }
    phase = .comeback
    return .evaluate(command.union(.showBest), parameters, gradient: true)
  }

  /// Goes on with L-BFGS from the best point of a walk.
  private mutating func observeComeback(_ evaluation: Evaluation) -> SlotRequest {
    gradientEvaluations += 1
    accepted = Point(evaluation)
    search.restart(at: accepted)
    firstStep = 0.5 * search.c
    (pairs, innerIterations, reason) = (0, 0, .exhausted)
    return direction(.accept)
  }

  // MARK: The end

  private mutating func startSegment(_ command: VectorCommand) -> SlotRequest {
    guard bestSquared.isFinite else { return finish(reason) }
    phase = .segment
    segment = SegmentSearch(
      nearMargin: cleanMargin, farMargin: bestMargin, limit: settings.segmentEvaluations)
    return nextSegment(segment.first(), command)
  }

  private mutating func nextSegment(_ part: Double?, _ command: VectorCommand) -> SlotRequest {
    guard let part else {
      phase = .confirmation
      guard case .evaluate(let first, let parameters, let gradient) = confirmation.first() else {
        return finish(reason)
      }
      return .evaluate(command.union(first), parameters, gradient: gradient)
    }
    var parameters = parameters
    parameters.alpha = Float(part)
    return .evaluate(command.union(.segment), parameters, gradient: false)
  }

  private func finish(_ reason: StopReason) -> SlotRequest {
    .finish(
      SlotOutcome(
        cleanClass: clean.cleanClass, isCleanCorrect: clean.isCorrect, target: clean.targetClass,
        adversarialClass: confirmation.adversarialClass, succeeded: confirmation.succeeded,
        succeeded8Bit: confirmation.succeeded8Bit,
        c: confirmation.succeeded ? bestConstant.map { Float($0) } : nil, iterations: iterations,
        reason: reason))
  }
}

/// The scalars of one evaluated point.
struct Point: Sendable {
  var loss = 0.0
  var margin = 0.0
  var squaredDistance = 0.0
  var squaredSlope = 0.0

  init() {}

  init(_ evaluation: Evaluation) {
    loss = Double(evaluation.loss)
    margin = Double(evaluation.margin)
    squaredDistance = Double(evaluation.measures.squaredDistance)
    squaredSlope = Double(evaluation.measures.squaredSlope)
  }

  /// The objective |x - x0|^2 + c L(x) at the trial point.
  func objective(_ c: Double) -> Double { squaredDistance + c * loss }
}
