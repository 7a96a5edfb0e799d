extension Preprocessing {
  /// Changes parts of a preprocessing as the options of the command line say; `nil` keeps a part.
  ///
  /// - Parameters:
  ///   - resize: `256` (shorter side), `224x192` (height by width) or `0` (none).
  ///   - crop: `224` (a square), `224x192` (height by width) or `0` (none).
  ///   - interpolation: `bilinear` or `bicubic`.
  ///   - scale: the factor on pixels in [0, 1].
  ///   - mean: one value, or one for each network channel, separated by commas.
  ///   - std: like `mean`, not zero.
  ///   - channels: `rgb`, `bgr` or `grey`. A change of order does not reorder mean and std.
  /// - Throws: `DatasetError` (`invalidOption`) with the option's name and the text.
  public mutating func override(
    resize: String? = nil, crop: String? = nil, interpolation: String? = nil, scale: String? = nil,
    mean: String? = nil, std: String? = nil, channels: String? = nil
  ) throws(DatasetError) {
    var changed = self
    if let resize {
      let size = try Self.size(resize, "--resize")
      changed.resize =
        switch size {
        case nil: .none
        case let (side, nil)?: .shorterSide(side)
        case let (height, width?)?: .exact(height: height, width: width)
        }
    }
    if let crop {
      changed.crop = try Self.size(crop, "--crop").map { Crop(height: $0, width: $1 ?? $0) }
    }
    if let interpolation {
      guard let value = Interpolation(rawValue: interpolation) else {
        throw DatasetError(
          .invalidOption, "--interpolation", "'\(interpolation)' is neither bilinear nor bicubic")
      }
      changed.interpolation = value
    }
    if let scale {
      let values = try Self.numbers(scale, "--scale")
      guard values.count == 1, values[0] != 0 else {
        throw DatasetError(.invalidOption, "--scale", "'\(scale)' is not one number other than 0")
      }
      changed.normalization.scale = values[0]
    }
    if let mean { changed.normalization.mean = try Self.numbers(mean, "--mean") }
    if let std {
      changed.normalization.std = try Self.numbers(std, "--std")
      guard !changed.normalization.std.contains(0) else {
        throw DatasetError(.invalidOption, "--std", "'\(std)' divides by 0")
      }
    }
    if let channels {
      switch channels {
      case "rgb": changed.normalization.reversesChannels = false
      case "bgr": changed.normalization.reversesChannels = true
      case "grey", "gray":
        changed.normalization.reversesChannels = false
        changed.convertsToGrey = true
      default:
        throw DatasetError(.invalidOption, "--channels", "'\(channels)' is none of rgb, bgr, grey")
      }
      if channels == "rgb" || channels == "bgr" { changed.convertsToGrey = false }
    }
    let counts = (changed.normalization.mean.count, changed.normalization.std.count)
    guard counts.0 == counts.1 || counts.0 == 1 || counts.1 == 1 else {
      throw DatasetError(
        .invalidOption, "--mean, --std", "\(counts.0) means do not go with \(counts.1) deviations")
    }
    self = changed
  }

  /// `nil` for "0", one side for "256", two for "224x192".
  private static func size(
    _ text: String, _ option: String
  ) throws(DatasetError) -> (Int, Int?)? {
    if text == "0" { return nil }
    let sides = text.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    let isSound = sides.allSatisfy { side in side.map { 1...65536 ~= $0 } ?? false }
    guard isSound, let first = sides.first, let height = first else {
      throw DatasetError(
        .invalidOption, option, "'\(text)' is not a size: give 256, 224x224 (height by width) or 0")
    }
    switch sides.count {
    case 1: return (height, nil)
    case 2: return (height, sides[1])
    default:
      throw DatasetError(.invalidOption, option, "'\(text)' has more than two sides")
    }
  }

  private static func numbers(
    _ text: String, _ option: String
  ) throws(DatasetError) -> [Float] {
    var values: [Float] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let value = Float(part.filter { $0 != " " }), value.isFinite else {
        throw DatasetError(
          .invalidOption, option, "'\(part)' in '\(text)' is not a number; separate by commas")
      }
      values.append(value)
    }
    return values
  }
}
