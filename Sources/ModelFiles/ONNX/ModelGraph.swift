import Networks
import Operations

/// The graph of a file: its needed nodes in the order of computation.
struct ModelGraph {
  /// More nodes than any network has.
  private static let largestNodeCount = 200_000

  let proto: Onnx_GraphProto
  let opset: Int
  let output: String
  /// The nodes that the output needs, each after those whose values it reads.
  let nodes: [Node]
  private let initializers: [String: Onnx_TensorProto]
  private let readers: [String: Int]

  init(_ proto: Onnx_GraphProto, opset: Int, output: String?) throws(ModelFileError) {
    self.proto = proto
    self.opset = opset
    if let sparse = proto.sparseInitializer.first {
      throw .unsupported("it has sparse tensors, such as \(quoted(sparse.values.name))")
    }
    guard let first = proto.output.first else { throw .corrupt("the graph has no output") }
    self.output = output ?? first.name
    guard proto.node.count <= Self.largestNodeCount else {
      throw .refused("\(proto.node.count) nodes, more than \(Self.largestNodeCount)")
    }
    var initializers: [String: Onnx_TensorProto] = [:]
    for tensor in proto.initializer {
      guard initializers.updateValue(tensor, forKey: tensor.name) == nil else {
        throw .corrupt("the tensor \(quoted(tensor.name)) is there twice")
      }
    }
    var all: [Node] = []
    var makers: [String: Int] = [:]
    for (position, node) in proto.node.enumerated() {
      let node = try Node(node, position: position, opset: opset)
      for name in node.outputs where !name.isEmpty {
        guard makers.updateValue(position, forKey: name) == nil else {
          throw .corrupt("two nodes compute \(quoted(name))")
        }
        // Older files name what a node computes among the inputs or initial values as well.
        initializers[name] = nil
      }
      all.append(node)
    }
    self.initializers = initializers
    guard makers[self.output] != nil else {
      let names = proto.output.prefix(8).map { quoted($0.name) }.joined(separator: ", ")
      throw .corrupt("no node computes the output \(quoted(self.output)); outputs are \(names)")
    }
    nodes = try Self.inOrder(all, makers: makers, output: self.output)
    readers = nodes.reduce(into: [:]) { counts, node in
      for name in node.inputs { counts[name, default: 0] += 1 }
    }
    try checkOperators()
  }

  /// The nodes that a value needs, in an order in which all of them can be computed: a search in
  /// depth with a stack of its own, since files can be deeper than the machine's.
  private static func inOrder(
    _ nodes: [Node], makers: [String: Int], output: String
  ) throws(ModelFileError) -> [Node] {
    var state = [UInt8](repeating: 0, count: nodes.count)  // 1: begun, 2: done
    var order: [Node] = []
    var stack: [(position: Int, next: Int)] = []
    if let last = makers[output] { stack.append((last, 0)) }
    while let (position, next) = stack.last {
      state[position] = 1
      let inputs = nodes[position].inputs
      if next == inputs.count {
        state[position] = 2
        order.append(nodes[position])
        stack.removeLast()
        continue
      }
      stack[stack.count - 1].next += 1
      guard let maker = makers[inputs[next]], state[maker] != 2 else { continue }
      guard state[maker] == 0 else {
        throw nodes[maker].corrupt("it needs its own result")
      }
      stack.append((maker, 0))
    }
    return order
  }

  private func checkOperators() throws(ModelFileError) {
    let unknown = nodes.filter {
      Importer.handlers[$0.operation] == nil && Importer.folders[$0.operation] == nil
    }
    if unknown.isEmpty { return }
    let names = Dictionary(grouping: unknown, by: \.operation).sorted { $0.key < $1.key }
    let list = names.map { operation, nodes in
      let shown = nodes.prefix(8).map { quoted($0.name) }.joined(separator: ", ")
      let more = nodes.count > 8 ? " and \(nodes.count - 8) more" : ""
      return "\(quoted(operation).dropFirst().dropLast()) (\(shown)\(more))"
    }
    throw .unsupported("unsupported operators: \(list.joined(separator: ", "))")
  }

  /// The network that the nodes describe.
  func imported(
    options: ONNXImportOptions, external: ExternalData, constants: [String: Constant]
  ) throws(ModelFileError) -> ImportedNetwork {
    let input = try FileInput(
      proto, isKnown: { initializers[$0] != nil || constants[$0] != nil }, options: options)
    let isNHWC = input.looksChannelLast(nodes)
    // [28, 28] stays; [784, 1] is a list of features.
    var shape = input.shape
    if isNHWC { shape = [shape[2], shape[0], shape[1]] }
    if shape.count == 2, shape.contains(1) { shape = [shape[0] * shape[1]] }
    if shape.isEmpty { shape = [1] }
    let graph = Graph(inputShape: shape)
    let stripped = options.keepsSoftmax ? nil : softmaxAtEnd()
    let importer = Importer(
      graph: graph, fileBatch: input.batch, strippedNode: stripped?.name, external: external,
      initializers: initializers)
    for (name, constant) in constants { importer.define(name, .constant(constant)) }
    let permutation = isNHWC ? [1, 2, 0] : Array(shape.indices)
    importer.define(
      input.name,
      .activation(View(id: graph.input, permutation: permutation, shape: input.shape)))
    for node in nodes { try importer.run(node) }
    return ImportedNetwork(
      graph: try importer.finish(output: output), name: proto.name, opset: opset,
      inputName: input.name, outputName: output, fixedBatch: input.batch, inputIsNHWC: isNHWC,
      strippedSoftmax: stripped != nil)
  }

  /// The softmax that makes the output, if nothing but its result's shape comes after it.
  private func softmaxAtEnd() -> Node? {
    let makers = nodes.reduce(into: [String: Node]()) { makers, node in
      if let name = node.outputs.first { makers[name] = node }
    }
    var name = output
    for _ in nodes {
      guard let node = makers[name], (readers[name] ?? 0) == (name == output ? 0 : 1) else {
        return nil
      }
      switch node.operation {
      case "Softmax", "LogSoftmax": return node
      case "Identity", "Cast", "Dropout", "Flatten", "Reshape", "Squeeze":
        guard let source = node.inputs.first else { return nil }
        name = source
      default: return nil
      }
    }
    return nil
  }
}
