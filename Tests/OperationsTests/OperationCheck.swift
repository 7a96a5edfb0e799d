import Compute
import Operations
import Reference
import Testing

/// Compares an operation's kernels with its CPU reference path, bit for bit.
///
/// Padding channels of the inputs hold NaN, outputs are filled with NaN first, and canaries stand
/// before and after everything that a kernel writes. Every way of finishing a gradient is tried.
struct OperationCheck {
  /// What the elements of the inputs are.
  enum Values {
    /// Anything in a range; every seventh is a zero, of either sign, or a denormal.
    case real(ClosedRange<Float>)
    /// Integers, so that equal elements are frequent.
    case integers(ClosedRange<Int>)
    /// Anything that a float can be: NaN, infinities, denormals, the largest.
    case special
  }

  /// One context for each device, shared by all tests so that programs are built once.
  private static let opened = Result<[Context], ComputeError> { () throws(ComputeError) in
    var contexts: [Context] = []
    for device in try Device.all() {
      contexts.append(try Context(device: device, cache: ProgramCache(folder: nil)))
    }
    guard !contexts.isEmpty else { throw ComputeError(.deviceNotFound, "Device.all") }
    return contexts
  }

  /// A context for each device there is; throws when there is none.
  static func contexts() throws(ComputeError) -> [Context] { try opened.get() }

  /// The kernel families to try on a device.
  static func families(_ context: Context) -> [KernelFamily] {
    context.device.kind == .cpu ? [.reference, .cpu] : [.reference]
  }

  /// The elements of the inputs.
  var values = Values.real(-2...2)
  /// The elements of the output's gradient.
  var gradientValues = Values.real(-2...2)
  /// Whether the inputs and their gradients lie densely, as pictures do.
  var dense = false
  /// Whether the gradient is checked too.
  var checksGradient = true
  /// What is tried; nil for everything that the device has.
  var families: [KernelFamily]?

  /// Runs an operation on every device with every family, on two seeds' worth of layouts.
  func run(
    _ operation: some Operation, _ shapes: [[Int]], batch: Int = 3, seed: UInt64 = 1,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    for context in try Self.contexts() {
      for family in families ?? Self.families(context) {
        for extra in [Padding.zero, Padding(top: 1, left: 2, bottom: 0, right: 3)] {
          let output = try operation.outputShape(for: shapes)
          let trial = OperationTrial(
            operation: operation, check: self, context: context, family: family, batch: batch,
            shapes: shapes, outputShape: output, extraBorder: extra, seed: seed,
            sourceLocation: sourceLocation)
          try trial.forward()
          if checksGradient { try trial.gradients() }
        }
      }
    }
  }
}

/// One operation on one device with one family and one set of layouts.
private struct OperationTrial<Tested: Operation> {
  let operation: Tested
  let check: OperationCheck
  let context: Context
  let family: KernelFamily
  let batch: Int
  let inputLayouts: [Layout]
  let outputLayout: Layout
  let gradientLayout: Layout
  let inputs: [Tensor<Float>]
  let output: Tensor<Float>
  let name: String
  let sourceLocation: SourceLocation
  private let seed: UInt64

  init(
    operation: Tested, check: OperationCheck, context: Context, family: KernelFamily, batch: Int,
    shapes: [[Int]], outputShape: [Int], extraBorder: Padding, seed: UInt64,
    sourceLocation: SourceLocation
  ) {
    self.operation = operation
    self.check = check
    self.context = context
    self.family = family
    self.batch = batch
    self.seed = seed
    self.sourceLocation = sourceLocation
    let bare = shapes.map { Layout(shape: $0, dense: check.dense) }
    let bareOutput = Layout(shape: outputShape)
    inputLayouts = bare.indices.map { position in
      bare[position].with(
        border: operation.inputBorder(position, inputs: bare, output: bareOutput)
          .adding(check.dense ? .zero : extraBorder))
    }
    outputLayout = bareOutput.with(border: extraBorder)
    gradientLayout = bareOutput.with(
      border: operation.gradientBorder(inputs: bare, output: bareOutput).adding(extraBorder))
    var generator = TestGenerator(seed: seed)
    var made: [Tensor<Float>] = []
    for shape in shapes {
      made.append(generator.tensor([batch] + shape, check.values))
    }
    inputs = made
    output = operation.evaluate(made)
    name =
      "\(operation.kind) \(shapes) -> \(outputShape), batch \(batch), \(family), border "
      + "\(extraBorder == .zero ? "as asked" : "wider")\(check.dense ? ", dense" : ""), "
      + "\(context.device.name)"
    if output.shape != [batch] + outputShape {
      Issue.record(
        "\(name): the reference made the shape \(output.shape)", sourceLocation: sourceLocation)
    }
  }

