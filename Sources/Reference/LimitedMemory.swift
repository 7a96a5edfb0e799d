/// What the vectors of one sample are told to do between two evaluations of the network, carried out
/// in the order of the bits.
public struct VectorCommand: OptionSet, Hashable, Sendable {
  /// The bits, as kernels take them.
  public let rawValue: Int32

  /// Wraps bits.
  public init(rawValue: Int32) { self.rawValue = rawValue }

  /// The trial point becomes the best one.
  public static let keepBest = VectorCommand(rawValue: 1)
  /// The trial point and its loss gradient become the accepted ones.
  public static let accept = VectorCommand(rawValue: 2)
  /// The step and the change of the loss gradient enter the history, before the acceptance.
  public static let push = VectorCommand(rawValue: 4)
  /// A new direction from the accepted point.
  public static let direction = VectorCommand(rawValue: 8)
  /// The trial point is alpha along the direction, clipped to the box.
  public static let trial = VectorCommand(rawValue: 16)
  /// The trial point is alpha of the way from the origin to the best point.
  public static let segment = VectorCommand(rawValue: 32)
  /// The trial point is the best point.
  public static let showBest = VectorCommand(rawValue: 64)
  /// The trial point is the best point, its distance from the origin scaled by alpha, on the lattice
  /// of 8-bit pictures.
  public static let round = VectorCommand(rawValue: 128)
  /// All points are the origin.
  public static let start = VectorCommand(rawValue: 256)
  /// The trial point moves alpha along its gradient's sign or unit vector, into the ball and the box
  /// (`BoxStepReference`).
  public static let step = VectorCommand(rawValue: 512)
  /// The trial point is a random one at most alpha from the origin, in the ball and the box.
  public static let randomStart = VectorCommand(rawValue: 1024)
  /// The trial point moves -alpha times its loss gradient, then along the ray from the origin onto the
  /// sphere of the radius, then into the box.
  public static let walk = VectorCommand(rawValue: 2048)
}

/// The numbers that go with a command.
public struct VectorParameters: Hashable, Sendable {
  /// The weight of the loss against the squared distance.
  public var c: Float = 0
  /// The step along the direction, the part of a segment or the scale of a rounded change.
  public var alpha: Float = 1
  /// The inverse curvature while the history is empty.
  public var firstGamma: Float = 1
  /// What is added to a change of levels before it is cut: 0.5 rounds to nearest.
  public var half: Float = 0.5
  /// The distance from the origin that a walk keeps.
  public var radius: Float = 0
  /// How many pairs of the history are used, newest first.
  public var pairs = 0
  /// The place of the newest pair in the ring.
  public var newest = 0
  /// The key of the sample's random stream.
  public var key = SIMD2<UInt32>(0, 0)

  /// The default numbers.
  public init() {}
}

/// What is measured at a trial point.
public struct TrialMeasures: Hashable, Sendable {
  /// Sum of (trial - origin)^2.
  public var squaredDistance: Float
  /// The objective's gradient at the accepted point times (trial - accepted).
  public var descent: Float
  /// Sum of squares of the loss gradient at the trial point.
  public var squaredSlope: Float
  /// The same over the variables that are free at the trial point.
  public var squaredFreeSlope: Float
  /// Sum of |trial - origin|.
  public var absoluteDistance: Float
  /// Maximum of |trial - origin|.
  public var largestDistance: Float

  /// Wraps six numbers.
  public init(_ numbers: some Collection<Float>) {
    let numbers = Array(numbers)
    squaredDistance = numbers[0]
    descent = numbers[1]
    squaredSlope = numbers[2]
    squaredFreeSlope = numbers[3]
    absoluteDistance = numbers[4]
    largestDistance = numbers[5]
  }
}

/// What is known of a new direction.
public struct DirectionMeasures: Hashable, Sendable {
  /// Sum of squares of the objective's gradient over the free variables.
  public var squaredGradient: Float
  /// Maximum of |x - clip(x - gradient)|.
  public var projectedGradient: Float
  /// Whether the history gave no descent, so that the steepest descent was taken.
  public var fellBack: Bool

  /// Wraps three numbers.
  public init(_ numbers: some Collection<Float>) {
    let numbers = Array(numbers)
    squaredGradient = numbers[0]
    projectedGradient = numbers[1]
    fellBack = numbers[2] != 0
  }
}

/// The vectors of one sample under box-constrained L-BFGS, and their operations in canonical order:
/// the twin of `Kernels/reference/lbfgs.cl`.
///
/// The objective is |x - origin|^2 + c L(x) in the box [0, 1]. The history holds the steps s and the
/// changes y of the loss gradient alone; the curvature pair of any c is (s, 2 s + c y), so that a
/// new c keeps the history (Szegedy et al. 2013, section 4.1; Nocedal and Wright 2006, algorithm 7.4).
public struct LimitedMemoryVectors: Sendable {
  /// The clean picture.
  public var origin: [Float]
  /// The accepted point and its loss gradient.
  public private(set) var x: [Float], lossGradient: [Float]
  /// The point that is evaluated next.
  public private(set) var trial: [Float]
  /// The best point so far.
  public private(set) var best: [Float]
  /// The direction; NaN where a variable is pressed against its bound.
  public private(set) var direction: [Float]
  private var steps: [[Float]]
  private var changes: [[Float]]

  /// Vectors at a clean picture.
  public init(origin: [Float], history: Int) {
    self.origin = origin
    let zeros = [Float](repeating: 0, count: origin.count)
    (x, lossGradient, trial, best, direction) = (origin, zeros, origin, zeros, zeros)
    steps = Array(repeating: zeros, count: history)
    changes = steps
  }

