/// How pixel values between the grid's points are found.
public enum Interpolation: String, Hashable, Sendable, CaseIterable {
  /// A triangle over the two neighbours, widened by the reduction.
  case bilinear
  /// Keys' cubic convolution (1981) with a = -0.5 over four neighbours, widened by the reduction.
  case bicubic

  /// Half the width of the kernel at scale 1, in pixels.
  var support: Double { self == .bilinear ? 1 : 2 }

  /// The kernel's weight at a distance in pixels.
  func weight(_ distance: Double) -> Double {
    let x = abs(distance)
    switch self {
    case .bilinear:
      return x < 1 ? 1 - x : 0
    case .bicubic:
      let a = -0.5
      if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
      if x < 2 { return (((x - 5) * x + 8) * x - 4) * a }
      return 0
    }
  }
}

extension RGBImage {
  /// The picture resampled to other sizes with antialiasing, equal to Pillow 13's `resize` bit for
  /// bit.
  ///
  /// Two passes with 8 bits between them, weights rounded to 22 bits of fraction; a pass that
  /// changes no size is left out. Rows come first, unless the height shrinks by more than twice what
  /// the width does: Pillow before 13 always began with the rows, which differs by one level at most.
  ///
  /// - Precondition: both sizes are positive.
  public func resized(
    width newWidth: Int, height newHeight: Int, interpolation: Interpolation = .bilinear
  ) -> RGBImage {
    precondition(newWidth > 0 && newHeight > 0, "cannot resize to \(newWidth)x\(newHeight)")
    let shrinksTall = newHeight < height && height - newHeight > 2 * (width - newWidth)
    let picture = shrinksTall ? resized(height: newHeight, interpolation) : self
    return picture.resized(width: newWidth, interpolation).resized(height: newHeight, interpolation)
  }

  private func resized(width newWidth: Int, _ interpolation: Interpolation) -> RGBImage {
    if newWidth == width { return self }
    return resampledRows(ResamplingWeights(width, newWidth, interpolation))
  }

  private func resized(height newHeight: Int, _ interpolation: Interpolation) -> RGBImage {
    if newHeight == height { return self }
    return resampledColumns(ResamplingWeights(height, newHeight, interpolation))
  }

  /// The picture resampled so that its shorter side has a given length, as torchvision's `Resize`
  /// does: the longer side becomes `int(size * long / short)`.
  ///
  /// - Precondition: `size` is positive.
  public func resized(shorterSide size: Int, interpolation: Interpolation = .bilinear) -> RGBImage {
    let (newWidth, newHeight) = Self.sizes(width: width, height: height, shorterSide: size)
    return resized(width: newWidth, height: newHeight, interpolation: interpolation)
  }

  /// The sizes after resizing the shorter side.
  static func sizes(width: Int, height: Int, shorterSide size: Int) -> (width: Int, height: Int) {
    let longer = Int(Double(size * max(width, height)) / Double(min(width, height)))
    return width <= height ? (size, longer) : (longer, size)
  }

  /// The middle of the picture, as torchvision's `CenterCrop` takes it: the upper left corner lies
  /// at half the difference, halves rounded to even.
  ///
  /// - Precondition: the crop is not larger than the picture.
  public func centreCropped(width newWidth: Int, height newHeight: Int) -> RGBImage {
    precondition(
      newWidth > 0 && newHeight > 0 && newWidth <= width && newHeight <= height,
      "cannot crop \(newWidth)x\(newHeight) from \(width)x\(height)")
    let left = Int((Double(width - newWidth) / 2).rounded(.toNearestOrEven))
    let top = Int((Double(height - newHeight) / 2).rounded(.toNearestOrEven))
    var cropped = [UInt8]()
    cropped.reserveCapacity(newWidth * newHeight * channels)
    for row in top..<top + newHeight {
      let start = (row * width + left) * channels
      cropped.append(contentsOf: bytes[start..<start + newWidth * channels])
    }
    return RGBImage(width: newWidth, height: newHeight, channels: channels, bytes: cropped)
  }

