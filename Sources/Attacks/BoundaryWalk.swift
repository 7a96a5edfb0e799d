import Reference

/// A walk that finds the boundary of a network whose gradients mislead: steps of decided length along
/// the unit gradient on a sphere around the clean picture, whose radius grows while the point does not
/// fool and shrinks while it does.
///
/// Source: Rony et al. 2019, "Decoupling direction and norm". Steps are a share of the radius here and
/// shrink linearly, and the radius changes faster, for there are fewer steps.
struct BoundaryWalk: Sendable {
  private var radius: Double
  private let steps: Int
  private var taken = 0

  /// The length of the first step, relative to the radius.
  private static let firstStep = 0.25
  /// The change of the radius at each step.
  private static let growth = 0.12

  /// A walk of so many steps that begins on the sphere of the radius.
  init(radius: Double, steps: Int) {
    self.radius = radius
    self.steps = steps
  }

  /// The next step, given the evaluation of the point where the walk stands; nil at the end.
  ///
  /// - Parameter best: The distance of the best point, which the radius need not exceed.
  mutating func next(_ point: Point, best: Double) -> VectorParameters? {
    guard taken < steps, point.squaredSlope > 0 else { return nil }
    if taken > 0 {
      radius *= point.margin > 0 ? 1 - Self.growth : 1 + Self.growth
      radius = min(radius, best)
    }
    let part = Self.firstStep * (1 - 0.99 * Double(taken) / Double(steps))
    taken += 1
    var parameters = VectorParameters()
    parameters.alpha = Float(part * radius / point.squaredSlope.squareRoot())
    parameters.radius = Float(radius)
    return parameters
  }
}
