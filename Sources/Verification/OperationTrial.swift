import Compute
import Operations
import Reference

/// One operation on one device with one family and one set of layouts.
final class OperationTrial<Tested: Operation> {
  /// One line for each difference found.
  private(set) var failures: [String] = []
  private let operation: Tested
  private let check: OperationCheck
  private let context: Context
  private let family: KernelFamily
  private let batch: Int
  private let inputLayouts: [Layout]
  private let outputLayout: Layout
  private let gradientLayout: Layout
  private let inputs: [Tensor<Float>]
  private let output: Tensor<Float>
  private let name: String
  private let seed: UInt64
  private let packed = PackedParameters()

  init(
    operation: Tested, check: OperationCheck, context: Context, family: KernelFamily, batch: Int,
    shapes: [[Int]], outputShape: [Int], extraBorder: Padding, seed: UInt64
  ) {
    self.operation = operation
    self.check = check
    self.context = context
    self.family = family
    self.batch = batch
    self.seed = seed
    let isWider = extraBorder != .zero
    let bare = shapes.map { shape in
      let layout = Layout(shape: shape, dense: check.dense)
      return isWider && !check.dense ? layout.spread() : layout
    }
    let denseOutput = Layout(shape: outputShape, dense: check.denseOutput)
    let bareOutput = isWider && !check.denseOutput ? denseOutput.spread() : denseOutput
    inputLayouts = bare.indices.map { position in
      bare[position].with(
        border: operation.inputBorder(position, inputs: bare, output: bareOutput)
          .adding(check.dense ? .zero : extraBorder))
    }
    outputLayout = bareOutput.with(border: extraBorder)
    gradientLayout = bareOutput.with(
      border: operation.gradientBorder(inputs: bare, output: bareOutput).adding(extraBorder))
    var generator = ValueGenerator(seed: seed)
    var made: [Tensor<Float>] = []
    for shape in shapes { made.append(generator.tensor([batch] + shape, check.values)) }
    inputs = made
    output = operation.evaluate(made)
    name =
      "\(operation.kind) \(shapes) -> \(outputShape), batch \(batch), \(family), border "
      + "\(isWider ? "and pixels wider" : "as asked")\(check.dense ? ", dense" : "")"
    if output.shape != [batch] + outputShape {
      fail("the reference made the shape \(output.shape)")
    }
  }

  // MARK: Forward

  /// The forward pass without and with what a gradient needs.
  func forward() throws(ComputeError) {
    let memory = try storedInputs()
    let plain = try GuardedTensor(context, outputLayout, batch)
    try run(memory, ForwardTarget(tensor: plain.tensor))
    compare(try plain.read(), output.values, "output")
    for what in try plain.damage() { fail("output \(what)") }
    let needs = operation.needs(inputs: inputLayouts, output: outputLayout)
    for round in 1...check.rounds {
      let full = try GuardedTensor(context, outputLayout, batch)
      let bits = try maskBytes()
      let state = try stateBytes(needs)
      try run(
        memory, ForwardTarget(tensor: full.tensor, mask: bits?.bytes, state: state?.bytes))
      compare(try full.read(), output.values, "output of full run \(round)")
      for what in try full.damage() { fail("output of full run \(round) \(what)") }
      if let bits { compareBits(try bits.read()) }
      for what in try (bits?.damage() ?? []) + (state?.damage() ?? []) {
        fail("mask or state \(what)")
      }
    }
    for (position, tensor) in memory.enumerated() {
      for what in try tensor.damage() { fail("input \(position) \(what)") }
      compare(try tensor.read(), inputs[position].values, "input \(position) after the run")
    }
  }

  private func storedInputs() throws(ComputeError) -> [GuardedTensor] {
    var memory: [GuardedTensor] = []
    for position in inputs.indices {
      let tensor = try GuardedTensor(context, inputLayouts[position], batch)
      try tensor.write(inputs[position].values)
      memory.append(tensor)
    }
    return memory
  }

  private func maskBytes() throws(ComputeError) -> GuardedBytes? {
    operation.activation == .none
      ? nil : try GuardedBytes(context, count: batch * outputLayout.interior / 8)
  }

  private func stateBytes(_ needs: Needs) throws(ComputeError) -> GuardedBytes? {
    needs.stateBytes == 0 ? nil : try GuardedBytes(context, count: batch * needs.stateBytes)
  }

  private func run(_ memory: [GuardedTensor], _ target: ForwardTarget) throws(ComputeError) {
    try record { (recorder) throws(ComputeError) in
      try operation.recordForward(recorder, inputs: memory.map(\.tensor), output: target)
    }
  }

