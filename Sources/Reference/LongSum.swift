/// The canonical sums over many elements, the twins of `Kernels/common/lanes.clh`.
///
/// There are 256 lanes. Lane j starts at +0 and takes the elements j, j + 256, j + 512, ... in
/// ascending order; then lane i takes lane i + half, for half 128, 64, ..., 1. Products enter by
/// fused multiply-add. In `Float` the bits are those of every canonical device; in `Double` the
/// same order judges the error, which grows as n / 256 + 8 roundings instead of n.
///
/// Every function takes arrays, slices and buffer pointers alike, without a copy.
public enum LongSum {
  /// The number of lanes.
  public static let laneCount = 256

  /// The sum of the elements.
  @inlinable
  public static func sum<Elements: RandomAccessCollection>(
    _ elements: Elements
  ) -> Elements.Element where Elements.Index == Int, Elements.Element: ReferenceScalar {
    let start = elements.startIndex
    return overLanes(count: elements.count) { $0 + elements[start + $1] }
  }

  /// The dot product of two vectors of one length.
  @inlinable
  public static func dot<
    Scalar: ReferenceScalar, Left: RandomAccessCollection, Right: RandomAccessCollection
  >(
    _ left: Left, _ right: Right
  ) -> Scalar
  where Left.Index == Int, Right.Index == Int, Left.Element == Scalar, Right.Element == Scalar {
    precondition(left.count == right.count, "\(left.count) elements against \(right.count)")
    let leftStart = left.startIndex
    let rightStart = right.startIndex
    return overLanes(count: left.count) {
      $0.addingProduct(left[leftStart + $1], right[rightStart + $1])
    }
  }

  /// The squared Euclidean norm.
  @inlinable
  public static func squaredNorm<Elements: RandomAccessCollection>(
    _ elements: Elements
  ) -> Elements.Element where Elements.Index == Int, Elements.Element: ReferenceScalar {
    let start = elements.startIndex
    return overLanes(count: elements.count) {
      let element = elements[start + $1]
      return $0.addingProduct(element, element)
    }
  }

  /// The squared Euclidean distance: d = a - b is rounded, then squared and added at once.
  @inlinable
  public static func squaredDistance<
    Scalar: ReferenceScalar, Left: RandomAccessCollection, Right: RandomAccessCollection
  >(
    _ left: Left, _ right: Right
  ) -> Scalar
  where Left.Index == Int, Right.Index == Int, Left.Element == Scalar, Right.Element == Scalar {
    precondition(left.count == right.count, "\(left.count) elements against \(right.count)")
    let leftStart = left.startIndex
    let rightStart = right.startIndex
    return overLanes(count: left.count) {
      let difference = left[leftStart + $1] - right[rightStart + $1]
      return $0.addingProduct(difference, difference)
    }
  }

  /// The sum of what `accumulate` adds for each index in 0..<count, by lanes and tree.
  ///
  /// - Parameters:
  ///   - count: the number of elements.
  ///   - accumulate: takes a lane's sum and an index and returns the new sum, rounded once.
  @inlinable
  public static func overLanes<Scalar: ReferenceScalar>(
    count: Int, _ accumulate: (Scalar, Int) -> Scalar
  ) -> Scalar {
    var lanes = [Scalar](repeating: 0, count: laneCount)
    for index in 0..<count {
      lanes[index % laneCount] = accumulate(lanes[index % laneCount], index)
    }
    var half = laneCount / 2
    while half > 0 {
      for lane in 0..<half { lanes[lane] = lanes[lane] + lanes[lane + half] }
      half /= 2
    }
    return lanes[0]
  }

  /// The largest element and its offset from the start; of equal ones (+0 and -0 are equal) the
  /// first, and the first NaN when there is one.
  ///
  /// There must be an element.
  @inlinable
  public static func maximum<Elements: RandomAccessCollection>(
    _ elements: Elements
  ) -> (value: Elements.Element, offset: Int)
  where Elements.Index == Int, Elements.Element: ReferenceScalar {
    precondition(!elements.isEmpty, "the maximum of no elements")
    let start = elements.startIndex
    var best = elements[start]
    var offset = 0
    for index in 0..<elements.count {
      let element = elements[start + index]
      if element.isNaN { return (.nan, index) }
      if element > best { (best, offset) = (element, index) }
    }
    return (best, offset)
  }
}
