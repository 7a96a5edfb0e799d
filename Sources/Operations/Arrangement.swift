/// Tensors joined along one axis.
public struct Concat: Operation {
  /// The axis of a sample's shape.
  public let axis: Int

  public var kind: String { "concat" }

  /// Joins along an axis.
  public init(axis: Int) { self.axis = axis }

  public func outputShape(for inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard var shape = inputs.first, shape.indices.contains(axis) else {
      throw ShapeError("no axis \(axis) in \(inputs)")
    }
    for input in inputs.dropFirst() {
      var expected = shape
      guard input.count == shape.count else { throw ShapeError("cannot join \(inputs)") }
      expected[axis] = input[axis]
      guard input == expected else { throw ShapeError("cannot join \(inputs) along \(axis)") }
      shape[axis] += input[axis]
    }
    return shape
  }

  public func cost(inputs: [[Int]], output: [Int]) -> Cost {
    Cost(flops: 0, bytes: 8 * output.reduce(1, *))
  }
}

/// The same elements in row-major order under another shape.
public struct Reshape: Operation {
  /// The shape of a sample.
  public let shape: [Int]

  public var kind: String { "reshape" }

  /// Another shape of as many elements.
  public init(shape: [Int]) { self.shape = shape }

  public func outputShape(for inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard inputs.count == 1, inputs[0].reduce(1, *) == shape.reduce(1, *) else {
      throw ShapeError("\(inputs) cannot be reshaped to \(shape)")
    }
    return shape
  }

  public func cost(inputs: [[Int]], output: [Int]) -> Cost {
    Cost(flops: 0, bytes: 8 * output.reduce(1, *))
  }
}

/// The axes of a sample in another order.
public struct Transpose: Operation {
  /// Output axis i is input axis `permutation[i]`, without the batch axis.
  public let permutation: [Int]

  public var kind: String { "transpose" }

  /// Another order of the axes.
  public init(permutation: [Int]) { self.permutation = permutation }

  public func outputShape(for inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard inputs.count == 1, permutation.sorted() == Array(inputs[0].indices) else {
      throw ShapeError("the permutation \(permutation) does not fit \(inputs)")
    }
    return permutation.map { inputs[0][$0] }
  }

  public func cost(inputs: [[Int]], output: [Int]) -> Cost {
    Cost(flops: 0, bytes: 8 * output.reduce(1, *))
  }
}

/// A picture with rows and columns added, or removed where a number is negative.
public struct Pad: Operation {
  /// What the new elements are.
  public enum Mode: Hashable, Sendable {
    /// One number.
    case constant(Float)
    /// Mirrored without repeating the edge.
    case reflect
    /// The nearest element of the picture.
    case edge
  }

  /// Elements before each axis of a sample.
  public let before: [Int]
  /// Elements after each axis of a sample.
  public let after: [Int]
  /// What the new elements are.
  public let mode: Mode

  public var kind: String { "pad" }

  /// Pads a sample.
  public init(before: [Int], after: [Int], mode: Mode = .constant(0)) {
    precondition(before.count == after.count, "pad of \(before) and \(after)")
    self.before = before
    self.after = after
    self.mode = mode
  }

  public func outputShape(for inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard inputs.count == 1, inputs[0].count == before.count else {
      throw ShapeError("pads \(before), \(after) do not fit \(inputs)")
    }
    return inputs[0].indices.map { inputs[0][$0] + before[$0] + after[$0] }
  }

  public func cost(inputs: [[Int]], output: [Int]) -> Cost {
    Cost(flops: 0, bytes: 8 * output.reduce(1, *))
  }
}

/// The mean over some axes.
public struct ReduceMean: Operation {
  /// Axes of a sample's shape, ascending.
  public let axes: [Int]
  /// Whether the axes stay, with extent 1.
  public let keepsAxes: Bool

  public var kind: String { "reduce-mean" }

  /// The mean over some axes.
  public init(axes: [Int], keepsAxes: Bool) {
    self.axes = axes.sorted()
    self.keepsAxes = keepsAxes
  }

  public func outputShape(for inputs: [[Int]]) throws(ShapeError) -> [Int] {
    guard inputs.count == 1, axes.allSatisfy({ inputs[0].indices.contains($0) }) else {
      throw ShapeError("no axes \(axes) in \(inputs)")
    }
    var shape: [Int] = []
    for (axis, extent) in inputs[0].enumerated() {
      if !axes.contains(axis) { shape.append(extent) } else if keepsAxes { shape.append(1) }
    }
    return shape
  }

  public func cost(inputs: [[Int]], output: [Int]) -> Cost {
    let count = inputs[0].reduce(1, *)
    return Cost(flops: count, bytes: 4 * count)
  }
}
