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
public protocol ReferenceScalar: BinaryFloatingPoint, Sendable {}

extension Float: ReferenceScalar {}
extension Double: ReferenceScalar {}
