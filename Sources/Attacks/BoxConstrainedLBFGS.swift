public import Compute
public import Networks
import Reference

/// How an attack chooses the class that it aims at.
public enum AttackTarget: Hashable, Sendable {
  /// Any class but the true one.
  case untargeted
  /// Any class but the true one counts, but the loss pulls towards the runner-up of the clean
  /// picture: the form of Szegedy et al. (2013), whose attack is targeted.
  case runnerUp
  /// The class that is the least likely for the clean picture.
  case leastLikely
  /// One class for all pictures.
  case fixed(Int)
  /// A class drawn for each picture, not the true one.
  case random
  /// The target that comes with each picture.
  case given
}

/// The smallest |x - x0| that changes the class, by box-constrained L-BFGS.
///
/// Minimises |x - x0|^2 + c L(x) and searches for the smallest c that succeeds (Szegedy et al. 2013,
/// section 4.1).
///
/// Every sample has a history, a c, a step and a search of its own. The search for c follows the
/// margin as a function of log c; history, point and gradient survive a change of c, so that a new c
/// costs no evaluation. The best of all evaluated points is kept, then moved towards the clean
/// picture as far as it still fools. About 25 gradient evaluations a picture of an ordinary network.
/// Where gradients mislead, as in networks trained against attacks, a walk that trusts their direction
/// alone goes before the last runs.
public struct BoxConstrainedLBFGS: Sendable {
  /// What is minimised besides the distance.
  public var loss: AttackLoss
  /// What is aimed at.
  public var target: AttackTarget
  /// Pairs of the history.
  public var history = 5
  /// At most so many gradient evaluations for one picture.
  public var maximumEvaluations = 300
  /// Gradient evaluations after which a walk takes a picture that has not converged to a boundary.
  ///
  /// It follows the unit gradient on spheres (Rony et al. 2019); L-BFGS goes on from where it ends.
  public var patience = 60
  /// At most so many steps of that walk.
  public var walkSteps = 200
  /// At most so many values of c.
  public var maximumConstants = 14
  /// Accepted steps at one c while c is still far off, and when it is near.
  public var looseIterations = 12
  /// Accepted steps at one c when it is near.
  public var tightIterations = 8
  /// Relative decrease of the objective at which an inner run ends, far off and near.
  public var looseTolerance: Float = 1e-2
  /// Relative decrease of the objective at which an inner run ends when c is near.
  public var tightTolerance: Float = 1e-3
  /// Largest element of the projected gradient at which an inner run ends.
  public var gradientTolerance: Float = 1e-5
  /// How far beyond the boundary, relative to the distance, is near enough to be done.
  public var gain: Float = 0.003
  /// How far from the boundary, relative to the distance, the tight tolerance begins.
  public var near: Float = 0.03
  /// Forward passes at the end that move the best point towards the clean picture.
  public var segmentEvaluations = 3
  /// The seed of random targets.
  public var seed: UInt64 = 0

  /// The attack with its default settings.
  public init(loss: AttackLoss = .crossEntropy, target: AttackTarget = .untargeted) {
    self.loss = loss
    self.target = target
  }

  /// Pictures of device memory that a slot takes besides the network's: the clean, the accepted and the
  /// best one, gradient, direction and history, and at most one that waits.
  public var picturesPerSlot: Int { 6 + 2 * history }

  /// An engine that runs this attack on a compiled network.
  public func engine(
    for network: CompiledNetwork
  ) throws(ComputeError) -> SlotEngine<LBFGSMachine> {
    let classes = network.graph.outputShape.reduce(1, *)
    return try SlotEngine(network: network, history: history, ball: nil) { sample in
      LBFGSMachine(self, sample: sample, classes: classes)
    }
  }
}
