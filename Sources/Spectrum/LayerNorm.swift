public import Compute
import Foundation
public import Networks
public import Operations
import Reference

/// How much one layer can stretch a change of its input.
public struct LayerNorm: Sendable {
  /// The node's name, or what it computes.
  public var name: String
  /// What it computes, as messages name it.
  public var kind: String
  /// The shape of the weights, or of the input.
  public var shape: [Int]
  /// The stride of windows.
  public var stride: Int?
  /// An upper bound of the Lipschitz constant with respect to all inputs, in the Euclidean norm;
  /// infinite where there is none.
  public var bound: Double
  /// The norm of the linear map as it is, zeros around pictures included; nil for other layers.
  public var operatorNorm: Double?
  /// A convolution's norm on the circle, an upper bound of the other.
  public var circularNorm: Double?
  /// The circular norm by equation 1 of the paper (Szegedy and others, 2013) as printed.
  ///
  /// It has 1 / stride^2 where 1 / stride is right.
  public var printedNorm: Double?
  /// Whether the layer has weights.
  public var hasWeights: Bool { operatorNorm != nil && kind != "average-pooling" }
}

/// Measures the operator norms of layers.
public struct LayerNorms {
  private let context: Context
  private let family: KernelFamily?
  private var solver: LargestSingularValue

  /// What is needed to run convolutions.
  ///
  /// - Parameter seed: The seed of first vectors.
  public init(context: Context, family: KernelFamily? = nil, seed: UInt64 = 0) {
    self.context = context
    self.family = family
    solver = LargestSingularValue()
    solver.seed = seed
  }

  /// The norm of one node of a graph.
  ///
  /// - Throws: `ComputeError` when the device fails.
  public func norm(of node: Graph.Node, in graph: Graph) throws -> LayerNorm {
    let shapes = node.inputs.map { graph.shape(of: $0) }
    var norm = LayerNorm(
      name: node.name.isEmpty ? node.operation.kind : node.name, kind: node.operation.kind,
      shape: shapes[0], bound: .infinity)
    switch node.operation {
    case let linear as Linear:
      norm.shape = linear.weights.shape
      var map = DenseOperator(inputsByOutputs: linear.weights)
      norm.operatorNorm = try solver.of(&map)
      norm.bound = (norm.operatorNorm ?? 0) * stretch(linear.activation)
    case let convolution as Convolution:
      try measure(convolution, shapes[0], &norm)
    case let pooling as Pooling:
      norm.stride = pooling.window.stride.height
      norm.bound = stretch(pooling, shapes[0])
      if pooling.reduction != .maximum { norm.operatorNorm = norm.bound }
    default:
      norm.bound = try stretch(node.operation, shapes, graph.shape(of: node.output))
    }
    return norm
  }

  // MARK: Convolutions

  private func measure(
    _ convolution: Convolution, _ input: [Int], _ norm: inout LayerNorm
  ) throws {
    let window = convolution.window
    let weights = convolution.weights
    let groups = convolution.groups
    norm.shape = weights.shape
    norm.stride = window.stride.height
    let count = weights.count / groups
    let parts = (0..<groups).map { group in
      Tensor(
        shape: [weights.shape[0] / groups] + weights.shape.dropFirst(),
        values: Array(weights.values[group * count..<(group + 1) * count]))
    }
    if window.kernel == Extent(1), window.padding == .zero {
      // One matrix at every pixel that the stride meets, and the same at every frequency.
      var largest = 0.0
      for part in parts {
        var map = DenseOperator(
          outputsByInputs: Tensor(shape: Array(part.shape.prefix(2)), values: part.values))
        largest = max(largest, try solver.of(&map))
      }
      (norm.operatorNorm, norm.circularNorm) = (largest, largest)
    } else {
      let size = CircularConvolution.size(around: Extent(input[1], input[2]), window)
      norm.circularNorm = parts.map {
        CircularConvolution(
          weights: $0, stride: window.stride, dilation: window.dilation, size: size
        ).norm()
      }.max()
      let layer = Convolution(weights: weights, window: window, groups: groups)
      var map = try DeviceOperator(layer, inputShape: input, context: context, family: family)
      norm.operatorNorm = try solver.of(&map)
    }
    let aliases = Double(window.stride.height * window.stride.width)
    norm.printedNorm = norm.circularNorm.map { $0 / aliases.squareRoot() }
    // The residual comes in with a norm of 1.
    norm.bound = (norm.circularNorm ?? .infinity) * stretch(convolution.activation)
  }

  // MARK: Layers without weights

  private func stretch(_ activation: Activation) -> Double {
    switch activation {
    case .none, .relu, .clip: 1
    case .leakyReLU(let slope): max(1, abs(Double(slope)))
    }
  }

