public import Compute
public import Operations
public import Reference

/// A network ready to run on a device for batches of a fixed size: every kernel built, every
/// argument set, all memory taken.
///
/// It belongs to one task at a time. A pass costs as many launches as the graph has operations
/// (more for strided convolutions' gradients), and never allocates.
public final class CompiledNetwork {
  /// What is computed, after fusion; `ReferenceNetwork(graph)` gives the same bits.
  public let graph: Graph
  /// The samples of a batch.
  public let batch: Int
  /// The device in use.
  public let context: Context
  /// The kernels in use.
  public let family: KernelFamily
  /// How convolutions and matrix products are rounded.
  public let arithmetic: Arithmetic
  /// The input `[N, H, W, C]`, dense, in [0, 1] for pictures: write it before a pass.
  public let input: DeviceTensor
  /// The gradient of the input, in the input's layout; read it after `gradient()`.
  public let inputGradient: DeviceTensor?
  /// The result of the last pass, in device layout.
  public let logits: DeviceTensor
  /// The gradient of the result: write it between `forward()` and `gradient()`.
  public let logitsGradient: DeviceTensor?

  private let forwardPass: Recorder
  private let gradientPass: Recorder
  /// The node of each launch of both passes.
  private var launchNodes: (forward: [Int], gradient: [Int]) = ([], [])

  /// Builds a network for a device.
  ///
  /// - Parameters:
  ///   - graph: What to compute; it is optimised first.
  ///   - context: The device.
  ///   - batch: Samples of a batch, at least 1.
  ///   - family: The kernels to prefer, by default those that suit the device.
  ///   - withGradient: Whether `gradient()` will be called; without it less memory is taken.
  ///   - tuner: What chooses register tiles by measurement; nil leaves it to the rules.
  ///   - sliceSize: Samples that the first, largest layers compute at a time, at most and if that
  ///     saves memory; nil leaves it to the device. It changes no bit.
  ///   - arithmetic: How products are rounded; looser modes take the `gpu` family's kernels, and a
  ///     device without an `Arithmetic.obstacle`.
  ///   - progress: Called with (operations compiled, all operations).
  /// - Throws: `ComputeError` when a kernel cannot be built or the memory is not there.
  public init(
    _ graph: Graph, context: Context, batch: Int, family: KernelFamily? = nil,
    withGradient: Bool = true, tuner: Tuner? = nil, sliceSize: Int? = nil,
    arithmetic: Arithmetic = .canonical, progress: ((Int, Int) -> Void)? = nil
  ) throws(ComputeError) {
    precondition(batch > 0, "a batch of \(batch)")
    self.graph = graph.withPaddedInput().optimized()
    self.batch = batch
    self.context = context
    self.family = arithmetic.isCanonical ? family ?? .preferred(for: context.device) : .gpu
    self.arithmetic = arithmetic
    let plan = MemoryPlan(
      self.graph, batch: batch, withGradient: withGradient,
      largestBufferBytes: context.device.largestBufferBytes,
      sliceSize: sliceSize ?? BatchSlices.preferredSize(for: context.device))
    let memory = try PlannedMemory(plan, context: context)
    input = memory.input
    logits = memory.value(self.graph.output)
    inputGradient = withGradient ? memory.inputGradient : nil
    logitsGradient = withGradient ? memory.gradient(self.graph.output) : nil
    let shared = PackedParameters()
    forwardPass = Recorder(
      context: context, family: self.family, batch: batch, tuner: tuner, sharing: shared)
    gradientPass = Recorder(
      context: context, family: self.family, batch: batch, tuner: tuner, sharing: shared)
    forwardPass.arithmetic = arithmetic
    gradientPass.arithmetic = arithmetic
    defer { tuner?.releaseMemory() }
    let steps = self.graph.nodes.count * (withGradient ? 2 : 1)
    try recordForward(memory) { progress?($0, steps) }
    if withGradient { try recordGradient(memory) { progress?($0, steps) } }
  }

