/// Elements added around a tensor, or removed where a number is negative (ONNX Pad).
public enum PaddingReference {
  /// What the new elements are.
  public enum Mode: Hashable, Sendable {
    /// One number.
    case constant(Float)
    /// Mirrored without repeating the edge; each side is smaller than the axis.
    case reflect
    /// The nearest element.
    case edge
  }

  /// Pads every axis.
  ///
  /// - Parameters:
  ///   - x: any shape; the batch axis is padded too unless its numbers are 0.
  ///   - before: elements before each axis.
  ///   - after: elements after each axis.
  ///   - mode: what the new elements are.
  public static func forward<Scalar: ReferenceScalar>(
    _ x: Tensor<Scalar>, before: [Int], after: [Int], mode: Mode
  ) -> Tensor<Scalar> {
    let shape = paddedShape(x.shape, before, after)
    let fill: Scalar = if case .constant(let value) = mode { Scalar(value) } else { 0 }
    let values = sources(x.shape, shape, before, mode).map { $0.map { x.values[$0] } ?? fill }
    return Tensor(shape: shape, values: values)
  }

  /// The gradient with respect to the input.
  ///
  /// Constant: the part of dy that was the input. Reflect and edge: each element adds dy wherever
  /// it was repeated, from +0 in ascending order of the output's index. Elements cut off get +0.
  public static func gradient<Scalar: ReferenceScalar>(
    _ dy: Tensor<Scalar>, inputShape: [Int], before: [Int], after: [Int], mode: Mode
  ) -> Tensor<Scalar> {
    let shape = paddedShape(inputShape, before, after)
    precondition(dy.shape == shape, "gradient \(dy.shape), not \(shape)")
    let isConstant = if case .constant = mode { true } else { false }
    var dx = Tensor<Scalar>(shape: inputShape, repeating: 0)
    for (index, source) in sources(inputShape, shape, before, mode).enumerated() {
      guard let source else { continue }
      if isConstant {
        dx.values[source] = dy.values[index]
      } else {
        dx.values[source] += dy.values[index]
      }
    }
    return dx
  }

  private static func paddedShape(_ shape: [Int], _ before: [Int], _ after: [Int]) -> [Int] {
    precondition(
      before.count == shape.count && after.count == shape.count,
      "pads \(before), \(after) for the shape \(shape)")
    let padded = shape.indices.map { shape[$0] + before[$0] + after[$0] }
    precondition(padded.allSatisfy { $0 >= 0 }, "pads \(before), \(after) for the shape \(shape)")
    return padded
  }

  /// For each output element the index of the input element it repeats, nil for the constant.
  private static func sources(
    _ input: [Int], _ output: [Int], _ before: [Int], _ mode: Mode
  ) -> [Int?] {
    let steps = Strides.rowMajor(input)
    var offsets: [Int?] = [0]
    for axis in input.indices {
      let positions = (0..<output[axis]).map {
        source($0 - before[axis], extent: input[axis], mode).map { $0 * steps[axis] }
      }
      offsets = offsets.flatMap { base in
        positions.map { position in
          if let base, let position { base + position } else { nil }
        }
      }
    }
    return offsets
  }

  private static func source(_ position: Int, extent: Int, _ mode: Mode) -> Int? {
    if (0..<extent).contains(position) { return position }
    switch mode {
    case .constant: return nil
    case .edge:
      precondition(extent > 0, "the edge of an empty axis")
      return position < 0 ? 0 : extent - 1
    case .reflect:
      let mirrored = position < 0 ? -position : 2 * (extent - 1) - position
      precondition((0..<extent).contains(mirrored), "position \(position) mirrored in \(extent)")
      return mirrored
    }
  }
}
