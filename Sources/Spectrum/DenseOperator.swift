public import Reference

/// A matrix in memory; products on all cores.
public struct DenseOperator: LinearOperator {
  private typealias Vector = SIMD16<Float>
  /// The length of its arguments.
  public let inputCount: Int
  private let outputCount: Int
  /// Rows of whole vectors, one an output.
  private let rows: [Vector]
  private let vectors: Int

  /// The map x W of a matrix `[inputs, outputs]`, as a fully connected layer has it.
  public init(inputsByOutputs weights: Tensor<Float>) {
    self.init(outputsByInputs: weights.transposed())
  }

  /// The map W x of a matrix `[outputs, inputs]`.
  public init(outputsByInputs weights: Tensor<Float>) {
    let (outputs, inputs) = (weights.shape[0], weights.shape[1])
    (outputCount, inputCount) = (outputs, inputs)
    let vectors = (inputs + 15) / 16
    self.vectors = vectors
    var rows = [Vector](repeating: .zero, count: outputs * vectors)
    for output in 0..<outputs {
      for input in 0..<inputs {
        rows[output * vectors + input / 16][input % 16] = weights.values[output * inputs + input]
      }
    }
    self.rows = rows
  }

  /// W x.
  public func product(_ x: [Float]) -> [Float] {
    let x = Self.vectors(x, count: vectors)
    return inParts(outputCount, work: 2 * rows.count) { range, result in
      for output in range {
        var sum = Vector.zero
        for i in 0..<vectors { sum += rows[output * vectors + i] * x[i] }
        result.append(sum.sum())
      }
    }
  }

  /// W' y.
  public func transposedProduct(_ y: [Float]) -> [Float] {
    let result = inParts(vectors, work: 2 * rows.count) { range, result in
      var sums = [Vector](repeating: .zero, count: range.count)
      for output in 0..<outputCount {
        let factor = Vector(repeating: y[output])
        let first = output * vectors + range.lowerBound
        for i in sums.indices { sums[i] += factor * rows[first + i] }
      }
      for sum in sums { for lane in 0..<16 { result.append(sum[lane]) } }
    }
    return Array(result.prefix(inputCount))
  }

  private static func vectors(_ x: [Float], count: Int) -> [Vector] {
    var vectors = [Vector](repeating: .zero, count: count)
    for i in x.indices { vectors[i / 16][i % 16] = x[i] }
    return vectors
  }

  /// The results of a few ranges, one after another.
  private func inParts(
    _ count: Int, work: Int, _ body: (Range<Int>, inout [Float]) -> Void
  ) -> [Float] {
    let parts = 8
    var results = [[Float]](repeating: [], count: parts)
    unsafe results.withUnsafeMutableBufferPointer { results in
      // Each part is written by one call alone.
      nonisolated(unsafe) let results = unsafe results
      concurrently(parts, work: work * 16) { part in
        let range = count * part / parts..<count * (part + 1) / parts
        var result: [Float] = []
        body(range, &result)
        unsafe results[part] = result
      }
    }
    return results.flatMap { $0 }
  }
}
