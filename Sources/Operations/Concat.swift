public import Compute
public import Reference

/// Tensors joined along one axis.
public struct Concat: Operation {
  /// The axis of a sample's shape.
  public let axis: Int

  /// The name in messages and benchmarks.
  public var kind: String { "concat" }

  /// Joins along an axis.
  public init(axis: Int) { self.axis = axis }

  /// The shape of a sample's output; throws when the inputs do not fit.
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

  /// The cost of the forward pass for one sample.
  public func cost(inputs: [[Int]], output: [Int]) -> Cost {
    Cost(flops: 0, bytes: 8 * output.reduce(1, *))
  }
}

// MARK: Paths

extension Concat {
  /// The CPU reference path, with the batch axis first.
  public func evaluate<Scalar: ReferenceScalar>(_ inputs: [Tensor<Scalar>]) -> Tensor<Scalar> {
    ArrangementReference.concatenate(inputs, axis: axis + 1)
  }

  /// The CPU reference path of the gradient of each input.
  public func inputGradients<Scalar: ReferenceScalar>(
    inputs: [Tensor<Scalar>], output: Tensor<Scalar>, gradient: Tensor<Scalar>
  ) -> [Tensor<Scalar>] {
    ArrangementReference.split(
      gradient, extents: inputs.map { $0.shape[axis + 1] }, axis: axis + 1)
  }

  /// Records the forward pass.
  public func recordForward(
    _ recorder: Recorder, inputs: [DeviceTensor], output: ForwardTarget
  ) throws(ComputeError) {
    var offset = 0
    for input in inputs {
      let shape = input.layout.shape
      if shape.count <= 3 {
        try recorder.copyPixels(
          from: PixelBlock(input, channels: input.layout.channels),
          to: part(of: output.tensor, input.layout, at: offset),
          ending: GradientTarget(tensor: output.tensor))
      } else {
        let length = shape[axis...].reduce(1, *)
        let pieces = shape[..<axis].reduce(1, *)
        let step = output.tensor.layout.shape[axis...].reduce(1, *)
        try recorder.copyPixels(
          from: PixelBlock(input, pieces: pieces, length: length, pixelStride: length),
          to: PixelBlock(
            output.tensor, shift: offset * (length / shape[axis]), pieces: pieces, length: length,
            pixelStride: step),
          ending: GradientTarget(tensor: output.tensor))
      }
      offset += shape[axis]
    }
  }

  /// Records adding this operation's share to the gradient of an input.
  public func recordGradient(
    _ recorder: Recorder, of position: Int, gradient: DeviceTensor, saved: Saved,
    to target: GradientTarget
  ) throws(ComputeError) {
    let offset = saved.inputLayouts[..<position].map { $0.shape[axis] }.reduce(0, +)
    let layout = target.tensor.layout
    if layout.shape.count <= 3 {
      try recorder.copyPixels(
        from: part(of: gradient, layout, at: offset),
        to: PixelBlock(target.tensor, channels: layout.channels), ending: target)
    } else {
      let steps = gradient.layout.steps
      try recorder.rearrange(
        from: gradient, shift: offset * steps[axis],
        axes: StridedAxes(extents: layout.shape, steps: steps), to: target)
    }
  }

  /// Where the input at an offset along the axis lies in the joined tensor.
  private func part(of whole: DeviceTensor, _ input: Layout, at offset: Int) -> PixelBlock {
    // Pictures are [channels, rows, columns], matrices [columns, channels], vectors [channels].
    let memoryAxis = [[2], [1, 2], [2, 0, 1]][input.shape.count - 1][axis]
    return PixelBlock(
      whole, row: memoryAxis == 0 ? offset : 0, column: memoryAxis == 1 ? offset : 0,
      channel: memoryAxis == 2 ? offset : 0, rows: input.height, columns: input.width,
      channels: input.channels)
  }
}
