public import Compute
import Kernels

/// Which kernels compute: one work-item an output, float16 register tiles, or tiles of a work-group.
public enum KernelFamily: String, Sendable, CaseIterable {
  /// One work-item an output; runs everywhere.
  case reference
  /// Work-groups of one item with float16 register tiles, for processors.
  case cpu
  /// Work-groups with tiles in local memory, for GPUs; runs everywhere.
  case gpu

  /// The family that suits a device.
  public static func preferred(for device: Device) -> KernelFamily {
    switch device.kind {
    case .cpu: .cpu
    case .gpu: .gpu
    default: .reference
    }
  }
}

/// A way to cut sums that is asked for, whatever their shape.
public struct FixedTile: Sendable {
  /// What a work-item holds in registers.
  public var tile: RegisterTile
  /// Blocks of channels that one work-item computes; at most as many as there are.
  public var blocksPerItem: Int
  /// How far the loop over the channels is unrolled.
  public var unroll: Int
  /// Whether all images take one group of blocks before the next.
  public var imagesFirst: Bool

  /// A tile with the order and unrolling of its loops.
  public init(_ tile: RegisterTile, blocksPerItem: Int, unroll: Int, imagesFirst: Bool) {
    self.tile = tile
    self.blocksPerItem = blocksPerItem
    self.unroll = unroll
    self.imagesFirst = imagesFirst
  }
}

/// Weights in a kernel's order, `[block of output channels][input channel][width]`.
struct PackedWeights {
  /// The memory.
  let buffer: Buffer<Float>
  /// The output channels of a block.
  let width: Int
}

/// Packed parameters that both passes of a network read, by operation.
public final class PackedParameters {
  fileprivate var weights: [Int: PackedWeights] = [:]

  /// None yet.
  public init() {}
}

/// Collects the launches of a pass over a network, in order.
public final class Recorder {
  /// The device in use.
  public let context: Context
  /// The kernels to prefer; an operation without a kernel of the family takes the reference one.
  public let family: KernelFamily
  /// How convolutions and matrix products are rounded; looser than canonical only with the `gpu`
  /// family.
  public var arithmetic = Arithmetic.canonical {
    didSet { precondition(arithmetic.isCanonical || family == .gpu, "tensor cores by \(family)") }
  }
  /// The samples of a batch, or of the slice of it that is being recorded.
  public private(set) var batch: Int
  /// What chooses register tiles by measurement; nil leaves it to the rules.
  let tuner: Tuner?
  /// How every sum by register tiles is cut, for checks of what neither rules nor tuner would take.
  public var fixedTile: FixedTile?
  /// How every product of the `gpu` family is cut, for the same.
  public var fixedLocalTile: LocalTile?
  /// What was recorded.
  public private(set) var launches: [Launch] = []
  /// Where the parameters of the operation being recorded live, when they are not constants.
  private(set) var liveParameters: LiveParameters?
  /// The packed parameters that the two passes share.
  private let shared: PackedParameters
  /// Those of this pass, by operation, in the order in which they were asked for.
  private var packed: [Int: [Buffer<Float>]] = [:]
  /// The operation being recorded, and how many of its parameters were asked for.
  private var current: (operation: Int, count: Int)?

  /// An empty recording.
  ///
  /// - Parameter sharing: What the recordings of both passes of a network have in common.
  public init(
    context: Context, family: KernelFamily, batch: Int, tuner: Tuner? = nil,
    sharing: PackedParameters = PackedParameters()
  ) {
    self.tuner = tuner
    shared = sharing
    self.context = context
    self.family = family
    self.batch = batch
  }

  /// The lanes of a long sum that one work-item computes (`lanes.clh`).
  public var lanesPerItem: Int { context.device.kind == .cpu ? 256 : 1 }

  /// Work-items of one group for kernels without local memory.
  public var groupSize: Int { min(64, context.device.largestWorkGroup) }

  /// The program of a kernel file (`family/stem`) with build constants.
  public func program(
    _ file: String, _ constants: [(String, String)] = []
  ) throws(ComputeError) -> Program {
    guard let source = KernelLibrary.source(file) else {
      preconditionFailure("no kernel file \(file)")
    }
    return try context.program(file, source: source, constants: constants)
  }

  /// A buffer for arguments that a kernel's variant does not read.
  public func placeholder<Element: BitwiseCopyable & Sendable>() throws(ComputeError)
    -> Buffer<Element>
  { try Buffer(context, count: 1) }

  /// Records one launch of a kernel.
  public func launch<each Argument: KernelArgument>(
    _ program: Program, _ kernel: String, _ grid: Grid, _ arguments: repeat each Argument
  ) throws(ComputeError) {
    launches.append(try Launch(program, kernel, grid, repeat each arguments))
  }

  /// Records an operation whose weights and bias are read from device memory in every run, instead
  /// of being packed once: one more launch for each parameter, and whoever changes the memory
  /// between two runs changes the operation.
  public func withParameters(
    _ parameters: LiveParameters, record: () throws(ComputeError) -> Void
  ) throws(ComputeError) {
    liveParameters = parameters
    defer { liveParameters = nil }
    try record()
  }

  /// Records one operation of a network, for the batch or a slice of it.
  ///
  /// Where it is recorded again, for another slice of the same size, its parameters are not packed
  /// again.
  ///
  /// - Parameters:
  ///   - number: A number that tells the operation from the network's others.
  ///   - samples: The samples of the slice; nil for the whole batch.
  public func operation(
    _ number: Int, samples: Int? = nil, record: () throws(ComputeError) -> Void
  ) throws(ComputeError) {
    let whole = batch
    (batch, current) = (samples ?? batch, (number, 0))
    defer { (batch, current) = (whole, nil) }
    try record()
  }

  /// A buffer of parameters, or the one that was made for another slice.
  func packing(
    _ make: () throws(ComputeError) -> Buffer<Float>
  ) throws(ComputeError) -> Buffer<Float> {
    guard let (operation, count) = current, liveParameters == nil else { return try make() }
    current = (operation, count + 1)
    if let known = packed[operation], count < known.count { return known[count] }
    let buffer = try make()
    packed[operation, default: []].append(buffer)
    return buffer
  }

  /// Leaves the packed weights of the current operation for its other pass, or finds what that left.
  var sharedWeights: PackedWeights? {
    get { liveParameters == nil ? current.flatMap { shared.weights[$0.operation] } : nil }
    set {
      guard let operation = current?.operation, liveParameters == nil else { return }
      shared.weights[operation] = newValue
    }
  }

  /// Queues everything that was recorded.
  public func run() throws(ComputeError) {
    for launch in launches { try launch.enqueue() }
  }
}