  /// What is measured at the trial point, given its loss gradient.
  public func observe(c: Float, trialGradient: [Float]) -> TrialMeasures {
    let moved = zip(trial, origin).map { $0 - $1 }
    let free = trialGradient.indices.map { index -> Float in
      let pressed =
        trial[index] <= 0 && trialGradient[index] > 0
        || trial[index] >= 1 && trialGradient[index] < 0
      return pressed ? 0 : trialGradient[index]
    }
    let distances = moved.map(abs)
    return TrialMeasures([
      LongSum.squaredNorm(moved),
      LongSum.dot(total(c), zip(trial, x).map { $0 - $1 }),
      LongSum.squaredNorm(trialGradient), LongSum.squaredNorm(free), LongSum.sum(distances),
      LongSum.maximum(distances).value,
    ])
  }

  /// Carries out a command; what is known of the direction, if a new one was made.
  @discardableResult
  public mutating func propose(
    _ command: VectorCommand, _ parameters: VectorParameters, trialGradient: [Float]
  ) -> DirectionMeasures? {
    var measures: DirectionMeasures?
    if command.contains(.start) {
      x = origin
      trial = origin
      lossGradient = Array(repeating: 0, count: origin.count)
    }
    if command.contains(.keepBest) { best = trial }
    if command.contains(.push) {
      steps[parameters.newest] = zip(trial, x).map { $0 - $1 }
      changes[parameters.newest] = zip(trialGradient, lossGradient).map { $0 - $1 }
    }
    if command.contains(.accept) {
      x = trial
      lossGradient = trialGradient
    }
    if command.contains(.direction) { measures = makeDirection(parameters) }
    if command.contains(.trial) {
      trial = x.indices.map {
        boxed(x[$0].addingProduct(parameters.alpha, direction[$0].isNaN ? 0 : direction[$0]))
      }
    }
    if command.contains(.segment) {
      trial = best.indices.map {
        boxed(origin[$0].addingProduct(parameters.alpha, best[$0] - origin[$0]))
      }
    }
    if command.contains(.showBest) { trial = best }
    if command.contains(.round) {
      trial = best.indices.map { rounded($0, parameters) }
    }
    if command.contains(.walk) { walk(parameters, trialGradient) }
    return measures
  }

  /// The objective's gradient at the accepted point.
  private func total(_ c: Float) -> [Float] {
    x.indices.map { (2 * (x[$0] - origin[$0])).addingProduct(c, lossGradient[$0]) }
  }

  private func boxed(_ value: Float) -> Float { value < 0 ? 0 : value > 1 ? 1 : value }

  private func rounded(_ index: Int, _ parameters: VectorParameters) -> Float {
    let level = (255 * origin[index]).rounded(.toNearestOrEven)
    let change = parameters.alpha * (-level).addingProduct(255, best[index])
    let size = (abs(change) + parameters.half).rounded(.down)
    return boxed((level + (change < 0 ? -size : size)) / 255)
  }

  private mutating func walk(_ parameters: VectorParameters, _ gradient: [Float]) {
    trial = trial.indices.map { trial[$0].addingProduct(-parameters.alpha, gradient[$0]) }
    let moved = zip(trial, origin).map { $0 - $1 }
    let squared = LongSum.squaredNorm(moved)
    let factor = squared > 0 ? parameters.radius / squared.squareRoot() : 0
    trial = trial.indices.map { boxed(origin[$0].addingProduct(factor, moved[$0])) }
  }

  private mutating func makeDirection(_ parameters: VectorParameters) -> DirectionMeasures {
    let gradient = total(parameters.c)
    let pressed = x.indices.map { x[$0] <= 0 && gradient[$0] > 0 || x[$0] >= 1 && gradient[$0] < 0 }
    func free(_ vector: [Float]) -> [Float] { vector.indices.map { pressed[$0] ? 0 : vector[$0] } }
    var q = free(gradient)
    let squaredGradient = LongSum.squaredNorm(q)
    let projected = LongSum.maximum(x.indices.map { abs(x[$0] - boxed(x[$0] - gradient[$0])) })
      .value
    var used: [(factor: Float, curvature: Float, s: [Float], y: [Float])] = []
    var gamma = parameters.firstGamma
    for age in 0..<parameters.pairs {
      let pair = (parameters.newest - age + steps.count) % steps.count
      let s = free(steps[pair])
      let y = free(
        steps[pair].indices.map {
          (2 * steps[pair][$0]).addingProduct(parameters.c, changes[pair][$0])
        })
      let curvature = LongSum.dot(s, y)
      guard curvature > 0 else { continue }
      // The distance's own curvature, 2, is the least there is across the few directions that the loss
      // bends.
      if used.isEmpty { gamma = min(0.5, LongSum.squaredNorm(s) / curvature) }
      let factor = LongSum.dot(s, q) / curvature
      q = q.indices.map { q[$0].addingProduct(-factor, y[$0]) }
      used.append((factor, curvature, s, y))
    }
    q = q.map { gamma * $0 }
    for pair in used.reversed() {
      let factor = pair.factor - LongSum.dot(pair.y, q) / pair.curvature
      q = q.indices.map { q[$0].addingProduct(factor, pair.s[$0]) }
    }
    q = q.map { -$0 }
    let descent = LongSum.dot(free(gradient), q)
    let length = LongSum.squaredNorm(q)
    let fellBack = !(descent <= -1e-6 * (squaredGradient * length).squareRoot())
    if fellBack { q = gradient.map { -parameters.firstGamma * $0 } }
    direction = q.indices.map { pressed[$0] ? .nan : q[$0] }
    return DirectionMeasures([squaredGradient, projected, fellBack ? 1 : 0])
  }
}