  /// Maxima pass an element to every window that holds it: the root of how many those are.
  ///
  /// Averages are linear, a product of one map for each axis.
  private func stretch(_ pooling: Pooling, _ input: [Int]) -> Double {
    let window = pooling.window
    let extent = window.outputExtent(of: Extent(input[1], input[2]))
    func axis(
      _ size: Int, _ outputs: Int, _ kernel: Int, _ stride: Int, _ before: Int, _ dilation: Int,
      _ after: Int
    ) -> Double {
      var matrix = Tensor<Float>(shape: [outputs, size], repeating: 0)
      var uses = [Int](repeating: 0, count: size)
      for output in 0..<outputs {
        let places = (0..<kernel).map { output * stride - before + $0 * dilation }
        let inside = places.filter { (0..<size).contains($0) }
        let counted =
          pooling.reduction == .average(countsPadding: true)
          ? places.count { $0 < size + after } : inside.count
        for place in inside {
          uses[place] += 1
          matrix.values[output * size + place] = 1 / Float(max(1, counted))
        }
      }
      guard pooling.reduction != .maximum else { return Double(uses.max() ?? 1).squareRoot() }
      var map = DenseOperator(outputsByInputs: matrix)
      // Small and in memory: nothing that could fail.
      return (try? solver.of(&map)) ?? .infinity
    }
    return axis(
      input[1], extent.height, window.kernel.height, window.stride.height, window.padding.top,
      window.dilation.height, window.padding.bottom)
      * axis(
        input[2], extent.width, window.kernel.width, window.stride.width, window.padding.left,
        window.dilation.width, window.padding.right)
  }

  private func stretch(
    _ operation: any Operations.Operation, _ inputs: [[Int]], _ output: [Int]
  ) throws -> Double {
    switch operation {
    case let scale as ScaleShift:
      return (scale.scale.map { abs(Double($0)) }.max() ?? 0) * stretch(scale.activation)
    case let normalization as LocalResponseNormalization:
      return Self.bound(normalization)
    case let pooling as GlobalPooling:
      let pixels = Double(inputs[0].dropFirst().reduce(1, *))
      return pooling.reduction == .maximum ? 1 : 1 / pixels.squareRoot()
    case is ReduceMean:
      return (Double(output.reduce(1, *)) / Double(inputs[0].reduce(1, *))).squareRoot()
    case let pointwise as Pointwise:
      switch pointwise.function {
      case .activation(let activation): return stretch(activation)
      case .sigmoid: return 0.25
      case .tanh, .negate, .absolute: return 1
      case .exp, .log, .sqrt: return .infinity
      }
    case let binary as Binary:
      return Self.bound(binary) * stretch(binary.activation)
    case let softmax as Softmax:
      // diag(p) - p p' has no eigenvalue above 1/2; its logarithm's Jacobian is I - 1 p'.
      let axis = softmax.axis < 0 ? softmax.axis + output.count : softmax.axis
      return softmax.isLogarithmic ? 1 + Double(output[axis]).squareRoot() : 0.5
    case let pad as Pad:
      return Self.repetitions(pad)
    case is Concat, is Reshape, is Transpose: return 1
    default: return .infinity
    }
  }

  /// Krizhevsky's normalisation y = x s^-beta with s = k + alpha / n * (sum of n squares).
  ///
  /// The Jacobian is diag(s^-beta) minus a matrix with rows of absolute sum at most
  /// beta (1 + sqrt n) f and columns of at most beta (1 + n) f, where f is the largest value of
  /// (s - k) s^(-beta - 1) for s >= k; its norm is at most the root of their product (Schur's test).
  static func bound(_ normalization: LocalResponseNormalization) -> Double {
    let beta = Double(normalization.beta)
    let k = Double(normalization.bias)
    let n = Double(normalization.size)
    guard k > 0, beta > 0, normalization.alpha >= 0 else { return .infinity }
    guard normalization.alpha > 0 else { return pow(k, -beta) }
    let f = pow(k, -beta) * pow(beta, beta) / pow(beta + 1, beta + 1)
    return pow(k, -beta) + beta * f * ((1 + n.squareRoot()) * (1 + n)).squareRoot()
  }

  private static func bound(_ binary: Binary) -> Double {
    guard let constant = binary.constant else {
      return binary.function == .add || binary.function == .subtract ? 1 : .infinity
    }
    let sizes = constant.values.map { abs(Double($0)) }
    switch binary.function {
    case .add, .subtract: return 1
    case .multiply: return sizes.max() ?? 0
    case .divide: return binary.constantIsFirst ? .infinity : 1 / (sizes.min() ?? 0)
    }
  }

  /// The root of how often an element can come back, axis by axis.
  private static func repetitions(_ pad: Pad) -> Double {
    zip(pad.before, pad.after).reduce(1) { product, pair in
      let most: Int
      switch pad.mode {
      case .constant: most = 1
      case .edge: most = 1 + max(pair.0, pair.1, 0)
      case .reflect: most = 1 + (pair.0 > 0 ? 1 : 0) + (pair.1 > 0 ? 1 : 0)
      }
      return product * Double(most).squareRoot()
    }
  }
}

/// An upper bound of the Lipschitz constant of a whole graph, through its branches.
public enum NetworkBound {
  /// The bound of every value with respect to the graph's input: a layer's bound times its input's,
  /// the sum of these where branches are added, the root of the sum of squares where they are joined.
  ///
  /// - Parameter norms: One for each node of the graph.
  public static func lipschitz(of graph: Graph, _ norms: [LayerNorm]) -> Double {
    var bounds: [ValueID: Double] = [graph.input: 1]
    for (node, norm) in zip(graph.nodes, norms) {
      let inputs = node.inputs.map { bounds[$0] ?? .infinity }
      switch node.operation {
      case let convolution as Convolution where convolution.hasResidual:
        bounds[node.output] = norm.bound * inputs[0] + inputs[1]
      case is Concat:
        bounds[node.output] = inputs.reduce(0) { $0 + $1 * $1 }.squareRoot()
      default:
        bounds[node.output] = norm.bound * inputs.reduce(0, +)
      }
    }
    return bounds[graph.output] ?? .infinity
  }
}
