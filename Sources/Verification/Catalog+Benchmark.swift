public import Networks
public import Operations
import Reference

/// One operation to time.
public struct BenchmarkRow: Sendable {
  /// What tells the row from others of the same shapes.
  public let label: String
  /// The shapes of one sample's inputs.
  public let shapes: [[Int]]
  /// What is timed.
  public let operation: any Operation
}

/// One product of two matrices to time.
public struct ProductRow: Sendable {
  /// What is timed.
  public let product: MatrixProduct
  /// The rows of the result.
  public let rows: Int
  /// Its columns.
  public let columns: Int
  /// Products of each of its elements.
  public let depth: Int

  /// The shape as the benchmark prints it, a T beside what is transposed.
  public var shape: String {
    let (a, b) = (product.transposesA ? "T" : "", product.transposesB ? "T" : "")
    return "\(rows)x\(depth)\(a) by \(depth)x\(columns)\(b)"
  }
}

/// Weights of one small number, biases 0, normalisation the identity: for what only needs shapes.
private struct ConstantParameters: ParameterSource {
  func parameter(
    _ name: String, shape: [Int], fanIn: Int?
  ) throws(ArchitectureError) -> Tensor<Float> {
    let isOne = fanIn == nil && (name.hasSuffix("running_var") || name.hasSuffix("weight"))
    return Tensor(shape: shape, repeating: fanIn != nil ? 0x1p-7 : isOne ? 1 : 0)
  }
}

extension OperationCatalog {
  /// What decides the speed of real networks: every distinct convolution of ResNet-50, as the fused
  /// network runs it and alone, every depthwise one of MobileNetV2, matrix products, pooling and
  /// elementwise operations.
  ///
  /// - Throws: `ArchitectureError` when the network cannot be built.
  public static func benchmark() throws(ArchitectureError) -> [BenchmarkRow] {
    var rows = try convolutions(of: .resnet50) { $0.groups == 1 }
    rows += alone(rows)
    // The depthwise ones: what else MobileNetV2 runs are small products.
    rows += try convolutions(of: .mobilenet) { $0.groups > 1 }
    // The ends of ResNet-50, AlexNet and VGG16; square ones, at a batch of their size.
    let products = [
      (2048, 1000), (4096, 1000), (4096, 4096), (9216, 4096), (25088, 4096), (1024, 1024),
      (2048, 2048),
    ]
    for (inputs, outputs) in products {
      rows.append(
        BenchmarkRow(
          label: "", shapes: [[inputs]],
          operation: Linear(weights: Tensor(shape: [inputs, outputs], repeating: 0x1p-7))))
    }
    let halving = WindowGeometry(kernel: Extent(3), stride: Extent(2), padding: Padding(1))
    rows += [
      BenchmarkRow(
        label: "", shapes: [[128, 768]],
        operation: Linear(weights: Tensor(shape: [768, 768], repeating: 0x1p-7))),
      BenchmarkRow(
        label: "maximum 3x3 stride 2", shapes: [[64, 112, 112]],
        operation: Pooling(.maximum, window: halving)),
      BenchmarkRow(
        label: "average 3x3 stride 2", shapes: [[64, 112, 112]],
        operation: Pooling(.average(countsPadding: true), window: halving)),
      BenchmarkRow(
        label: "average", shapes: [[2048, 7, 7]], operation: GlobalPooling(.average)),
      BenchmarkRow(
        label: "then relu", shapes: [[256, 56, 56], [256, 56, 56]],
        operation: Binary(.add, activation: .relu)),
      BenchmarkRow(
        label: "relu", shapes: [[256, 56, 56]], operation: Pointwise(.activation(.relu))),
      BenchmarkRow(
        label: "sigmoid", shapes: [[256, 56, 56]], operation: Pointwise(.sigmoid)),
      BenchmarkRow(
        label: "", shapes: [[256, 56, 56]],
        operation: ScaleShift(
          scale: Array(repeating: 0.5, count: 256), shift: Array(repeating: 0.5, count: 256))),
      BenchmarkRow(
        label: "size 5", shapes: [[64, 55, 55]], operation: LocalResponseNormalization(size: 5)),
      BenchmarkRow(label: "", shapes: [[1000]], operation: Softmax(axis: 0)),
    ]
    return rows
  }

  /// Products of two matrices that are not packed before, with every transpose.
  public static let benchmarkProducts: [ProductRow] = [(1024, 1024, 1024), (2048, 2048, 2048)]
    .flatMap { rows, columns, depth in
      [(false, false), (false, true), (true, false), (true, true)].map {
        ProductRow(
          product: MatrixProduct(transposesA: $0, transposesB: $1), rows: rows, columns: columns,
          depth: depth)
      }
    }

  /// The distinct convolutions of a network.
  private static func convolutions(
    of architecture: Architecture, where isWanted: (Convolution) -> Bool
  ) throws(ArchitectureError) -> [BenchmarkRow] {
    let graph = try architecture.graph(parameters: ConstantParameters()).optimized()
    var rows: [BenchmarkRow] = []
    var seen: Set<String> = []
    for node in graph.nodes {
      guard let convolution = node.operation as? Convolution, isWanted(convolution) else {
        continue
      }
      let window = convolution.window
      let shapes = node.inputs.map { graph.shape(of: $0) }
      let label =
        (convolution.groups > 1 ? "depthwise " : "")
        + "\(window.kernel.height)x\(window.kernel.width) stride \(window.stride.height)"
        + (convolution.hasResidual ? " residual" : "")
      if seen.insert("\(shapes[0]) \(convolution.outputChannels) \(label)").inserted {
        rows.append(BenchmarkRow(label: label, shapes: shapes, operation: convolution))
      }
    }
    return rows
  }

  /// These rows' convolutions with a bias alone, as libraries without fusion compute them.
  ///
  /// Each shape comes once, with neither residual nor activation; those that Winograd's algorithm
  /// takes follow with it.
  private static func alone(_ rows: [BenchmarkRow]) -> [BenchmarkRow] {
    var result: [BenchmarkRow] = []
    var seen: Set<String> = []
    for row in rows {
      guard let fused = row.operation as? Convolution else { continue }
      let window = fused.window
      let label =
        "alone \(window.kernel.height)x\(window.kernel.width) stride \(window.stride.height)"
      if seen.insert("\(row.shapes[0]) \(fused.outputChannels) \(label)").inserted {
        let direct = Convolution(
          weights: fused.weights, bias: fused.bias, window: window, groups: fused.groups)
        result.append(BenchmarkRow(label: label, shapes: [row.shapes[0]], operation: direct))
        var winograd = direct
        winograd.algorithm = .winograd
        if winograd.usesWinograd {
          result.append(
            BenchmarkRow(
              label: "winograd \(label)", shapes: [row.shapes[0]], operation: winograd))
        }
      }
    }
    return result
  }
}