  /// The bytes of device memory that a network would take for a batch: tensors, masks and weights.
  ///
  /// `Int.max` when one tensor alone would exceed the largest buffer.
  public static func estimatedBytes(
    _ graph: Graph, batch: Int, withGradient: Bool, on device: Device
  ) -> Int {
    let plan = MemoryPlan(
      graph.withPaddedInput().optimized(), batch: batch, withGradient: withGradient,
      largestBufferBytes: device.largestBufferBytes,
      sliceSize: BatchSlices.preferredSize(for: device))
    guard plan.floatBins.allSatisfy({ 4 * $0 <= device.largestBufferBytes }) else { return .max }
    let pictures = (withGradient ? 2 : 1) * batch * graph.inputShape.reduce(1, *)
    let packed = plan.graph.packedParameterCount
    let family = KernelFamily.preferred(for: device)
    let weights = withGradient ? 2 * packed - plan.graph.sharedParameterCount(family) : packed
    return 4 * (plan.floatBins.reduce(0, +) + pictures + weights) + plan.byteBins.reduce(0, +)
  }

  /// Queues the forward pass: from `input` to `logits`.
  public func forward() throws(ComputeError) { try forwardPass.run() }

  /// Queues the gradient pass, from `logitsGradient` to `inputGradient`, after a `forward()`.
  public func gradient() throws(ComputeError) { try gradientPass.run() }

  /// One launch of a pass, how long it took and which node asked for it.
  public struct TimedLaunch: Sendable {
    /// The position in `graph.nodes`.
    public let node: Int
    /// Whether it belongs to the gradient pass.
    public let isGradient: Bool
    /// The kernel's name.
    public let kernel: String
    /// Seconds on the device's clock.
    public let seconds: Double
  }

  /// Runs both passes launch by launch, waiting for each.
  public func timedPasses() throws(ComputeError) -> [TimedLaunch] {
    var times: [TimedLaunch] = []
    for (launch, node) in zip(forwardPass.launches, launchNodes.forward) {
      times.append(
        TimedLaunch(
          node: node, isGradient: false, kernel: launch.name, seconds: try launch.timed()))
    }
    for (launch, node) in zip(gradientPass.launches, launchNodes.gradient) {
      times.append(
        TimedLaunch(node: node, isGradient: true, kernel: launch.name, seconds: try launch.timed()))
    }
    return times
  }

  /// Writes a batch of pictures `[N]` + input shape, padded with zeros to the whole batch.
  public func write(_ x: Tensor<Float>) throws(ComputeError) {
    let count = x.shape[0]
    precondition(count <= batch && Array(x.shape.dropFirst()) == graph.inputShape, "\(x.shape)")
    try input.buffer.write(input.layout.pack(x.values, batch: count), at: input.offset)
  }

  /// The result of the last pass, `[N]` + output shape; waits for it.
  public func readLogits() throws(ComputeError) -> Tensor<Float> { try read(logits) }

  /// The gradient of the input, `[N]` + input shape; waits for it.
  public func readInputGradient() throws(ComputeError) -> Tensor<Float> {
    guard let inputGradient else { preconditionFailure("compiled without the gradient") }
    return try read(inputGradient, shape: graph.inputShape)
  }

  private func read(
    _ tensor: DeviceTensor, shape: [Int]? = nil
  ) throws(ComputeError) -> Tensor<Float> {
    let memory = try tensor.buffer.read(
      from: tensor.offset, length: batch * tensor.layout.imageStride)
    return Tensor(
      shape: [batch] + (shape ?? graph.outputShape),
      values: tensor.layout.unpack(memory, batch: batch))
  }

}

// MARK: Recording

