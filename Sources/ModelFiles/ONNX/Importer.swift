import Networks
import Operations

/// A value of the file: known now, or computed from the picture.
enum Value: Sendable {
  case constant(Constant)
  case activation(View)
}

/// An activation as the file sees it: a value of the graph with its axes reordered, then reshaped.
///
/// Transposes and reshapes are carried along until an operation needs the elements in order, so
/// that those which undo each other, as in networks exported from channel-last frameworks, cost
/// nothing. The batch axis is left out everywhere.
struct View: Hashable, Sendable {
  /// The value of the graph.
  var id: ValueID
  /// Axis i before the reshape is axis `permutation[i]` of the value.
  var permutation: [Int]
  /// The shape of a sample after both.
  var shape: [Int]

  /// Axes in the file's counting, batch included.
  var fileRank: Int { shape.count + 1 }
}

/// Turns the nodes of a file, in order, into operations of a graph.
final class Importer {
  /// Turns one node into the values of its outputs.
  typealias Handler = @Sendable (Importer) -> (Node) throws(ModelFileError) -> [Value]

  /// What is done with operators whose inputs depend on the picture.
  static let handlers: [String: Handler] = [
    elementwiseHandlers, windowHandlers, linearHandlers, shapeHandlers,
  ].reduce(into: [:]) { $0.merge($1) { first, _ in first } }

  /// What is done with operators whose inputs are all known.
  static let folders: [String: Handler] = foldingHandlers

  /// The most elements of a sample's activation.
  static let largestActivation = 1 << 31
  /// The most elements that constants made by the file's own nodes may have together.
  static let largestGenerated = 1 << 28
  /// The most axes of an activation, batch included.
  static let largestRank = 16

  private(set) var graph: Graph
  /// The batch that the file fixes, if it does.
  let fileBatch: Int?
  /// The node whose softmax is left out.
  let strippedNode: String?
  let external: ExternalData
  private var values: [String: Value] = [:]
  private var initializers: [String: Onnx_TensorProto]
  private var inOrder: [View: ValueID] = [:]
  private var generated = 0

  init(
    graph: Graph, fileBatch: Int?, strippedNode: String?, external: ExternalData,
    initializers: [String: Onnx_TensorProto]
  ) {
    self.graph = graph
    self.fileBatch = fileBatch
    self.strippedNode = strippedNode
    self.external = external
    self.initializers = initializers
  }

  /// Gives a name to a value known beforehand.
  func define(_ name: String, _ value: Value) { values[name] = value }

  /// Imports one node, all of whose inputs were imported before.
  func run(_ node: Node) throws(ModelFileError) {
    var isKnown = true
    for name in node.inputs where !name.isEmpty {
      if case .activation = try value(named: name, node) { isKnown = false }
    }
    // The shape of an activation is known although the activation is not.
    let folds = isKnown || node.operation == "Shape" || node.operation == "Size"
    guard let handler = (folds ? Self.folders : Self.handlers)[node.operation] else {
      throw node.unsupported(
        folds ? "all its inputs are constants" : "its inputs depend on the picture")
    }
    let results = try handler(self)(node)
    for (name, value) in zip(node.outputs, results) where !name.isEmpty { values[name] = value }
  }

  /// The graph with a file's value, in order, as its result.
  func finish(output name: String) throws(ModelFileError) -> Graph {
    guard let value = values[name] else {
      throw .corrupt("no node computes the output \(quoted(name))")
    }
    guard case .activation(var view) = value else {
      throw .unsupported("the output \(quoted(name)) does not depend on the input")
    }
    // Logits of fully convolutional networks are [K, 1, 1] in the file.
    let extents = view.shape.filter { $0 > 1 }
    if view.shape.count > 1, extents.count <= 1 {
      view.shape = [extents.first ?? 1]
    }
    graph.setOutput(try ordered(view, name: "output"))
    return graph
  }
}

// MARK: - Reading values

extension Importer {
  /// The value of a name.
  func value(named name: String, _ node: Node) throws(ModelFileError) -> Value {
    if let value = values[name] { return value }
    guard let proto = initializers.removeValue(forKey: name) else {
      throw node.corrupt("nothing computes its input \(quoted(name))")
    }
    let value = Value.constant(try Constant(proto, external: external))
    values[name] = value
    return value
  }

  /// An input that may be missing.
  func optional(_ node: Node, _ position: Int) throws(ModelFileError) -> Value? {
    guard node.inputs.indices.contains(position), !node.inputs[position].isEmpty else {
      return nil
    }
    return try value(named: node.inputs[position], node)
  }

  /// An input.
  func value(_ node: Node, _ position: Int) throws(ModelFileError) -> Value {
    guard let value = try optional(node, position) else {
      throw node.corrupt("input \(position) is missing")
    }
    return value
  }

  /// An input that is computed from the picture.
  func activation(_ node: Node, _ position: Int = 0) throws(ModelFileError) -> View {
    guard case .activation(let view) = try value(node, position) else {
      throw node.unsupported("input \(position) is a constant")
    }
    return view
  }

  /// An input that is known and may be missing.
  func optionalConstant(_ node: Node, _ position: Int) throws(ModelFileError) -> Constant? {
    switch try optional(node, position) {
    case nil: return nil
    case .constant(let constant): return constant
    case .activation:
      throw node.unsupported("input \(position) depends on the picture, only constants will do")
    }
  }

  /// An input that is known.
  func constant(_ node: Node, _ position: Int = 0) throws(ModelFileError) -> Constant {
    guard let constant = try optionalConstant(node, position) else {
      throw node.corrupt("input \(position) is missing")
    }
    return constant
  }

