import Networks
import Operations
import Reference

extension Importer {
  static let linearHandlers: [String: Handler] = [
    "Gemm": Importer.gemm, "MatMul": Importer.matrixProduct,
  ]

  /// alpha A B + beta C with a constant B and C; the factors go into the weights.
  private func gemm(_ node: Node) throws(ModelFileError) -> [Value] {
    let input = try activation(node)
    guard try !node.flag("transA", default: false) else {
      throw node.unsupported("transA would move the batch axis")
    }
    guard input.shape.count == 1 else {
      throw node.corrupt("its input has \(input.fileRank) axes, not 2")
    }
    var weights = try constant(node, 1)
    guard weights.shape.count == 2, weights.count > 0 else {
      throw node.corrupt("weights of shape \(weights.shape)")
    }
    if try node.flag("transB", default: false) { weights = weights.transposed([1, 0]) }
    let alpha = try node.float("alpha", default: 1)
    if alpha != 1 {
      weights = Constant(shape: weights.shape, floats: weights.floats.map { $0 * alpha })
    }
    let bias = try gemmBias(node, outputs: weights.shape[1])
    return try result(Linear(weights: weights.tensor, bias: bias), node, [input])
  }

  private func gemmBias(_ node: Node, outputs: Int) throws(ModelFileError) -> [Float]? {
    guard let bias = try optionalConstant(node, 2) else { return nil }
    let beta = try node.float("beta", default: 1)
    let row = bias.shape.dropLast()
    guard bias.count == 1 || bias.count == outputs, bias.shape.count <= 2,
      row.allSatisfy({ $0 == 1 })
    else {
      throw node.unsupported("\(outputs) outputs, bias of shape \(bias.shape)")
    }
    let values = bias.floats.map { beta == 1 ? $0 : $0 * beta }
    return values.count == outputs ? values : Array(repeating: values[0], count: outputs)
  }

  private func matrixProduct(_ node: Node) throws(ModelFileError) -> [Value] {
    switch (try value(node, 0), try value(node, 1)) {
    case (.activation(let input), .constant(let weights)):
      return try [.activation(multiply(input, weights, node))]
    case (.constant(let weights), .activation(let input)):
      return try [.activation(multiply(weights, input, node))]
    default:
      throw node.unsupported("both operands depend on the picture")
    }
  }

  /// x W over the last axis of x.
  private func multiply(
    _ input: View, _ weights: Constant, _ node: Node
  ) throws(ModelFileError) -> View {
    let isVector = weights.shape.count == 1
    let matrix = try matrix(isVector ? weights.reshaped([weights.count, 1]) : weights, node)
    guard let depth = input.shape.last else {
      throw node.unsupported("a product over the batch axis")
    }
    guard depth == matrix.shape[0] else {
      throw node.corrupt("the operands' shapes are [N] + \(input.shape) and \(weights.shape)")
    }
    // Linear takes [K] and [A, K]; more axes are one for the time being.
    var rows = input
    if input.shape.count > 2 { rows.shape = [input.shape.dropLast().reduce(1, *), depth] }
    let id = try append(
      Linear(weights: matrix.tensor), name: node.name, to: [ordered(rows, name: node.name)])
    var result = plain(id)
    result.shape = input.shape.dropLast() + (isVector ? [] : [matrix.shape[1]])
    return result
  }

  /// W x, where x is a matrix for each sample: the transpose of x^T W^T.
  private func multiply(
    _ weights: Constant, _ input: View, _ node: Node
  ) throws(ModelFileError) -> View {
    guard input.shape.count == 2, weights.shape.count >= 2 else {
      throw node.unsupported(
        "a constant of shape \(weights.shape) times an activation [N] + \(input.shape)")
    }
    let matrix = try matrix(weights, node)
    guard matrix.shape[1] == input.shape[0] else {
      throw node.corrupt("the operands' shapes are \(weights.shape) and [N] + \(input.shape)")
    }
    let turned = try transposed(input, [1, 0], node)
    let id = try append(
      Linear(weights: matrix.transposed([1, 0]).tensor), name: node.name,
      to: [ordered(turned, name: node.name)])
    return try transposed(plain(id), [1, 0], node)
  }

  private func matrix(_ weights: Constant, _ node: Node) throws(ModelFileError) -> Constant {
    guard weights.shape.count >= 2, weights.count > 0,
      weights.shape.dropLast(2).allSatisfy({ $0 == 1 })
    else { throw node.unsupported("a product with a constant of shape \(weights.shape)") }
    return weights.reshaped(Array(weights.shape.suffix(2)))
  }
}
