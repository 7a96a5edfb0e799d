public import Compute
public import Operations

/// What a device computed of the whole catalogue, against the reference path.
public struct VerificationReport: Sendable {
  /// The rows that were run.
  public private(set) var cases = 0
  /// The rows with a difference or an error.
  public private(set) var failed = 0
  /// One line for each difference or error.
  public private(set) var failures: [String] = []
  /// Why rows were left out, one line for each reason.
  public private(set) var skipped: [String] = []
  /// Whether the device's arithmetic is canonical, by `CanonicalProbe`.
  public let isCanonical: Bool

  /// Whether every row ran and had the reference's bits.
  public var isBitIdentical: Bool { failed == 0 && isCanonical }

  /// Runs rows on a device.
  ///
  /// - Parameters:
  ///   - context: The device.
  ///   - families: The kernel families to try; nil for all that the device has.
  ///   - rows: What to run.
  ///   - depth: How much of each row.
  ///   - progress: Called before each row with its position, the number of rows and the row.
  /// - Throws: `ComputeError` when not even the probe can be run; what fails later is a failure of
  ///   its row.
  public init(
    _ context: Context, families: [KernelFamily]? = nil,
    rows: [CatalogCase] = OperationCatalog.all, depth: OperationCheck.Depth = .essential,
    progress: ((Int, Int, CatalogCase) -> Void)? = nil
  ) throws(ComputeError) {
    let probe = try CanonicalProbe(context)
    isCanonical = probe.isCanonical
    failures = probe.differences.map { "canonical arithmetic: \($0)" }
    let present = families ?? OperationCheck.families(for: context.device)
    for family in KernelFamily.allCases where !present.contains(family) {
      skipped.append(
        "family \(family): "
          + (families == nil ? "not for devices like \(context.device.name)" : "not asked for"))
    }
    for (index, row) in rows.enumerated() {
      progress?(index, rows.count, row)
      if let obstacle = row.obstacle(on: context.device) {
        if !skipped.contains(obstacle) { skipped.append(obstacle) }
        continue
      }
      cases += 1
      var lines: [String]
      do throws(ComputeError) {
        lines = try row.failures(on: context, families: families, depth: depth)
      } catch {
        lines = ["\(row): \(error.description)"]
      }
      if !lines.isEmpty { failed += 1 }
      failures += lines
    }
  }
}
