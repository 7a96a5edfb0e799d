import Operations

/// The values and gradients of a graph that lie in the memory of others: what is joined is written
/// where the whole lies, a residual sum where its residual lay, and the gradient of a residual is
/// that of the sum.
struct MemorySharing {
  /// Where a tensor lies: in the memory of a value (mostly its own), from one of its channels on.
  struct Home: Equatable {
    var owner: ValueID
    var channel = 0
  }

  private let graph: Graph
  /// The positions of the nodes that join what already lies together.
  let joins: Set<Int>
  /// The values that are parts of joined ones.
  let parts: [ValueID: Home]
  private var valueHomes: [ValueID: Home] = [:]
  private var gradientHomes: [ValueID: Home] = [:]

  /// Finds the values that are joined along their channels and read by nobody else.
  init(_ graph: Graph) {
    self.graph = graph
    let makers = Dictionary(
      graph.nodes.map { ($0.output, $0.operation) }, uniquingKeysWith: { first, _ in first })
    let readers = graph.readers
    joins = Set(
      graph.nodes.indices.filter { index in
        let node = graph.nodes[index]
        guard let concat = node.operation as? Concat, concat.axis == 0,
          graph.shape(of: node.output).count == 3
        else { return false }
        return node.inputs.allSatisfy { value in
          // Ungrouped convolutions write masks of any stride; a word holds sixteen channels.
          (makers[value] as? Convolution)?.groups == 1 && readers[value] == 1
            && graph.shape(of: value)[0] % Layout.channelAlignment == 0
            && makers[value]?.activation == makers[node.inputs[0]]?.activation
        }
      })
    var parts: [ValueID: Home] = [:]
    for index in joins {
      var channel = 0
      for value in graph.nodes[index].inputs {
        parts[value] = Home(owner: graph.nodes[index].output, channel: channel)
        channel += graph.shape(of: value)[0]
      }
    }
    self.parts = parts
    (valueHomes, gradientHomes) = (parts, parts)
  }

  /// Where a value lies.
  func home(of value: ValueID) -> Home { resolve(value, valueHomes) }

  /// Where a value's gradient lies.
  func gradientHome(of value: ValueID) -> Home { resolve(value, gradientHomes) }

  /// Whether a node's input takes over the memory of its output's gradient.
  func passesGradient(of value: ValueID, with output: ValueID) -> Bool {
    gradientHomes[value] != nil && gradientHome(of: value).owner == gradientHome(of: output).owner
  }

  private func resolve(_ value: ValueID, _ homes: [ValueID: Home]) -> Home {
    var home = Home(owner: value)
    while let next = homes[home.owner] {
      home = Home(owner: next.owner, channel: home.channel + next.channel)
    }
    return home
  }

  /// Lets sums be written over the inputs that nobody reads afterwards.
  ///
  /// - Parameters:
  ///   - needs: What the gradient pass keeps of each node.
  ///   - layout: The layout of a value.
  mutating func overwriteInputs(needs: [Needs], layout: (ValueID) -> Layout) {
    var kept: Set<ValueID> = [graph.input, graph.output]
    for (node, needs) in zip(graph.nodes, needs) {
      kept.formUnion(needs.inputs.map { node.inputs[$0] })
      if needs.output { kept.insert(node.output) }
    }
    var lastReaders: [ValueID: Int] = [:]
    for (index, node) in graph.nodes.enumerated() {
      for value in node.inputs { lastReaders[value] = index }
    }
    for (index, node) in graph.nodes.enumerated() where valueHomes[node.output] == nil {
      let value = node.inputs.enumerated().first { position, value in
        node.operation.overwrites(position) && !kept.contains(value)
          && lastReaders[value] == index && node.inputs.count(where: { $0 == value }) == 1
          && valueHomes[value]?.channel ?? 0 == 0 && layout(value) == layout(node.output)
      }?.element
      if let value, node.output != graph.output { valueHomes[node.output] = Home(owner: value) }
    }
  }

  /// Finds the gradients that begin as a copy of their node's output gradient, which nobody reads
  /// afterwards: the residual connections.
  ///
  /// - Parameters:
  ///   - isMasked: Whether a node's share of an input's gradient, the last, ends with a mask.
  ///   - layout: The layout of a value's gradient.
  mutating func passGradients(
    isMasked: (_ value: ValueID, _ node: Int, _ position: Int) -> Bool,
    layout: (ValueID) -> Layout
  ) {
    var started: Set<ValueID> = []
    for (index, node) in graph.nodes.enumerated().reversed() {
      defer { started.formUnion(node.inputs) }
      let inputs = node.inputs.map(layout)
      let position = node.inputs.indices.first { position in
        let value = node.inputs[position]
        return node.operation.passesGradient(
          to: position, inputs: inputs, output: layout(node.output))
          && value != graph.input && gradientHomes[value] == nil && !started.contains(value)
          && !isMasked(value, index, position)
          && node.inputs.count(where: { $0 == value }) == 1
          && layout(value) == layout(node.output)
      }
      guard let position else { continue }
      gradientHomes[node.inputs[position]] = Home(owner: node.output)
    }
  }
}
