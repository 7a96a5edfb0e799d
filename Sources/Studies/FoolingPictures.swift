import Compute
import Foundation
import Networks
import Operations
import Reference

/// A picture that says nothing to people and what a network takes it for.
struct FoolingPicture {
  var target: Int
  var pixels: [Float]
  /// The softmax's share of the target.
  var confidence: Double
  /// Steps or generations until it was found, or all of them.
  var steps: Int
}

/// Makes pictures that a network is sure of and people cannot read.
struct FoolingPictures {
  /// The confidence at which a search ends.
  static let enough = 0.9999
  private let network: CompiledNetwork
  private let size: Int
  private let classes: Int
  private let seed: UInt64

  init(_ graph: Graph, _ environment: StudyEnvironment, batch: Int) throws(ComputeError) {
    network = try CompiledNetwork(
      graph, context: environment.context, batch: batch, family: environment.family)
    size = graph.inputShape.reduce(1, *)
    classes = graph.outputShape.reduce(1, *)
    seed = environment.seed
  }

  /// Numbers drawn for one picture.
  private func stream(_ picture: Int, _ purpose: UInt32) -> PhiloxStream {
    PhiloxStream(seed: seed, sample: UInt64(picture), attack: purpose, restart: 0)
  }

  /// The classes' shares for pictures one after another.
  private func shares(_ pixels: [Float]) throws(ComputeError) -> [[Double]] {
    let logits = try Classifier.outputs(network, pixels)
    return stride(from: 0, to: logits.count, by: classes).map { start in
      softmax(logits[start..<start + classes].map { Double($0) })
    }
  }

  private func softmax(_ logits: [Double]) -> [Double] {
    let largest = logits.max() ?? 0
    let powers = logits.map { exp($0 - largest) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
  }

  // MARK: Noise

  /// The largest share of each of some pictures of Gaussian noise N(0, I), not cut to [0, 1].
  func confidencesOfNoise(_ count: Int) throws -> [Double] {
    let pixels = (0..<count).flatMap { stream($0, 0x6e6f_6f6e).gaussian(count: size, step: 0) }
    return try shares(pixels).map { $0.max() ?? 0 }
  }

  // MARK: Gradients

  /// Pictures that begin as grey noise and follow the gradient of the target's share within [0, 1].
  ///
  /// - Parameters:
  ///   - targets: At most a batch of classes.
  ///   - steps: Steps at most, each a hundredth of the box's diagonal long.
  func ascend(to targets: [Int], steps: Int) throws -> [FoolingPicture] {
    guard let gradient = network.logitsGradient else {
      preconditionFailure("compiled without the gradient")
    }
    var found = targets.map { target in
      FoolingPicture(
        target: target,
        pixels: stream(target, 0x6772_6579).gaussian(count: size, step: 0).map {
          min(1, max(0, 0.5 + 0.1 * $0))
        }, confidence: 0, steps: 0)
    }
    let length = 0.01 * Double(size).squareRoot()
    for step in 0...steps {
      let pixels = found.flatMap(\.pixels)
      try network.write(
        Tensor(shape: [found.count] + network.graph.inputShape, values: pixels))
      try network.forward()
      let logits = try network.readLogits().values
      var seeds = [Float](repeating: 0, count: network.batch * classes)
      for index in found.indices {
        let own = softmax(logits[index * classes..<(index + 1) * classes].map { Double($0) })
        found[index].confidence = own[found[index].target]
        // The gradient of the logarithm of the share: e - p.
        for (place, share) in own.enumerated() {
          seeds[index * classes + place] = Float(
            (place == found[index].target ? 1 : 0) - share)
        }
      }
      guard step < steps, found.contains(where: { $0.confidence < Self.enough }) else { break }
      try gradient.buffer.write(
        gradient.layout.pack(seeds, batch: network.batch), at: gradient.offset)
      try network.gradient()
      let gradients = try network.readInputGradient().values
      for index in found.indices where found[index].confidence < Self.enough {
        let own = gradients[index * size..<(index + 1) * size]
        let norm = own.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
        guard norm > 0 else { continue }
        let factor = Float(length / norm)
        found[index].steps = step + 1
        for (place, value) in own.enumerated() {
          found[index].pixels[place] = min(1, max(0, found[index].pixels[place] + factor * value))
        }
      }
    }
    return found
  }

  // MARK: Evolution

  /// One picture a class by evolution without gradients: MAP-Elites with pixels as genes (Nguyen,
  /// Yosinski and Clune 2015).
  ///
  /// Each generation makes a batch of children from elites drawn at random; a child takes the place of
  /// the elite of every class that it has a larger share of. A tenth of the pixels mutates, half as
  /// many after every 1000 generations, by polynomial mutation of index 15.
  func evolve(_ targets: [Int], generations: Int) throws -> [FoolingPicture] {
    var elites = targets.map { target in
      FoolingPicture(
        target: target, pixels: stream(target, 0x656c_6974).uniform(count: size, step: 0),
        confidence: 0, steps: 0)
    }
    for generation in 0..<generations {
      let draws = stream(generation, 0x6765_6e65)
      let parents = draws.uniform(count: network.batch, step: 0).map {
        min(elites.count - 1, Int($0 * Float(elites.count)))
      }
      let rate = 0.1 * Float(pow(0.5, Double(generation / 1000)))
      var children: [Float] = []
      children.reserveCapacity(network.batch * size)
      for (child, parent) in parents.enumerated() {
        let step = UInt32(child + 1)
        let chances = draws.uniform(count: size, step: step)
        let changes = draws.uniform(count: size, step: step, draw: 1)
        for place in 0..<size {
          let value = elites[parent].pixels[place]
          guard chances[place] < rate else {
            children.append(value)
            continue
          }
          let u = Double(changes[place])
          let change = u < 0.5 ? pow(2 * u, 1 / 16) - 1 : 1 - pow(2 * (1 - u), 1 / 16)
          children.append(min(1, max(0, value + Float(change))))
        }
      }
      let found = try shares(children)
      for index in elites.indices {
        for child in found.indices
        where found[child][elites[index].target] > elites[index].confidence {
          elites[index].confidence = found[child][elites[index].target]
          elites[index].pixels = Array(children[child * size..<(child + 1) * size])
          elites[index].steps = generation + 1
        }
      }
      if elites.allSatisfy({ $0.confidence >= Self.enough }) { break }
    }
    return elites
  }
}
