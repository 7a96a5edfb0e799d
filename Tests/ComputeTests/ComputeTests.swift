import Compute
import Foundation
import Testing

@Suite struct ComputeTests {
  private static let source = """
    __attribute__((reqd_work_group_size(4, 1, 1))) kernel void scale(
        const global float *x, global float *y, const float factor, const uint n) {
      const size_t i = get_global_id(0);
      if (i < n) { y[i] = factor * x[i] + OFFSET; }
    }
    """

  private func context(_ cache: ProgramCache = ProgramCache(folder: nil)) throws -> Context {
    try Context(device: try Device.matching(), cache: cache)
  }

  private func run(_ context: Context) throws -> [Float] {
    let program = try context.program("scale", source: Self.source, constants: [("OFFSET", "1.0f")])
    let x = try Buffer<Float>(context, [1, 2, 3, 4, 5])
    let y = try Buffer<Float>(context, count: 5)
    try Launch(program, "scale", Grid([5], groups: [4]), x, y, Float(2), UInt32(5)).enqueue()
    return try y.read()
  }

  @Test func `there is a device`() throws { #expect(!(try Device.all()).isEmpty) }

  @Test func `a kernel runs with buffers, numbers and build constants`() throws {
    #expect(try run(try context()) == [3, 5, 7, 9, 11])
  }

  @Test func `memory is counted while it lives`() throws {
    let context = try context()
    do {
      let first = try Buffer<Float>(context, count: 1000)
      #expect(context.liveBytes == 4000)
      let second = try Buffer<UInt8>(context, count: 500)
      #expect(context.liveBytes == 4500)
      _ = (first.count, second.count)
    }
    #expect(context.liveBytes == 0)
    #expect(context.peakBytes == 4500)
  }

  @Test func `a build error shows the compiler's log`() throws {
    let context = try context()
    let error = #expect(throws: ComputeError.self) {
      try context.program("broken", source: "kernel void f( { }", constants: [])
    }
    #expect(error?.function == "clBuildProgram(broken)")
    #expect(error?.detail.contains("error") == true)
  }

  @Test func `programs come back from the disk, and a bad entry is built anew`() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    defer { try? FileManager.default.removeItem(at: folder) }
    let cache = ProgramCache(folder: folder)
    #expect(try run(try context(cache)) == [3, 5, 7, 9, 11])
    let entries = try FileManager.default.contentsOfDirectory(
      at: folder, includingPropertiesForKeys: nil)
    #expect(entries.count == 1)
    let whole = try Data(contentsOf: entries[0])
    #expect(try run(try context(cache)) == [3, 5, 7, 9, 11])
    #expect(try Data(contentsOf: entries[0]) == whole)
    for bad in [Data(), whole.prefix(50), whole.prefix(whole.count / 2), Data("x".utf8) + whole] {
      try Data(bad).write(to: entries[0])
      #expect(try run(try context(cache)) == [3, 5, 7, 9, 11])
      #expect(try Data(contentsOf: entries[0]).count > 1000)
    }
  }

  @Test func `an unknown device is named, with those there are`() throws {
    let error = #expect(throws: ComputeError.self) { try Device.matching("no such device") }
    #expect(error?.description.contains("no such device") == true)
  }

  @Test func `copies of one queue wait for events of the other`() throws {
    let context = try context()
    let program = try context.program("scale", source: Self.source, constants: [("OFFSET", "1.0f")])
    let count = 50_000
    let staging = try StagingBuffer<Float>(context, count: count)
    let back = try StagingBuffer<Float>(context, count: count)
    let x = try Buffer<Float>(context, count: count)
    let y = try Buffer<Float>(context, count: count)
    let z = try Buffer<Float>(context, count: count)
    let launch = try Launch(
      program, "scale", Grid([count], groups: [4]), x, y, Float(2), UInt32(count))
    for round in 0..<20 {
      staging.put((0..<count).map { Float($0 % 1000 + round) })
      // Up beside the kernels, through a kernel, and back beside them.
      let up = try z.write(staged: staging, 0..<count, on: .transfers)
      try context.flush(.transfers)
      try z.copy(from: 0, length: count, to: x, at: 0, after: [up])
      try launch.enqueue()
      let done = try y.copy(from: 0, length: count, to: z, at: 0)
      try context.flush()
      let down = try z.read(staged: back, 10..<count, from: 10, on: .transfers, after: [done])
      try context.flush(.transfers)
      try down.wait()
      #expect(try down.isComplete() && done.isComplete())
      let expected = (10..<count).map { 2 * Float($0 % 1000 + round) + 1 }
      #expect(back.values(10..<count) == expected)
    }
    try context.finish()
  }

  @Test func `numbers are sent in front of a kernel and fetched after it`() throws {
    let context = try context()
    let program = try context.program("scale", source: Self.source, constants: [("OFFSET", "0.0f")])
    let x = try StagedBuffer<Float>(context, count: 5)
    let y = try StagedBuffer<Float>(context, count: 5)
    let launch = try Launch(
      program, "scale", Grid([5], groups: [4]), x.buffer, y.buffer, Float(3), UInt32(5))
    for step in 0..<50 {
      try x.send((0..<5).map { Float($0 + step) })
      try launch.enqueue()
      try context.finish(try y.fetch())
      #expect(y.fetched == (0..<5).map { 3 * Float($0 + step) })
    }
  }
}
