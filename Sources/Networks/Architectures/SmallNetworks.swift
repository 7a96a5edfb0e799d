import Operations
import Reference

/// Small networks for pictures of any size and any number of classes.
public enum SmallNetwork: Hashable, Sendable {
  /// The activations between layers.
  public enum HiddenActivation: String, Sendable, CaseIterable {
    /// max(x, 0)
    case relu
    /// 1 / (1 + exp(-x)), as in the networks of Szegedy et al. (2013).
    case sigmoid
  }

  /// Fully connected layers of these sizes, each followed by the activation, then the logits; without
  /// a hidden layer it is a softmax classifier. Nodes `fc1`, `fc2`, ..., with a bias or without one.
  case fullyConnected(hidden: [Int], activation: HiddenActivation = .relu, hasBias: Bool = true)
  /// 3x3 convolutions of so many channels, each followed by a ReLU, then a maximum over 2x2, then the
  /// logits. Nodes `conv1`, `conv2`, ..., `fc`.
  case convolutional(channels: [Int])
  /// LeNet-5 (LeCun et al. 1998) in today's form: ReLU, maxima, all maps joined to all; for 1x28x28.
  /// Nodes `conv1`, `conv2`, `fc1`, `fc2`, `fc3`.
  case leNet5

  /// The name in tables: FC64-32-10 is two hidden layers and ten classes.
  public func name(classes: Int) -> String {
    switch self {
    case .fullyConnected(let hidden, _, _): "FC" + Self.joined(hidden + [classes])
    case .convolutional(let channels): "Conv" + Self.joined(channels) + "-" + "\(classes)"
    case .leNet5: "LeNet5"
    }
  }

  /// The network with parameters from a source: `NODE.weight` and `NODE.bias`, as in torchvision, the
  /// latter where layers have one.
  ///
  /// - Parameters:
  ///   - inputShape: `[C, H, W]`.
  ///   - classes: The number of logits.
  ///   - mean: Subtracted from each channel first; zeros by default.
  ///   - deviation: What each channel is divided by then; ones by default.
  /// - Throws: `ArchitectureError` when the sizes do not fit or a parameter is missing.
  public func graph(
    inputShape: [Int], classes: Int, parameters: some ParameterSource, mean: [Float]? = nil,
    deviation: [Float]? = nil
  ) throws(ArchitectureError) -> Graph {
    guard inputShape.count == 3, inputShape.allSatisfy({ $0 > 0 }), classes > 1 else {
      throw ArchitectureError("no network of \(classes) classes for pictures \(inputShape)")
    }
    let mean = mean ?? [Float](repeating: 0, count: inputShape[0])
    let deviation = deviation ?? [Float](repeating: 1, count: inputShape[0])
    guard mean.count == inputShape[0], deviation.count == inputShape[0] else {
      throw ArchitectureError(
        "\(mean.count) means and \(deviation.count) deviations for \(inputShape[0]) channels")
    }
    var builder = GraphBuilder(inputShape: inputShape, parameters: parameters)
    try builder.append(
      ScaleShift(scale: deviation.map { 1 / $0 }, shift: zip(mean, deviation).map { -$0 / $1 }),
      "normalization")
    switch self {
    case .fullyConnected(let hidden, let activation, let hasBias):
      try builder.flatten()
      for (index, size) in hidden.enumerated() {
        try builder.linear("fc\(index + 1)", size, hasBias: hasBias)
        switch activation {
        case .relu: try builder.relu()
        case .sigmoid: try builder.append(Pointwise(.sigmoid), "sigmoid")
        }
      }
      try builder.linear("fc\(hidden.count + 1)", classes, hasBias: hasBias)
    case .convolutional(let channels):
      for (index, size) in channels.enumerated() {
        try builder.convolution("conv\(index + 1)", size, kernel: 3, padding: 1)
        try builder.relu()
      }
      try builder.maxPool(2, stride: 2)
      try builder.flatten()
      try builder.linear("fc", classes)
    case .leNet5:
      guard inputShape == [1, 28, 28] else {
        throw ArchitectureError("LeNet5 is made for pictures [1, 28, 28], not \(inputShape)")
      }
      for (index, (channels, padding)) in [(6, 2), (16, 0)].enumerated() {
        try builder.convolution("conv\(index + 1)", channels, kernel: 5, padding: padding)
        try builder.relu()
        try builder.maxPool(2, stride: 2)
      }
      try builder.flatten()
      for (index, size) in [120, 84].enumerated() {
        try builder.linear("fc\(index + 1)", size)
        try builder.relu()
      }
      try builder.linear("fc3", classes)
    }
    return builder.graph
  }

  private static func joined(_ sizes: [Int]) -> String {
    sizes.map(String.init).joined(separator: "-")
  }
}
