/// One clean picture to attack.
public struct AttackSample: Sendable {
  /// The number under which results and random streams know the picture.
  public var id: Int
  /// The file name, or the number as text.
  public var name: String
  /// `[C, H, W]` in [0, 1].
  public var pixels: [Float]
  /// The true class, if known; without it the network's own first answer is taken for true.
  public var label: Int?
  /// The class to reach, for attacks with a fixed target for each picture.
  public var target: Int?

  /// A picture.
  public init(id: Int, name: String, pixels: [Float], label: Int? = nil, target: Int? = nil) {
    self.id = id
    self.name = name
    self.pixels = pixels
    self.label = label
    self.target = target
  }
}

/// Distances between two pictures, in units of [0, 1] pixels.
public struct PictureDistance: Hashable, Sendable {
  /// How many elements differ.
  public var l0: Int
  /// Sum of the absolute differences.
  public var l1: Double
  /// Root of the sum of squares.
  public var l2: Double
  /// The largest absolute difference.
  public var linf: Double
  /// Root of the mean of squares, the distortion (Szegedy and others, 2013).
  public var rms: Double

  /// Measures two pictures of equal size, in double precision.
  public init(_ a: [Float], _ b: [Float]) {
    precondition(a.count == b.count && !a.isEmpty, "\(a.count) and \(b.count) elements")
    var (count, absolute, squares, largest) = (0, 0.0, 0.0, 0.0)
    for (x, y) in zip(a, b) where x != y {
      let difference = abs(Double(x) - Double(y))
      count += 1
      absolute += difference
      squares += difference * difference
      largest = max(largest, difference)
    }
    l0 = count
    l1 = absolute
    l2 = squares.squareRoot()
    linf = largest
    rms = (squares / Double(a.count)).squareRoot()
  }
}

/// Why an attack on one picture ended.
public enum StopReason: String, Sendable, CaseIterable {
  /// The network was wrong on the clean picture: nothing to do.
  case misclassified
  /// The smallest perturbation was found to the tolerance.
  case converged
  /// The steps or evaluations that the settings allow were used up.
  case exhausted
  /// No step made the objective smaller.
  case lineSearch = "line-search"
  /// The perturbation reached its goal inside the ball.
  case reached
  /// What reached its goal in a looser precision does not in canonical arithmetic.
  case unconfirmed
  /// A logit or gradient was not a number.
  case invalid
}

/// What became of one picture.
public struct AttackResult: Sendable {
  /// The picture that was attacked.
  public var sample: AttackSample
  /// The network's class for the clean picture; -1 if it gave NaN.
  public var cleanClass: Int
  /// Whether that is the true class.
  public var isCleanCorrect: Bool
  /// Whether anything was tried.
  public var wasAttempted: Bool
  /// The class that was aimed at; nil for "any other".
  public var target: Int?
  /// The network's class for the adversarial picture, by a forward pass of its own.
  public var adversarialClass: Int?
  /// Whether the adversarial picture fools the network in float.
  public var succeeded: Bool
  /// Whether the picture rounded to 8 bits fools it too.
  public var succeeded8Bit: Bool
  /// The adversarial picture `[C, H, W]`; the best try where there was no success, or nil.
  public var adversarial: [Float]?
  /// The adversarial picture on the lattice of 8-bit pictures, where it fools.
  public var rounded: [Float]?
  /// Distances of the adversarial picture; nil where there is none.
  public var distance: PictureDistance?
  /// Distances of the rounded picture.
  public var roundedDistance: PictureDistance?
  /// The weight of the loss that gave the picture (L-BFGS).
  public var c: Float?
  /// Forward passes without a gradient.
  public var forwardEvaluations: Int
  /// Forward passes with a gradient.
  public var gradientEvaluations: Int
  /// Accepted steps.
  public var iterations: Int
  /// Why it ended.
  public var stopReason: StopReason
}
