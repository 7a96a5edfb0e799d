/// Against what a network is trained, besides the pictures.
enum TrainingRegime: Sendable, Hashable {
  /// Nothing but the penalty of the weights.
  case weightDecay
  /// Units that are left out at random.
  case dropout
  /// Pools of distorted outputs of these layers; level 0 is the picture, level 1 the first hidden
  /// layer.
  case pools(levels: [Int])
  /// Pictures at the end of projected gradient descent, in the place of clean ones.
  case projectedGradient

  /// What files and settings know it by.
  var name: String {
    switch self {
    case .weightDecay: "weight-decay"
    case .dropout: "dropout"
    case .pools(let levels): "pools-" + levels.map(String.init).joined(separator: "-")
    case .projectedGradient: "projected-gradient"
    }
  }

  /// How it is called in tables.
  var description: String {
    switch self {
    case .weightDecay: "Weight decay alone"
    case .dropout: "Dropout"
    case .pools([0]): "Distorted pictures"
    case .pools(let levels) where levels.count == 1: "Distorted outputs of layer \(levels[0])"
    case .pools: "Pools for every layer"
    case .projectedGradient: "PGD training on pictures"
    }
  }
}
