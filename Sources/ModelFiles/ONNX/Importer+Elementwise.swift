import Networks
import Operations
import Reference

extension Importer {
  static let elementwiseHandlers: [String: Handler] = [
    "Abs": Importer.unary(.absolute), "Exp": Importer.unary(.exp), "Log": Importer.unary(.log),
    "Neg": Importer.unary(.negate), "Relu": Importer.unary(.activation(.relu)),
    "Sigmoid": Importer.unary(.sigmoid), "Sqrt": Importer.unary(.sqrt),
    "Tanh": Importer.unary(.tanh),
    "Add": Importer.binary(.add), "Sub": Importer.binary(.subtract),
    "Mul": Importer.binary(.multiply), "Div": Importer.binary(.divide),
    "Sum": Importer.sum, "Pow": Importer.power, "Reciprocal": Importer.reciprocal,
    "LeakyRelu": Importer.leakyReLU, "PRelu": Importer.parametricReLU, "Clip": Importer.clip,
    "HardSigmoid": Importer.hardSigmoid, "HardSwish": Importer.hardSwish,
    "Identity": Importer.identity, "Dropout": Importer.dropout, "Cast": Importer.cast,
    "Softmax": Importer.softmax(isLogarithmic: false),
    "LogSoftmax": Importer.softmax(isLogarithmic: true),
    "BatchNormalization": Importer.batchNormalization,
  ]

  private static func unary(_ function: Pointwise.Function) -> Handler {
    { importer in
      { (node) throws(ModelFileError) in
        let input = try importer.activation(node)
        return [
          .activation(try importer.elementwise(Pointwise(function), name: node.name, input))
        ]
      }
    }
  }

  private static func binary(_ function: Binary.Function) -> Handler {
    { importer in
      { (node) throws(ModelFileError) in
        let result = try importer.combine(
          function, importer.value(node, 0), importer.value(node, 1), node)
        return [result]
      }
    }
  }

  /// A function of two operands, at least one of which depends on the picture.
  func combine(
    _ function: Binary.Function, _ first: Value, _ second: Value, _ node: Node
  ) throws(ModelFileError) -> Value {
    switch (first, second) {
    case (.activation(let a), .activation(let b)):
      return .activation(try combine(function, a, b, node))
    case (.activation(let a), .constant(let b)):
      return .activation(try combine(function, a, b, constantIsFirst: false, node))
    case (.constant(let a), .activation(let b)):
      return .activation(try combine(function, b, a, constantIsFirst: true, node))
    case (.constant, .constant):
      throw node.unsupported("all its inputs are constants")
    }
  }

  private func combine(
    _ function: Binary.Function, _ a: View, _ b: View, _ node: Node
  ) throws(ModelFileError) -> View {
    if a.permutation == b.permutation, a.shape == b.shape,
      graph.shape(of: a.id) == graph.shape(of: b.id)
    {
      var result = a
      result.id = try append(Binary(function), name: node.name, to: [a.id, b.id])
      return result
    }
    var operands = [a, b]
    let rank = max(a.shape.count, b.shape.count)
    for index in operands.indices where operands[index].shape.count < rank {
      // Aligned at the last axis, the batch axis of one meets another axis of the other: they
      // mean each sample by itself only if the file's batch is 1.
      guard fileBatch == 1 else {
        throw node.unsupported(
          "operands of \(a.fileRank) and \(b.fileRank) axes mix samples of the batch")
      }
      let missing = rank - operands[index].shape.count
      operands[index].shape.insert(contentsOf: Array(repeating: 1, count: missing), at: 0)
    }
    var ids: [ValueID] = []
    for operand in operands { ids.append(try ordered(operand, name: node.name)) }
    return plain(try append(Binary(function), name: node.name, to: ids))
  }

