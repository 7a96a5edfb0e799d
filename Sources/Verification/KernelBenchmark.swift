public import Compute
public import Operations
import Reference

/// What one pass of one operation took on a device.
public struct KernelMeasurement: Sendable {
  /// The operation's kind, `gradient of` it for the gradient pass.
  public let operation: String
  /// Inputs, output and batch.
  public let shape: String
  /// The kernels.
  public let family: KernelFamily
  /// The median of the measurements, in seconds on the device.
  public let medianSeconds: Double
  /// Floating-point operations and bytes of the whole batch.
  public let cost: Cost

  /// 1e9 floating-point operations a second at the median.
  public var gflops: Double { Double(cost.flops) / medianSeconds * 1e-9 }

  /// The least time that a device's ceilings allow, over the median.
  public func share(of ceilings: DeviceCeilings) -> Double {
    ceilings.leastSeconds(flops: cost.flops, bytes: cost.bytes) / medianSeconds
  }
}

/// Times operations, each pass alone, on memory that holds ordinary numbers.
public struct KernelBenchmark: Sendable {
  /// Samples computed together.
  public let batch: Int
  /// The kernels.
  public let family: KernelFamily
  /// How often each pass is timed, after a tenth of a second of runs that are not.
  public let repetitions: Int

  private static let warmUp = Duration.milliseconds(100)

  /// A benchmark.
  public init(batch: Int, family: KernelFamily, repetitions: Int = 7) {
    precondition(batch > 0 && repetitions > 0, "\(repetitions) runs of a batch of \(batch)")
    self.batch = batch
    self.family = family
    self.repetitions = repetitions
  }

  /// Times the forward pass of a row, and its gradient with respect to the first input.
  ///
  /// - Throws: `ComputeError` when a kernel cannot be built or run.
  public func measure(
    _ row: BenchmarkRow, on context: Context
  ) throws(ComputeError) -> [KernelMeasurement] {
    try measure(row.operation, row, context)
  }

  /// Times a product of two matrices.
  ///
  /// - Throws: `ComputeError` when a kernel cannot be built or run.
  public func measure(
    _ row: ProductRow, on context: Context
  ) throws(ComputeError) -> KernelMeasurement {
    let matrix = { (rows: Int, columns: Int, isTurned: Bool) throws(ComputeError) in
      let buffer = try Buffer<Float>(context, count: rows * columns)
      try buffer.fill(0.5)
      return DeviceMatrix(
        buffer: buffer, rows: isTurned ? columns : rows, columns: isTurned ? rows : columns)
    }
    let (m, n, k) = (row.rows, row.columns, row.depth)
    let recorder = Recorder(context: context, family: family, batch: 1)
    try row.product.record(
      recorder, try matrix(m, k, row.product.transposesA),
      try matrix(k, n, row.product.transposesB), to: try matrix(m, n, false))
    return KernelMeasurement(
      operation: "matmul", shape: row.shape, family: family, medianSeconds: try median(recorder),
      cost: Cost(flops: 2 * m * n * k, bytes: 4 * (m * k + k * n + m * n)))
  }

  /// Operation and shape of both passes of a row, as their measurements have them.
  public func names(of row: BenchmarkRow) -> [String] {
    let shape = shapeText(row)
    return passes(of: row.operation).map { "\($0) \(shape)" }
  }

  private func passes(of operation: any Operation) -> [String] {
    [operation.kind, "gradient of \(operation.kind)"]
  }

  private func shapeText(_ row: BenchmarkRow) -> String {
    (row.label.isEmpty ? "" : row.label + " ") + row.shapes.map(Self.text).joined(separator: " + ")
      + " -> " + Self.text(Self.outputShape(row)) + " batch \(batch)"
  }

  private static func outputShape(_ row: BenchmarkRow) -> [Int] {
    do throws(ShapeError) {
      return try row.operation.outputShape(for: row.shapes)
    } catch {
      preconditionFailure("\(row.operation.kind) of \(row.shapes): \(error.description)")
    }
  }

  private func measure(
    _ operation: some Operation, _ row: BenchmarkRow, _ context: Context
  ) throws(ComputeError) -> [KernelMeasurement] {
    let shapes = row.shapes
    let outputShape = Self.outputShape(row)
    let bare = shapes.map { Layout(shape: $0) }
    let bareOutput = Layout(shape: outputShape)
    let inputLayouts = bare.indices.map {
      bare[$0].with(border: operation.inputBorder($0, inputs: bare, output: bareOutput))
    }
    let gradientLayout = bareOutput.with(
      border: operation.gradientBorder(inputs: bare, output: bareOutput))
    var inputs: [DeviceTensor] = []
    for layout in inputLayouts { inputs.append(try filled(context, layout)) }
    let output = try filled(context, bareOutput)
    let needs = operation.needs(inputs: inputLayouts, output: bareOutput)
    let mask =
      operation.activation == .none
      ? nil
      : DeviceBytes(buffer: try Buffer(context, count: batch * bareOutput.interior / 8))
    let state =
      needs.stateBytes == 0
      ? nil : DeviceBytes(buffer: try Buffer(context, count: batch * needs.stateBytes))
    let forward = Recorder(context: context, family: family, batch: batch)
    try operation.recordForward(
      forward, inputs: inputs, output: ForwardTarget(tensor: output, mask: mask, state: state))
    let gradient = Recorder(context: context, family: family, batch: batch)
    try operation.recordGradient(
      gradient, of: 0, gradient: try filled(context, gradientLayout),
      saved: Saved(
        inputs: inputs, output: output, state: state, inputLayouts: inputLayouts,
        outputLayout: bareOutput),
      to: GradientTarget(tensor: try filled(context, inputLayouts[0])))
    let cost = operation.cost(inputs: shapes, output: outputShape)
    let repeatedBytes = (batch - 1) * Self.weightBytes(operation)
    let shape = shapeText(row)
    var result: [KernelMeasurement] = []
    for (name, recorder) in zip(passes(of: operation), [forward, gradient]) {
      result.append(
        KernelMeasurement(
          operation: name, shape: shape, family: family, medianSeconds: try median(recorder),
          cost: Cost(flops: batch * cost.flops, bytes: batch * cost.bytes - repeatedBytes)))
    }
    return result
  }

  /// The weights, which the cost of a sample counts but a batch reads once.
  private static func weightBytes(_ operation: some Operation) -> Int {
    switch operation {
    case let convolution as Convolution: 4 * convolution.weights.count
    case let linear as Linear: 4 * linear.weights.count
    default: 0
    }
  }

  /// The median of the sums over a pass's launches, once the device has worked long enough to run at
  /// its usual clock and to have the data where it stays between passes.
  private func median(_ recorder: Recorder) throws(ComputeError) -> Double {
    let clock = ContinuousClock()
    let warm = clock.now + Self.warmUp
    repeat {
      try recorder.run()
      try recorder.context.finish()
    } while clock.now < warm
    var seconds: [Double] = []
    for _ in 0..<repetitions {
      var sum = 0.0
      for launch in recorder.launches { sum += try launch.timed() }
      seconds.append(sum)
    }
    return seconds.sorted()[repetitions / 2]
  }

  private func filled(_ context: Context, _ layout: Layout) throws(ComputeError) -> DeviceTensor {
    let buffer = try Buffer<Float>(context, count: batch * layout.imageStride)
    try buffer.fill(0.5)
    return DeviceTensor(buffer: buffer, layout: layout)
  }

  private static func text(_ shape: [Int]) -> String {
    shape.map(String.init).joined(separator: "x")
  }
}
