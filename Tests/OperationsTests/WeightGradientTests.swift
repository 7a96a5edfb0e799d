import Compute
import Operations
import Reference
import Testing
import Verification

@Suite struct WeightGradientTests {
  /// Equal bits, or both NaN.
  private func agree(_ a: some Sequence<Float>, _ b: [Float]) -> Bool {
    let a = Array(a)
    return a.count == b.count
      && zip(a, b).allSatisfy { $0.bitPattern == $1.bitPattern || ($0.isNaN && $1.isNaN) }
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
