import Compute
import Operations
import Reference
import Testing
import Verification

/// The catalogue's generator, by the name it has in tests.
typealias TestGenerator = ValueGenerator

/// One context for each device, shared by all tests so that programs are built once.
private let opened = Result<[Context], ComputeError> { () throws(ComputeError) in
  var contexts: [Context] = []
  for device in try Device.all() {
    contexts.append(try Context(device: device, cache: ProgramCache(folder: nil)))
  }
  guard !contexts.isEmpty else { throw ComputeError(.deviceNotFound, "Device.all") }
  return contexts
}

extension OperationCheck {
  /// A context for each device there is; throws when there is none.
  static func contexts() throws(ComputeError) -> [Context] { try opened.get() }

  /// The kernel families to try on a device.
  static func families(_ context: Context) -> [KernelFamily] { families(for: context.device) }

  /// Runs an operation on every device; each difference is an issue.
  func run(
    _ operation: some Operations.Operation, _ shapes: [[Int]], batch: Int = 3, seed: UInt64 = 1,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    for context in try Self.contexts() {
      for line in try run(operation, shapes, batch: batch, seed: seed, on: context) {
        Issue.record("\(line), \(context.device.name)", sourceLocation: sourceLocation)
      }
    }
  }
}

/// A convolution of the catalogue that neither adds a residual nor ends in an activation.
struct ConvolutionCase: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let input: [Int]
  let batch: Int
  private let convolution: Convolution

  var outputs: Int { convolution.outputChannels }

  func operation() -> Convolution { convolution }

  static let all: [ConvolutionCase] = OperationCatalog.convolution.compactMap { row in
    guard let convolution = row.operation?() as? Convolution, !convolution.hasResidual,
      convolution.activation == .none
    else { return nil }
    return ConvolutionCase(
      testDescription: row.description, input: row.shapes[0], batch: row.batch,
      convolution: convolution)
  }
}

/// Every row as `blindspot verify` runs it, and every twentieth with every way of finishing a
/// gradient; compiling the variants takes the time.
@Test(arguments: OperationCatalog.all.enumerated().map { (number: $0.offset, row: $0.element) })
func `every row of the catalogue has the reference's bits`(
  number: Int, row: CatalogCase
) throws {
  for context in try OperationCheck.contexts() where row.obstacle(on: context.device) == nil {
    let depth: OperationCheck.Depth = number % 20 == 0 ? .exhaustive : .essential
    for line in try row.failures(on: context, depth: depth) {
      Issue.record("\(line), \(context.device.name)")
    }
  }
}
