import Attacks
import Foundation
import Networks
import Runs

/// Pictures and what became of them under a model's attack.
struct AttackedPictures {
  let clean: LabelledPictures
  /// A result a picture, in the order of the pictures.
  let results: [AttackResult]

  /// Attacks pictures with box-constrained L-BFGS.
  ///
  /// - Parameter target: A class drawn for each picture, by default, as the distances of the paper
  ///   have it; its text does not say which class was aimed at.
  init(
    _ graph: Graph, _ clean: LabelledPictures, _ environment: StudyEnvironment, name: String,
    target: AttackTarget = .random
  ) throws {
    self.clean = clean
    var attack = BoxConstrainedLBFGS(target: target)
    attack.seed = environment.seed
    let network = try CompiledNetwork(
      graph, context: environment.context, batch: environment.batch ?? min(64, clean.count),
      family: environment.family)
    let engine = try attack.engine(for: network)
    var waiting = clean.samples(clean.count).makeIterator()
    var results: [AttackResult] = []
    try engine.run(
      next: { waiting.next() },
      emit: { done in
        results += done
        environment.progress("\(name): attacked \(results.count) of \(clean.count)")
      })
    self.results = results.sorted { $0.sample.id < $1.sample.id }
  }

  /// Pictures that the network had right, so that there was something to attack.
  var attempted: Int { results.count(where: \.wasAttempted) }

  /// Those of them that the attack changed the class of.
  var succeeded: Int { results.count(where: \.succeeded) }

  /// The part of all pictures that the network still has right.
  var remainingAccuracy: Double { Double(attempted - succeeded) / Double(results.count) }

  /// The root mean square of the change of each picture that was fooled.
  var distortions: [Double] { results.compactMap { $0.succeeded ? $0.distance?.rms : nil } }

  /// The pictures as the network sees them after the attack; those it had wrong stay as they are.
  var pixels: [Float] { results.flatMap { $0.adversarial ?? $0.sample.pixels } }

  /// The pictures with every change made longer or shorter, to one root mean square.
  ///
  /// Not cut to [0, 1], so that all changes have this length.
  func pixels(withDistortion rms: Double) -> [Float] {
    results.flatMap { result -> [Float] in
      guard let adversarial = result.adversarial, let distance = result.distance, distance.rms > 0
      else { return result.sample.pixels }
      let factor = Float(rms / distance.rms)
      return zip(result.sample.pixels, adversarial).map { $0 + factor * ($1 - $0) }
    }
  }
}
