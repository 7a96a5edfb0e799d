/// A dense array in row-major order; pictures are `[N, C, H, W]` as in ONNX.
public struct Tensor<Scalar: Sendable>: Sendable {
  /// The extent of each axis, outermost first.
  public var shape: [Int]
  /// The elements, last axis fastest.
  public var values: [Scalar]

  /// Wraps elements; their number must be the product of the shape.
  public init(shape: [Int], values: [Scalar]) {
    precondition(
      values.count == shape.reduce(1, *), "\(values.count) elements for the shape \(shape)")
    self.shape = shape
    self.values = values
  }

  /// A tensor of one repeated element.
  public init(shape: [Int], repeating value: Scalar) {
    self.shape = shape
    self.values = Array(repeating: value, count: shape.reduce(1, *))
  }

  /// The number of elements.
  public var count: Int { values.count }
}

extension Tensor: Equatable where Scalar: Equatable {}

extension Tensor where Scalar == Float {
  /// The same elements in double precision.
  public var doubled: Tensor<Double> {
    Tensor<Double>(shape: shape, values: values.map(Double.init))
  }
}

/// The precisions of the CPU reference path: `Float` is canonical, `Double` judges its error.
public protocol ReferenceScalar: BinaryFloatingPoint, Sendable {
  /// The exponential function.
  static func canonicalExp(_ x: Self) -> Self
  /// The natural logarithm.
  static func canonicalLog(_ x: Self) -> Self
  /// The softplus function log(1 + exp(x)).
  static func canonicalSoftplus(_ x: Self) -> Self
  /// The hyperbolic tangent.
  static func canonicalTanh(_ x: Self) -> Self
  /// The logistic function 1 / (1 + exp(-x)).
  static func canonicalSigmoid(_ x: Self) -> Self
  /// The error function.
  static func canonicalErf(_ x: Self) -> Self
  /// The power of a base that is not negative; NaN for a negative base.
  static func canonicalPower(_ base: Self, _ exponent: Self) -> Self
}

extension Float: ReferenceScalar {}
extension Double: ReferenceScalar {}

extension Tensor {
  /// The matrix `[K, O]` of a matrix `[O, K]`.
  public func transposed() -> Tensor {
    precondition(shape.count == 2, "a matrix of shape \(shape)")
    let (rows, columns) = (shape[0], shape[1])
    // Blocks whose rows and columns both stay in the first cache.
    let side = 32
    var result = values
    for firstColumn in stride(from: 0, to: columns, by: side) {
      for firstRow in stride(from: 0, to: rows, by: side) {
        for column in firstColumn..<min(columns, firstColumn + side) {
          for row in firstRow..<min(rows, firstRow + side) {
            result[column * rows + row] = values[row * columns + column]
          }
        }
      }
    }
    return Tensor(shape: [columns, rows], values: result)
  }
}
