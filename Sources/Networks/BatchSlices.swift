import Compute

/// The first nodes of a graph, computed for a few samples of the batch at a time.
///
/// The first layers of a network for pictures have by far the largest tensors. What lives only while
/// they are computed needs memory for the samples of one slice; what crosses their end, masks and
/// values for the gradient pass too, lies there for the whole batch. Slices change no bit.
///
/// Steps count the nodes forwards, then the loss, then the nodes backwards.
struct BatchSlices: Equatable {
  /// The samples of a batch.
  let batch: Int
  /// The samples of a slice; it divides the batch.
  let size: Int
  /// The nodes of the graph.
  let nodeCount: Int
  /// How many of the first nodes are computed slice by slice; 0 for none.
  let end: Int

  /// The whole batch at once.
  static func none(batch: Int, nodeCount: Int) -> BatchSlices {
    BatchSlices(batch: batch, size: batch, nodeCount: nodeCount, end: 0)
  }

  /// The samples that keep a device busy, and seldom more.
  static func preferredSize(for device: Device) -> Int { device.kind == .cpu ? 8 : 64 }

  /// What a saving of memory must reach to be worth more launches.
  private static let worthwhile = 0.95

  /// The slices that need the least memory.
  ///
  /// - Parameters:
  ///   - requests: What needs memory for the whole batch, with its span of steps.
  ///   - sliceable: How many of the first nodes may be computed so.
  ///   - preferredSize: The largest size of a slice; no slice is smaller than half of it.
  static func best(
    _ requests: [ArenaPlan.Request], batch: Int, nodeCount: Int, sliceable: Int, preferredSize: Int
  ) -> BatchSlices {
    var best = none(batch: batch, nodeCount: nodeCount)
    let sizes = ((preferredSize + 1) / 2)...max(1, preferredSize)
    guard batch > preferredSize, sliceable > 0, let size = sizes.last(where: { batch % $0 == 0 })
    else {
      return best
    }
    var least = Int(Double(best.peak(requests)) * worthwhile)
    for end in 1...sliceable {
      let slices = BatchSlices(batch: batch, size: size, nodeCount: nodeCount, end: end)
      let peak = slices.peak(requests)
      if peak < least { (best, least) = (slices, peak) }
    }
    return best
  }

  /// The samples of each slice.
  var parts: [Range<Int>] {
    stride(from: 0, to: batch, by: size).map { $0..<$0 + size }
  }

  /// The last step of the gradient pass.
  private var lastStep: Int { 2 * nodeCount }

  /// Whether something that lives from step to step belongs to one slice.
  func isSliced(_ request: ArenaPlan.Request) -> Bool {
    request.end < end || request.start > lastStep - end
  }

  /// What is to be placed for something that the whole batch would need.
  ///
  /// - Parameter isWhole: Whether it is kept for the whole batch whenever it lives.
  func placed(_ request: ArenaPlan.Request, isWhole: Bool = false) -> ArenaPlan.Request {
    var result = request
    if !isWhole, isSliced(request) {
      result.size = request.size / batch * size
    } else {
      // The other slices come before and after.
      if request.start < end { result.start = 0 }
      if request.end > lastStep - end { result.end = lastStep }
    }
    return result
  }

  /// The most that lives at one step.
  private func peak(_ requests: [ArenaPlan.Request]) -> Int {
    var changes = [Int](repeating: 0, count: lastStep + 3)
    for request in requests.map({ placed($0) }) {
      changes[request.start] += request.size
      changes[request.end + 1] -= request.size
    }
    var (live, most) = (0, 0)
    for change in changes {
      live += change
      most = max(most, live)
    }
    return most
  }
}
