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
  /// The tensors that lie in others' memory.
  private(set) var sharing: MemorySharing
  /// How the batch is cut while the first layers are computed.
  private(set) var slices: BatchSlices
  private(set) var floats: [Slot: ArenaPlan.Place] = [:]
  private(set) var bytes: [Slot: ArenaPlan.Place] = [:]
  private(set) var floatBins: [Int] = []
  private(set) var byteBins: [Int] = []
  /// The float tensors that hold one slice at a time.
  private var sliced: Set<Slot> = []

  /// One thing in memory.
  enum Slot: Hashable {
    case value(ValueID)
    case gradient(ValueID)
    case mask(ValueID)
    case state(Int)
  }

  /// Plans.
  ///
  /// - Parameter sliceSize: The samples that the first layers should compute at a time, at most.
  init(
    _ graph: Graph, batch: Int, withGradient: Bool, largestBufferBytes: Int, sliceSize: Int
  ) {
    self.graph = graph
    self.batch = batch
    self.withGradient = withGradient
    slices = .none(batch: batch, nodeCount: graph.nodes.count)
    sharing = MemorySharing(graph)
    layOut()
    sharing.overwriteInputs(needs: withGradient ? needs : []) { [valueLayouts] value in
      valueLayouts[value] ?? Layout(shape: graph.shape(of: value))
    }
    if withGradient { passGradients() }
    place(largestBufferBytes: largestBufferBytes, sliceSize: max(1, sliceSize))
  }

  /// How many of the first nodes may be computed for so many samples at a time: those with fewer
  /// weights, which every slice reads anew, than what is read and written besides.
  private func sliceableNodes(_ samples: Int) -> Int {
    guard graph.nodes.allSatisfy({ !$0.operation.needsWholeBatch }) else { return 0 }
    return graph.nodes.firstIndex { node in
      let weights = (node.operation as? any TrainableOperation)?.weights.count ?? 0
      let values = (node.inputs + [node.output]).reduce(0) { $0 + graph.shape(of: $1).reduce(1, *) }
      return weights > samples * values
    } ?? graph.nodes.count
  }

  /// The node and input position of the last share of a value's gradient.
  func lastShare(of value: ValueID) -> (Int, Int) { lastShares[value] ?? (-1, -1) }

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
    for index in sharing.joins {
      let node = graph.nodes[index]
      let border = node.inputs.map { gradientLayout($0).border }
        .reduce(gradientLayout(node.output).border) { $0.union($1) }
      gradientLayouts[node.output] = gradientLayout(node.output).with(border: border)
      for value in node.inputs {
        let channels = graph.shape(of: value)[0]
        valueLayouts[value] = layout(node.output).slice(channels: channels)
        gradientLayouts[value] = gradientLayout(node.output).slice(channels: channels)
      }
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

  private mutating func passGradients() {
    let plan = self
    sharing.passGradients(
      isMasked: { value, node, position in
        plan.lastShare(of: value) == (node, position) && plan.activation(of: value) != .none
      },
      layout: plan.gradientLayout)
  }

  /// The value whose mask holds the bits of a value: the whole for what is joined.
  func maskOwner(of value: ValueID) -> ValueID { sharing.parts[value]?.owner ?? value }

  /// What ends a value: the activation of the operation that makes it, or of those that are joined.
  func activation(of value: ValueID) -> Activation {
    guard let index = graph.nodes.firstIndex(where: { $0.output == value }) else { return .none }
    let node = graph.nodes[index]
    return sharing.joins.contains(index)
      ? activation(of: node.inputs[0]) : node.operation.activation
  }

  private mutating func place(largestBufferBytes: Int, sliceSize: Int) {
    var requests = Requests()
    let lossStep = graph.nodes.count
    func backward(_ index: Int) -> Int { 2 * graph.nodes.count - index }
    for (index, node) in graph.nodes.enumerated() {
      let owner = sharing.home(of: node.output).owner
      requests.floats(.value(owner), batch * layout(owner).imageStride, from: index)
      requests.use(.value(owner), at: index)
      for value in node.inputs { requests.use(.value(sharing.home(of: value).owner), at: index) }
      if node.output == graph.output {
        // The caller reads the result after the pass.
        requests.use(.value(owner), at: lossStep)
      }
    }
    if withGradient {
      for (index, node) in graph.nodes.enumerated() {
        let step = backward(index)
        let masked = maskOwner(of: node.output)
        if activation(of: masked) != .none {
          requests.bytes(.mask(masked), batch * layout(masked).interior / 8, from: index)
          let reader = lastShares[masked].map { backward($0.0) } ?? lossStep + 1
          requests.use(.mask(masked), at: reader)
        }
        if needs[index].stateBytes > 0 {
          requests.bytes(.state(index), batch * needs[index].stateBytes, from: index)
          requests.use(.state(index), at: step)
        }
        for position in needs[index].inputs {
          requests.use(.value(sharing.home(of: node.inputs[position]).owner), at: step)
        }
        if needs[index].output {
          requests.use(.value(sharing.home(of: node.output).owner), at: step)
        }
      }
      requests.floats(
        .gradient(graph.output), batch * gradientLayout(graph.output).imageStride, from: lossStep)
      for (index, node) in graph.nodes.enumerated().reversed() {
        let step = backward(index)
        requests.use(.gradient(sharing.gradientHome(of: node.output).owner), at: step)
        for value in node.inputs where value != graph.input {
          let owner = sharing.gradientHome(of: value).owner
          requests.floats(.gradient(owner), batch * gradientLayout(owner).imageStride, from: step)
          requests.use(.gradient(owner), at: step)
        }
      }
    }
    slices = .best(
      requests.floatRequests, batch: batch, nodeCount: graph.nodes.count,
      sliceable: sliceableNodes(sliceSize), preferredSize: sliceSize)
    for (slot, request) in zip(requests.floatSlots, requests.floatRequests)
    where slices.isSliced(request) { sliced.insert(slot) }
    let limit = largestBufferBytes
    let floatPlan = ArenaPlan(
      requests.floatRequests.map { slices.placed($0) }, alignment: 32, limit: limit / 4)
    let bytePlan = ArenaPlan(
      requests.byteRequests.map { slices.placed($0, isWhole: true) }, alignment: 128, limit: limit)
    for (slot, place) in zip(requests.floatSlots, floatPlan.places) { floats[slot] = place }
    for (slot, place) in zip(requests.byteSlots, bytePlan.places) { bytes[slot] = place }
    floatBins = floatPlan.binSizes
    byteBins = bytePlan.binSizes
  }

  /// Whether a float tensor holds one slice at a time.
  func isSliced(_ slot: Slot) -> Bool { sliced.contains(slot) }

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
      guard positions[slot] == nil else { return }
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
  /// The sample of the batch with which everything begins.
  private var firstSample = 0

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

  /// The same memory as it is seen from a slice of the batch.
  func part(from sample: Int) -> PlannedMemory {
    var result = self
    result.firstSample = sample
    return result
  }

  func value(_ value: ValueID) -> DeviceTensor {
    if value == plan.graph.input { return shifted(input) }
    let home = plan.sharing.home(of: value)
    return tensor(.value(home.owner), plan.layout(value), fromChannel: home.channel)
  }

  func gradient(_ value: ValueID) -> DeviceTensor {
    if value == plan.graph.input { return shifted(inputGradient) }
    let home = plan.sharing.gradientHome(of: value)
    return tensor(.gradient(home.owner), plan.gradientLayout(value), fromChannel: home.channel)
  }

  /// The activation that made a value and its bits; nil when there is none or no gradient.
  func mask(of value: ValueID) -> (activation: Activation, bits: DeviceBytes)? {
    let owner = plan.maskOwner(of: value)
    guard let place = plan.bytes[.mask(owner)] else { return nil }
    let channel = plan.sharing.parts[value]?.channel ?? 0
    let start = place.offset + firstSample * plan.layout(owner).interior / 8
    return (
      plan.activation(of: value),
      DeviceBytes(buffer: bytes[place.bin], offset: start + channel / 8)
    )
  }

  func state(_ index: Int) -> DeviceBytes? {
    plan.bytes[.state(index)].map {
      DeviceBytes(
        buffer: bytes[$0.bin], offset: $0.offset + firstSample * plan.needs[index].stateBytes)
    }
  }

  func saved(_ node: Graph.Node, _ index: Int) -> Saved {
    let needs = plan.needs[index]
    return Saved(
      inputs: node.inputs.enumerated().map { needs.inputs.contains($0) ? value($1) : nil },
      output: needs.output ? value(node.output) : nil, state: state(index),
      inputLayouts: node.inputs.map { plan.layout($0) }, outputLayout: plan.layout(node.output))
  }

  private func tensor(
    _ slot: MemoryPlan.Slot, _ layout: Layout, fromChannel channel: Int
  ) -> DeviceTensor {
    guard let place = plan.floats[slot] else {
      preconditionFailure("nothing is planned for \(slot)")
    }
    let tensor = DeviceTensor(
      buffer: floats[place.bin], offset: place.offset + channel, layout: layout)
    return plan.isSliced(slot) ? tensor : shifted(tensor)
  }

  private func shifted(_ tensor: DeviceTensor) -> DeviceTensor {
    DeviceTensor(
      buffer: tensor.buffer, offset: tensor.offset + firstSample * tensor.layout.imageStride,
      layout: tensor.layout)
  }
}
