public import Reference

/// Maximum or average over windows of a picture.
public struct Pooling: Operation {
  /// What is taken of a window.
  public enum Reduction: Hashable, Sendable {
    /// The largest element; the lowest tap wins, NaN is propagated.
    case maximum
    /// The mean; padding counts as zeros or not at all.
    case average(countsPadding: Bool)
  }

  /// What is taken of a window.
  public let reduction: Reduction
  /// Where the windows lie.
  public let window: WindowGeometry

  public var kind: String { reduction == .maximum ? "max-pooling" : "average-pooling" }

  /// Pooling.
  public init(_ reduction: Reduction, window: WindowGeometry) {
    self.reduction = reduction
    self.window = window
  }

  public func outputShape(for inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard inputs.count == 1, inputs[0].count == 3 else {
      throw ShapeError("takes a picture [C, H, W], not \(inputs)")
    }
    let extent = window.outputExtent(of: Extent(inputs[0][1], inputs[0][2]))
    guard extent.height > 0, extent.width > 0 else {
      throw ShapeError("a picture of \(inputs[0][1])x\(inputs[0][2]) is smaller than the window")
    }
    return [inputs[0][0], extent.height, extent.width]
  }

  public func cost(inputs: [[Int]], output: [Int]) -> Cost {
    let count = output.reduce(1, *)
    return Cost(
      flops: count * window.kernel.height * window.kernel.width,
      bytes: 4 * (count + inputs[0].reduce(1, *)))
  }
}

/// The mean or maximum of each channel of a picture: `[C, H, W]` to `[C, 1, 1]`.
public struct GlobalPooling: Operation {
  /// What is taken of a channel.
  public enum Reduction: Hashable, Sendable {
    /// The largest element; the lowest index wins, NaN is propagated.
    case maximum
    /// The mean, summed row by row.
    case average
  }

  /// What is taken of a channel.
  public let reduction: Reduction

  public var kind: String {
    reduction == .maximum ? "global-max-pooling" : "global-average-pooling"
  }

  /// Global pooling.
  public init(_ reduction: Reduction) { self.reduction = reduction }

  public func outputShape(for inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard inputs.count == 1, inputs[0].count == 3 else {
      throw ShapeError("takes a picture [C, H, W], not \(inputs)")
    }
    return [inputs[0][0], 1, 1]
  }

  public func cost(inputs: [[Int]], output: [Int]) -> Cost {
    let count = inputs[0].reduce(1, *)
    return Cost(flops: count, bytes: 4 * count)
  }
}