  private func combine(
    _ function: Binary.Function, _ view: View, _ constant: Constant, constantIsFirst: Bool,
    _ node: Node
  ) throws(ModelFileError) -> View {
    let constant = try perSample(constant, rank: view.fileRank, node)
    if constant.count == 1 {
      let operation = Binary(
        function, constant: Tensor(shape: [], values: constant.floats),
        constantIsFirst: constantIsFirst)
      return try elementwise(operation, name: node.name, view)
    }
    // Bring the constant's axes where the value has them, rather than the other way round.
    let view = try permutationOnly(view, node)
    let missing = view.shape.count - constant.shape.count
    let padded = constant.reshaped(Array(repeating: 1, count: missing) + constant.shape)
    var inverse = view.permutation
    for (axis, source) in view.permutation.enumerated() { inverse[source] = axis }
    var moved = padded.transposed(inverse)
    if inverse == Array(inverse.indices) { moved = constant }
    let operation = Binary(function, constant: moved.tensor, constantIsFirst: constantIsFirst)
    let id = try append(operation, name: node.name, to: [view.id])
    let physical = graph.shape(of: id)
    return View(
      id: id, permutation: view.permutation, shape: view.permutation.map { physical[$0] })
  }

  private func sum(_ node: Node) throws(ModelFileError) -> [Value] {
    var total = try value(node, 0)
    for position in node.inputs.indices.dropFirst() {
      let summand = try value(node, position)
      if case .constant(let a) = total, case .constant(let b) = summand {
        total = .constant(try fold(.add, a, b, node))
      } else {
        total = try combine(.add, total, summand, node)
      }
    }
    return [total]
  }

  private func power(_ node: Node) throws(ModelFileError) -> [Value] {
    let base = try activation(node)
    guard let exponent = try optionalNumber(node, 1) else {
      throw node.corrupt("input 1 is missing")
    }
    switch exponent {
    case 1: return [.activation(base)]
    case 2: return [.activation(try combine(.multiply, base, base, node))]
    case 0.5: return [.activation(try elementwise(Pointwise(.sqrt), name: node.name, base))]
    default: throw node.unsupported("the exponent \(exponent); 0.5, 1 and 2 are supported")
    }
  }

  private func reciprocal(_ node: Node) throws(ModelFileError) -> [Value] {
    let one = Constant(shape: [], floats: [1])
    return [
      .activation(
        try combine(.divide, activation(node), one, constantIsFirst: true, node))
    ]
  }

  private func leakyReLU(_ node: Node) throws(ModelFileError) -> [Value] {
    let slope = try node.float("alpha", default: 0.01)
    return [.activation(try activate(.leakyReLU(slope), activation(node), node))]
  }

  private func parametricReLU(_ node: Node) throws(ModelFileError) -> [Value] {
    let slopes = try constant(node, 1)
    let input = try activation(node)
    guard let slope = slopes.floats.first, slopes.floats.allSatisfy({ $0 == slope }) else {
      // x where positive, else slope * x: relu(x) - slope * relu(-x).
      let negated = try elementwise(Pointwise(.negate), name: node.name + "/negate", input)
      let below = try activate(.relu, negated, node)
      let scaled = try combine(.multiply, below, slopes, constantIsFirst: false, node)
      return [.activation(try combine(.subtract, activate(.relu, input, node), scaled, node))]
    }
    _ = try perSample(slopes, rank: input.fileRank, node)
    return [.activation(try activate(.leakyReLU(slope), input, node))]
  }

  private func clip(_ node: Node) throws(ModelFileError) -> [Value] {
    let low = try node.opset < 11 ? node.float("min") : optionalNumber(node, 1)
    let high = try node.opset < 11 ? node.float("max") : optionalNumber(node, 2)
    let input = try activation(node)
    let (from, to) = (low ?? -.infinity, high ?? .infinity)
    guard from <= to else { throw node.unsupported("clipping to \(from)...\(to)") }
    let isOpen = to >= .greatestFiniteMagnitude
    if from <= -.greatestFiniteMagnitude, isOpen { return [.activation(input)] }
    let function: Activation = from == 0 && isOpen ? .relu : .clip(from, to)
    return [.activation(try activate(function, input, node))]
  }

  private func hardSigmoid(_ node: Node) throws(ModelFileError) -> [Value] {
    let slope = try node.float("alpha", default: 0.2)
    let offset = try node.float("beta", default: 0.5)
    return [.activation(try hardSigmoid(activation(node), slope: slope, offset: offset, node))]
  }

  private func hardSwish(_ node: Node) throws(ModelFileError) -> [Value] {
    let input = try activation(node)
    let gate = try hardSigmoid(input, slope: 1 / 6, offset: 0.5, node)
    return [.activation(try combine(.multiply, input, gate, node))]
  }

