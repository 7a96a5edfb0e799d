public import Compute
public import Networks

/// An attack with all its settings: what makes an engine for a network.
public protocol PictureAttack: Sendable {
  /// The scalar logic of the attack on one sample.
  associatedtype Machine: SampleMachine

  /// Pictures of device memory that a slot takes besides the network's.
  var picturesPerSlot: Int { get }

  /// An engine that runs this attack on a compiled network.
  ///
  /// - Throws: `ComputeError` when a kernel cannot be built or the memory is not there.
  func engine(for network: CompiledNetwork) throws(ComputeError) -> SlotEngine<Machine>
}

extension BoxConstrainedLBFGS: PictureAttack {}
extension ProjectedGradientDescent: PictureAttack {}

/// What an attack descends.
public enum AttackLoss: Hashable, Sendable {
  /// The cross-entropy: towards a target -log p, away from the true class -log(1 - p), p the
  /// probability of that class.
  case crossEntropy
}
