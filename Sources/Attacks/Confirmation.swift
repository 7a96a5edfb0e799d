import Reference

/// The last part of every attack: the best point is evaluated once more, then rounded to 8 bits in
/// ever bolder ways until it still fools.
struct Confirmation: Sendable {
  /// What is evaluated.
  private enum Phase {
    case float
    case rounded(Int)
  }

  private var phase = Phase.float
  /// The class of the best point.
  private(set) var adversarialClass: Int?
  /// Whether the best point fools.
  private(set) var succeeded = false
  /// Whether the rounded point, now the trial point, fools.
  private(set) var succeeded8Bit = false

  /// Cuts of a change of one level that still count as a whole level, boldest last.
  ///
  /// The first rounds to the nearest level. Small perturbations vanish in plain rounding: then only
  /// the largest changes are kept, made one level each.
  private static let roundings: [(alpha: Float, half: Float)] =
    [
      0.5, 0.75, 0.875, 0.9375, 0.96875, 0.984375, 0.9921875, 0.99609375, 0.998046875,
    ].map { (1, $0) } + [(2, 0.5), (3, 0.5), (4, 0.5)]

  /// The request that starts the confirmation.
  func first() -> SlotRequest { .evaluate(.showBest, VectorParameters(), gradient: false) }

  /// The next request, or nil when all is known.
  mutating func observe(_ evaluation: Evaluation) -> SlotRequest? {
    let fools = evaluation.margin > 0
    switch phase {
    case .float:
      adversarialClass = evaluation.predicted
      succeeded = fools
      guard fools else { return nil }
      phase = .rounded(0)
      return request(0)
    case .rounded(let index):
      succeeded8Bit = fools
      guard !fools, index + 1 < Self.roundings.count else { return nil }
      phase = .rounded(index + 1)
      return request(index + 1)
    }
  }

  private func request(_ index: Int) -> SlotRequest {
    var parameters = VectorParameters()
    parameters.alpha = Self.roundings[index].alpha
    parameters.half = Self.roundings[index].half
    return .evaluate(.round, parameters, gradient: false)
  }
}
