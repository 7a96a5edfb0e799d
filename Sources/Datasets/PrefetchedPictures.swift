import Dispatch
import Foundation
import Synchronization

/// The pictures of a source in order, decoded ahead on background threads so that decoding runs
/// beside the device's work.
///
/// Each element is a picture or the error that one picture caused, at its place; iteration goes on
/// after an error. At most `lookAhead` pictures are decoded or being decoded at any time.
public struct PrefetchedPictures: AsyncSequence, Sendable {
  /// A picture, or what is wrong with it.
  public typealias Element = Result<PictureSample, DatasetError>

  /// Iteration itself never fails.
  public typealias Failure = Never

  private let source: any PictureSource
  private let indices: [Int]
  private let lookAhead: Int
  private let workers: Int

  /// A sequence of pictures of a source.
  ///
  /// - Parameters:
  ///   - source: where the pictures come from.
  ///   - indices: which pictures, in this order; all of them if `nil`.
  ///   - lookAhead: how many pictures are held decoded at most, at least 1.
  ///   - workers: how many threads decode, at least 1.
  public init(
    _ source: any PictureSource, indices: [Int]? = nil, lookAhead: Int = 32, workers: Int = 2
  ) {
    precondition(lookAhead > 0 && workers > 0, "\(lookAhead) pictures by \(workers) workers")
    self.source = source
    self.indices = indices ?? Array(0..<source.count)
    self.lookAhead = lookAhead
    self.workers = workers
  }

  /// Starts decoding; it ends when the iterator is released.
  public func makeAsyncIterator() -> Iterator {
    Iterator(
      prefetcher: PicturePrefetcher(
        source, indices: indices, lookAhead: lookAhead, workers: workers))
  }

  /// The iterator of prefetched pictures.
  public struct Iterator: AsyncIteratorProtocol {
    fileprivate let prefetcher: PicturePrefetcher

    /// The next picture, or `nil` after the last.
    public mutating func next() async -> Element? { await prefetcher.next() }

    /// The next picture, or `nil` after the last.
    public mutating func next(isolation actor: isolated (any Actor)?) async -> Element? {
      await prefetcher.next()
    }
  }
}

/// The machinery of `PrefetchedPictures`, for callers that are not asynchronous.
public final class PicturePrefetcher: Sendable {
  private struct State {
    var position = 0
    var slots: [PictureSlot] = []
  }

  private let source: any PictureSource
  private let indices: [Int]
  private let lookAhead: Int
  private let state = Mutex(State())
  private let queue: OperationQueue

  /// Starts decoding the first pictures; the parameters are those of `PrefetchedPictures`.
  public init(
    _ source: any PictureSource, indices: [Int]? = nil, lookAhead: Int = 32, workers: Int = 2
  ) {
    precondition(lookAhead > 0 && workers > 0, "\(lookAhead) pictures by \(workers) workers")
    self.source = source
    self.indices = indices ?? Array(0..<source.count)
    self.lookAhead = lookAhead
    queue = OperationQueue()
    queue.maxConcurrentOperationCount = workers
    queue.qualityOfService = .userInitiated
    state.withLock { fill(&$0) }
  }

  deinit { queue.cancelAllOperations() }

  /// The next picture, suspending until it is decoded; `nil` after the last.
  public func next() async -> Result<PictureSample, DatasetError>? {
    await take()?.value()
  }

  /// The next picture, blocking the thread until it is decoded; `nil` after the last.
  public func waitForNext() -> Result<PictureSample, DatasetError>? {
    take()?.wait()
  }

  private func take() -> PictureSlot? {
    state.withLock { state in
      guard !state.slots.isEmpty else { return nil }
      let slot = state.slots.removeFirst()
      fill(&state)
      return slot
    }
  }

  private func fill(_ state: inout State) {
    while state.slots.count < lookAhead && state.position < indices.count {
      let slot = PictureSlot()
      let index = indices[state.position]
      queue.addOperation { [source] in
        slot.fulfil(Result { () throws(DatasetError) in try source.sample(at: index) })
      }
      state.slots.append(slot)
      state.position += 1
    }
  }
}

/// A place for one picture that is still to come, awaited once.
private final class PictureSlot: Sendable {
  private struct State {
    var result: Result<PictureSample, DatasetError>?
    var continuation: CheckedContinuation<Result<PictureSample, DatasetError>, Never>?
  }

  private let state = Mutex(State())
  private let isDone = DispatchSemaphore(value: 0)

  func fulfil(_ result: Result<PictureSample, DatasetError>) {
    let continuation = state.withLock { state in
      state.result = result
      return state.continuation.take()
    }
    continuation?.resume(returning: result)
    isDone.signal()
  }

  func value() async -> Result<PictureSample, DatasetError> {
    await withCheckedContinuation { continuation in
      let ready = state.withLock { state in
        if state.result == nil { state.continuation = continuation }
        return state.result
      }
      if let ready { continuation.resume(returning: ready) }
    }
  }

  func wait() -> Result<PictureSample, DatasetError> {
    while true {
      isDone.wait()
      if let result = state.withLock({ $0.result }) { return result }
    }
  }
}
