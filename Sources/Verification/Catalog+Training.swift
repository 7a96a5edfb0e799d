import Compute
import Operations
import Reference

/// What stands around outputs and must still stand there afterwards.
private let canary: Float = 77

/// A matrix whose rows are longer than they need be, among canaries; `aligned` where four floats may
/// be loaded at once.
private func matrix(
  _ values: Tensor<Float>, aligned: Bool, on context: Context
) throws(ComputeError) -> DeviceMatrix {
  let (rows, columns) = (values.shape[0], values.shape[1])
  let (offset, stride) = aligned ? (12, (columns + 7) / 4 * 4) : (9, (columns + 7) / 4 * 4 + 1)
  var memory = [Float](repeating: canary, count: offset + rows * stride)
  for i in 0..<rows {
    memory.replaceSubrange(
      offset + i * stride..<offset + i * stride + columns,
      with: values.values[i * columns..<(i + 1) * columns])
  }
  return DeviceMatrix(
    buffer: try Buffer(context, memory), offset: offset, rows: rows, columns: columns,
    rowStride: stride)
}

/// A product into a matrix that holds something already.
func multiply(
  _ context: Context, _ family: KernelFamily, _ product: MatrixProduct, _ m: Int, _ n: Int,
  _ k: Int,
  aligned: Bool = false, values: OperationCheck.Values = .real(-2...2),
  _ configure: (Recorder) -> Void = { _ in }
) throws(ComputeError) -> [String] {
  var generator = ValueGenerator(seed: 31)
  let a = generator.tensor(product.transposesA ? [k, m] : [m, k], values)
  let b = generator.tensor(product.transposesB ? [n, k] : [k, n], values)
  let c = generator.tensor([m, n], values)
  let target = try matrix(c, aligned: aligned, on: context)
  let recorder = Recorder(context: context, family: family, batch: 1)
  configure(recorder)
  try product.record(
    recorder, try matrix(a, aligned: aligned, on: context),
    try matrix(b, aligned: aligned, on: context), to: target)
  try recorder.run()
  let expected = try matrix(product.evaluate(a, b, c: c), aligned: aligned, on: context)
  return [difference(try target.buffer.read(), try expected.buffer.read())].compactMap { $0 }
}

/// The gradients of one operation's parameters; what is not logical is NaN in the inputs.
func parameterGradients(
  _ context: Context, _ family: KernelFamily, _ operation: some TrainableOperation, _ shape: [Int],
  batch: Int, dense: Bool, _ values: OperationCheck.Values,
  _ configure: (Recorder) -> Void = { _ in }
) throws(ComputeError) -> [String] {
  guard let output = try? operation.outputShape(for: [shape]) else {
    return ["does not take \(shape)"]
  }
  var generator = ValueGenerator(seed: 21)
  let input = generator.tensor([batch] + shape, values)
  let gradient = generator.tensor([batch] + output, .real(-2...2))
  let twin = operation.parameterGradients(input: input, gradient: gradient)
  let border = dense ? Padding.zero : Padding(top: 1, left: 2, bottom: 0, right: 3)
  let from = Layout(shape: shape, border: border, dense: dense)
  let to = Layout(shape: output, border: border)
  let room = [Float](repeating: canary, count: 32)
  let weights = operation.weights.count
  let memory = try Buffer(
    context, [Float](repeating: canary, count: weights + twin.bias.count + 3 * room.count))
  let recorder = Recorder(context: context, family: family, batch: batch)
  configure(recorder)
  try operation.recordParameterGradients(
    recorder,
    input: DeviceTensor(
      buffer: try Buffer(context, from.pack(input.values, batch: batch, filler: .nan)),
      layout: from),
    gradient: DeviceTensor(
      buffer: try Buffer(context, to.pack(gradient.values, batch: batch, filler: .nan)),
      layout: to),
    to: LiveParameters(buffer: memory, weights: room.count, bias: 2 * room.count + weights))
  var failures: [String] = []
  // The second run must not build on the first one's results.
  for round in 1...2 {
    try recorder.run()
    let expected = room + twin.weights.values + room + twin.bias + room
    if let line = difference(try memory.read(), expected) {
      failures.append("round \(round): \(line)")
    }
  }
  return failures
}

