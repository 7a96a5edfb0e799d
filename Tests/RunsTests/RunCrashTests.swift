import Datasets
import Foundation
import Testing

import Runs

/// Sets the size at which no file can grow further: the nearest thing to a full disk.
private func limitFileSize(_ bytes: Int) {
  var limit = rlimit()
  unsafe getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
  limit.rlim_cur = min(rlim_t(bytes), limit.rlim_max)
  unsafe setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
}

/// What is true of a run at any moment: a row has its pictures whole.
private func checkInvariants(_ run: URL, shape: PictureShape) throws -> Set<Int> {
  let results = try RunContents(reading: run).results
  let array = try array(run, shape: shape)
  for result in results {
    var row = finished(result.id, shape: shape).result
    row.picture = result.picture
    row.pictureFools = result.picture.map { $0.hasPrefix("adversarial/") }
    #expect(result == row)
    #expect(!result.success || array[result.id] == pixels(result.id, shape: shape))
    #expect(result.success == (result.picture != nil))
    guard let path = result.picture else { continue }
    let expected =
      result.success8Bit
      ? RGBImage(planarBytes: bytes(result.id, shape: shape), shape: shape)
      : RGBImage(planar: pixels(result.id, shape: shape), shape: shape)
    #expect(try picture(run, path) == expected)
  }
  return Set(results.map(\.id))
}

@Suite(.serialized)
struct RunCrashTests {
  @Test func `loses no finished sample however often it is killed`() async throws {
    let scratch = try Scratch()
    defer { scratch.clear() }
    let large = PictureShape(channels: 3, height: 64, width: 64)
    let count = 400
    let path = scratch.run.path
    _ = try RunStore.create(scratch.run, description(samples: count, shape: large))
    var seen: Set<Int> = []
    for milliseconds in [3, 10, 20, 35, 50, 80] {
      await #expect(processExitsWith: .signal(SIGKILL)) {
        [path = path as String, milliseconds = milliseconds as Int] in
        let large = PictureShape(channels: 3, height: 64, width: 64)
        let store = try RunStore.resume(
          URL(fileURLWithPath: path), expecting: description(samples: 400, shape: large))
        Thread.detachNewThread {
          usleep(UInt32(milliseconds) * 1000)
          kill(getpid(), SIGKILL)
        }
        var left = Set(0..<400).subtracting(store.finishedIDs).sorted()[...]
        while !left.isEmpty {
          try store.append(left.prefix(3).map { finished($0, shape: large) })
          left = left.dropFirst(3)
        }
        while true { sleep(1) }
      }
      let now = try checkInvariants(scratch.run, shape: large)
      #expect(now.isSuperset(of: seen))
      seen = now
    }
    #expect(!seen.isEmpty)
    let store = try RunStore.resume(
      scratch.run, expecting: description(samples: count, shape: large))
    #expect(store.finishedIDs == seen)
    // What was under way when the process died is gone.
    let pictures = Set(try store.results().compactMap(\.picture))
    #expect(Set(paths(scratch.run).filter { $0.contains(".p") && $0.contains("/") }) == pictures)
    for (id, values) in try array(scratch.run, shape: large).enumerated()
    where !seen.contains(id) {
      #expect(values.allSatisfy { $0.isNaN })
    }
    try store.append(
      Set(0..<count).subtracting(seen).sorted().map { finished($0, shape: large) })
    let whole = try RunStore.create(
      scratch.url.appending(path: "whole"), description(samples: count, shape: large))
    try whole.append((0..<count).map { finished($0, shape: large) })
    #expect(try store.results() == whole.results())
    #expect(paths(scratch.run) == paths(whole.folder))
  }

  @Test func `rolls back the transaction in whose middle it was killed`() async throws {
    let scratch = try Scratch()
    defer { scratch.clear() }
    let path = scratch.run.path
    do {
      let store = try RunStore.create(scratch.run, description(samples: 5000, keeps: []))
      try store.append((0..<200).map { finished($0) })
    }
    // The system kills a process that lets a file grow beyond its limit: here, SQLite as it adds a
    // page in the middle of a commit.
    await #expect(processExitsWith: .signal(SIGXFSZ)) { [path = path as String] in
      let run = URL(fileURLWithPath: path)
      let store = try RunStore.resume(run, expecting: description(samples: 5000, keeps: []))
      let size = try FileManager.default.attributesOfItem(
        atPath: run.appending(path: "run.sqlite").path)[.size]
      // A parent may have had the signal ignored, and Dispatch blocks it in its threads.
      signal(SIGXFSZ, SIG_DFL)
      var signals = sigset_t()
      unsafe sigemptyset(&signals)
      unsafe sigaddset(&signals, SIGXFSZ)
      unsafe pthread_sigmask(Int32(SIG_UNBLOCK), &signals, nil)
      limitFileSize(try #require(size as? NSNumber).intValue)
      try store.append((200..<5000).map { finished($0) })
    }
    let journal = scratch.run.appending(path: "run.sqlite-journal")
    #expect(try Data(contentsOf: journal).count > 0)
    let copy = scratch.url.appending(path: "copy")
    try FileManager.default.copyItem(at: scratch.run, to: copy)
    #expect(try RunContents(reading: scratch.run).results.map(\.id) == Array(0..<200))
    let store = try RunStore.resume(copy, expecting: description(samples: 5000, keeps: []))
    #expect(store.finishedIDs == Set(0..<200))
    try store.append((200..<5000).map { finished($0) })
    #expect(try store.results().map(\.id) == Array(0..<5000))
  }

  @Test func `survives a full disk`() async throws {
    let scratch = try Scratch()
    defer { scratch.clear() }
    let path = scratch.run.path
    do {
      let store = try RunStore.create(scratch.run, description(samples: 5000, keeps: .pictures))
      try store.append((0..<8).map { finished($0) })
    }
    let before = paths(scratch.run)
    await #expect(processExitsWith: .success) { [path = path as String] in
      let run = URL(fileURLWithPath: path)
      let store = try RunStore.resume(
        run, expecting: description(samples: 5000, keeps: .pictures))
      signal(SIGXFSZ, SIG_IGN)
      // First not even a picture fits, then no further page of the database.
      limitFileSize(20)
      fault(.unwritable) { try store.append([finished(8), finished(9)]) }
      let size = try FileManager.default.attributesOfItem(
        atPath: run.appending(path: "run.sqlite").path)[.size]
      limitFileSize(try #require(size as? NSNumber).intValue)
      fault(.unwritable) { try store.append((8..<500).map { finished($0) }) }
      #expect(store.finishedIDs == Set(0..<8))
      #expect(try store.results().map(\.id) == Array(0..<8))
      limitFileSize(1 << 40)
      try store.append([finished(9)])
      // An array that does not fit shows at once, and nothing is left of the run.
      limitFileSize(100_000)
      let other = run.deletingLastPathComponent().appending(path: "other")
      fault(.unwritable, "adversarial.npy") {
        _ = try RunStore.create(other, description(samples: 5000))
      }
      #expect(!FileManager.default.fileExists(atPath: other.path))
    }
    #expect(paths(scratch.run) == (before + ["adversarial/n01/picture 9.png"]).sorted())
    #expect(try RunContents(reading: scratch.run).results.map(\.id) == Array(0..<8) + [9])
  }
}
