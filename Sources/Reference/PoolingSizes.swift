/// The checked sizes of a pooling, shared by maximum and average.
struct PoolingSizes {
  let input, output: Extent
  let outputShape: [Int]
  private let window: WindowGeometry
  private let planes: Int

  /// One tap of a window along one axis, and the row or column it lies on.
  struct Tap { let tap, position: Int }

  init(input shape: [Int], _ window: WindowGeometry) {
    precondition(shape.count == 4, "pooling of the shape \(shape)")
    self.window = window
    input = Extent(shape[2], shape[3])
    output = window.outputExtent(of: input)
    precondition(
      output.height > 0 && output.width > 0, "a picture of \(input) is smaller than the window")
    outputShape = [shape[0], shape[1], output.height, output.width]
    planes = shape[0] * shape[1]
  }

  /// Calls `body` for each window with its flat index, the index of its channel's first pixel, and
  /// its taps inside the picture.
  @inline(__always)
  func forEachWindow(_ body: (Int, Int, [Tap], [Tap]) -> Void) {
    let rows = Self.taps(
      output.height, window.kernel.height, window.stride.height, window.padding.top,
      window.dilation.height, input.height)
    let columns = Self.taps(
      output.width, window.kernel.width, window.stride.width, window.padding.left,
      window.dilation.width, input.width)
    for plane in 0..<planes {
      for oh in 0..<output.height {
        for ow in 0..<output.width {
          body(
            (plane * output.height + oh) * output.width + ow, plane * input.height * input.width,
            rows[oh], columns[ow])
        }
      }
    }
  }

  /// The taps of each window along one axis that lie in the picture.
  private static func taps(
    _ outputs: Int, _ kernel: Int, _ stride: Int, _ before: Int, _ dilation: Int, _ inputs: Int
  ) -> [[Tap]] {
    (0..<outputs).map { output in
      (0..<kernel).compactMap { tap in
        let position = output * stride - before + tap * dilation
        return (0..<inputs).contains(position) ? Tap(tap: tap, position: position) : nil
      }
    }
  }

  /// The taps of each window that lie in the picture or its padding, as a count.
  ///
  /// In ceiling mode a last window may end beyond the padding; what lies there never counts.
  func paddedTaps() -> [Int] {
    func counts(
      _ outputs: Int, _ kernel: Int, _ stride: Int, _ before: Int, _ after: Int, _ dilation: Int,
      _ inputs: Int
    ) -> [Int] {
      (0..<outputs).map { output in
        (0..<kernel).count { output * stride - before + $0 * dilation < inputs + after }
      }
    }
    let rows = counts(
      output.height, window.kernel.height, window.stride.height, window.padding.top,
      window.padding.bottom, window.dilation.height, input.height)
    let columns = counts(
      output.width, window.kernel.width, window.stride.width, window.padding.left,
      window.padding.right, window.dilation.width, input.width)
    return rows.flatMap { row in columns.map { row * $0 } }
  }
}