  private func resampledRows(_ weights: ResamplingWeights) -> RGBImage {
    let newWidth = weights.starts.count
    var target = [UInt8](repeating: 0, count: newWidth * height * channels)
    let source = bytes.span
    let values = weights.values.span
    var output = target.mutableSpan
    for row in 0..<height {
      for column in 0..<newWidth {
        let first = (row * width + weights.starts[column]) * channels
        let place = (row * newWidth + column) * channels
        let taps = weights.taps(column)
        if channels == 3 {
          var (red, green, blue) = (roundingHalf, roundingHalf, roundingHalf)
          var index = first
          for tap in taps {
            let weight = values[tap]
            red &+= Int32(source[index]) &* weight
            green &+= Int32(source[index &+ 1]) &* weight
            blue &+= Int32(source[index &+ 2]) &* weight
            index &+= 3
          }
          output[place] = level(red)
          output[place + 1] = level(green)
          output[place + 2] = level(blue)
        } else {
          var sum = roundingHalf
          var index = first
          for tap in taps {
            sum &+= Int32(source[index]) &* values[tap]
            index &+= 1
          }
          output[place] = level(sum)
        }
      }
    }
    return RGBImage(width: newWidth, height: height, channels: channels, bytes: target)
  }

  private func resampledColumns(_ weights: ResamplingWeights) -> RGBImage {
    let newHeight = weights.starts.count
    let stride = width * channels
    var target = [UInt8](repeating: 0, count: stride * newHeight)
    let source = bytes.span
    let values = weights.values.span
    var output = target.mutableSpan
    var sums = [Int32](repeating: 0, count: stride)
    for row in 0..<newHeight {
      // Whole rows at a time: the sums are integers, so their order does not matter.
      for index in 0..<stride { sums[index] = roundingHalf }
      let taps = weights.taps(row)
      var first = weights.starts[row] * stride
      for tap in taps {
        let weight = values[tap]
        for index in 0..<stride {
          sums[index] &+= Int32(source[first &+ index]) &* weight
        }
        first += stride
      }
      for index in 0..<stride { output[row * stride + index] = level(sums[index]) }
    }
    return RGBImage(width: width, height: newHeight, channels: channels, bytes: target)
  }
}

/// The bits of fraction: 32, less 8 of the sample, less 2 for sums of weights beyond 1.
private let precisionBits: Int32 = 32 - 8 - 2

/// One half in fixed point, for rounding.
private let roundingHalf: Int32 = 1 << (precisionBits - 1)

/// A fixed-point sum as a byte, cut to 0...255.
@inline(__always) private func level(_ sum: Int32) -> UInt8 {
  UInt8(max(0, min(255, sum >> precisionBits)))
}

/// For every output position the first input position and the fixed-point weights from there on.
private struct ResamplingWeights {
  private(set) var starts: [Int] = []
  private var offsets: [Int] = [0]
  private(set) var values: [Int32] = []

  init(_ inputSize: Int, _ outputSize: Int, _ interpolation: Interpolation) {
    let scale = Double(inputSize) / Double(outputSize)
    let filterScale = max(scale, 1)
    let support = interpolation.support * filterScale
    let inverse = 1 / filterScale
    for position in 0..<outputSize {
      let centre = (Double(position) + 0.5) * scale
      let start = max(0, Int(centre - support + 0.5))
      let end = min(inputSize, Int(centre + support + 0.5))
      let weights = (0..<end - start).map { tap in
        interpolation.weight((Double(tap + start) - centre + 0.5) * inverse)
      }
      let total = weights.reduce(0, +)
      starts.append(start)
      for weight in weights {
        let fixed = (total == 0 ? weight : weight / total) * Double(1 << precisionBits)
        // Halves away from zero; the conversion cuts towards zero.
        values.append(Int32(fixed < 0 ? fixed - 0.5 : fixed + 0.5))
      }
      offsets.append(values.count)
    }
  }

  /// Where the weights of one output position lie within `values`.
  func taps(_ position: Int) -> Range<Int> {
    offsets[position]..<offsets[position + 1]
  }
}
