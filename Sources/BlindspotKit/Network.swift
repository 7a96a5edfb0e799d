public import Compute
public import Datasets
public import Foundation
public import ModelFiles
public import Networks
public import Operations
import Synchronization

/// A classifier of pictures `[C, H, W]`, not yet bound to a device.
public struct Network: Sendable {
  /// The operations for one sample, without the normalisation of pixels.
  public let graph: Graph

  /// A network of given operations.
  public init(graph: Graph) { self.graph = graph }

  /// Reads an ONNX file, plain or gzip; see `loadONNX(from:options:)`.
  ///
  /// - Throws: `ModelFileError` with the file, the node and the shapes.
  public init(
    onnx url: URL, options: ONNXImportOptions = ONNXImportOptions()
  ) throws(ModelFileError) {
    graph = try loadONNX(from: url, options: options).graph
  }

  /// Builds a built-in architecture.
  ///
  /// - Throws: `ArchitectureError` when a parameter is missing or has another shape.
  public init(
    _ architecture: Architecture, parameters: some ParameterSource
  ) throws(ArchitectureError) {
    graph = try architecture.graph(parameters: parameters)
  }

  /// Builds the network's kernels for a device and takes its memory.
  ///
  /// - Parameters:
  ///   - device: where to compute.
  ///   - batch: the pictures computed together, at least 1.
  ///   - preprocessing: its numeric part becomes the first layer; its geometric part is that of the
  ///     pictures' source.
  ///   - family: the kernels to prefer, by default those that suit the device.
  ///   - tuning: how much is measured to cut the work well on this device; kept in the cache.
  ///   - convolution: how convolutions are summed; nil leaves it to the graph, which is direct
  ///     unless told otherwise.
  ///   - cache: where compiled programs are kept.
  /// - Throws: `PreparationError`.
  public func compiled(
    for device: Device, batch: Int, preprocessing: Preprocessing = .unit,
    family: KernelFamily? = nil, convolution: ConvolutionAlgorithm? = nil,
    cache: ProgramCache = .standard(), tuning: Tuner.Effort = .off
  ) throws(PreparationError) -> PreparedNetwork {
    let chosen = convolution.map(graph.with(convolution:)) ?? graph
    let normalized: Graph
    do throws(DatasetError) {
      normalized = try chosen.normalized(by: preprocessing.normalization)
    } catch {
      throw .preprocessing(error)
    }
    do throws(ComputeError) {
      let context = try Context(device: device, cache: cache)
      return PreparedNetwork(
        try CompiledNetwork(
          normalized, context: context, batch: batch, family: family,
          tuner: tuning == .off ? nil : Tuner(context, effort: tuning)),
        on: device)
    } catch {
      throw .device(error)
    }
  }
}

/// Why a network could not be made ready for a device.
public enum PreparationError: Error, Sendable, CustomStringConvertible {
  /// The preprocessing is not made for the network's channels.
  case preprocessing(DatasetError)
  /// A kernel could not be built, or the memory is not there.
  case device(ComputeError)

  /// The line of what lies behind it.
  public var description: String {
    switch self {
    case .preprocessing(let error): error.description
    case .device(let error): error.description
    }
  }
}

extension Graph {
  /// The network with the normalisation of pixels in [0, 1] as its first layer.
  ///
  /// - Throws: `DatasetError` when the normalisation is made for another number of channels.
  public func normalized(by normalization: Normalization) throws(DatasetError) -> Graph {
    let parts = try normalization.expanded(channels: inputShape.first ?? 1)
    // (x * scale - mean) / std, in double precision, as one factor and one summand.
    let scale = parts.std.map { Float(Double(parts.scale) / Double($0)) }
    let shift = zip(parts.mean, parts.std).map { Float(-Double($0) / Double($1)) }
    let layer = ScaleShift(
      scale: scale, shift: shift, reversesChannels: parts.reversesChannels)
    do throws(ShapeError) {
      return try prepending(layer, name: "normalisation")
    } catch {
      throw DatasetError(.mismatchedShape, "normalisation", error.description)
    }
  }
}

/// A network on a device, which whoever holds it may use from any task, one at a time.
public final class PreparedNetwork: Sendable {
  /// The device in use.
  public let device: Device
  /// The sizes of a picture, `[C, H, W]`.
  public let inputShape: [Int]
  /// The number of classes.
  public let classCount: Int
  /// The pictures computed together.
  public let batch: Int
  private let network: Mutex<CompiledNetwork>

  /// Takes over a network compiled with its gradient.
  public init(_ network: sending CompiledNetwork, on device: Device) {
    self.device = device
    inputShape = network.graph.inputShape
    classCount = network.graph.outputShape.reduce(1, *)
    batch = network.batch
    self.network = Mutex(network)
  }

  /// Uses the network itself; everyone else waits as long as this takes.
  public func withNetwork<Result: ~Copyable, Failure: Error>(
    _ body: (inout sending CompiledNetwork) throws(Failure) -> sending Result
  ) throws(Failure) -> sending Result {
    try network.withLock(body)
  }

  /// Uses several networks themselves; everyone else waits as long as this takes.
  ///
  /// - Precondition: No network is named twice.
  static func withNetworks(
    _ networks: [PreparedNetwork], _ body: ([CompiledNetwork]) throws -> Void
  ) throws {
    precondition(
      Set(networks.map(ObjectIdentifier.init)).count == networks.count, "a network twice")
    // Everyone takes them in one order, lest two wait for each other.
    let ordered = networks.sorted { ObjectIdentifier($0) < ObjectIdentifier($1) }
    func take(_ position: Int, _ held: [Held]) throws {
      guard position < ordered.count else { return try body(held.map(\.network)) }
      try ordered[position].withNetwork { network in
        try take(position + 1, held + [Held(network: network)])
      }
    }
    try take(0, [])
  }

  /// A network that is held by its lock for as long as this exists, by one task.
  private struct Held: @unchecked Sendable {
    let network: CompiledNetwork
  }
}
