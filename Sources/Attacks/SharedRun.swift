import Dispatch
import Foundation

extension SlotEngine {
  /// Attacks pictures until there are no more, with several engines at once: each on a device of its
  /// own, or several on one.
  ///
  /// Every engine runs on a thread of its own and takes the next picture whenever one of its slots is
  /// free, so that a faster device attacks more of them. A picture's result does not depend on the
  /// engine that it meets. Compile everything before: a driver may not like a new program while
  /// another device computes.
  ///
  /// - Parameters:
  ///   - engines: at least one, for networks that differ in device and batch only.
  ///   - next: The next picture, or nil at the end, after which it is not called any more.
  ///   - emit: Takes the results of one step of one engine.
  ///   - shouldStop: Asked once a step of each engine; when true, samples in progress are dropped.
  /// - Throws: What the first engine or closure that failed threw; the others stop after the step that
  ///   is under way. The three closures are called by one thread at a time.
  public static func run(
    _ engines: [SlotEngine], next: () throws -> AttackSample?,
    emit: ([AttackResult]) throws -> Void, shouldStop: () -> Bool = { false }
  ) throws {
    precondition(!engines.isEmpty, "a run without an engine")
    guard engines.count > 1 else {
      return try engines[0].run(next: next, emit: emit, shouldStop: shouldStop)
    }
    try withoutActuallyEscaping(next) { next in
      try withoutActuallyEscaping(emit) { emit in
        try withoutActuallyEscaping(shouldStop) { shouldStop in
          let desk = Desk(next: next, emit: emit, shouldStop: shouldStop)
          let group = DispatchGroup()
          for engine in engines {
            // One thread uses an engine, and ends before this call returns.
            nonisolated(unsafe) let engine = engine
            group.enter()
            let thread = Thread {
              do {
                try unsafe engine.run(
                  next: { try desk.next() }, emit: { try desk.emit($0) },
                  shouldStop: { desk.shouldStop() })
              } catch {
                desk.fail(error)
              }
              group.leave()
            }
            thread.name = "blindspot attack"
            thread.start()
          }
          group.wait()
          try desk.close()
        }
      }
    }
  }
}

/// What the engines of a shared run have in common: the caller's closures, which one thread at a time
/// calls, and whether they go on.
///
/// Threads may live on a little when they are done, so that they hold this and not the closures.
private final class Desk: @unchecked Sendable {
  private struct Calls {
    let next: () throws -> AttackSample?
    let emit: ([AttackResult]) throws -> Void
    let shouldStop: () -> Bool
  }

  private let lock = NSLock()
  // All three are used under the lock only.
  private var calls: Calls?
  private var isOver = false
  private var firstError: (any Error)?

  init(
    next: @escaping () throws -> AttackSample?, emit: @escaping ([AttackResult]) throws -> Void,
    shouldStop: @escaping () -> Bool
  ) {
    calls = Calls(next: next, emit: emit, shouldStop: shouldStop)
  }

  func next() throws -> AttackSample? {
    try lock.withLock {
      guard let calls, !isOver else { return nil }
      let sample = try calls.next()
      isOver = sample == nil
      return sample
    }
  }

  func emit(_ results: [AttackResult]) throws {
    try lock.withLock { try calls?.emit(results) }
  }

  func shouldStop() -> Bool {
    lock.withLock { firstError != nil || calls?.shouldStop() ?? true }
  }

  func fail(_ error: any Error) {
    lock.withLock {
      firstError = firstError ?? error
      isOver = true
    }
  }

  /// Forgets the closures once all engines are done, and throws what the first one that failed threw.
  func close() throws {
    let error = lock.withLock {
      calls = nil
      return firstError
    }
    if let error { throw error }
  }
}
