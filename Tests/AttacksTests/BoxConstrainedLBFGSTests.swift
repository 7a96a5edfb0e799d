import Attacks
import Networks
import Operations
import Reference
import Testing

@Suite struct BoxConstrainedLBFGSTests {
  @Test func `the smallest perturbation of a linear network is the projection on its boundary`()
    throws
  {
    // Two classes: the boundary is a hyperplane, and the box does not bind for these pictures.
    var graph = Graph(inputShape: [1, 6, 6])
    let weights = SmallAttacks.values([36, 2], seed: 21, scale: 1)
    try graph.append(Reshape(shape: [36]))
    try graph.append(Linear(weights: weights))
    let samples = (0..<8).map { id in
      let pixels = SmallAttacks.values([36], seed: UInt64(30 + id), scale: 0.1).values
      return AttackSample(id: id, name: "\(id)", pixels: pixels.map { $0 + 0.5 })
    }
    let engine = try BoxConstrainedLBFGS().engine(
      for: try SmallAttacks.network(graph, batch: 3))
    let results = try SmallAttacks.run(engine, samples)
    for sample in samples {
      let difference = (0..<36).map {
        Double(weights.values[2 * $0]) - Double(weights.values[2 * $0 + 1])
      }
      let norm = difference.map { $0 * $0 }.reduce(0, +).squareRoot()
      let margin = zip(difference, sample.pixels).map { $0 * Double($1) }.reduce(0, +)
      let exact = abs(margin) / norm
      let result = try #require(results[sample.id])
      let found = try #require(result.distance?.l2)
      #expect(result.succeeded)
      #expect(found >= exact * (1 - 1e-5))
      #expect(found <= exact * 1.005, "\(found) instead of \(exact)")
    }
  }

  @Test func `results depend on neither batch nor kernel family`() throws {
    let samples = SmallAttacks.samples(20)
    var first: [Int: AttackResult]?
    for (batch, family) in [(1, KernelFamily.cpu), (7, .cpu), (64, .cpu), (5, .reference)] {
      let network = try SmallAttacks.network(try SmallAttacks.graph(), batch: batch, family: family)
      let results = try SmallAttacks.run(
        try BoxConstrainedLBFGS().engine(for: network), samples)
      #expect(results.count == samples.count)
      guard let expected = first else {
        first = results
        continue
      }
      for (id, result) in results {
        let other = try #require(expected[id])
        #expect(result.adversarial == other.adversarial)
        #expect(result.rounded == other.rounded)
        #expect(result.gradientEvaluations == other.gradientEvaluations)
        #expect(result.forwardEvaluations == other.forwardEvaluations)
        #expect(result.c == other.c)
        #expect(result.stopReason == other.stopReason)
      }
    }
  }

  @Test func `successes hold on the reference path, in float and in 8 bits`() throws {
    let samples = SmallAttacks.samples(12)
    let graph = try SmallAttacks.graph()
    let network = try SmallAttacks.network(graph, batch: 4)
    let reference = ReferenceNetwork(network.graph)
    func predicted(_ pixels: [Float]) -> Int {
      LossReference.argmax(reference.forward(Tensor(shape: [1, 2, 9, 7], values: pixels)))[0]
    }
    let results = try SmallAttacks.run(try BoxConstrainedLBFGS().engine(for: network), samples)
    for sample in samples {
      let result = try #require(results[sample.id])
      #expect(result.succeeded)
      #expect(result.cleanClass == predicted(sample.pixels))
      let picture = try #require(result.adversarial)
      #expect(picture.allSatisfy { $0 >= 0 && $0 <= 1 })
      #expect(predicted(picture) != result.cleanClass)
      #expect(predicted(picture) == result.adversarialClass)
      let rounded = try #require(result.rounded)
      #expect(rounded.allSatisfy { ($0 * 255).rounded() / 255 == $0 })
      #expect(predicted(rounded) != result.cleanClass)
    }
  }

  @Test(arguments: [
    AttackTarget.fixed(2), .random, .leastLikely, .runnerUp, .given,
  ])
  func `targets are reached`(target: AttackTarget) throws {
    var samples = SmallAttacks.samples(10)
    for index in samples.indices { samples[index].target = 4 }
    let network = try SmallAttacks.network(try SmallAttacks.graph(), batch: 4)
    let results = try SmallAttacks.run(
      try BoxConstrainedLBFGS(target: target).engine(for: network), samples)
    for result in results.values where result.wasAttempted {
      #expect(result.succeeded)
      if case .runnerUp = target {
        #expect(result.adversarialClass != result.cleanClass)
      } else {
        #expect(result.adversarialClass == result.target)
      }
    }
    #expect(results.values.contains { $0.wasAttempted })
  }

  @Test func `pictures that are classified wrongly are left alone`() throws {
    var samples = SmallAttacks.samples(6)
    let network = try SmallAttacks.network(try SmallAttacks.graph(), batch: 2)
    let engine = try BoxConstrainedLBFGS().engine(for: network)
    let clean = try SmallAttacks.run(engine, samples)
    for index in samples.indices {
      let right = try #require(clean[index]).cleanClass
      samples[index].label = index % 2 == 0 ? right : (right + 1) % 5
    }
    for (id, result) in try SmallAttacks.run(engine, samples) {
      #expect(result.isCleanCorrect == (id % 2 == 0))
      #expect(result.wasAttempted == result.isCleanCorrect)
      #expect(result.succeeded == result.isCleanCorrect)
    }
  }

  @Test func `a picture of NaN is told apart and stops nobody else`() throws {
    var samples = SmallAttacks.samples(5)
    samples[2].pixels[10] = .nan
    let network = try SmallAttacks.network(try SmallAttacks.graph(), batch: 5)
    let results = try SmallAttacks.run(try BoxConstrainedLBFGS().engine(for: network), samples)
    for (id, result) in results {
      #expect((result.stopReason == .invalid) == (id == 2))
      #expect(result.succeeded == (id != 2))
    }
  }
}
