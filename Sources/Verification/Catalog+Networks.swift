import Compute
import Networks
import Operations
import Reference

/// Appends layers with seeded random weights.
private struct NetworkSketch {
  private(set) var graph: Graph
  private var generator: ValueGenerator

  init(_ inputShape: [Int], seed: UInt64) {
    graph = Graph(inputShape: inputShape)
    generator = ValueGenerator(seed: seed)
  }

  var top: ValueID { graph.output }

  @discardableResult
  mutating func add(
    _ operation: any Operation, _ inputs: [ValueID]? = nil
  ) throws(ShapeError) -> ValueID {
    try graph.append(operation, name: operation.kind, to: inputs ?? [top])
  }

  @discardableResult
  mutating func convolution(
    _ channels: Int, _ kernel: Int, stride: Int = 1, groups: Int = 1, from input: ValueID? = nil
  ) throws(ShapeError) -> ValueID {
    let inputs = graph.shape(of: input ?? top)[0] / groups
    let bound = 1.5 / Float(inputs * kernel * kernel).squareRoot()
    let weights = generator.tensor([channels, inputs, kernel, kernel], .real(-bound...bound))
    let bias = generator.tensor([channels], .real(-0.1...0.1)).values
    return try add(
      Convolution(
        weights: weights, bias: bias,
        window: WindowGeometry(
          kernel: Extent(kernel), stride: Extent(stride), padding: Padding(kernel / 2)),
        groups: groups), [input ?? top])
  }

  mutating func scale() throws(ShapeError) {
    let channels = graph.outputShape[0]
    try add(
      ScaleShift(
        scale: generator.tensor([channels], .real(0.5...1.5)).values,
        shift: generator.tensor([channels], .real(-0.2...0.2)).values))
  }

  mutating func relu() throws(ShapeError) { try add(Pointwise(.activation(.relu))) }

  mutating func head(_ classes: Int) throws(ShapeError) {
    try add(Reshape(shape: [graph.outputShape.reduce(1, *)]))
    let inputs = graph.outputShape[0]
    try add(
      Linear(
        weights: generator.tensor([inputs, classes], .real(-0.3...0.3)),
        bias: generator.tensor([classes], .real(-0.1...0.1)).values))
  }

  /// Normalisation, strided and plain residual blocks, pooling: a small ResNet.
  static func residual() throws(ShapeError) -> Graph {
    var sketch = NetworkSketch([3, 21, 19], seed: 31)
    try sketch.add(
      ScaleShift(scale: [4, 4.5, 5], shift: [-2, -1.75, -1.5], reversesChannels: true))
    try sketch.convolution(17, 5, stride: 2)
    try sketch.scale()
    try sketch.relu()
    try sketch.add(
      Pooling(
        .maximum,
        window: WindowGeometry(kernel: Extent(3), stride: Extent(2), padding: Padding(1))))
    for (channels, stride) in [(17, 1), (33, 2)] {
      var shortcut = sketch.top
      try sketch.convolution(16, 1)
      try sketch.relu()
      try sketch.convolution(16, 3, stride: stride)
      try sketch.relu()
      try sketch.convolution(channels, 1)
      try sketch.scale()
      let main = sketch.top
      if stride != 1 { shortcut = try sketch.convolution(channels, 1, stride: 2, from: shortcut) }
      try sketch.add(Binary(.add), [main, shortcut])
      try sketch.relu()
    }
    try sketch.add(GlobalPooling(.average))
    try sketch.head(10)
    return sketch.graph
  }

  /// Two branches joined, local response normalisation, average pooling, a sigmoid gate.
  static func branching() throws(ShapeError) -> Graph {
    var sketch = NetworkSketch([3, 13, 14], seed: 32)
    try sketch.add(ScaleShift(scale: [2, 2.5, 3], shift: [-1, -1.25, -0.5]))
    try sketch.convolution(15, 3)
    try sketch.relu()
    try sketch.add(LocalResponseNormalization(size: 5, alpha: 0.5))
    let stem = sketch.top
    let left = try sketch.convolution(16, 1)
    try sketch.relu()
    let leftEnd = sketch.top
    try sketch.convolution(31, 3, from: left)
    try sketch.relu()
    let right = sketch.top
    let pooled = try sketch.add(
      Pooling(
        .average(countsPadding: false),
        window: WindowGeometry(kernel: Extent(3), padding: Padding(1))), [stem])
    try sketch.add(Concat(axis: 0), [leftEnd, right, pooled])
    let joined = sketch.top
    try sketch.add(Pointwise(.sigmoid), [joined])
    try sketch.add(Binary(.multiply), [joined, sketch.top])
    try sketch.add(
      Pooling(
        .maximum, window: WindowGeometry(kernel: Extent(2), stride: Extent(2), ceilMode: true)))
    try sketch.head(7)
    return sketch.graph
  }

