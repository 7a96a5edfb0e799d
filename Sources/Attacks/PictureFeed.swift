import Compute
import Networks
import Operations

/// Clean pictures on their way to the slots: the next ones are copied to the device while it computes
/// on those in the slots.
final class PictureFeed {
  /// One place for a picture, on the host and on the device.
  private struct Place {
    /// The copy from host to device, if there was one.
    var arrival: Event?
    /// The copy from here into a slot, if there was one.
    var departure: Event?
  }

  private let context: Context
  private let layout: Layout
  private let staging: StagingBuffer<Float>
  private let incoming: Buffer<Float>
  private var places: [Place]
  private var waiting: [(sample: AttackSample, place: Int)] = []
  private var newest = 0

  /// How many pictures wait for so many slots.
  static func places(slots: Int) -> Int { max(1, min(64, slots / 4)) }

  /// Takes memory for the pictures that wait.
  init(_ network: CompiledNetwork) throws(ComputeError) {
    context = network.context
    layout = network.input.layout
    let count = Self.places(slots: network.batch)
    places = Array(repeating: Place(), count: count)
    staging = try StagingBuffer(context, count: count * layout.imageStride)
    incoming = try Buffer(context, count: count * layout.imageStride)
  }

  /// Forgets the pictures that wait.
  func removeAll() { waiting = [] }

  /// Fetches pictures until all places are taken, there are no more, or the device has finished what
  /// `busy` stands for.
  func lookAhead(while busy: Event, _ next: () throws -> AttackSample?) throws {
    while waiting.count < places.count, try !busy.isComplete(), try fetch(next) {}
  }

  /// Queues the copy of the next picture into a slot of `origins`; nil when there are no more.
  func load(
    into slot: Int, of origins: Buffer<Float>, _ next: () throws -> AttackSample?
  ) throws -> AttackSample? {
    if waiting.isEmpty, try !fetch(next) { return nil }
    let (sample, place) = waiting.removeFirst()
    let length = layout.imageStride
    places[place].departure = try incoming.copy(
      from: place * length, length: length, to: origins, at: slot * length,
      after: [places[place].arrival].compactMap(\.self))
    return sample
  }

  /// Starts the next picture on its way; false when there are no more.
  private func fetch(_ next: () throws -> AttackSample?) throws -> Bool {
    guard let sample = try next() else { return false }
    newest = (newest + 1) % places.count
    let length = layout.imageStride
    // The picture that was here before must have left both the host and the device's place.
    try places[newest].arrival?.wait()
    if places[newest].departure != nil { try context.flush() }
    staging.put(layout.pack(sample.pixels, batch: 1), at: newest * length)
    places[newest].arrival = try incoming.write(
      staged: staging, newest * length..<(newest + 1) * length, at: newest * length,
      on: .transfers, after: [places[newest].departure].compactMap(\.self))
    try context.flush(.transfers)
    waiting.append((sample, newest))
    return true
  }
}
