import Operations
public import Reference

/// Why an architecture could not be built.
public struct ArchitectureError: Error, Sendable, Equatable, CustomStringConvertible {
  /// One line that names the parameter or the architecture.
  public let description: String

  /// Wraps a line.
  public init(_ description: String) { self.description = description }
}

/// Where the weights of a built-in architecture come from.
public protocol ParameterSource {
  /// The parameter of a name (torchvision's) and shape.
  ///
  /// - Parameter fanIn: How many products one output sums, for random initialisation of weights;
  ///   nil for biases and normalisation.
  func parameter(
    _ name: String, shape: [Int], fanIn: Int?
  ) throws(ArchitectureError) -> Tensor<Float>
}

/// Parameters by name, for instance from a safetensors file.
public struct NamedParameters: ParameterSource {
  private let tensors: [String: Tensor<Float>]

  /// Wraps a table.
  public init(_ tensors: [String: Tensor<Float>]) { self.tensors = tensors }

  /// The parameter of the table; throws when it is missing or has another shape.
  public func parameter(
    _ name: String, shape: [Int], fanIn: Int?
  ) throws(ArchitectureError) -> Tensor<Float> {
    guard let tensor = tensors[name] else {
      throw ArchitectureError("there is no parameter '\(name)' \(shape)")
    }
    guard tensor.shape == shape else {
      throw ArchitectureError("parameter '\(name)' has the shape \(tensor.shape), not \(shape)")
    }
    return tensor
  }
}

/// Random weights, biases 0, normalisation the identity.
///
/// Weights are uniform in +-sqrt(6 / fan-in) (He et al. 2015). Every parameter has a stream of its own, keyed by the seed and its name.
public struct RandomParameters: ParameterSource {
  /// The seed of all streams.
  public let seed: UInt64

  /// Seeded random parameters.
  public init(seed: UInt64) { self.seed = seed }

  /// The random parameter: without a fan-in the ones and zeros of a normalisation or a bias.
  public func parameter(
    _ name: String, shape: [Int], fanIn: Int?
  ) throws(ArchitectureError) -> Tensor<Float> {
    guard let fanIn else {
      let isOne = name.hasSuffix("running_var") || name.hasSuffix("weight")
      return Tensor(shape: shape, repeating: isOne ? 1 : 0)
    }
    return uniform(name, shape, bound: (6 / Float(fanIn)).squareRoot(), seed: seed)
  }
}

/// Random weights for sigmoid units, biases 0, normalisation the identity.
///
/// Weights are uniform in +-sqrt(6 / (fan-in + outputs)) (Glorot and Bengio 2010), in the streams of
/// `RandomParameters`.
public struct GlorotParameters: ParameterSource {
  /// The seed of all streams.
  public let seed: UInt64

  /// Seeded random parameters.
  public init(seed: UInt64) { self.seed = seed }

  /// The random parameter: without a fan-in the ones and zeros of a normalisation or a bias.
  public func parameter(
    _ name: String, shape: [Int], fanIn: Int?
  ) throws(ArchitectureError) -> Tensor<Float> {
    guard let fanIn, let outputs = shape.first else {
      return try RandomParameters(seed: seed).parameter(name, shape: shape, fanIn: fanIn)
    }
    return uniform(name, shape, bound: (6 / Float(fanIn + outputs)).squareRoot(), seed: seed)
  }
}

/// Numbers uniform in +-bound; the stream's sample is FNV-1a over the name's bytes.
private func uniform(
  _ name: String, _ shape: [Int], bound: Float, seed: UInt64
) -> Tensor<Float> {
  let hash = name.utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) {
    ($0 ^ UInt64($1)) &* 0x100_0000_01b3
  }
  let stream = PhiloxStream(seed: seed, sample: hash, attack: 0, restart: 0)
  var values = stream.symmetric(count: shape.reduce(1, *), step: 0)
  for index in values.indices { values[index] *= bound }
  return Tensor(shape: shape, values: values)
}

extension Graph {
  /// The parameters of convolutions and matrix products as `NODE.weight` and `NODE.bias` in
  /// torchvision's shapes: what `NamedParameters` takes back.
  public var namedParameters: [String: Tensor<Float>] {
    var tensors: [String: Tensor<Float>] = [:]
    for node in nodes {
      guard let operation = node.operation as? any TrainableOperation else { continue }
      let weights = operation.weights
      tensors[node.name + ".weight"] = operation is Linear ? weights.transposed() : weights
      if let bias = operation.bias {
        tensors[node.name + ".bias"] = Tensor(shape: [bias.count], values: bias)
      }
    }
    return tensors
  }
}
