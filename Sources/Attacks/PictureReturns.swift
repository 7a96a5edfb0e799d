import Compute
import Networks
import Operations
import Reference

/// Adversarial pictures on their way to the host: they are copied in front of the next step's kernels
/// and looked at while these run.
final class PictureReturns {
  /// A finished sample whose pictures are not in the result yet.
  struct Parcel {
    var result: AttackResult
    let criterion: GoalLoss
    fileprivate var best: Copy?
    fileprivate var trial: Copy?
  }

  fileprivate struct Copy {
    let staging: StagingBuffer<Float>
    let arrival: Event
  }

  private let network: CompiledNetwork
  private let vectors: SlotVectors
  /// Memory of the host that no copy uses; it grows with the pictures that come at once.
  private var spare: [StagingBuffer<Float>] = []
  private(set) var parcels: [Parcel] = []

  init(_ network: CompiledNetwork, _ vectors: SlotVectors) {
    self.network = network
    self.vectors = vectors
  }

  /// Forgets what is under way.
  func removeAll() { parcels = [] }

  /// Queues the copies of the pictures that a finished sample has found.
  func add(
    _ result: AttackResult, _ criterion: GoalLoss, slot: Int
  ) throws(ComputeError) {
    var parcel = Parcel(result: result, criterion: criterion)
    if result.succeeded { parcel.best = try copy(vectors.fetchBest, slot) }
    if result.succeeded8Bit { parcel.trial = try copy(vectors.fetchTrial, slot) }
    parcels.append(parcel)
  }

  /// The results with their pictures and distances; waits for the copies alone.
  func take() throws(ComputeError) -> [(result: AttackResult, criterion: GoalLoss)] {
    var results: [(result: AttackResult, criterion: GoalLoss)] = []
    for parcel in parcels {
      var result = parcel.result
      let clean = result.sample.pixels
      if let best = parcel.best {
        let picture = try arrived(best)
        (result.adversarial, result.distance) = (picture, PictureDistance(picture, clean))
      }
      if let trial = parcel.trial {
        let picture = try arrived(trial)
        (result.rounded, result.roundedDistance) = (picture, PictureDistance(picture, clean))
      }
      results.append((result, parcel.criterion))
    }
    parcels = []
    return results
  }

  private func copy(
    _ fetch: (Int, StagingBuffer<Float>) throws(ComputeError) -> Event, _ slot: Int
  ) throws(ComputeError) -> Copy {
    let staging: StagingBuffer<Float>
    if let free = spare.popLast() {
      staging = free
    } else {
      staging = try StagingBuffer(network.context, count: vectors.count)
    }
    return Copy(staging: staging, arrival: try fetch(slot, staging))
  }

  private func arrived(_ copy: Copy) throws(ComputeError) -> [Float] {
    try copy.arrival.wait()
    defer { spare.append(copy.staging) }
    return network.input.layout.unpack(copy.staging.values(), batch: 1)
  }
}
