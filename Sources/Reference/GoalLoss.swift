/// The loss of an attack: cross-entropy towards one class, or towards all classes but one.
///
/// Let rest be log of the sum of exp(z_k) over the classes besides c. Reaching c costs
/// softplus(rest - z_c) = -log p_c, the cross-entropy; leaving c costs softplus(z_c - rest) =
/// -log(1 - p_c). Written so, neither loses digits where its probability is near 1.
public struct GoalLoss: Hashable, Sendable {
  /// The class c.
  public var label: Int
  /// Whether the class is to be left; else it is to be reached.
  public var leaves: Bool

  /// A loss.
  public init(label: Int, leaves: Bool) {
    self.label = label
    self.leaves = leaves
  }

  /// The loss of one sample's logits and its gradient.
  ///
  /// Order: top = the largest other logit; e_k = exp(z_k - top), 0 at c; sum over 256 lanes; rest =
  /// top + log(sum); the gradient of the others is w * (e_k / sum), that of c is -w, where w is plus
  /// or minus sigmoid of the softplus's argument.
  public func evaluate<Scalar: ReferenceScalar>(
    _ logits: [Scalar]
  ) -> (loss: Scalar, gradient: [Scalar]) {
    var others = logits
    others[label] = -.infinity
    let top = LongSum.maximum(others).value
    let exponentials = others.map { Scalar.canonicalExp($0 - top) }
    let sum = LongSum.sum(exponentials)
    let rest = top + Scalar.canonicalLog(sum)
    let difference = leaves ? logits[label] - rest : rest - logits[label]
    let share = Scalar.canonicalSigmoid(difference)
    let weight = leaves ? -share : share
    var gradient = exponentials.map { weight * ($0 / sum) }
    gradient[label] = -weight
    return (Scalar.canonicalSoftplus(difference), gradient)
  }

  /// How far the goal is reached, positive when it is, and the class that decides it.
  public func margin<Scalar: ReferenceScalar>(
    _ logits: [Scalar]
  ) -> (margin: Scalar, rival: Int) {
    var others = logits
    others[label] = -.infinity
    let rival = LongSum.maximum(others)
    let margin = rival.value - logits[label]
    return (leaves ? margin : -margin, rival.offset)
  }
}
