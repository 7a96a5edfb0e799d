import Compute
import Operations
import Reference

/// Which tensors a network's passes need, in which layouts, from which step to which.
///
/// Steps count the nodes forwards, then the loss, then the nodes backwards.
struct MemoryPlan {
  let graph: Graph
  let batch: Int
  let withGradient: Bool
  /// The layouts of all values and of their gradients.
  private(set) var valueLayouts: [ValueID: Layout] = [:]
  private(set) var gradientLayouts: [ValueID: Layout] = [:]
  private(set) var needs: [Needs] = []
  /// The last node, in the order of the gradient pass, that adds to a value's gradient.
  private var lastShares: [ValueID: (Int, Int)] = [:]
  /// The values whose gradients lie where another value's gradient was.
  private var gradientOwners: [ValueID: ValueID] = [:]
  private(set) var floats: [Slot: ArenaPlan.Place] = [:]
  private(set) var bytes: [Slot: ArenaPlan.Place] = [:]
  private(set) var floatBins: [Int] = []
  private(set) var byteBins: [Int] = []

  /// One thing in memory.
  enum Slot: Hashable {
    case value(ValueID)
    case gradient(ValueID)
    case mask(ValueID)
    case state(Int)
  }

  init(_ graph: Graph, batch: Int, withGradient: Bool, largestBufferBytes: Int) {
    self.graph = graph
    self.batch = batch
    self.withGradient = withGradient
    layOut()
    if withGradient { shareGradients() }
    place(largestBufferBytes: largestBufferBytes)
  }

  /// The node and input position of the last share of a value's gradient.
  func lastShare(of value: ValueID) -> (Int, Int) { lastShares[value] ?? (-1, -1) }

  /// The value in whose gradient's memory a value's gradient lies: mostly its own.
  func gradientOwner(of value: ValueID) -> ValueID { gradientOwners[value] ?? value }

  /// Whether a node's input takes over the memory of its output's gradient.
  func sharesGradient(of value: ValueID, with output: ValueID) -> Bool {
    value != output && gradientOwners[value] != nil
      && gradientOwner(of: value) == gradientOwner(of: output)
  }

  func layout(_ value: ValueID) -> Layout {
    valueLayouts[value] ?? Layout(shape: graph.shape(of: value))
  }

  func gradientLayout(_ value: ValueID) -> Layout {
    gradientLayouts[value] ?? Layout(shape: graph.shape(of: value))
  }

  private mutating func layOut() {
    // The attack's own vectors are dense; inside the network all is padded but the normalised
    // picture, of whose sixteen channels thirteen would be padding.
    valueLayouts[graph.input] = Layout(shape: graph.inputShape, dense: true)
    gradientLayouts[graph.input] = Layout(shape: graph.inputShape, dense: true)
    for node in graph.nodes {
      valueLayouts[node.output] = Layout(
        shape: graph.shape(of: node.output), dense: staysUnpadded(node))
    }
    for node in graph.nodes {
      let inputs = node.inputs.map(layout)
      let output = layout(node.output)
      for (position, value) in node.inputs.enumerated() where value != graph.input {
        let border = node.operation.inputBorder(position, inputs: inputs, output: output)
        valueLayouts[value] = layout(value).with(border: layout(value).border.union(border))
      }
      gradientLayouts[node.output] = Layout(
        shape: graph.shape(of: node.output),
        border: node.operation.gradientBorder(inputs: inputs, output: output),
        dense: staysUnpadded(node))
    }
    for (index, node) in graph.nodes.enumerated().reversed() {
      for (position, value) in node.inputs.enumerated() { lastShares[value] = (index, position) }
    }
    needs = graph.nodes.map { node in
      node.operation.needs(inputs: node.inputs.map(layout), output: layout(node.output))
    }
  }