  /// The function min(max(slope x + offset, 0), 1).
  private func hardSigmoid(
    _ input: View, slope: Float, offset: Float, _ node: Node
  ) throws(ModelFileError) -> View {
    let scaled = try combine(
      .multiply, input, Constant(shape: [], floats: [slope]), constantIsFirst: false, node)
    let shifted = try combine(
      .add, scaled, Constant(shape: [], floats: [offset]), constantIsFirst: false, node)
    return try activate(.clip(0, 1), shifted, node)
  }

  private func activate(
    _ function: Activation, _ input: View, _ node: Node
  ) throws(ModelFileError) -> View {
    try elementwise(Pointwise(.activation(function)), name: node.name, input)
  }

  private func identity(_ node: Node) throws(ModelFileError) -> [Value] { [try value(node, 0)] }

  private func dropout(_ node: Node) throws(ModelFileError) -> [Value] {
    if let training = try optionalNumber(node, 2), training != 0 {
      throw node.unsupported("it is in training mode")
    }
    return try identity(node)
  }

  private func cast(_ node: Node) throws(ModelFileError) -> [Value] {
    let number = try node.integer("to", default: 0)
    guard let type = Int32(exactly: number).flatMap({ StoredType(onnx: $0) }), type.isFloat
    else { throw node.unsupported("an activation cast to the element type \(number)") }
    return try identity(node)
  }

  private static func softmax(isLogarithmic: Bool) -> Handler {
    { importer in
      { (node) throws(ModelFileError) in
        try importer.softmax(node, isLogarithmic: isLogarithmic)
      }
    }
  }

  private func softmax(_ node: Node, isLogarithmic: Bool) throws(ModelFileError) -> [Value] {
    let input = try activation(node)
    if node.name == strippedNode { return [.activation(input)] }
    var axis = try sampleAxis(
      node.integer("axis", default: node.opset < 13 ? 1 : -1), rank: input.fileRank, node)
    if node.opset < 13 {
      // Before version 13 all axes from this one on are taken together.
      let extents = input.shape[axis...]
      let wide = extents.indices.filter { extents[$0] > 1 }
      guard wide.count <= 1 else {
        throw node.unsupported("softmax over the last \(extents.count) axes of \(input.shape)")
      }
      axis = wide.first ?? axis
    }
    let view = try permutationOnly(input, node)
    let operation = Softmax(axis: view.permutation[axis], isLogarithmic: isLogarithmic)
    return [.activation(try elementwise(operation, name: node.name, view))]
  }

  private func batchNormalization(_ node: Node) throws(ModelFileError) -> [Value] {
    let input = try activation(node)
    guard try node.integer("training_mode", default: 0) == 0 else {
      throw node.unsupported("it is in training mode")
    }
    guard let channels = input.shape.first else { throw node.corrupt("its input has no channels") }
    guard try node.integer("spatial", default: 1) == 1 || input.shape.count == 1 else {
      throw node.unsupported("it is not spatial")
    }
    var parameters: [[Float]] = []
    for position in 1...4 {
      let parameter = try constant(node, position)
      guard parameter.count == channels else {
        throw node.corrupt("\(channels) channels, input \(position) is \(parameter.shape)")
      }
      parameters.append(parameter.floats)
    }
    let epsilon = Double(try node.float("epsilon", default: 1e-5))
    var (scale, shift): ([Float], [Float]) = ([], [])
    for channel in 0..<channels {
      let factor =
        Double(parameters[0][channel]) / (Double(parameters[3][channel]) + epsilon).squareRoot()
      scale.append(Float(factor))
      shift.append(
        Float(Double(parameters[1][channel]) - Double(parameters[2][channel]) * factor))
    }
    if [1, 3].contains(input.shape.count) {
      return try result(ScaleShift(scale: scale, shift: shift), node, [input])
    }
    let shape = [channels] + Array(repeating: 1, count: input.shape.count - 1)
    let scaled = try combine(
      .multiply, input, Constant(shape: shape, floats: scale), constantIsFirst: false, node)
    return [
      .activation(
        try combine(
          .add, scaled, Constant(shape: shape, floats: shift), constantIsFirst: false, node))
    ]
  }
}
