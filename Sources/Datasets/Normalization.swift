/// How a network's input is computed from pixels in [0, 1], as its first, differentiable layer:
/// `input[c] = (x[order(c)] * scale - mean[c]) / std[c]`.
///
/// It is a description only: nothing in this module applies it to pictures.
public struct Normalization: Hashable, Sendable, CustomStringConvertible {
  /// The factor on the pixels: 1, or 255 for networks fed with levels.
  public var scale: Float

  /// The mean of each network channel in units of the scaled pixel; one value stands for all.
  public var mean: [Float]

  /// The deviation of each network channel in units of the scaled pixel, not zero; one value stands
  /// for all.
  public var std: [Float]

  /// Whether the network's channel 0 is the picture's last: blue first.
  public var reversesChannels: Bool

  /// A normalisation from its parts.
  ///
  /// - Precondition: `mean` and `std` are not empty, all values are finite, no deviation is zero.
  public init(scale: Float, mean: [Float], std: [Float], reversesChannels: Bool) {
    precondition(!mean.isEmpty && !std.isEmpty, "mean and std need a value at least")
    precondition(
      scale.isFinite && mean.allSatisfy(\.isFinite)
        && std.allSatisfy { $0.isFinite && $0 != 0 }, "mean and std must be finite, std not 0")
    self.scale = scale
    self.mean = mean
    self.std = std
    self.reversesChannels = reversesChannels
  }

  /// Pixels as they are.
  public static let identity = Normalization(
    scale: 1, mean: [0], std: [1], reversesChannels: false)

  /// The same normalisation with a mean and a deviation for each of `channels` channels.
  ///
  /// - Throws: `DatasetError` (`mismatchedShape`) when it is made for another number of channels.
  public func expanded(channels: Int) throws(DatasetError) -> Normalization {
    var result = self
    result.mean = try Self.expand(mean, "mean", channels)
    result.std = try Self.expand(std, "std", channels)
    return result
  }

  private static func expand(
    _ values: [Float], _ name: String, _ channels: Int
  ) throws(DatasetError) -> [Float] {
    if values.count == channels { return values }
    guard values.count == 1 else {
      throw DatasetError(
        .mismatchedShape, name,
        "\(values.count) values do not fit pictures of \(channels) channels")
    }
    return [Float](repeating: values[0], count: channels)
  }

  /// One line with every value, the same for equal normalisations.
  public var description: String {
    "scale \(scale) mean \(mean) std \(std) channels \(reversesChannels ? "bgr" : "rgb")"
  }
}
