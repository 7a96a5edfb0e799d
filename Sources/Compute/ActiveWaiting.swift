import CProcessors
import Foundation
import Synchronization

/// Keeps this machine's processors awake while a driver computes on them.
///
/// A driver's threads sleep from one kernel to the next. A processor that sleeps too needs 5 to 50
/// microseconds to wake, and up to a millisecond where it is a guest on a busy machine: a kernel's
/// work waits so long for its second thread. One thread a processor therefore spins from the first
/// command until a little after the last, as OpenMP's threads do. Its priority is that of idleness:
/// whatever else wants the processor has it at once.
final class ActiveWaiting: Sendable {
  /// That of the process; nil where `BLINDSPOT_WAIT` is `passive`.
  static let shared =
    ProcessInfo.processInfo.environment["BLINDSPOT_WAIT"] == "passive" ? nil : ActiveWaiting()

  /// How long the processors stay awake after a command or a wait: longer than what a host computes
  /// between two passes.
  private static let hold: UInt64 = 10_000_000

  private final class Spinner: Sendable {
    let isParked = Atomic(false)
    let mayGo = DispatchSemaphore(value: 0)
  }

  private let spinners = Mutex<[Spinner]>([])
  private let waits = Atomic(0)
  private let end = Atomic<UInt64>(0)
  private let areParked = Atomic(false)

  /// Starts a thread for each processor that this process may use, at most so many; a second call
  /// does nothing.
  func start(atMost count: Int) {
    spinners.withLock { spinners in
      guard spinners.isEmpty else { return }
      for processor in Self.processors.prefix(count) {
        let spinner = Spinner()
        spinners.append(spinner)
        Thread { [self] in spin(spinner, on: processor) }.start()
      }
    }
  }

  /// Keeps the processors awake for a while.
  func stayAwake() {
    end.store(Self.now + Self.hold, ordering: .sequentiallyConsistent)
    wake()
  }

  /// Keeps the processors awake during a wait and for a while after it.
  func during<Result>(_ wait: () -> Result) -> Result {
    waits.add(1, ordering: .sequentiallyConsistent)
    wake()
    defer {
      end.store(Self.now + Self.hold, ordering: .sequentiallyConsistent)
      waits.subtract(1, ordering: .sequentiallyConsistent)
    }
    return wait()
  }

  private func wake() {
    guard areParked.exchange(false, ordering: .sequentiallyConsistent) else { return }
    spinners.withLock { spinners in
      for spinner in spinners
      where spinner.isParked.exchange(false, ordering: .sequentiallyConsistent) {
        spinner.mayGo.signal()
      }
    }
  }

  private var isWanted: Bool {
    waits.load(ordering: .sequentiallyConsistent) > 0
      || end.load(ordering: .sequentiallyConsistent) > Self.now
  }

  // A thread of this priority may be stopped for long, so it takes no lock that others wait for.
  private func spin(_ spinner: Spinner, on processor: Int) {
    guard Self.becomeIdle(on: processor) else { return }
    while true {
      while isWanted { processors_relax() }
      spinner.isParked.store(true, ordering: .sequentiallyConsistent)
      areParked.store(true, ordering: .sequentiallyConsistent)
      // Work that came in between has perhaps not seen this thread parked.
      if isWanted && spinner.isParked.exchange(false, ordering: .sequentiallyConsistent) {
        continue
      }
      spinner.mayGo.wait()
    }
  }

  private static var now: UInt64 { DispatchTime.now().uptimeNanoseconds }

  /// The processors that this process may use; at most 1024, as the C library's sets have.
  private static var processors: [Int] {
    var bits = [UInt8](repeating: 0, count: 128)
    guard unsafe processors_get(0, bits.count, &bits) == 0 else { return [] }
    return (0..<8 * bits.count).filter { bits[$0 / 8] >> UInt8($0 % 8) & 1 == 1 }
  }

  /// Gives this thread the priority of idleness on one processor; false where it may not have it.
  private static func becomeIdle(on processor: Int) -> Bool {
    var bits = [UInt8](repeating: 0, count: 128)
    bits[processor / 8] = 1 << UInt8(processor % 8)
    var parameters = sched_param()
    return unsafe processors_set(0, bits.count, bits) == 0
      && sched_setscheduler(0, Int32(PROCESSORS_IDLE), &parameters) == 0
  }
}

/// Calls what waits for a device, with the processors awake if they are the device.
func waiting<Result>(_ wait: () -> Result) -> Result {
  guard let active = ActiveWaiting.shared else { return wait() }
  return active.during(wait)
}
