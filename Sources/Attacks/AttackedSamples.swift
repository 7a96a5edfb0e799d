import Dispatch
import Foundation
import Synchronization

/// What became of one picture, in figures that always exist.
public struct AttackedSample: Sendable, Identifiable {
  /// Everything that is known, the pictures too.
  public let result: AttackResult

  /// The number of the picture in its source.
  public var id: Int { result.sample.id }
  /// The file name, or the number as text.
  public var name: String { result.sample.name }
  /// Whether an adversarial picture was found, by a forward pass of its own.
  public var succeeded: Bool { result.succeeded }
  /// The network's class for the adversarial picture, or for the clean one where there is none.
  public var adversarialClass: Int { result.adversarialClass ?? result.cleanClass }
  /// How far away the network is wrong: the adversarial picture's distance, nothing where it is wrong
  /// on the clean picture already, and infinite where no adversarial picture was found.
  public var distance: PictureDistance {
    result.distance ?? (result.stopReason == .misclassified ? .zero : .infinite)
  }
}

extension PictureDistance {
  /// The distance of a picture from itself.
  public static let zero = PictureDistance([0], [0])

  /// The distance of what was not found: larger than any other.
  public static let infinite: PictureDistance = {
    var distance = zero
    distance.l0 = .max
    (distance.l1, distance.l2) = (.infinity, .infinity)
    (distance.linf, distance.rms) = (.infinity, .infinity)
    return distance
  }()
}

/// The results of an attack, one after another as the pictures are done.
///
/// Each iteration runs the attack on a thread of its own, from its first element on. The attack waits
/// when nobody takes its results, so that few of them are in memory. It stops after the step under way
/// when the iterating task is cancelled, which iteration tells by `CancellationError`, and when the
/// iterator is released, as by `break`.
public struct AttackedSamples: AsyncSequence, Sendable {
  /// What became of one picture.
  public typealias Element = AttackedSample

  /// What a picture, the device or a cancellation brings about.
  public typealias Failure = any Error

  /// The whole work: it hands out results, and ends early when asked to.
  package typealias Work =
    @Sendable (
      _ emit: @Sendable ([AttackResult]) -> Void, _ shouldStop: @Sendable () -> Bool
    ) throws -> Void

  private let lookAhead: Int
  private let work: Work

  /// The results of some work.
  ///
  /// - Parameter lookAhead: how many results may wait, at least 1.
  package init(lookAhead: Int, work: @escaping Work) {
    precondition(lookAhead > 0, "\(lookAhead) results")
    self.lookAhead = lookAhead
    self.work = work
  }

  /// Starts the attack.
  public func makeAsyncIterator() -> Iterator { Iterator(lookAhead, work) }

  /// The iterator of the results.
  public struct Iterator: AsyncIteratorProtocol {
    private var results: AsyncThrowingStream<AttackResult, any Error>.Iterator
    private let flow: Flow

    fileprivate init(_ lookAhead: Int, _ work: @escaping Work) {
      let gate = Gate(places: lookAhead)
      let (stream, continuation) = AsyncThrowingStream<AttackResult, any Error>.makeStream()
      continuation.onTermination = { _ in gate.close() }
      results = stream.makeAsyncIterator()
      flow = Flow(gate)
      // A thread, since the work waits for the device: a task would hold one of the few threads that
      // all tasks share.
      let thread = Thread {
        do {
          try work(
            { done in
              for result in done where gate.enter() { continuation.yield(result) }
            }, { gate.isClosed })
          continuation.finish()
        } catch {
          continuation.finish(throwing: error)
        }
      }
      thread.name = "blindspot attack"
      thread.start()
    }

    /// The next result, or `nil` after the last.
    public mutating func next() async throws -> AttackedSample? {
      try await next(isolation: nil)
    }

    /// The next result, or `nil` after the last.
    public mutating func next(
      isolation actor: isolated (any Actor)?
    ) async throws(any Error) -> AttackedSample? {
      guard let result = try await results.next(isolation: actor) else {
        // The stream of a cancelled task just ends; the caller must not take that for the end.
        try Task.checkCancellation()
        return nil
      }
      flow.gate.leave()
      return AttackedSample(result: result)
    }
  }

  /// Ends the work when the iterator goes.
  private final class Flow: Sendable {
    let gate: Gate

    init(_ gate: Gate) { self.gate = gate }

    deinit { gate.close() }
  }
}

/// Lets so many results through as there are places, and none once it is closed.
private final class Gate: Sendable {
  private let places = DispatchSemaphore(value: 0)
  private let closed = Atomic<Bool>(false)

  init(places count: Int) {
    // Not by its initial value: a semaphore may not go below that when it is released.
    for _ in 0..<count { places.signal() }
  }

  var isClosed: Bool { closed.load(ordering: .acquiring) }

  /// Takes a place, waiting for one; false when there will be none.
  func enter() -> Bool {
    if isClosed { return false }
    places.wait()
    return !isClosed
  }

  func leave() { places.signal() }

  func close() {
    closed.store(true, ordering: .releasing)
    places.signal()
  }
}
