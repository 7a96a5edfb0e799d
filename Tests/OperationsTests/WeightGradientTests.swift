import Compute
import Operations
import Reference
import Testing
import Verification

@Suite struct WeightGradientTests {
  /// Compares the gradients of one operation's parameters with the reference path; what is not
  /// logical is NaN in the inputs, and canaries stand around the outputs.
  private func check(
    _ operation: some TrainableOperation, _ shape: [Int], batch: Int, dense: Bool = false,
    values: OperationCheck.Values = .real(-2...2)
  ) throws {
    var generator = TestGenerator(seed: 21)
    let input = generator.tensor([batch] + shape, values)
    let output = try operation.outputShape(for: [shape])
    let gradient = generator.tensor([batch] + output, .real(-2...2))
    let expected = operation.parameterGradients(input: input, gradient: gradient)
    let border = dense ? Padding.zero : Padding(top: 1, left: 2, bottom: 0, right: 3)
    let from = Layout(shape: shape, border: border, dense: dense)
    let to = Layout(shape: output, border: border)
    let (weights, bias) = (operation.weights.count, expected.bias.count)
    for context in try OperationCheck.contexts() {
      for family in OperationCheck.families(context) {
        let room = 32
        let memory = try Buffer(
          context, [Float](repeating: 77, count: weights + bias + 3 * room))
        let recorder = Recorder(context: context, family: family, batch: batch)
        try operation.recordParameterGradients(
          recorder,
          input: DeviceTensor(
            buffer: try Buffer(context, from.pack(input.values, batch: batch, filler: .nan)),
            layout: from),
          gradient: DeviceTensor(
            buffer: try Buffer(context, to.pack(gradient.values, batch: batch, filler: .nan)),
            layout: to),
          to: LiveParameters(buffer: memory, weights: room, bias: 2 * room + weights))
        for round in 1...2 {
          try recorder.run()
          let found = try memory.read()
          let name = "\(operation.kind) \(shape), \(family), round \(round)"
          #expect(
            agree(found[room..<room + weights], expected.weights.values), "weights of \(name)")
          #expect(agree(found[(2 * room + weights)...].prefix(bias), expected.bias), "\(name)")
          #expect(
            (found[0..<room] + found[(room + weights)...].prefix(room) + found.suffix(room))
              .allSatisfy { $0 == 77 }, "canaries of \(name)")
        }
      }
    }
  }

  /// Equal bits, or both NaN.
  private func agree(_ a: some Sequence<Float>, _ b: [Float]) -> Bool {
    let a = Array(a)
    return a.count == b.count
      && zip(a, b).allSatisfy { $0.bitPattern == $1.bitPattern || ($0.isNaN && $1.isNaN) }
  }

  @Test(arguments: ConvolutionCase.all)
  func `convolutions' gradients equal the reference bit for bit`(tested: ConvolutionCase) throws {
    try check(tested.operation(), tested.input, batch: tested.batch)
    try check(tested.operation(), tested.input, batch: tested.batch, dense: true)
  }

  @Test func `what is no number stays where the reference has it`() throws {
    try check(ConvolutionCase.all[1].operation(), [3, 9, 11], batch: 2, values: .special)
  }

  @Test(arguments: [1, 3, 64], [[1, 1], [5, 3], [33, 17], [64, 100]])
  func `matrix products' gradients equal the reference bit for bit`(
    batch: Int, sizes: [Int]
  ) throws {
    let operation = Linear(
      weights: Tensor(shape: sizes, repeating: 1), bias: Array(repeating: 0, count: sizes[1]))
    try check(operation, [sizes[0]], batch: batch)
    try check(operation, [5, sizes[0]], batch: batch)
  }

  @Test func `live parameters compute what constants compute`() throws {
    var generator = TestGenerator(seed: 22)
    for context in try OperationCheck.contexts() {
      for family in OperationCheck.families(context) {
        for tested in ConvolutionCase.all {
          let operation = tested.operation()
          let other = generator.tensor(operation.weights.shape, .real(-1...1))
          let offsets = generator.tensor([tested.outputs], .real(-1...1)).values
          let input = generator.tensor([tested.batch] + tested.input, .real(-1...1))
          let bare = Layout(shape: tested.input)
          let to = Layout(shape: try operation.outputShape(for: [tested.input]))
          let from = bare.with(border: operation.inputBorder(0, inputs: [bare], output: to))
          let gradientLayout = to.with(
            border: operation.gradientBorder(inputs: [bare], output: to))
          let live = try Buffer<Float>(context, count: other.count + offsets.count + 3)
          let recorder = Recorder(context: context, family: family, batch: tested.batch)
          let x = DeviceTensor(
            buffer: try Buffer(context, from.pack(input.values, batch: tested.batch)), layout: from)
          let y = DeviceTensor(
            buffer: try Buffer(context, count: tested.batch * to.imageStride), layout: to)
          let output = generator.tensor([tested.batch] + to.shape, .real(-1...1))
          let dy = DeviceTensor(
            buffer: try Buffer(
              context, gradientLayout.pack(output.values, batch: tested.batch)),
            layout: gradientLayout)
          let dx = DeviceTensor(
            buffer: try Buffer(context, count: tested.batch * bare.imageStride), layout: bare)
          try recorder.withParameters(
            LiveParameters(buffer: live, weights: 3, bias: 3 + other.count)
          ) { () throws(ComputeError) in
            try operation.recordForward(recorder, inputs: [x], output: ForwardTarget(tensor: y))
            try operation.recordGradient(
              recorder, of: 0, gradient: dy,
              saved: Saved(
                inputs: [nil], output: nil, state: nil, inputLayouts: [from], outputLayout: to),
              to: GradientTarget(tensor: dx))
          }
          // The parameters arrive after everything is recorded.
          try live.write([0, 0, 0] + other.values + offsets)
          try recorder.run()
          let changed = operation.replacing(weights: other, bias: offsets)
          let expected = changed.evaluate([input])
          #expect(
            agree(to.unpack(try y.buffer.read(), batch: tested.batch), expected.values),
            "forward \(tested.testDescription), \(family)")
          let share = changed.inputGradients(inputs: [input], output: expected, gradient: output)
          #expect(
            agree(bare.unpack(try dx.buffer.read(), batch: tested.batch), share[0].values),
            "gradient \(tested.testDescription), \(family)")
        }
      }
    }
  }
}
