public import Operations
import Reference

/// A value of a graph: the input, or what a node computes.
public struct ValueID: Hashable, Sendable {
  /// The position among the graph's values.
  public let index: Int
}

/// A network as a list of operations in the order of computation, for one sample.
///
/// Shapes leave out the batch axis: a picture is `[C, H, W]`, logits are `[K]`. Weights are part of
/// the operations.
public struct Graph: Sendable {
  /// One operation with what it reads and what it makes.
  public struct Node: Sendable {
    /// The name in messages.
    public var name: String
    /// What is computed.
    public var operation: any Operation
    /// What is read.
    public var inputs: [ValueID]
    /// What is made.
    public var output: ValueID
  }

  /// The input's shape, `[C, H, W]` or `[F]`.
  public let inputShape: [Int]
  /// The operations, each after those whose values it reads.
  public private(set) var nodes: [Node] = []
  /// The shapes of all values; the first is the input's.
  public private(set) var shapes: [[Int]]
  /// The value that is the result: logits `[K]`.
  public private(set) var output: ValueID

  /// A graph that returns its input.
  public init(inputShape: [Int]) {
    self.inputShape = inputShape
    shapes = [inputShape]
    output = ValueID(index: 0)
  }

  /// The input.
  public var input: ValueID { ValueID(index: 0) }

  /// The number of weights and biases.
  public var parameterCount: Int {
    nodes.reduce(0) { sum, node in
      switch node.operation {
      case let convolution as Convolution:
        sum + convolution.weights.count + (convolution.bias?.count ?? 0)
      case let linear as Linear: sum + linear.weights.count + (linear.bias?.count ?? 0)
      case let scale as ScaleShift: sum + 2 * scale.scale.count
      default: sum
      }
    }
  }

  /// Multiplications, each with its addition, of a convolution or matrix product for one sample;
  /// 0 for other operations.
  public func multiplyAdds(of node: Node) -> Double {
    let shape = shape(of: node.output)
    switch node.operation {
    case let convolution as Convolution:
      return Double(convolution.weights.count) * Double(shape[1] * shape[2])
    case let linear as Linear: return Double(linear.weights.count)
    default: return 0
    }
  }

  /// The shape of the result of one sample.
  public var outputShape: [Int] { shape(of: output) }

  /// The shape of a value of one sample.
  public func shape(of value: ValueID) -> [Int] { shapes[value.index] }

  /// Appends an operation and makes its value the result.
  ///
  /// - Throws: `ShapeError`, with the node's name, when the inputs' shapes do not fit.
  @discardableResult
  public mutating func append(
    _ operation: any Operation, name: String = "", to inputs: [ValueID]
  ) throws(ShapeError) -> ValueID {
    let shape: [Int]
    do throws(ShapeError) {
      shape = try operation.outputShape(for: inputs.map { shapes[$0.index] })
    } catch {
      throw ShapeError("node '\(name)' (\(operation.kind)): \(error.description)")
    }
    guard shape.allSatisfy({ $0 > 0 }) else {
      throw ShapeError("node '\(name)' (\(operation.kind)): the output's shape is \(shape)")
    }
    let value = ValueID(index: shapes.count)
    shapes.append(shape)
    nodes.append(Node(name: name, operation: operation, inputs: inputs, output: value))
    output = value
    return value
  }

  /// Appends an operation of one input, by default the latest value.
  @discardableResult
  public mutating func append(
    _ operation: any Operation, name: String = "", to input: ValueID? = nil
  ) throws(ShapeError) -> ValueID {
    try append(operation, name: name, to: [input ?? output])
  }

  /// Makes another value the result.
  public mutating func setOutput(_ value: ValueID) {
    precondition(shapes.indices.contains(value.index), "no value \(value.index)")
    output = value
  }

  /// The graph with a first layer that copies the input into the padded layout of everything else,
  /// unless it begins with a normalisation, which does that too.
  func withPaddedInput() -> Graph {
    let readers = nodes.filter { $0.inputs.contains(input) }
    if !readers.isEmpty, readers.allSatisfy({ $0.operation is ScaleShift }) { return self }
    let channels = inputShape.first ?? 1
    let copy = ScaleShift(
      scale: Array(repeating: 1, count: channels), shift: Array(repeating: 0, count: channels))
    // The copy has its input's shape, so that everything after it still fits.
    return (try? prepending(copy, name: "input")) ?? self
  }

  /// Puts a node in the place of another; its output must have the old shape.
  mutating func replaceNode(at index: Int, with node: Node) { nodes[index] = node }

  /// Takes a node out; nothing may read its value.
  mutating func removeNode(at index: Int) { nodes.remove(at: index) }
}