  /// Convolutions joined where they lie, with a residual around the second pair: a small SqueezeNet.
  static func fire() throws(ShapeError) -> Graph {
    var sketch = NetworkSketch([3, 14, 15], seed: 34)
    try sketch.add(ScaleShift(scale: [2, 2.5, 3], shift: [-1, -1.25, -0.5]))
    try sketch.convolution(16, 3, stride: 2)
    try sketch.relu()
    for isLast in [false, true] {
      let start = sketch.top
      try sketch.convolution(8, 1)
      try sketch.relu()
      let squeezed = sketch.top
      try sketch.convolution(16, 1, from: squeezed)
      try sketch.relu()
      let small = sketch.top
      try sketch.convolution(48, 3, from: squeezed)
      try sketch.relu()
      try sketch.add(Concat(axis: 0), [small, sketch.top])
      if isLast { try sketch.add(Binary(.add), [start, sketch.top]) }
    }
    try sketch.convolution(20, 3)
    try sketch.relu()
    try sketch.add(GlobalPooling(.average))
    try sketch.head(9)
    return sketch.graph
  }

  /// Convolutions of enough channels for Winograd's algorithm, one with a residual, one without
  /// padding.
  static func wide() throws(ShapeError) -> Graph {
    var sketch = NetworkSketch([3, 11, 12], seed: 34)
    try sketch.add(ScaleShift(scale: [2, 2.5, 3], shift: [-1, -1.25, -0.5]))
    try sketch.convolution(33, 3)
    try sketch.relu()
    let start = sketch.top
    try sketch.convolution(40, 3)
    try sketch.scale()
    try sketch.relu()
    try sketch.convolution(33, 3)
    try sketch.add(Binary(.add), [sketch.top, start])
    try sketch.relu()
    try sketch.add(
      Pooling(.maximum, window: WindowGeometry(kernel: Extent(2), stride: Extent(2))))
    try sketch.convolution(64, 3)
    try sketch.head(9)
    return sketch.graph.with(convolution: .winograd)
  }

  /// Depthwise convolutions with clipped activations and a linear residual: a small MobileNet.
  static func depthwise() throws(ShapeError) -> Graph {
    var sketch = NetworkSketch([3, 15, 15], seed: 33)
    try sketch.add(ScaleShift(scale: [2, 2.5, 3], shift: [-1, -1.25, -0.5]))
    let clip = Pointwise(.activation(.clip(0, 1)))
    try sketch.convolution(16, 3, stride: 2)
    try sketch.add(clip)
    for stride in [1, 2, 1] {
      let start = sketch.top
      try sketch.convolution(48, 1)
      try sketch.add(clip)
      try sketch.convolution(48, 3, stride: stride, groups: 48)
      try sketch.scale()
      try sketch.add(clip)
      try sketch.convolution(16, 1)
      if stride == 1 { try sketch.add(Binary(.add), [start, sketch.top]) }
    }
    try sketch.add(GlobalPooling(.average))
    try sketch.head(11)
    try sketch.add(Pointwise(.activation(.leakyReLU(0.125))))
    return sketch.graph
  }
}

/// Both passes of a compiled network, against the reference network of the same graph.
private func compare(
  _ context: Context, _ family: KernelFamily, batch: Int, sliceSize: Int?,
  _ make: () throws(ShapeError) -> Graph
) throws(ComputeError) -> [String] {
  let graph: Graph
  do throws(ShapeError) { graph = try make() } catch { return [error.description] }
  let network = try CompiledNetwork(
    graph, context: context, batch: batch, family: family, sliceSize: sliceSize)
  var generator = ValueGenerator(seed: UInt64(batch))
  let x = generator.tensor([batch] + graph.inputShape, .real(0...1))
  let slope = generator.tensor([batch] + graph.outputShape, .real(-1...1))
  try network.write(x)
  try network.forward()
  let logits = try network.readLogits()
  guard let target = network.logitsGradient else { return ["there is no gradient"] }
  try target.buffer.write(target.layout.pack(slope.values, batch: batch), at: target.offset)
  try network.gradient()
  let gradient = try network.readInputGradient()
  let expected = ReferenceNetwork(network.graph).gradient(x) { _ in slope }
  return [
    difference(logits.values, expected.output.values).map { "logits: \($0)" },
    difference(gradient.values, expected.inputGradient.values).map { "input gradient: \($0)" },
  ].compactMap { $0 }
}

extension OperationCatalog {
  /// Whole small networks: logits and the gradient of the input.
  public static let networks: [CatalogCase] = {
    let sketches: [(String, @Sendable () throws(ShapeError) -> Graph)] = [
      ("residual", NetworkSketch.residual), ("branching", NetworkSketch.branching),
      ("depthwise", NetworkSketch.depthwise), ("fire", NetworkSketch.fire),
      ("winograd", NetworkSketch.wide),
    ]
    return sketches.flatMap { name, make in
      [(1, nil), (5, nil), (6, 2)].map { (batch: Int, sliceSize: Int?) in
        let slices = sliceSize.map { ", first layers by \($0)" } ?? ""
        return CatalogCase(
          "network", "\(name), batch \(batch)\(slices)", batch: batch, families: nil
        ) { (context, family) throws(ComputeError) in
          try compare(context, family, batch: batch, sliceSize: sliceSize, make)
        }
      }
    }
  }()
}
