import Attacks
import Foundation
import Operations
import Testing

/// Several engines on one run, of different kernel families and numbers of slots.
@Suite struct SharedRunTests {
  private struct Refusal: Error, Equatable {}

  private static let attack = ProjectedGradientDescent(radius: 0.08, steps: 12, seed: 5)

  private static func engines() throws -> [SlotEngine<ProjectedGradientDescent.Machine>] {
    try [(3, KernelFamily.cpu), (2, .gpu)].map { batch, family in
      try attack.engine(
        for: try SmallAttacks.network(try SmallAttacks.graph(), batch: batch, family: family))
    }
  }

  @Test(.timeLimit(.minutes(1))) func `two engines find what one finds`() throws {
    let samples = SmallAttacks.samples(40)
    let network = try SmallAttacks.network(try SmallAttacks.graph(), batch: 4)
    let alone = try SmallAttacks.run(try Self.attack.engine(for: network), samples)
    var left = samples[...]
    var together: [Int: AttackResult] = [:]
    var takers: Set<ObjectIdentifier> = []
    try SlotEngine.run(
      try Self.engines(),
      next: {
        takers.insert(ObjectIdentifier(Thread.current))
        return left.popFirst()
      },
      emit: { done in
        for result in done {
          #expect(together.updateValue(result, forKey: result.sample.id) == nil)
        }
      })
    #expect(takers.count == 2)
    #expect(together.count == 40)
    for (id, result) in alone {
      #expect(result.adversarial == together[id]?.adversarial)
      #expect(result.rounded == together[id]?.rounded)
      #expect(result.gradientEvaluations == together[id]?.gradientEvaluations)
      #expect(result.stopReason == together[id]?.stopReason)
    }
    #expect(alone.values.count(where: \.succeeded) > 20)
  }

  @Test(.timeLimit(.minutes(1))) func `what one engine meets ends all of them`() throws {
    let engines = try Self.engines()
    var left = SmallAttacks.samples(500)[...]
    #expect(throws: Refusal()) {
      try SlotEngine.run(
        engines,
        next: {
          if left.count < 490 { throw Refusal() }
          return left.popFirst()
        }, emit: { _ in })
    }
    #expect(left.count == 489)
    left = SmallAttacks.samples(500)[...]
    #expect(throws: Refusal()) {
      try SlotEngine.run(engines, next: { left.popFirst() }, emit: { _ in throw Refusal() })
    }
    #expect(left.count > 480)
    // The engines are free again, and a run can be stopped from outside.
    var done = 0
    try SlotEngine.run(
      engines, next: { left.popFirst() }, emit: { done += $0.count },
      shouldStop: { done >= 7 })
    #expect((7..<30).contains(done))
  }
}
