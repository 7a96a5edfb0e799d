import Reference

/// Features less their means, all divided by one deviation, so that a softmax classifier on them has
/// the same minimum as on the features themselves but is found in far fewer steps.
///
/// With weights w on centred features, w / scale are those on the features: a penalty lambda on the
/// latter is lambda / scale^2 on the former, and biases take up the means.
struct CenteredFeatures {
  /// The number of features.
  let width: Int
  /// The centred features `[N, width]`, one after another.
  let values: [Float]
  /// The root of the mean variance of the features.
  let scale: Double
  private let means: [Double]

  /// Centres features `[N, width]`, N at least 1.
  init(_ features: [Float], width: Int) throws(StudyError) {
    self.width = width
    let count = Double(features.count / width)
    var sums = [Double](repeating: 0, count: width)
    for (index, value) in features.enumerated() { sums[index % width] += Double(value) }
    let means = sums.map { $0 / count }
    var squares = 0.0
    for (index, value) in features.enumerated() {
      let difference = Double(value) - means[index % width]
      squares.addProduct(difference, difference)
    }
    guard squares > 0 else { throw StudyError("all units of the autoencoder are constant") }
    let scale = (squares / Double(features.count)).squareRoot()
    self.scale = scale
    self.means = means
    values = features.enumerated().map { Float((Double($1) - means[$0 % width]) / scale) }
  }

  /// The parameters of a layer on the features themselves.
  func unscaled(_ tensors: [String: Tensor<Float>], layer: String) -> [String: Tensor<Float>] {
    guard var weights = tensors[layer + ".weight"], var bias = tensors[layer + ".bias"] else {
      preconditionFailure("no layer \(layer)")
    }
    for output in bias.values.indices {
      var shift = 0.0
      for unit in 0..<width {
        let weight = Double(weights.values[output * width + unit]) / scale
        shift.addProduct(weight, means[unit])
        weights.values[output * width + unit] = Float(weight)
      }
      bias.values[output] = Float(Double(bias.values[output]) - shift)
    }
    return [layer + ".weight": weights, layer + ".bias": bias]
  }
}