extension CompiledNetwork {
  /// Records the forward pass: its first nodes slice by slice, the others for the whole batch.
  private func recordForward(
    _ memory: PlannedMemory, progress: (_ nodes: Int) -> Void
  ) throws(ComputeError) {
    let slices = memory.plan.slices
    func record(
      _ index: Int, _ memory: PlannedMemory, samples: Int? = nil
    ) throws(ComputeError) {
      try forwardPass.operation(index, samples: samples) { () throws(ComputeError) in
        try Self.recordForward(graph.nodes[index], index, memory, forwardPass)
      }
      launchNodes.forward.fill(with: index, upTo: forwardPass.launches.count)
      progress(index + 1)
    }
    if slices.end > 0 {
      for samples in slices.parts {
        let part = memory.part(from: samples.lowerBound)
        for index in 0..<slices.end { try record(index, part, samples: samples.count) }
      }
    }
    for index in slices.end..<graph.nodes.count { try record(index, memory) }
  }

  /// Records the gradient pass, in the order of the forward pass reversed.
  private func recordGradient(
    _ memory: PlannedMemory, progress: (_ nodes: Int) -> Void
  ) throws(ComputeError) {
    let count = graph.nodes.count
    let slices = memory.plan.slices
    if let mask = memory.mask(of: graph.output) {
      // Nothing reads the result, so nobody else applies the derivative of its activation.
      let gradient = memory.gradient(graph.output)
      try recordCopy(gradientPass, from: gradient, to: GradientTarget(tensor: gradient, mask: mask))
      launchNodes.gradient.fill(with: count - 1, upTo: gradientPass.launches.count)
    }
    func record(
      _ index: Int, _ memory: PlannedMemory, samples: Int? = nil, started: inout Set<ValueID>
    ) throws(ComputeError) {
      try gradientPass.operation(index, samples: samples) { () throws(ComputeError) in
        try Self.recordGradient(graph.nodes[index], index, memory, gradientPass, started: &started)
      }
      launchNodes.gradient.fill(with: index, upTo: gradientPass.launches.count)
      progress(2 * count - index)
    }
    var started: Set<ValueID> = []
    for index in (slices.end..<count).reversed() { try record(index, memory, started: &started) }
    guard slices.end > 0 else { return }
    for samples in slices.parts {
      let part = memory.part(from: samples.lowerBound)
      var started = started
      for index in (0..<slices.end).reversed() {
        try record(index, part, samples: samples.count, started: &started)
      }
    }
  }

  private static func recordForward(
    _ node: Graph.Node, _ index: Int, _ memory: PlannedMemory, _ recorder: Recorder
  ) throws(ComputeError) {
    let sharing = memory.plan.sharing
    let output = memory.value(node.output)
    if !sharing.joins.contains(index) {
      try node.operation.recordForward(
        recorder, inputs: node.inputs.map { memory.value($0) },
        output: ForwardTarget(
          tensor: output, mask: memory.mask(of: node.output)?.bits, state: memory.state(index)))
    }
    // Whoever owns the memory fills its border.
    if sharing.home(of: node.output).owner == node.output, output.layout.border != .zero {
      try recordBorderFill(recorder, output)
    }
  }

  private static func recordGradient(
    _ node: Graph.Node, _ index: Int, _ memory: PlannedMemory, _ recorder: Recorder,
    started: inout Set<ValueID>
  ) throws(ComputeError) {
    let sharing = memory.plan.sharing
    let gradient = memory.gradient(node.output)
    if sharing.gradientHome(of: node.output).owner == node.output, gradient.layout.border != .zero {
      try recordBorderFill(recorder, gradient)
    }
    let saved = memory.saved(node, index)
    for (position, value) in node.inputs.enumerated() {
      if sharing.passesGradient(of: value, with: node.output) {
        // The output's gradient becomes the input's where it lies.
        started.insert(value)
        continue
      }
      let isLast = memory.plan.lastShare(of: value) == (index, position)
      try node.operation.recordGradient(
        recorder, of: position, gradient: gradient, saved: saved,
        to: GradientTarget(
          tensor: memory.gradient(value), accumulates: !started.insert(value).inserted,
          mask: isLast ? memory.mask(of: value) : nil))
    }
  }
}

extension [Int] {
  /// Appends a number until there are so many.
  fileprivate mutating func fill(with value: Int, upTo count: Int) {
    append(contentsOf: repeatElement(value, count: Swift.max(0, count - self.count)))
  }
}
