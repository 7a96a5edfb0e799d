public import Compute
public import Reference

/// A function of two tensors with broadcasting, or of one tensor and a constant.
public struct Binary: Operation {
  /// The functions there are.
  public enum Function: String, Hashable, Sendable, CaseIterable {
    /// a + b
    case add
    /// a - b
    case subtract
    /// a * b
    case multiply
    /// a / b
    case divide
  }

  /// What is computed.
  public let function: Function
  /// The second operand (the first, if `constantIsFirst`), in the shape of a sample, broadcast to
  /// the other; nil when both operands are inputs.
  public let constant: Tensor<Float>?
  /// Whether the constant is the first operand.
  public let constantIsFirst: Bool
  /// What is applied before the output is stored.
  public let activation: Activation

  /// The operation's name.
  public var kind: String { function.rawValue }

  /// A function of two tensors, or of one and a constant.
  public init(
    _ function: Function, constant: Tensor<Float>? = nil, constantIsFirst: Bool = false,
    activation: Activation = .none
  ) {
    self.function = function
    self.constant = constant
    self.constantIsFirst = constantIsFirst
    self.activation = activation
  }

  /// The broadcast shape; axes align at the last one, as in NumPy.
  ///
  /// Both inputs must have equally many axes, a constant at most as many. Of four and more axes, an
  /// operand may have one element or all.
  public func outputShape(for inputs: [[Int]]) throws(ShapeError) -> [Int] {
    let shapes = inputs + (constant.map { [$0.shape] } ?? [])
    guard shapes.count == 2 else { throw ShapeError("takes two operands, not \(shapes.count)") }
    let rank = max(shapes[0].count, shapes[1].count)
    let aligned = shapes.map { Array(repeating: 1, count: rank - $0.count) + $0 }
    var result: [Int] = []
    for (a, b) in zip(aligned[0], aligned[1]) {
      guard a == b || a == 1 || b == 1 else {
        throw ShapeError("shapes \(shapes[0]) and \(shapes[1]) do not broadcast")
      }
      result.append(max(a, b))
    }
    if constant == nil, inputs[0].count != inputs[1].count {
      throw ShapeError("operands of \(inputs[0].count) and \(inputs[1].count) axes")
    }
    if let constant, constant.shape.count > inputs[0].count {
      throw ShapeError("a constant \(constant.shape) for an input \(inputs[0])")
    }
    if result.count > 3 {
      let count = result.reduce(1, *)
      for shape in shapes where ![1, count].contains(shape.reduce(1, *)) {
        throw ShapeError("\(shape) cannot be repeated to \(result): more than three axes")
      }
    }
    return result
  }

  /// An operand of an addition that is not repeated takes the output's gradient.
  public func passesGradient(to position: Int, inputs: [Layout], output: Layout) -> Bool {
    function == .add && inputs[position].shape == output.shape
  }

  /// The cost of the forward pass for one sample.
  public func cost(inputs: [[Int]], output: [Int]) -> Cost {
    let count = output.reduce(1, *)
    return Cost(flops: count, bytes: 4 * (count + inputs.reduce(0) { $0 + $1.reduce(1, *) }))
  }

  /// The CPU reference path.
  public func evaluate<Scalar: ReferenceScalar>(_ inputs: [Tensor<Scalar>]) -> Tensor<Scalar> {
    let (a, b) = operands(inputs)
    return ActivationReference.forward(
      BroadcastingReference.forward(referenceFunction, a, b), activation)
  }

  /// The CPU reference path of the gradients.
  public func inputGradients<Scalar: ReferenceScalar>(
    inputs: [Tensor<Scalar>], output: Tensor<Scalar>, gradient: Tensor<Scalar>
  ) -> [Tensor<Scalar>] {
    let (a, b) = operands(inputs)
    let gradients = BroadcastingReference.gradient(referenceFunction, gradient, a, b)
    if constant == nil { return [gradients.a, gradients.b] }
    return [constantIsFirst ? gradients.b : gradients.a]
  }