  /// A known input of integers that may be missing.
  func optionalIntegers(_ node: Node, _ position: Int) throws(ModelFileError) -> [Int]? {
    guard let constant = try optionalConstant(node, position) else { return nil }
    guard let integers = constant.integers, constant.shape.count <= 1 else {
      throw node.corrupt("input \(position) is not a list of integers")
    }
    return integers
  }

  /// A known input of one number that may be missing.
  func optionalNumber(_ node: Node, _ position: Int) throws(ModelFileError) -> Float? {
    guard let constant = try optionalConstant(node, position) else { return nil }
    guard constant.count == 1 else {
      throw node.corrupt("input \(position) has the shape \(constant.shape), not one number")
    }
    return constant.floats[0]
  }

  /// Integers that older versions hold in an attribute and newer ones in an input.
  func integers(
    _ node: Node, attribute: String, input: Int
  ) throws(ModelFileError) -> [Int]? {
    if let integers = try node.integers(attribute) { return integers }
    return try optionalIntegers(node, input)
  }

  /// An axis of the file's counting as one of a sample's: the batch axis is refused.
  func sampleAxis(_ axis: Int, rank: Int, _ node: Node) throws(ModelFileError) -> Int {
    let positive = try fileAxis(axis, rank: rank, node)
    guard positive > 0 else { throw node.unsupported("it works along the batch axis") }
    return positive - 1
  }

  /// An axis, negative ones counted from the end.
  func fileAxis(_ axis: Int, rank: Int, _ node: Node) throws(ModelFileError) -> Int {
    guard (-rank..<rank).contains(axis) else {
      throw node.corrupt("axis \(axis) of a tensor of \(rank) axes")
    }
    return axis < 0 ? axis + rank : axis
  }
}

// MARK: - Making values

extension Importer {
  /// Counts the elements of a constant that a node is about to make.
  func reserve(_ shape: [Int], _ node: Node) throws(ModelFileError) -> Int {
    let count = try elementCount(
      shape, limit: Self.largestGenerated, of: "the result of \(node.label)")
    generated += count
    guard generated <= Self.largestGenerated else {
      throw .refused(
        "the constants that the file's nodes make have more than \(Self.largestGenerated) "
          + "elements at \(node.label)")
    }
    return count
  }

  /// Appends an operation.
  func append(
    _ operation: any Operation, name: String, to inputs: [ValueID]
  ) throws(ModelFileError) -> ValueID {
    let id: ValueID
    do throws(ShapeError) {
      id = try graph.append(operation, name: name, to: inputs)
    } catch {
      throw .corrupt(error.description)
    }
    let shape = graph.shape(of: id)
    guard shape.count < Self.largestRank else {
      throw .unsupported("node \(quoted(name)) makes a tensor of \(shape.count + 1) axes")
    }
    _ = try elementCount(shape, limit: Self.largestActivation, of: "the output of \(quoted(name))")
    return id
  }

  /// A value of the graph as it is.
  func plain(_ id: ValueID) -> View {
    let shape = graph.shape(of: id)
    return View(id: id, permutation: Array(shape.indices), shape: shape)
  }

  /// Appends an operation on values in order.
  func result(
    _ operation: any Operation, _ node: Node, _ inputs: [View]
  ) throws(ModelFileError) -> [Value] {
    var ids: [ValueID] = []
    for input in inputs { ids.append(try ordered(input, name: node.name)) }
    return [.activation(plain(try append(operation, name: node.name, to: ids)))]
  }

  /// Appends an operation that does not care where elements lie, and keeps the view.
  func elementwise(
    _ operation: any Operation, name: String, _ view: View
  ) throws(ModelFileError) -> View {
    var result = view
    result.id = try append(operation, name: name, to: [view.id])
    return result
  }

  /// The shape of a view between its transpose and its reshape.
  func permutedShape(_ view: View) -> [Int] {
    let shape = graph.shape(of: view.id)
    return view.permutation.map { shape[$0] }
  }

  /// Whether a view only reorders axes.
  func isPermutation(_ view: View) -> Bool { permutedShape(view) == view.shape }

  /// A view with its reshape done, so that it only reorders axes.
  func permutationOnly(_ view: View, _ node: Node) throws(ModelFileError) -> View {
    isPermutation(view) ? view : plain(try ordered(view, name: node.name))
  }

  /// The value whose elements lie as the view has them.
  func ordered(_ view: View, name: String) throws(ModelFileError) -> ValueID {
    if let known = inOrder[view] { return known }
    var id = view.id
    let physical = graph.shape(of: id)
    // Axes of extent 1 may change places without any element moving.
    let moving = view.permutation.filter { physical[$0] > 1 }
    if moving != moving.sorted() {
      id = try append(
        Transpose(permutation: view.permutation), name: name + "/transpose", to: [id])
    }
    if graph.shape(of: id) != view.shape {
      id = try append(Reshape(shape: view.shape), name: name + "/reshape", to: [id])
    }
    inOrder[view] = id
    return id
  }

  /// A constant operand under the shape it has for one sample.
  ///
  /// - Parameter rank: the axes of the other operand in the file's counting.
  func perSample(
    _ constant: Constant, rank: Int, _ node: Node
  ) throws(ModelFileError) -> Constant {
    guard constant.count > 0 else { throw node.corrupt("an operand is empty") }
    if constant.shape.count < rank { return constant }
    guard constant.shape.count == rank else {
      throw node.unsupported(
        "a constant of shape \(constant.shape) has more axes than the activation (\(rank))")
    }
    guard constant.shape[0] == 1 else {
      throw node.unsupported(
        "a constant of shape \(constant.shape) differs from sample to sample of the batch")
    }
    return constant.reshaped(Array(constant.shape.dropFirst()))
  }
}
