import Compute
import Foundation
import Testing

/// The processors are kept awake by threads of the policy of idleness, SCHED_IDLE.
@Suite struct ActiveWaitingTests {
  /// The states (R runs or would, S sleeps) of this process's threads of that policy.
  private var spinners: [Substring] {
    let threads = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
    return threads.compactMap { thread in
      guard
        let text = try? String(contentsOfFile: "/proc/self/task/\(thread)/stat", encoding: .utf8),
        let name = text.lastIndex(of: ")")
      else { return nil }
      // From the third field on; the policy is the 41st.
      let fields = text[name...].dropFirst(2).split(separator: " ")
      return fields[38] == "5" ? fields[0] : nil
    }
  }

  private static var hasCPU: Bool { (try? Device.matching("cpu")) != nil }

  @Test(.enabled(if: hasCPU)) func `processors stay awake as long as a CPU has work`() throws {
    let device = try Device.matching("cpu")
    let context = try Context(device: device, cache: ProgramCache(folder: nil))
    let buffer = try Buffer<Float>(context, count: 1 << 20)
    let count = min(device.computeUnits, ProcessInfo.processInfo.activeProcessorCount)
    let awake = try (0..<1000).contains { _ in
      try buffer.fill(1)
      try context.finish()
      return spinners == Array(repeating: "R", count: count)
    }
    #expect(awake, "\(spinners)")
    // A busy machine lets them find out late that nothing is left to do.
    let asleep = (0..<1000).contains { _ in
      Thread.sleep(forTimeInterval: 0.03)
      return spinners == Array(repeating: "S", count: count)
    }
    #expect(asleep, "\(spinners)")
  }
}