  /// What the gradient reads of the forward pass.
  public func needs(inputs: [Layout], output: Layout) -> Needs {
    switch function {
    case .add, .subtract: Needs()
    case .multiply: Needs(inputs: constant == nil ? [0, 1] : [])
    case .divide:
      Needs(inputs: constant == nil ? [0, 1] : constantIsFirst ? [0] : [])
    }
  }

  /// Records the forward pass, one launch.
  public func recordForward(
    _ recorder: Recorder, inputs: [DeviceTensor], output: ForwardTarget
  ) throws(ComputeError) {
    let y = output.tensor
    let sources = try operands(inputs, recorder, y.layout)
    let a = BinaryAccess(sources.a, writing: y.layout, broadcast: y.layout)
    let b = BinaryAccess(sources.b, writing: y.layout, broadcast: y.layout)
    let vector = recorder.vector(y, mask: output.mask).alignedBy(a.wholeVectors + b.wholeVectors)
    let program = try recorder.program(
      "reference/binary",
      functionConstant + vector.constants + [("LOADS_A", a.kind), ("LOADS_B", b.kind)]
        + recorder.constants(y.layout, output, activation))
    let mask = try recorder.bytesOrPlaceholder(output.mask)
    try recorder.launch(
      program, "binary_forward", recorder.items(y.layout, vector), a.buffer, a.place, a.steps,
      b.buffer,
      b.place, b.steps, y.buffer, Place(y), mask.buffer, mask.firstWord,
      Extents(y.layout, vector))
  }

  /// Records the gradient with respect to one input, one launch.
  public func recordGradient(
    _ recorder: Recorder, of position: Int, gradient: DeviceTensor, saved: Saved,
    to target: GradientTarget
  ) throws(ComputeError) {
    let layout = target.tensor.layout
    let whole = gradient.layout
    let dy = BinaryAccess((gradient, true), writing: layout, broadcast: whole)
    // A function that does not need the operands does not read them.
    let kept = saved.inputs.map { $0 ?? gradient }
    let operand = constant == nil ? position : constantIsFirst ? 1 : 0
    let readsA = operand == 1 && (function == .multiply || function == .divide)
    let readsB = (operand == 0 && function == .multiply) || function == .divide
    let sources = try operands(kept, recorder, whole)
    let a = readsA ? BinaryAccess(sources.a, writing: layout, broadcast: whole) : dy.unread
    let b = readsB ? BinaryAccess(sources.b, writing: layout, broadcast: whole) : dy.unread
    let loops = BinaryAccess.loops(writing: layout, broadcast: whole)
    let vector = recorder.vector(target.tensor).alignedBy(
      a.wholeVectors + b.wholeVectors + dy.wholeVectors)
    let program = try recorder.program(
      "reference/binary",
      functionConstant + vector.constants + [
        ("POSITION", "\(operand)"), ("REDUCES", loops == [1, 1, 1] ? "0" : "1"),
        ("LOADS_A", a.kind), ("LOADS_B", b.kind), ("LOADS_DY", dy.kind),
      ] + recorder.constants(gradient, target))
    let mask = try recorder.bytesOrPlaceholder(target.mask?.bits)
    try recorder.launch(
      program, "binary_gradient", recorder.items(layout, vector), dy.buffer, dy.place, dy.steps,
      a.buffer,
      a.place, a.steps, b.buffer, b.place, b.steps, target.tensor.buffer, Place(target.tensor),
      mask.buffer, mask.firstWord, Extents(loops[0], loops[1], loops[2], 0),
      Extents(layout, vector))
  }

  private var functionConstant: [(String, String)] {
    let number =
      switch function {
      case .add: 0
      case .subtract: 1
      case .multiply: 2
      case .divide: 3
      }
    return [("FUNCTION", "\(number)")]
  }

  private var referenceFunction: BroadcastingReference.Function {
    switch function {
    case .add: .add
    case .subtract: .subtract
    case .multiply: .multiply
    case .divide: .divide
    }
  }