  // MARK: Forward

  /// The forward pass without and with what a gradient needs, the latter twice.
  func forward() throws {
    let memory = try inputs.indices.map { try GuardedTensor(context, inputLayouts[$0], batch) }
    for position in inputs.indices { try memory[position].write(inputs[position].values) }
    let plain = try GuardedTensor(context, outputLayout, batch)
    try run(memory, ForwardTarget(tensor: plain.tensor))
    compare(try plain.read(), output.values, "output")
    for what in try plain.damage() { fail("output \(what)") }

    let needs = operation.needs(inputs: inputLayouts, output: outputLayout)
    for round in 1...2 {
      let full = try GuardedTensor(context, outputLayout, batch)
      let bits =
        operation.activation == .none
        ? nil : try GuardedBytes(context, count: batch * outputLayout.interior / 8)
      let state =
        needs.stateBytes == 0 ? nil : try GuardedBytes(context, count: batch * needs.stateBytes)
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

  private func run(_ memory: [GuardedTensor], _ target: ForwardTarget) throws {
    let recorder = Recorder(context: context, family: family, batch: batch)
    try operation.recordForward(recorder, inputs: memory.map(\.tensor), output: target)
    try recorder.run()
  }

  /// The activation's bits must be those of the reference output.
  private func compareBits(_ bytes: [UInt8]) {
    forEachElement(of: outputLayout, batch: batch) { logical, interior in
      let y = output.values[logical]
      let expected =
        switch operation.activation {
        case .none: true
        case .relu, .leakyReLU: y > 0
        case .clip(let low, let high): y > low && y < high
        }
      let bit = bytes[interior / 8] >> UInt8(interior % 8) & 1 == 1
      return bit == expected ? nil : "mask bit \(logical) is \(bit) for the output \(y)"
    }.map(fail)
  }

  // MARK: Gradients

  /// The gradients of every input, stored in every way, each twice.
  func gradients() throws {
    var generator = TestGenerator(seed: seed ^ 0x6772_6164)
    let gradient = generator.tensor(output.shape, check.gradientValues)
    let shares = operation.inputGradients(inputs: inputs, output: output, gradient: gradient)
    guard shares.count == inputs.count else {
      return fail("the reference has \(shares.count) gradients for \(inputs.count) inputs")
    }
    let needs = operation.needs(inputs: inputLayouts, output: outputLayout)
    let memory = try inputs.indices.map { try GuardedTensor(context, inputLayouts[$0], batch) }
    for position in inputs.indices { try memory[position].write(inputs[position].values) }
    let kept = try GuardedTensor(context, outputLayout, batch)
    let bits =
      operation.activation == .none
      ? nil : try GuardedBytes(context, count: batch * outputLayout.interior / 8)
    let state =
      needs.stateBytes == 0 ? nil : try GuardedBytes(context, count: batch * needs.stateBytes)
    try run(memory, ForwardTarget(tensor: kept.tensor, mask: bits?.bytes, state: state?.bytes))
    // What the operation did not ask for, it does not get: an arena has other things there by then.
    let saved = Saved(
      inputs: inputs.indices.map { needs.inputs.contains($0) ? memory[$0].tensor : nil },
      output: needs.output ? kept.tensor : nil, state: state?.bytes, inputLayouts: inputLayouts,
      outputLayout: outputLayout)
    let source = try GuardedTensor(context, gradientLayout, batch)
    try source.write(gradient.values)
    let activations: [Activation?] = [nil, .relu, .leakyReLU(0.125)]
    for position in inputs.indices {
      if shares[position].shape != inputs[position].shape {
        fail("the reference's gradient \(position) has the shape \(shares[position].shape)")
        continue
      }
      let stored = generator.tensor(inputs[position].shape, check.gradientValues)
      for accumulates in [false, true] {
        for activation in activations where !(check.dense && activation != nil) {
          for round in 1...2 {
            try checkGradient(
              position, source, saved, shares[position], stored, accumulates, activation,
              "gradient \(position)\(accumulates ? " accumulated" : "")"
                + (activation.map { " masked by \($0)" } ?? "") + ", round \(round)")
          }
        }
      }
    }
    for what in try source.damage() { fail("the output's gradient \(what)") }
    compare(try source.read(), gradient.values, "the output's gradient after the run")
  }

  private func checkGradient(
    _ position: Int, _ source: GuardedTensor, _ saved: Saved, _ share: Tensor<Float>,
    _ stored: Tensor<Float>, _ accumulates: Bool, _ activation: Activation?, _ what: String
  ) throws {
    let layout = inputLayouts[position]
    let target = try GuardedTensor(context, layout, batch)
    if accumulates { try target.write(stored.values) }
    var generator = TestGenerator(seed: seed ^ 0x6269_7473)
    let words = (0..<batch * layout.interior / 8).map { _ in
      UInt8(truncatingIfNeeded: generator.next())
    }
    var mask: GuardedBytes?
    if activation != nil {
      mask = try GuardedBytes(context, count: words.count)
      try mask?.write(words)
    }
    let recorder = Recorder(context: context, family: family, batch: batch)
    try operation.recordGradient(
      recorder, of: position, gradient: source.tensor, saved: saved,
      to: GradientTarget(
        tensor: target.tensor, accumulates: accumulates,
        mask: mask.flatMap { bits in activation.map { ($0, bits.bytes) } }))
    try recorder.run()
    var expected = share.values
    if accumulates { for i in expected.indices { expected[i] += stored.values[i] } }
    if let activation {
      _ = forEachElement(of: layout, batch: batch) { logical, interior in
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

  // MARK: Comparing

  /// Bits must be equal; a NaN equals any NaN, since devices differ in what they put into it.
  private func compare(_ found: [Float], _ expected: [Float], _ what: String) {
    guard found.count == expected.count else {
      return fail("\(what): \(found.count) elements instead of \(expected.count)")
    }
    var wrong = 0
    var first: Int?
    for i in found.indices
    where found[i].bitPattern != expected[i].bitPattern
      && !(found[i].isNaN && expected[i].isNaN)
    {
      wrong += 1
      first = first ?? i
    }
    if let first {
      fail(
        "\(what): \(wrong) of \(found.count) elements differ, first \(first): "
          + "\(found[first]) instead of \(expected[first])")
    }
  }

  private func fail(_ message: String) {
    Issue.record("\(name): \(message)", sourceLocation: sourceLocation)
  }
}

/// Calls `body` with every element's logical index and its place in a mask, until it complains.
private func forEachElement(
  of layout: Layout, batch: Int, _ body: (Int, Int) -> String?
) -> String? {
  for n in 0..<batch {
    for pixel in 0..<layout.pixels {
      for c in 0..<layout.channels {
        let logical =
          layout.isPlanar
          ? (n * layout.channels + c) * layout.pixels + pixel
          : (n * layout.pixels + pixel) * layout.channels + c
        let interior = (n * layout.pixels + pixel) * layout.channelStride + c
        if let complaint = body(logical, interior) { return complaint }
      }
    }
  }
  return nil
}

/// A batch in device memory between two canaries, filled with NaN of a payload of its own.
private struct GuardedTensor {
  private static let canary = Float(bitPattern: 0x7fc0_beef)
  private static let unwritten = Float(bitPattern: 0x7fc0_dead)
  private static let room = 64
  let tensor: DeviceTensor
  private let batch: Int
  private var count: Int { batch * tensor.layout.imageStride }

  init(_ context: Context, _ layout: Layout, _ batch: Int) throws {
    self.batch = batch
    let canary = [Float](repeating: Self.canary, count: Self.room)
    let inner = [Float](repeating: Self.unwritten, count: batch * layout.imageStride)
    tensor = DeviceTensor(
      buffer: try Buffer(context, canary + inner + canary), offset: Self.room, layout: layout)
  }

  /// Stores logical elements; padding channels become NaN, the border stays as it was.
  func write(_ values: [Float]) throws {
    var memory = tensor.layout.pack(values, batch: batch, filler: .nan)
    for i in memory.indices where !isInterior(i) { memory[i] = 0 }
    try tensor.buffer.write(memory, at: Self.room)
  }

  /// The logical elements.
  func read() throws -> [Float] {
    tensor.layout.unpack(
      try tensor.buffer.read(from: Self.room, length: count), batch: batch)
  }

  /// What was written that no kernel may write: canaries and the border.
  func damage() throws -> [String] {
    let memory = try tensor.buffer.read()
    var result: [String] = []
    let outside = Array(0..<Self.room) + Array((Self.room + count)..<memory.count)
    if let place = outside.first(where: { memory[$0].bitPattern != Self.canary.bitPattern }) {
      result.append("was written outside, \(place - Self.room) floats from its start")
    }
    let border = (0..<count).first {
      let bits = memory[Self.room + $0].bitPattern
      return !isInterior($0) && bits != 0 && bits != Self.unwritten.bitPattern
    }
    if let border { result.append("was written in its border, \(border) floats from its start") }
    return result
  }

  private func isInterior(_ index: Int) -> Bool {
    let layout = tensor.layout
    let inImage = index % layout.imageStride
    let row = inImage / layout.rowStride - layout.border.top
    let column = inImage % layout.rowStride / layout.channelStride - layout.border.left
    return (0..<layout.height).contains(row) && (0..<layout.width).contains(column)
  }
}

/// Bytes in device memory between two canaries.
private struct GuardedBytes {
  private static let room = 128
  let bytes: DeviceBytes
  private let count: Int

  init(_ context: Context, count: Int) throws {
    self.count = count
    let canary = [UInt8](repeating: 0xa5, count: Self.room)
    let buffer = try Buffer(
      context, canary + [UInt8](repeating: 0x5a, count: count) + canary)
    bytes = DeviceBytes(buffer: buffer, offset: Self.room)
  }

  func write(_ values: [UInt8]) throws { try bytes.buffer.write(values, at: Self.room) }

  func read() throws -> [UInt8] { try bytes.buffer.read(from: Self.room, length: count) }

  func damage() throws -> [String] {
    let memory = try bytes.buffer.read()
    let outside = Array(0..<Self.room) + Array((Self.room + count)..<memory.count)
    return outside.contains { memory[$0] != 0xa5 } ? ["was written outside"] : []
  }
}

extension Padding {
  fileprivate func adding(_ other: Padding) -> Padding {
    Padding(
      top: top + other.top, left: left + other.left, bottom: bottom + other.bottom,
      right: right + other.right)
  }
}

/// SplitMix64 (Steele, Lea and Flood 2014): the same values on every machine.
struct TestGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// A tensor of such elements.
  mutating func tensor(_ shape: [Int], _ values: OperationCheck.Values) -> Tensor<Float> {
    Tensor(
      shape: shape,
      values: (0..<shape.reduce(1, *)).map { index in
        switch values {
        case .integers(let range): return Float(Int.random(in: range, using: &self))
        case .special:
          let values: [Float] = [
            0, -0.0, 1, -1, .nan, .infinity, -.infinity, 0x1p-149, -0x1p-140, 0x1.fffffep127,
            -0x1.fffffep127, 0.5, -3, 6, 88.5, -90,
          ]
          return values[Int.random(in: values.indices, using: &self)]
        case .real(let range):
          let value = Float.random(in: range, using: &self)
          guard index % 7 == 3 else { return value }
          let special: [Float] = [0, -0.0, 0x1p-140, -0x1p-140]
          let chosen = special[Int.random(in: 0..<4, using: &self)]
          return range.contains(chosen) ? chosen : value
        }
      })
  }
}
