import Attacks
import Operations
import Testing

/// When the engine asks for pictures and hands out results.
@Suite struct SlotEngineTests {
  private struct Refusal: Error, Equatable {}

  private static let attack = ProjectedGradientDescent(radius: 0.08, steps: 12, seed: 5)

  private func engine(batch: Int) throws -> SlotEngine<ProjectedGradientDescent.Machine> {
    try Self.attack.engine(for: SmallAttacks.network(try SmallAttacks.graph(), batch: batch))
  }

  private func isSame(_ a: AttackResult?, _ b: AttackResult?) -> Bool {
    a?.adversarial == b?.adversarial && a?.rounded == b?.rounded
      && a?.distance == b?.distance && a?.roundedDistance == b?.roundedDistance
      && a?.gradientEvaluations == b?.gradientEvaluations && a?.stopReason == b?.stopReason
  }

  @Test func `at most a quarter of the slots is asked for ahead`() throws {
    var (asked, finished, most) = (0, 0, 0)
    var left = SmallAttacks.samples(60)[...]
    try engine(batch: 8).run(
      next: {
        asked += 1
        // This one is not among them before it is here.
        most = max(most, asked - 1 - finished)
        return left.popFirst()
      }, emit: { finished += $0.count })
    #expect(finished == 60 && asked == 61)
    // The slots, two that wait, and what has finished in the step that is handed out next.
    #expect((8...18).contains(most))
  }

  @Test func `a run that fails leaves the engine as it was`() throws {
    let samples = SmallAttacks.samples(40)
    let expected = try SmallAttacks.run(try engine(batch: 3), samples)
    let engine = try engine(batch: 8)
    var left = samples[...]
    #expect(throws: Refusal()) {
      try engine.run(
        next: {
          if left.count < 20 { throw Refusal() }
          return left.popFirst()
        }, emit: { _ in })
    }
    left = samples[...]
    #expect(throws: Refusal()) {
      try engine.run(next: { left.popFirst() }, emit: { _ in throw Refusal() })
    }
    let found = try SmallAttacks.run(engine, samples)
    #expect(found.count == 40)
    for (id, result) in found { #expect(isSame(result, expected[id])) }
  }

  @Test func `a run that is stopped hands out what has finished`() throws {
    let samples = SmallAttacks.samples(40)
    let expected = try SmallAttacks.run(try engine(batch: 3), samples)
    let engine = try engine(batch: 8)
    var (left, steps) = (samples[...], 0)
    var found: [Int: AttackResult] = [:]
    try engine.run(
      next: { left.popFirst() },
      emit: { for result in $0 { found[result.sample.id] = result } },
      shouldStop: {
        steps += 1
        return steps > 10
      })
    #expect((1..<40).contains(found.count))
    for (id, result) in found { #expect(isSame(result, expected[id])) }
    #expect(try SmallAttacks.run(engine, samples).count == 40)
  }
}
