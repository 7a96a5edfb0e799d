import Compute
import Operations
import Reference
import Testing
import Verification

/// One channel, 4x4, in device layout; what the operation makes of it and the gradient of ones.
private func poolSixteen(
  _ operation: some Operation, _ x: [Float], _ context: Context
) throws -> (output: [Float], gradient: [Float]) {
  let input = Layout(shape: [1, 4, 4])
  let output = Layout(shape: try operation.outputShape(for: [[1, 4, 4]]))
  let needs = operation.needs(inputs: [input], output: output)
  let source = DeviceTensor(buffer: try Buffer(context, input.pack(x, batch: 1)), layout: input)
  let result = DeviceTensor(
    buffer: try Buffer(context, count: output.imageStride), layout: output)
  let state = DeviceBytes(buffer: try Buffer(context, count: needs.stateBytes))
  let recorder = Recorder(context: context, family: .reference, batch: 1)
  try operation.recordForward(
    recorder, inputs: [source], output: ForwardTarget(tensor: result, state: state))
  let ones = DeviceTensor(
    buffer: try Buffer(
      context, output.pack([Float](repeating: 1, count: output.pixels), batch: 1)), layout: output)
  let target = DeviceTensor(buffer: try Buffer(context, count: input.imageStride), layout: input)
  try operation.recordGradient(
    recorder, of: 0, gradient: ones,
    saved: Saved(
      inputs: [nil], output: nil, state: state, inputLayouts: [input], outputLayout: output),
    to: GradientTarget(tensor: target))
  try recorder.run()
  return (
    output.unpack(try result.buffer.read(), batch: 1),
    input.unpack(try target.buffer.read(), batch: 1)
  )
}

/// The values are PyTorch's, `max_pool2d(x, 2)` and its gradient.
@Test func `of equal maxima the lowest wins, and a NaN wins over all`() throws {
  let infinity = Float.infinity
  let x: [Float] = [
    -infinity, -infinity, 3, 3,
    -infinity, -infinity, 3, 3,
    1, .nan, -0.0, 0,
    5, 7, 0, -0.0,
  ]
  for context in try OperationCheck.contexts() {
    let pooled = try poolSixteen(
      Pooling(.maximum, window: WindowGeometry(kernel: Extent(2), stride: Extent(2))), x, context)
    #expect(pooled.output[0] == -infinity && pooled.output[1] == 3 && pooled.output[2].isNaN)
    #expect(pooled.output[3].bitPattern == Float(-0.0).bitPattern)
    #expect(pooled.gradient == [1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0])
    let all = try poolSixteen(GlobalPooling(.maximum), x, context)
    #expect(all.output[0].isNaN)
    #expect(all.gradient.firstIndex(of: 1) == 9 && all.gradient.reduce(0, +) == 1)
  }
}

/// The values are PyTorch's: `avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=...)` of
/// 0...15 in a square of 4x4.
@Test func `padding counts or not as PyTorch has it`() throws {
  let x = (0..<16).map(Float.init)
  let window = WindowGeometry(
    kernel: Extent(3), stride: Extent(2), padding: Padding(1), ceilMode: true)
  for context in try OperationCheck.contexts() {
    let counted = try poolSixteen(
      Pooling(.average(countsPadding: true), window: window), x, context)
    #expect(
      counted.output == [
        1.1111112, 2.6666667, 1.6666666, 5.6666665, 10, 5.5, 4.1666665, 7, 3.75,
      ])
    let left = try poolSixteen(
      Pooling(.average(countsPadding: false), window: window), x, context)
    #expect(left.output == [2.5, 4, 5, 8.5, 10, 11, 12.5, 14, 15])
  }
}

@Test func `windows that one byte cannot number are refused`() {
  let window = WindowGeometry(kernel: Extent(16))
  #expect(throws: ShapeError.self) {
    try Pooling(.maximum, window: window).outputShape(for: [[3, 32, 32]])
  }
  #expect(throws: Never.self) {
    try Pooling(.average(countsPadding: true), window: window).outputShape(for: [[3, 32, 32]])
  }
}