  private func operands<Scalar: ReferenceScalar>(
    _ inputs: [Tensor<Scalar>]
  ) -> (a: Tensor<Scalar>, b: Tensor<Scalar>) {
    guard let constant else { return (inputs[0], inputs[1]) }
    let other = Tensor(shape: constant.shape, values: constant.values.map { Scalar($0) })
    return constantIsFirst ? (other, inputs[0]) : (inputs[0], other)
  }

  /// Both operands on the device, and whether each has samples of its own.
  private func operands(
    _ inputs: [DeviceTensor], _ recorder: Recorder, _ output: Layout
  ) throws(ComputeError) -> (a: (DeviceTensor, Bool), b: (DeviceTensor, Bool)) {
    guard let constant else { return ((inputs[0], true), (inputs[1], true)) }
    let layout = constantLayout(constant, output)
    let tensor = DeviceTensor(
      buffer: try Buffer(recorder.context, layout.pack(constant.values, batch: 1)), layout: layout)
    return constantIsFirst
      ? ((tensor, false), (inputs[0], true)) : ((inputs[0], true), (tensor, false))
  }

  /// A layout tells two axes from others, but not one from four: there, `outputShape` allows only
  /// constants of one element or of all, so that their order is that of the memory.
  private func constantLayout(_ constant: Tensor<Float>, _ output: Layout) -> Layout {
    if output.isPlanar, output.pixels == 1 { return Layout(shape: [constant.count]) }
    let rank = output.isPlanar ? 3 : 2
    precondition(constant.shape.count <= rank, "a constant \(constant.shape) for \(rank) axes")
    return Layout(
      shape: Array(repeating: 1, count: rank - constant.shape.count) + constant.shape)
  }
}

/// How a kernel that runs over one tensor reads another, of a shape that broadcasts with it.
private struct BinaryAccess {
  let buffer: Buffer<Float>
  let place: Place
  /// Floats for each step of the loops over the axes on which the written tensor was repeated.
  let steps: Place
  /// The way of loading sixteen lanes, a number of `binary.cl`.
  let kind: String

  /// The access to an operand (and whether it has samples of its own).
  init(_ operand: (tensor: DeviceTensor, hasSamples: Bool), writing: Layout, broadcast: Layout) {
    let layout = operand.tensor.layout
    let strides = Self.axes(layout).map { axis in axis.extent == 1 ? 0 : axis.stride }
    buffer = operand.tensor.buffer
    place = Place(
      operand.tensor.start, sample: operand.hasSamples ? layout.imageStride : 0,
      row: layout.height == 1 ? 0 : layout.rowStride,
      pixel: layout.width == 1 ? 0 : layout.channelStride)
    steps = Place(SIMD4(UInt64(strides[0]), UInt64(strides[1]), UInt64(strides[2]), 0))
    let repeats = layout.channels == 1 && broadcast.channels > 1
    let sums = writing.channels == 1 && broadcast.channels > 1
    kind = repeats || sums ? "2" : layout.isUnpadded ? "3" : "1"
  }

  private init(_ other: BinaryAccess, kind: String) {
    (buffer, place, steps) = (other.buffer, other.place, other.steps)
    self.kind = kind
  }

  /// The numbers of a place that is read by whole vectors.
  var wholeVectors: [Int] {
    guard kind == "1" else { return [] }
    return [place, steps].flatMap { place in
      (0..<4).map { Int(place.numbers[$0]) }
    }
  }

  /// The same arguments for a tensor that the kernel does not read.
  var unread: BinaryAccess { BinaryAccess(self, kind: "0") }

  /// The steps of the loops over what a tensor was repeated on, outermost first.
  static func loops(writing: Layout, broadcast: Layout) -> [Int] {
    zip(axes(writing), axes(broadcast)).map { own, all in own.extent == 1 ? all.extent : 1 }
  }

  /// The axes in logical order.
  private static func axes(_ layout: Layout) -> [(extent: Int, stride: Int)] {
    let channel = (layout.channels, 1)
    let row = (layout.height, layout.rowStride)
    let column = (layout.width, layout.channelStride)
    return layout.isPlanar ? [channel, row, column] : [row, column, channel]
  }
}
