import Attacks
import Compute
import Networks
import Operations
import Reference
import Testing

/// Attacks in a looser precision, whose successes are confirmed in canonical arithmetic.
@Suite struct ConfirmationTests {
  private static let attack = ProjectedGradientDescent(radius: 0.08, steps: 6, seed: 5)

  /// What an attack by emulated tf32 reports, confirmed by a network.
  private func run(confirmedBy graph: Graph) throws -> [Int: AttackResult] {
    let context = try Context(device: try Device.matching(), cache: ProgramCache(folder: nil))
    let loose = try CompiledNetwork(
      try SmallAttacks.graph(), context: context, batch: 4,
      arithmetic: Arithmetic(.tf32, emulatesTensorCores: true))
    #expect(loose.family == .gpu && !loose.arithmetic.isCanonical)
    let engine = try Self.attack.engine(for: loose)
    engine.confirmation = CanonicalConfirmation(
      try CompiledNetwork(graph, context: context, batch: 3, withGradient: false))
    return try SmallAttacks.run(engine, SmallAttacks.samples(12))
  }

  @Test func `what is reported holds on the reference path`() throws {
    let graph = try SmallAttacks.graph()
    let results = try run(confirmedBy: graph)
    #expect(results.count == 12)
    #expect(results.values.count(where: \.succeeded) > 4)
    let reference = ReferenceNetwork(graph)
    func predicted(_ pixels: [Float]) -> Int {
      LongSum.maximum(
        reference.forward(Tensor(shape: [1] + graph.inputShape, values: pixels)).values
      ).offset
    }
    for result in results.values where result.succeeded {
      #expect(predicted(result.sample.pixels) == result.cleanClass)
      let adversarial = try #require(result.adversarial)
      #expect(predicted(adversarial) == result.adversarialClass)
      #expect(result.adversarialClass != result.cleanClass)
      if let rounded = result.rounded { #expect(predicted(rounded) != result.cleanClass) }
    }
  }

  @Test func `a success that does not hold canonically is a failure`() throws {
    // The canonical network sees the same classes but for one, which always wins.
    var graph = Graph(inputShape: [2, 9, 7])
    try graph.append(Reshape(shape: [126]))
    try graph.append(
      Linear(
        weights: Tensor(shape: [126, 5], values: Array(repeating: 0, count: 630)),
        bias: [0, 1, 0, 0, 0]))
    let loose = try run(confirmedBy: try SmallAttacks.graph())
    let results = try run(confirmedBy: graph)
    #expect(results.values.allSatisfy { !$0.succeeded && !$0.succeeded8Bit })
    for (id, result) in results where loose[id]?.succeeded == true {
      #expect(result.stopReason == .unconfirmed)
      #expect(result.adversarialClass == 1)
      #expect(result.adversarial == nil && result.rounded == nil && result.distance == nil)
    }
    #expect(results.values.contains { $0.stopReason == .unconfirmed })
  }
}
