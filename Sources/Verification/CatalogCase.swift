public import Compute
public import Operations

/// One row of the catalogue: something that a device must compute with the reference's bits.
public struct CatalogCase: Sendable, CustomStringConvertible {
  private typealias Body =
    @Sendable (Context, [KernelFamily], OperationCheck.Depth) throws(ComputeError) -> [String]

  /// What is checked: an operation's kind, or the name of a kernel that is no operation's.
  public let kind: String
  /// What tells the row from others of its kind.
  public let detail: String
  /// The shapes of one sample's inputs, for operations.
  public let shapes: [[Int]]
  /// Samples computed together.
  public let batch: Int
  /// The operation, for rows that check one.
  public let operation: (@Sendable () -> any Operation)?
  private let families: [KernelFamily]?
  private let body: Body
  private let groupSize: Int

  /// A row for an operation.
  ///
  /// - Parameters:
  ///   - kind: The stem of the operation's files.
  ///   - detail: What tells the row from others with the same shapes.
  ///   - shapes: The shapes of one sample's inputs.
  ///   - batch: Samples computed together.
  ///   - values: The elements of the inputs.
  ///   - gradientValues: The elements of the output's gradient.
  ///   - dense: Whether the inputs lie without padding channels.
  ///   - denseOutput: Whether the output and its gradient lie without padding channels.
  ///   - families: The families to try; nil for all, where the operation has more than one kernel.
  ///   - operation: Makes the operation.
  init(
    _ kind: String, _ detail: String = "", _ shapes: [[Int]], batch: Int = 2,
    values: OperationCheck.Values = .real(-2...2),
    gradientValues: OperationCheck.Values = .real(-2...2), dense: Bool = false,
    denseOutput: Bool = false, families: [KernelFamily]? = nil,
    operation: @escaping @Sendable () -> any Operation
  ) {
    self.kind = kind
    self.detail =
      ([detail, "\(shapes)", "batch \(batch)"] + (dense ? ["dense"] : [])
      + (denseOutput ? ["dense output"] : []))
      .filter { !$0.isEmpty }.joined(separator: ", ")
    self.shapes = shapes
    self.batch = batch
    self.operation = operation
    self.families = families
    groupSize = 1
    body = { (context, families, depth) throws(ComputeError) in
      let check = OperationCheck(
        values: values, gradientValues: gradientValues, dense: dense, denseOutput: denseOutput,
        depth: depth,
        families: families)
      return try Self.run(check, operation(), shapes, batch, context)
    }
  }

  /// A row with a check of its own; `families` says whether it is run once for each family, and
  /// `groupSize` how many work-items
  /// its largest group has.
  init(
    _ kind: String, _ detail: String, batch: Int = 1, families: [KernelFamily]? = [.reference],
    groupSize: Int = 1,
    _ check: @escaping @Sendable (Context, KernelFamily) throws(ComputeError) -> [String]
  ) {
    self.kind = kind
    self.detail = detail
    shapes = []
    self.batch = batch
    operation = nil
    self.families = families
    self.groupSize = groupSize
    body = { (context, families, _) throws(ComputeError) in
      var failures: [String] = []
      for family in families {
        failures += try check(context, family).map { "\(kind) \(detail), \(family): \($0)" }
      }
      return failures
    }
  }

  private static func run(
    _ check: OperationCheck, _ operation: some Operation, _ shapes: [[Int]], _ batch: Int,
    _ context: Context
  ) throws(ComputeError) -> [String] {
    try check.run(operation, shapes, batch: batch, on: context)
  }

  /// Why a device cannot run the row, nil where it can.
  public func obstacle(on device: Device) -> String? {
    groupSize <= device.largestWorkGroup
      ? nil : "\(kind) in groups of \(groupSize): the device takes \(device.largestWorkGroup)"
  }

  /// Checks the row on a device.
  ///
  /// - Parameters:
  ///   - families: The families to try; nil for all of the device's. Rows of operations with one
  ///     kernel only are checked once, whatever the families.
  ///   - depth: How much is tried.
  /// - Returns: One line for each difference.
  /// - Throws: `ComputeError` when a kernel cannot be built or run.
  public func failures(
    on context: Context, families: [KernelFamily]? = nil,
    depth: OperationCheck.Depth = .essential
  ) throws(ComputeError) -> [String] {
    let chosen = self.families ?? families ?? OperationCheck.families(for: context.device)
    return try body(context, chosen, depth)
  }

  /// Kind and detail.
  public var description: String { "\(kind) \(detail)" }
}
