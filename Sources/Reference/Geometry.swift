/// A pair of numbers for the two axes of a picture.
public struct Extent: Hashable, Sendable {
  /// Along the rows' axis.
  public var height: Int
  /// Along the columns' axis.
  public var width: Int

  /// A pair of numbers.
  public init(_ height: Int, _ width: Int) {
    self.height = height
    self.width = width
  }

  /// The same number twice.
  public init(_ both: Int) { self.init(both, both) }
}

/// Pixels added around a picture.
public struct Padding: Hashable, Sendable {
  /// Rows above.
  public var top: Int
  /// Columns before.
  public var left: Int
  /// Rows below.
  public var bottom: Int
  /// Columns after.
  public var right: Int

  /// Pixels on each side.
  public init(top: Int = 0, left: Int = 0, bottom: Int = 0, right: Int = 0) {
    self.top = top
    self.left = left
    self.bottom = bottom
    self.right = right
  }

  /// The same number on all four sides.
  public init(_ all: Int) { self.init(top: all, left: all, bottom: all, right: all) }

  /// No padding.
  public static let zero = Padding(0)

  /// On each side the larger of two.
  public func union(_ other: Padding) -> Padding {
    Padding(
      top: max(top, other.top), left: max(left, other.left), bottom: max(bottom, other.bottom),
      right: max(right, other.right))
  }
}

/// Where a sliding window lies on a picture: convolution and pooling.
public struct WindowGeometry: Hashable, Sendable {
  /// Taps of the window.
  public var kernel: Extent
  /// Pixels from one window to the next.
  public var stride: Extent
  /// Pixels around the picture.
  public var padding: Padding
  /// Pixels from one tap to the next.
  public var dilation: Extent
  /// Whether a last window that begins inside the picture or its leading padding is kept although
  /// it ends outside (pooling only).
  public var ceilMode: Bool

  /// A window.
  public init(
    kernel: Extent, stride: Extent = Extent(1), padding: Padding = .zero,
    dilation: Extent = Extent(1), ceilMode: Bool = false
  ) {
    self.kernel = kernel
    self.stride = stride
    self.padding = padding
    self.dilation = dilation
    self.ceilMode = ceilMode
  }

  /// The number of windows along both axes; zero or less when the picture is too small.
  public func outputExtent(of input: Extent) -> Extent {
    Extent(
      Self.count(
        input.height, kernel.height, stride.height, padding.top, padding.bottom, dilation.height,
        ceilMode),
      Self.count(
        input.width, kernel.width, stride.width, padding.left, padding.right, dilation.width,
        ceilMode))
  }

  private static func count(
    _ size: Int, _ kernel: Int, _ stride: Int, _ before: Int, _ after: Int, _ dilation: Int,
    _ ceilMode: Bool
  ) -> Int {
    let room = size + before + after - dilation * (kernel - 1) - 1
    if room < 0 { return 0 }
    var count = room / stride + 1
    if ceilMode, room % stride != 0, count * stride < size + before { count += 1 }
    return count
  }
}

/// What follows a sum before it is stored.
public enum Activation: Hashable, Sendable {
  /// Nothing.
  case none
  /// max(x, 0)
  case relu
  /// x clipped to a range; the derivative is 1 strictly inside, else 0.
  case clip(Float, Float)
  /// x where positive, else x times a slope.
  case leakyReLU(Float)
}
