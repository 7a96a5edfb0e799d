/// Functions of two tensors with NumPy's broadcasting, and their gradients.
public enum BroadcastingReference {
  /// The functions there are.
  public enum Function: String, Hashable, Sendable, CaseIterable {
    /// a + b
    case add
    /// a - b
    case subtract
    /// a * b
    case multiply
    /// a / b
    case divide
  }

  /// The function of each pair of elements, one rounding.
  ///
  /// Shapes align at their last axis; an extent of 1 is repeated.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func forward<Scalar: ReferenceScalar>(
    _ function: Function, _ a: Tensor<Scalar>, _ b: Tensor<Scalar>
  ) -> Tensor<Scalar> {
    let shape = broadcastShape(a.shape, b.shape)
    let (left, right) = (sources(of: a.shape, in: shape), sources(of: b.shape, in: shape))
    var y = Tensor<Scalar>(shape: shape, repeating: 0)
    for i in y.values.indices {
      let (a, b) = (a.values[left[i]], b.values[right[i]])
      y.values[i] =
        switch function {
        case .add: a + b
        case .subtract: a - b
        case .multiply: a * b
        case .divide: a / b
        }
    }
    return y
  }

  /// The gradients with respect to both operands.
  ///
  /// Element by element: add dy, dy; subtract dy, -dy; multiply dy * b, dy * a; divide dy / b,
  /// -(dy * (a / b) / b), every step rounded. An operand that was repeated adds these from +0 in
  /// ascending order of the output's index by plain adds; any other takes them as they are.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func gradient<Scalar: ReferenceScalar>(
    _ function: Function, _ dy: Tensor<Scalar>, _ a: Tensor<Scalar>, _ b: Tensor<Scalar>
  ) -> (a: Tensor<Scalar>, b: Tensor<Scalar>) {
    let shape = broadcastShape(a.shape, b.shape)
    precondition(dy.shape == shape, "gradient \(dy.shape), not \(shape)")
    let (left, right) = (sources(of: a.shape, in: shape), sources(of: b.shape, in: shape))
    var da = dy
    var db = dy
    for i in dy.values.indices {
      let (dy, a, b) = (dy.values[i], a.values[left[i]], b.values[right[i]])
      switch function {
      case .add: break
      case .subtract: db.values[i] = -dy
      case .multiply: (da.values[i], db.values[i]) = (dy * b, dy * a)
      case .divide: (da.values[i], db.values[i]) = (dy / b, -(dy * (a / b) / b))
      }
    }
    return (reduced(da, to: a.shape, left), reduced(db, to: b.shape, right))
  }

  private static func reduced<Scalar: ReferenceScalar>(
    _ gradient: Tensor<Scalar>, to shape: [Int], _ sources: [Int]
  ) -> Tensor<Scalar> {
    if gradient.count == shape.reduce(1, *) {
      return Tensor(shape: shape, values: gradient.values)
    }
    var sums = Tensor<Scalar>(shape: shape, repeating: 0)
    for i in gradient.values.indices { sums.values[sources[i]] += gradient.values[i] }
    return sums
  }

  private static func broadcastShape(_ a: [Int], _ b: [Int]) -> [Int] {
    let rank = max(a.count, b.count)
    let aligned = [a, b].map { Array(repeating: 1, count: rank - $0.count) + $0 }
    return (0..<rank).map { axis in
      let (x, y) = (aligned[0][axis], aligned[1][axis])
      precondition(x == y || x == 1 || y == 1, "shapes \(a) and \(b) do not broadcast")
      return x == 1 ? y : x
    }
  }

  /// For each element of the broadcast shape, the index of the operand's element.
  private static func sources(of operand: [Int], in shape: [Int]) -> [Int] {
    let aligned = Array(repeating: 1, count: shape.count - operand.count) + operand
    let steps = Strides.rowMajor(aligned)
    return Strides.offsets(
      shape, zip(aligned, steps).map { extent, step in extent == 1 ? 0 : step })
  }
}

/// Index arithmetic on row-major shapes.
enum Strides {
  /// How far apart neighbours along each axis lie.
  static func rowMajor(_ shape: [Int]) -> [Int] {
    var steps = [Int](repeating: 1, count: shape.count)
    for axis in shape.indices.dropLast().reversed() {
      steps[axis] = steps[axis + 1] * shape[axis + 1]
    }
    return steps
  }

  /// The sum of index * step over the axes, for every index of a shape in row-major order.
  static func offsets(_ shape: [Int], _ steps: [Int]) -> [Int] {
    var offsets = [0]
    for (extent, step) in zip(shape, steps) {
      offsets = offsets.flatMap { base in (0..<extent).map { base + $0 * step } }
    }
    return offsets
  }
}