/// Three steps of momentum on a part of the parameters, with another rate each.
private func update(_ context: Context) throws(ComputeError) -> [String] {
  var generator = ValueGenerator(seed: 41)
  let count = 1000
  let range = 100..<927
  let initial = generator.tensor([count], .real(-1...1)).values
  let parameters = try Buffer(context, initial)
  let velocities = try Buffer(context, [Float](repeating: 0, count: count))
  let slopes = try Buffer<Float>(context, count: count)
  let update = try ParameterUpdate(
    Recorder(context: context, family: .reference, batch: 1), parameters: parameters,
    velocities: velocities, gradients: slopes, range: range, momentum: 0.9, decay: 0.01)
  var weights = Array(initial[range])
  var running = [Float](repeating: 0, count: range.count)
  for step in 1...3 {
    let gradient = generator.tensor([count], .real(-1...1)).values
    let rate = 0.1 / Float(step)
    try slopes.write(gradient)
    try update.run(rate: rate)
    ParameterUpdateReference.step(
      weights: &weights, velocities: &running, gradients: Array(gradient[range]), momentum: 0.9,
      decay: 0.01, rate: rate)
  }
  let expected = initial[..<range.lowerBound] + weights + initial[range.upperBound...]
  return [
    difference(try parameters.read(), Array(expected)),
    difference(Array(try velocities.read()[range]), running),
  ].compactMap { $0 }
}

extension OperationCatalog {
  /// Products of two matrices: every transpose, with and without factors.
  public static let matmul: [CatalogCase] = [
    (false, false), (false, true), (true, false),
    (true, true),
  ].flatMap { transposesA, transposesB in
    [(1, 0), (0.7, 0), (1, 1), (-1.7, 0.3)].flatMap { (alpha: Float, beta: Float) in
      [(1, 1, 1), (2, 3, 5), (17, 65, 16), (64, 128, 33), (98, 130, 257)].map { m, n, k in
        let product = MatrixProduct(
          transposesA: transposesA, transposesB: transposesB, alpha: alpha, beta: beta)
        return CatalogCase(
          "matmul",
          "\(m)x\(n)x\(k), transposes \(transposesA) \(transposesB), alpha \(alpha), beta \(beta)",
          families: nil
        ) { (context, family) throws(ComputeError) in
          try multiply(context, family, product, m, n, k)
        }
      }
    }
  }

  /// The gradients of weights and biases, and the step that training takes with them.
  public static let training: [CatalogCase] =
    convolution.flatMap { row -> [CatalogCase] in
      guard let operation = row.operation?() as? Convolution, !operation.hasResidual,
        operation.activation == .none, let input = row.shapes.first
      else { return [] }
      return [false, true].map { dense in
        parameterGradientRow(operation, input, row.detail, batch: row.batch, dense: dense)
      }
    }
    + [1, 3, 64].flatMap { batch in
      [[1, 1], [5, 3], [33, 17], [64, 100]].flatMap { sizes in
        let operation = Linear(
          weights: Tensor(shape: sizes, repeating: 1), bias: Array(repeating: 0, count: sizes[1]))
        return [[sizes[0]], [5, sizes[0]]].map { shape in
          parameterGradientRow(operation, shape, "linear to \(sizes[1])", batch: batch)
        }
      }
    }
    + [
      CatalogCase("parameter-update", "three steps") { (context, _) throws(ComputeError) in
        try update(context)
      }
    ]

  private static func parameterGradientRow(
    _ operation: some TrainableOperation, _ shape: [Int], _ detail: String, batch: Int,
    dense: Bool = false
  ) -> CatalogCase {
    CatalogCase(
      "parameter-gradients", "\(shape) \(detail)\(dense ? ", dense" : "")", batch: batch,
      families: nil
    ) { (context, family) throws(ComputeError) in
      try parameterGradients(
        context, family, operation, shape, batch: batch, dense: dense, .real(-2...2))
        + parameterGradients(
          context, family, operation, shape, batch: batch, dense: dense, .special)
    }
  }
}
