/// Moves a point that fools towards the clean picture: the Illinois rule on the margin along the
/// segment between them.
struct SegmentSearch: Sendable {
  private var near = 0.0
  private var far = 1.0
  private var nearMargin = 0.0
  private var farMargin = 0.0
  private var side = 0
  private var left = 0
  /// Where the best point lies now, and the part that is being tried.
  private var best = 1.0
  private var tried = 1.0

  init() {}

  init(nearMargin: Double, farMargin: Double, limit: Int) {
    self.nearMargin = nearMargin
    self.farMargin = farMargin
    left = limit
  }

  /// The first part of the way from the clean picture to the best point to try; nil for none.
  mutating func first() -> Double? { next() }

  /// The next part, as a part of the way to the best point of now; nil at the end.
  mutating func observe(margin: Double) -> Double? {
    if margin > 0 {
      far = tried
      best = tried
      farMargin = margin
      if side > 0 { nearMargin /= 2 }
      side = 1
    } else {
      near = tried
      nearMargin = margin
      if side < 0 { farMargin /= 2 }
      side = -1
    }
    return next()
  }

  private mutating func next() -> Double? {
    guard left > 0, far - near >= 5e-4 else { return nil }
    left -= 1
    let share = nearMargin / (nearMargin - farMargin)
    tried = near + (far - near) * min(max(share, 0.05), 0.98)
    tried += 0.05 * (far - tried)
    return tried / best
  }
}
