public import Networks
import Compute
import Operations
import Reference

/// The last word on successes that were found in a looser precision: the clean, the adversarial and
/// the rounded picture are classified once more, in canonical arithmetic.
///
/// A success stands when the clean picture has the class that the attack took for its class and the
/// adversarial one reaches the attack's goal. It costs two or three forward passes a success.
public final class CanonicalConfirmation {
  private let network: CompiledNetwork

  /// Confirms by a canonical network, which needs no gradient.
  public init(_ network: CompiledNetwork) {
    precondition(network.arithmetic.isCanonical, "a confirmation in a looser precision")
    self.network = network
  }

  /// The same results, successes that do not hold turned into failures.
  func confirm(
    _ results: [(result: AttackResult, criterion: GoalLoss)]
  ) throws(ComputeError) -> [AttackResult] {
    let pictures = results.flatMap { finished -> [[Float]] in
      guard let adversarial = finished.result.adversarial else { return [] }
      return [finished.result.sample.pixels, adversarial]
        + [finished.result.rounded].compactMap(\.self)
    }
    var logits = try classify(pictures)[...]
    return results.map { result, criterion in
      guard result.adversarial != nil else { return result }
      var confirmed = result
      let clean = logits.removeFirst()
      let found = logits.removeFirst()
      let rounded = result.rounded.map { _ in logits.removeFirst() }
      confirmed.forwardEvaluations += rounded == nil ? 2 : 3
      let isCleanEqual = LongSum.maximum(clean).offset == result.cleanClass
      confirmed.adversarialClass = LongSum.maximum(found).offset
      guard isCleanEqual, criterion.margin(found).margin > 0 else {
        confirmed.succeeded = false
        confirmed.stopReason = .unconfirmed
        (confirmed.adversarial, confirmed.distance) = (nil, nil)
        confirmed.forgetRounded()
        return confirmed
      }
      if let rounded, !(criterion.margin(rounded).margin > 0) { confirmed.forgetRounded() }
      return confirmed
    }
  }

  /// The canonical logits of pictures.
  private func classify(_ pictures: [[Float]]) throws(ComputeError) -> [[Float]] {
    let shape = network.graph.inputShape
    let classes = network.graph.outputShape.reduce(1, *)
    var logits: [[Float]] = []
    for first in stride(from: 0, to: pictures.count, by: network.batch) {
      let part = pictures[first..<min(pictures.count, first + network.batch)]
      try network.write(Tensor(shape: [part.count] + shape, values: part.flatMap(\.self)))
      try network.forward()
      let values = try network.readLogits().values
      for position in 0..<part.count {
        logits.append(Array(values[position * classes..<(position + 1) * classes]))
      }
    }
    return logits
  }
}

extension AttackResult {
  fileprivate mutating func forgetRounded() {
    succeeded8Bit = false
    (rounded, roundedDistance) = (nil, nil)
  }
}