  /// Records and runs the operation, as one of a network whose passes share what they packed.
  private func record(
    _ body: (Recorder) throws(ComputeError) -> Void
  ) throws(ComputeError) {
    let recorder = Recorder(context: context, family: family, batch: batch, sharing: packed)
    try recorder.operation(0) { () throws(ComputeError) in try body(recorder) }
    try recorder.run()
  }

  /// The activation's bits must be those of the reference output.
  private func compareBits(_ bytes: [UInt8]) {
    let complaint = outputLayout.firstComplaint(batch: batch) { logical, interior in
      let y = output.values[logical]
      let expected =
        switch operation.activation {
        case .none: true
        case .relu, .leakyReLU: y > 0
        case .clip(let low, let high): y > low && y < high
        }
      let bit = bytes[interior / 8] >> UInt8(interior % 8) & 1 == 1
      return bit == expected ? nil : "mask bit \(logical) is \(bit) for the output \(y)"
    }
    if let complaint { fail(complaint) }
  }

  // MARK: Gradients

  /// The gradients of every input, stored in every way.
  func gradients() throws(ComputeError) {
    var generator = ValueGenerator(seed: seed ^ 0x6772_6164)
    let gradient = generator.tensor(output.shape, check.gradientValues)
    let shares = operation.inputGradients(inputs: inputs, output: output, gradient: gradient)
    guard shares.count == inputs.count else {
      return fail("the reference has \(shares.count) gradients for \(inputs.count) inputs")
    }
    let needs = operation.needs(inputs: inputLayouts, output: outputLayout)
    let memory = try storedInputs()
    let kept = try GuardedTensor(context, outputLayout, batch)
    let bits = try maskBytes()
    let state = try stateBytes(needs)
    try run(memory, ForwardTarget(tensor: kept.tensor, mask: bits?.bytes, state: state?.bytes))
    // What the operation did not ask for, it does not get: an arena has other things there by then.
    let saved = Saved(
      inputs: inputs.indices.map { needs.inputs.contains($0) ? memory[$0].tensor : nil },
      output: needs.output ? kept.tensor : nil, state: state?.bytes, inputLayouts: inputLayouts,
      outputLayout: outputLayout)
    let source = try GuardedTensor(context, gradientLayout, batch)
    try source.write(gradient.values)
    for position in inputs.indices {
      if shares[position].shape != inputs[position].shape {
        fail("the reference's gradient \(position) has the shape \(shares[position].shape)")
        continue
      }
      let stored = generator.tensor(inputs[position].shape, check.gradientValues)
      for (accumulates, activation) in check.finishes(batch: batch) {
        for round in 1...check.rounds {
          try checkGradient(
            position, source, saved, shares[position], stored, accumulates, activation,
            "gradient \(position)\(accumulates ? " accumulated" : "")"
              + (activation.map { " masked by \($0)" } ?? "") + ", round \(round)")
        }
      }
    }
    for what in try source.damage() { fail("the output's gradient \(what)") }
    compare(try source.read(), gradient.values, "the output's gradient after the run")
  }

  private func checkGradient(
    _ position: Int, _ source: GuardedTensor, _ saved: Saved, _ share: Tensor<Float>,
    _ stored: Tensor<Float>, _ accumulates: Bool, _ activation: Activation?, _ what: String
  ) throws(ComputeError) {
    let layout = inputLayouts[position]
    let target = try GuardedTensor(context, layout, batch)
    if accumulates { try target.write(stored.values) }
    var generator = ValueGenerator(seed: seed ^ 0x6269_7473)
    let words = generator.bytes(batch * layout.interior / 8)
    let mask = activation == nil ? nil : try GuardedBytes(context, count: words.count)
    try mask?.write(words)
    try record { (recorder) throws(ComputeError) in
      try operation.recordGradient(
        recorder, of: position, gradient: source.tensor, saved: saved,
        to: GradientTarget(
          tensor: target.tensor, accumulates: accumulates,
          mask: mask.flatMap { bits in activation.map { ($0, bits.bytes) } }))
    }
    var expected = share.values
    if accumulates { for i in expected.indices { expected[i] += stored.values[i] } }
    if let activation {
      _ = layout.firstComplaint(batch: batch) { logical, interior in
        if words[interior / 8] >> UInt8(interior % 8) & 1 == 0 {
          if case .leakyReLU(let slope) = activation {
            expected[logical] *= slope
          } else {
            expected[logical] = 0
          }
        }
        return nil
      }
    }
    compare(try target.read(), expected, what)
    for damage in try target.damage() + (mask?.damage() ?? []) { fail("\(what) \(damage)") }
  }

  private func compare(_ found: [Float], _ expected: [Float], _ what: String) {
    if let line = difference(found, expected) { fail("\(what): \(line)") }
  }

  private func fail(_ message: String) { failures.append("\(name): \(message)") }
}
