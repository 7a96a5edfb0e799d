/// The one input of a file that is not a weight.
struct FileInput {
  let name: String
  /// The batch that the file fixes.
  let batch: Int?
  /// The shape of a sample in the file's order.
  let shape: [Int]

  init(
    _ graph: Onnx_GraphProto, isKnown: (String) -> Bool, options: ONNXImportOptions
  ) throws(ModelFileError) {
    let inputs = graph.input.filter { !isKnown($0.name) }
    guard inputs.count == 1 else {
      let names = inputs.prefix(8).map { quoted($0.name) }.joined(separator: ", ")
      throw .unsupported("\(inputs.count) inputs (\(names)), one is supported")
    }
    let input = inputs[0]
    name = input.name
    let label = "the input \(quoted(input.name))"
    guard case .tensorType(let tensor)? = input.type.value else {
      throw .unsupported("\(label) is not a tensor")
    }
    guard let type = StoredType(onnx: tensor.elemType), type.isFloat else {
      throw .unsupported("\(label) has the element type \(tensor.elemType), no floating-point type")
    }
    let axes = tensor.shape.dim
    guard let first = axes.first, axes.count < Importer.largestRank else {
      throw .unsupported("\(label) has \(axes.count) axes, the first must be the batch")
    }
    if case .dimValue(let extent)? = first.value, extent > 0 {
      batch = Int(extent)
    } else {
      batch = nil
    }
    if let stated = options.inputShape {
      guard stated.count == axes.count - 1 else {
        throw .unsupported("\(label) has \(axes.count) axes, the stated shape is [N] + \(stated)")
      }
    }
    var shape: [Int] = []
    for (index, axis) in axes.dropFirst().enumerated() {
      var extent = options.inputShape?[index]
      if case .dimValue(let fixed)? = axis.value, fixed > 0 {
        guard extent == nil || extent == Int(fixed) else {
          throw .unsupported("\(label) fixes axis \(index + 1) to \(fixed), not \(extent ?? 0)")
        }
        extent = Int(fixed)
      }
      guard let extent, extent > 0 else {
        throw .unsupported(
          "\(label) leaves axis \(index + 1) \(quoted(axis.dimParam)) open: state the input's shape"
        )
      }
      shape.append(extent)
    }
    _ = try elementCount(shape, limit: Importer.largestActivation, of: label)
    self.shape = shape
  }

  /// Whether the input is `[N, H, W, C]`: what decides is the first node, past those that work
  /// element by element, that gives the axes a meaning.
  func looksChannelLast(_ nodes: [Node]) -> Bool {
    guard shape.count == 3 else { return false }
    let transparent: Set<String> = [
      "Identity", "Cast", "Dropout", "Add", "Sub", "Mul", "Div", "Neg", "Clip", "Pad", "Sum",
    ]
    let picture: Set<String> = [
      "Conv", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "LRN",
      "BatchNormalization",
    ]
    var reached: Set<String> = [name]
    var becomesChannelFirst = false
    for node in nodes where node.inputs.contains(where: reached.contains) {
      if transparent.contains(node.operation) {
        reached.formUnion(node.outputs)
      } else if picture.contains(node.operation) {
        return false
      } else if node.operation == "Transpose" {
        guard (try? node.integers("perm")) == [0, 3, 1, 2] else { return false }
        becomesChannelFirst = true
      }
    }
    let counts = [1, 3, 4]
    return becomesChannelFirst || (counts.contains(shape[2]) && !counts.contains(shape[0]))
  }
}