  /// Whether a node makes pictures of few channels out of such pictures for nodes that want no more.
  private func staysUnpadded(_ node: Graph.Node) -> Bool {
    let shape = graph.shape(of: node.output)
    return node.operation.writesUnpadded && node.output != graph.output && shape.count == 3
      && shape[0] <= 4 && node.inputs == [graph.input]
      && graph.nodes.allSatisfy { reader in
        reader.inputs.enumerated().allSatisfy {
          $1 != node.output || reader.operation.readsUnpadded($0)
        }
      }
  }

  /// Finds the gradients that begin as a copy of their node's output gradient, which nobody reads
  /// afterwards: the residual connections.
  private mutating func shareGradients() {
    var started: Set<ValueID> = []
    for (index, node) in graph.nodes.enumerated().reversed() {
      defer { started.formUnion(node.inputs) }
      let inputs = node.inputs.map(layout)
      let output = layout(node.output)
      let position = node.inputs.indices.first { position in
        let value = node.inputs[position]
        let isMaskedHere = lastShare(of: value) == (index, position) && hasMask(value)
        return node.operation.passesGradient(to: position, inputs: inputs, output: output)
          && value != graph.input && !started.contains(value) && !isMaskedHere
          && node.inputs.count(where: { $0 == value }) == 1
          && gradientLayout(value) == gradientLayout(node.output)
      }
      guard let position else { continue }
      gradientOwners[node.inputs[position]] = gradientOwner(of: node.output)
    }
  }

  /// Whether an activation follows the operation that makes a value.
  private func hasMask(_ value: ValueID) -> Bool {
    graph.nodes.contains { $0.output == value && $0.operation.activation != .none }
  }

  private mutating func place(largestBufferBytes: Int) {
    var requests = Requests()
    let lossStep = graph.nodes.count
    func backward(_ index: Int) -> Int { 2 * graph.nodes.count - index }
    for (index, node) in graph.nodes.enumerated() {
      requests.floats(
        .value(node.output), batch * layout(node.output).imageStride, from: index)
      for value in node.inputs { requests.use(.value(value), at: index) }
      if node.output == graph.output {
        // The caller reads the result after the pass.
        requests.use(.value(node.output), at: lossStep)
      }
    }
    if withGradient {
      for (index, node) in graph.nodes.enumerated() {
        let step = backward(index)
        let interior = layout(node.output).interior
        if node.operation.activation != .none {
          requests.bytes(.mask(node.output), batch * interior / 8, from: index)
          let reader = lastShares[node.output].map { backward($0.0) } ?? lossStep + 1
          requests.use(.mask(node.output), at: reader)
        }
        if needs[index].stateBytes > 0 {
          requests.bytes(.state(index), batch * needs[index].stateBytes, from: index)
          requests.use(.state(index), at: step)
        }
        for position in needs[index].inputs {
          requests.use(.value(node.inputs[position]), at: step)
        }
        if needs[index].output { requests.use(.value(node.output), at: step) }
      }
      requests.floats(
        .gradient(graph.output), batch * gradientLayout(graph.output).imageStride, from: lossStep)
      for (index, node) in graph.nodes.enumerated().reversed() {
        let step = backward(index)
        requests.use(.gradient(gradientOwner(of: node.output)), at: step)
        for value in node.inputs where value != graph.input {
          let owner = gradientOwner(of: value)
          if owner == value {
            requests.floats(
              .gradient(value), batch * gradientLayout(value).imageStride, from: step)
          }
          requests.use(.gradient(owner), at: step)
        }
      }
    }
    let limit = largestBufferBytes
    let floatPlan = ArenaPlan(requests.floatRequests, alignment: 32, limit: limit / 4)
    let bytePlan = ArenaPlan(requests.byteRequests, alignment: 128, limit: limit)
    for (slot, place) in zip(requests.floatSlots, floatPlan.places) { floats[slot] = place }
    for (slot, place) in zip(requests.byteSlots, bytePlan.places) { bytes[slot] = place }
    floatBins = floatPlan.binSizes
    byteBins = bytePlan.binSizes
  }

