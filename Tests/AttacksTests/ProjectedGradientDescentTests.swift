import Attacks
import Networks
import Reference
import Testing

@Suite struct ProjectedGradientDescentTests {
  @Test(arguments: PerturbationNorm.allCases, [true, false])
  func `perturbations stay in ball and box`(norm: PerturbationNorm, random: Bool) throws {
    let samples = SmallAttacks.samples(12)
    let radius: Float = norm == .linf ? 0.1 : 0.6
    let attack = ProjectedGradientDescent(
      norm: norm, radius: radius, steps: 10, startsRandomly: random, seed: 3)
    let network = try SmallAttacks.network(try SmallAttacks.graph(), batch: 5)
    let results = try SmallAttacks.run(try attack.engine(for: network), samples)
    #expect(results.values.count(where: \.succeeded) > 6)
    for result in results.values {
      guard let picture = result.adversarial, let distance = result.distance else { continue }
      #expect(picture.allSatisfy { $0 >= 0 && $0 <= 1 })
      let size = norm == .linf ? distance.linf : distance.l2
      #expect(size <= Double(radius) * (1 + 1e-5))
    }
  }

  @Test func `a radius of nothing changes nothing`() throws {
    let attack = ProjectedGradientDescent(radius: 0, stepSize: 0.1, steps: 3, startsRandomly: false)
    let network = try SmallAttacks.network(try SmallAttacks.graph(), batch: 3)
    let results = try SmallAttacks.run(
      try attack.engine(for: network), SmallAttacks.samples(4))
    for result in results.values { #expect(!result.succeeded) }
  }

  @Test func `results do not depend on the batch`() throws {
    let samples = SmallAttacks.samples(9)
    let attack = ProjectedGradientDescent(radius: 0.08, steps: 6, seed: 5)
    var first: [Int: AttackResult]?
    for batch in [1, 4, 16] {
      let network = try SmallAttacks.network(try SmallAttacks.graph(), batch: batch)
      let results = try SmallAttacks.run(try attack.engine(for: network), samples)
      for (id, result) in results {
        #expect(result.adversarial == (first ?? results)[id]?.adversarial)
      }
      first = first ?? results
    }
  }

  @Test func `the fast gradient sign method moves every free pixel by the radius`() throws {
    let samples = SmallAttacks.samples(8)
    let attack = ProjectedGradientDescent.fastGradient(radius: 0.05)
    let network = try SmallAttacks.network(try SmallAttacks.graph(), batch: 8)
    let reference = ReferenceNetworkGradient(graph: network.graph)
    let results = try SmallAttacks.run(try attack.engine(for: network), samples)
    for result in results.values {
      guard let picture = result.adversarial else { continue }
      let slope = reference.lossGradient(result.sample.pixels, label: result.cleanClass)
      for index in picture.indices {
        let x = result.sample.pixels[index]
        let step: Float = slope[index] > 0 ? -0.05 : slope[index] < 0 ? 0.05 : 0
        #expect(abs(picture[index] - min(max(x + step, 0), 1)) < 1e-6)
      }
    }
    #expect(results.values.contains { $0.succeeded })
  }
}
