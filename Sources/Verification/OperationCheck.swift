public import Compute
public import Operations
import Reference

/// Compares an operation's kernels with its CPU reference path, bit for bit.
///
/// Padding channels of the inputs hold NaN, outputs are filled with NaN first, and canaries stand
/// before and after everything that a kernel writes.
public struct OperationCheck: Sendable {
  /// What the elements of the inputs are.
  public enum Values: Sendable {
    /// Anything in a range; every seventh is a zero, of either sign, or a denormal.
    case real(ClosedRange<Float>)
    /// Integers, so that equal elements are frequent.
    case integers(ClosedRange<Int>)
    /// Anything that a float can be: NaN, infinities, denormals, the largest.
    case special

    /// Whether all are integers.
    var isWhole: Bool { if case .integers = self { true } else { false } }
  }

  /// How much of an operation is tried.
  public enum Depth: Sendable {
    /// One layout wider than asked for, the forward pass as a gradient needs it; gradients stored
    /// plainly in one row, added and masked in the next, since every variant is a program to build.
    case essential
    /// Two layouts, every way of finishing a gradient, everything twice.
    case exhaustive
  }

  /// The elements of the inputs.
  public var values: Values
  /// The elements of the output's gradient.
  public var gradientValues: Values
  /// Whether the inputs and their gradients lie densely, as pictures do.
  public var dense: Bool
  /// Whether the output and its gradient lie densely.
  public var denseOutput: Bool
  /// Whether the gradient is checked too.
  public var checksGradient: Bool
  /// How much is tried.
  public var depth: Depth
  /// The kernel families to try; nil for all that the device has.
  public var families: [KernelFamily]?

  /// A check.
  public init(
    values: Values = .real(-2...2), gradientValues: Values = .real(-2...2), dense: Bool = false,
    denseOutput: Bool = false, checksGradient: Bool = true, depth: Depth = .exhaustive,
    families: [KernelFamily]? = nil
  ) {
    self.values = values
    self.gradientValues = gradientValues
    self.dense = dense
    self.denseOutput = denseOutput
    self.checksGradient = checksGradient
    self.depth = depth
    self.families = families
  }

  /// The kernel families that a device has: the plain one, and the one that suits it.
  public static func families(for device: Device) -> [KernelFamily] {
    let preferred = KernelFamily.preferred(for: device)
    return preferred == .reference ? [.reference] : [.reference, preferred]
  }

  /// Runs an operation on a device with every family.
  ///
  /// - Parameters:
  ///   - operation: What is checked.
  ///   - shapes: The shapes of one sample's inputs.
  ///   - batch: Samples computed together.
  ///   - seed: What the elements are drawn from.
  ///   - context: The device.
  /// - Returns: One line for each difference from the reference path; none when all bits are equal.
  /// - Throws: `ComputeError` when a kernel cannot be built or run.
  public func run(
    _ operation: some Operation, _ shapes: [[Int]], batch: Int = 3, seed: UInt64 = 1,
    on context: Context
  ) throws(ComputeError) -> [String] {
    let output: [Int]
    do throws(ShapeError) {
      output = try operation.outputShape(for: shapes)
    } catch {
      return ["\(operation.kind) \(shapes): \(error.description)"]
    }
    var failures: [String] = []
    for family in families ?? Self.families(for: context.device) {
      for border in borders {
        let trial = OperationTrial(
          operation: operation, check: self, context: context, family: family, batch: batch,
          shapes: shapes, outputShape: output, extraBorder: border, seed: seed)
        try trial.forward()
        if checksGradient { try trial.gradients() }
        failures += trial.failures
      }
    }
    return failures
  }

  private var borders: [Padding] {
    let wider = Padding(top: 1, left: 2, bottom: 0, right: 3)
    return depth == .essential ? [wider] : [.zero, wider]
  }

  /// The ways to finish a gradient that are tried: added to a stored sum or not, masked or not.
  func finishes(batch: Int) -> [(accumulates: Bool, activation: Activation?)] {
    switch (depth, dense) {
    case (.essential, true): [(batch == 1, nil)]
    case (.essential, false): batch == 1 ? [(true, .relu)] : [(false, nil)]
    case (.exhaustive, true): [(false, nil), (true, nil)]
    case (.exhaustive, false):
      [
        (false, nil), (false, .relu), (false, .leakyReLU(0.125)), (true, nil), (true, .relu),
        (true, .leakyReLU(0.125)),
      ]
    }
  }

  /// How often everything is run.
  var rounds: Int { depth == .essential ? 1 : 2 }
}