  /// Spans of life, collected use by use.
  private struct Requests {
    var floatSlots: [Slot] = []
    var floatRequests: [ArenaPlan.Request] = []
    var byteSlots: [Slot] = []
    var byteRequests: [ArenaPlan.Request] = []
    private var positions: [Slot: (isFloat: Bool, index: Int)] = [:]

    mutating func floats(_ slot: Slot, _ size: Int, from step: Int) {
      guard positions[slot] == nil else { return }
      positions[slot] = (true, floatSlots.count)
      floatSlots.append(slot)
      floatRequests.append(.init(size: size, start: step, end: step))
    }

    mutating func bytes(_ slot: Slot, _ size: Int, from step: Int) {
      positions[slot] = (false, byteSlots.count)
      byteSlots.append(slot)
      byteRequests.append(.init(size: size, start: step, end: step))
    }

    mutating func use(_ slot: Slot, at step: Int) {
      guard let (isFloat, index) = positions[slot] else { return }
      if isFloat {
        floatRequests[index].end = max(floatRequests[index].end, step)
      } else {
        byteRequests[index].end = max(byteRequests[index].end, step)
      }
    }
  }
}

/// The memory of a plan, taken on a device.
struct PlannedMemory {
  let plan: MemoryPlan
  let input: DeviceTensor
  let inputGradient: DeviceTensor
  private let floats: [Buffer<Float>]
  private let bytes: [Buffer<UInt8>]

  init(_ plan: MemoryPlan, context: Context) throws(ComputeError) {
    self.plan = plan
    var floats: [Buffer<Float>] = []
    for size in plan.floatBins { floats.append(try Buffer(context, count: size)) }
    var bytes: [Buffer<UInt8>] = []
    for size in plan.byteBins { bytes.append(try Buffer(context, count: size)) }
    self.floats = floats
    self.bytes = bytes
    let layout = plan.layout(plan.graph.input)
    let count = plan.batch * layout.imageStride
    input = DeviceTensor(buffer: try Buffer(context, count: count), layout: layout)
    try input.buffer.fill(0)
    inputGradient =
      plan.withGradient
      ? DeviceTensor(buffer: try Buffer(context, count: count), layout: layout) : input
  }

  func value(_ value: ValueID) -> DeviceTensor {
    value == plan.graph.input ? input : tensor(.value(value), plan.layout(value))
  }

  func gradient(_ value: ValueID) -> DeviceTensor {
    value == plan.graph.input
      ? inputGradient
      : tensor(.gradient(plan.gradientOwner(of: value)), plan.gradientLayout(value))
  }

  /// The activation that made a value and its bits; nil when there is none or no gradient.
  func mask(of value: ValueID) -> (activation: Activation, bits: DeviceBytes)? {
    guard let place = plan.bytes[.mask(value)],
      let node = plan.graph.nodes.first(where: { $0.output == value })
    else { return nil }
    return (
      node.operation.activation, DeviceBytes(buffer: bytes[place.bin], offset: place.offset)
    )
  }

  func state(_ index: Int) -> DeviceBytes? {
    plan.bytes[.state(index)].map { DeviceBytes(buffer: bytes[$0.bin], offset: $0.offset) }
  }

  func saved(_ node: Graph.Node, _ index: Int) -> Saved {
    let needs = plan.needs[index]
    return Saved(
      inputs: node.inputs.enumerated().map { needs.inputs.contains($0) ? value($1) : nil },
      output: needs.output ? value(node.output) : nil, state: state(index),
      inputLayouts: node.inputs.map { plan.layout($0) }, outputLayout: plan.layout(node.output))
  }

  private func tensor(_ slot: MemoryPlan.Slot, _ layout: Layout) -> DeviceTensor {
    guard let place = plan.floats[slot] else {
      preconditionFailure("nothing is planned for \(slot)")
    }
    return DeviceTensor(buffer: floats[place.bin], offset: place.offset, layout: layout)
  }
}
