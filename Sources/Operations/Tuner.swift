public import Compute
import Foundation
import Kernels
import Reference

/// Chooses register tiles by measurement on the device, and remembers what it chose.
///
/// A sum that was not measured before is computed with each candidate plan on memory of its own; a
/// plan whose result differs from the rule's in any bit is not taken. What was chosen is kept in the
/// program cache's folder, for this device, driver and version of the kernel.
public final class Tuner {
  /// How much is tried.
  public enum Effort: String, Sendable, CaseIterable {
    /// Nothing: the rules decide, and nothing is read or kept.
    case off
    /// Other orders of the loops and the second best tile, for at most a minute in all.
    case quick
    /// Six tiles, orders of the loops, unrolling; as long as it takes.
    case full
  }

  /// How much is tried.
  public let effort: Effort
  /// Sums that were measured by this tuner, and how many of these take another plan than the rule's.
  public private(set) var measured = (sums: 0, changed: 0)
  /// Plans whose bits differed from the rule's; there should be none.
  public private(set) var rejected = 0

  private let context: Context
  private let deadline: Date
  private var plans: [String: TilePlan] = [:]
  private var scratch: [Buffer<Float>] = []

  /// What a candidate must save to be taken: less is noise.
  private static let worthwhile = 0.97

  /// A tuner for a device, with what it remembers.
  public init(_ context: Context, effort: Effort) {
    self.context = context
    self.effort = effort
    deadline = Date(timeIntervalSinceNow: effort == .quick ? 60 : 7 * 24 * 3600)
    plans = Self.load(context)
  }

  /// The plan of a sum, measured now if it is not known and there is time.
  func plan(
    for sum: TapSum, _ epilogue: TapSumEpilogue, on recorder: Recorder, input: DeviceTensor,
    output: DeviceTensor
  ) throws(ComputeError) -> TilePlan {
    let rule = TilePlan(sum, registers: recorder.registers)
    guard effort != .off else { return rule }
    let key = sum.tuningKey(recorder.constants(epilogue, sum.scatter), effort)
    if let known = plans[key] { return known }
    guard Date() < deadline else { return rule }
    let best = try measure(sum, epilogue, recorder, input, output) ?? rule
    measured.sums += 1
    if best != rule { measured.changed += 1 }
    plans[key] = best
    // Another process may have stored its own in the meantime.
    plans.merge(Self.load(context)) { mine, _ in mine }
    store()
    return best
  }

  /// The fastest candidate whose bits are the rule's; nil when the memory for trying is not there.
  private func measure(
    _ sum: TapSum, _ epilogue: TapSumEpilogue, _ recorder: Recorder, _ input: DeviceTensor,
    _ output: DeviceTensor
  ) throws(ComputeError) -> TilePlan? {
    let sizes = [input, output].map { recorder.batch * $0.layout.imageStride + $0.layout.rowStride }
    guard let buffers = try? memory(sizes) else { return nil }
    let from = DeviceTensor(buffer: buffers[0], layout: input.layout)
    let to = DeviceTensor(buffer: buffers[1], layout: output.layout)
    var ending = epilogue
    if let residual = epilogue.residual {
      ending.residual = DeviceTensor(buffer: buffers[2], layout: residual.layout)
    }
    if epilogue.mask != nil {
      let mask = try Buffer<UInt8>(context, count: max(2, sizes[1] / 8 + 64))
      try mask.fill(0x5b)
      ending.mask = DeviceBytes(buffer: mask)
    }
    var expected: [Float] = []
    var best: (plan: TilePlan, seconds: Double)?
    let candidates = TilePlan.candidates(sum, registers: recorder.registers, effort: effort)
    for plan in candidates {
      let trial = Recorder(context: context, family: recorder.family, batch: recorder.batch)
      try trial.recordTiles(plan, sum, from, to, ending)
      guard let launch = trial.launches.last else { return nil }
      try to.buffer.fill(0)
      try launch.enqueue()
      let result = try to.buffer.read(length: sizes[1])
      if expected.isEmpty {
        expected = result
      } else if !sameBits(result, expected) {
        rejected += 1
        continue
      }
      var seconds = Double.infinity
      for _ in 0..<(effort == .full ? 7 : 3) { seconds = min(seconds, try launch.timed()) }
      if let known = best, seconds > known.seconds * (plan == candidates[0] ? 1 : Self.worthwhile) {
        continue
      }
      best = (plan, seconds)
    }
    return best?.plan
  }

  private func sameBits(_ a: [Float], _ b: [Float]) -> Bool {
    a.count == b.count && zip(a, b).allSatisfy { $0.bitPattern == $1.bitPattern }
  }

  /// Memory of three tensors: input, output and residual; the first and last hold numbers around 0.
  private func memory(_ sizes: [Int]) throws(ComputeError) -> [Buffer<Float>] {
    let wanted = [sizes[0], sizes[1], sizes[1]]
    if scratch.count != 3 || zip(scratch, wanted).contains(where: { $0.count < $1 }) {
      scratch = []
      for (position, size) in wanted.enumerated() {
        let buffer = try Buffer<Float>(context, count: size)
        if position != 1 { try fillWithNumbers(buffer) }
        scratch.append(buffer)
      }
    }
    return scratch
  }

  /// A repeated sequence of a length that no stride divides.
  private func fillWithNumbers(_ buffer: Buffer<Float>) throws(ComputeError) {
    var state: UInt32 = 1
    let numbers = (0..<min(buffer.count, 1_000_003)).map { _ in
      state = state &* 1_664_525 &+ 1_013_904_223
      return Float(Int32(bitPattern: state)) / Float(1 << 30)
    }
    for start in stride(from: 0, to: buffer.count, by: numbers.count) {
      try buffer.write(Array(numbers.prefix(buffer.count - start)), at: start)
    }
  }

  /// Gives back the memory that measuring took.
  public func releaseMemory() { scratch = [] }

  // MARK: What is kept

  private static func key(_ context: Context) -> String {
    context.cache.key(
      source: KernelLibrary.source("cpu/convolution") ?? "", options: "tiles 1",
      device: context.device)
  }

  private static func load(_ context: Context) -> [String: TilePlan] {
    guard let bytes = context.cache.load(key(context)) else { return [:] }
    return (try? JSONDecoder().decode([String: TilePlan].self, from: Data(bytes))) ?? [:]
  }

  private func store() {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    guard let data = try? encoder.encode(plans) else { return }
    context.cache.store(Array(data), for: Self.key(context))
  }
}

extension TapSum {
  /// Everything that a sum's speed depends on.
  fileprivate func tuningKey(_ constants: [(String, String)], _ effort: Tuner.Effort) -> String {
    let numbers = [
      images, rows, columns, taps.height, taps.width, groups, inputChannels, outputChannels,
      inputImage, inputRow, inputStep, tapRowStep, tapColumnStep, outputImage, outputRow,
      outputPixel, residualPixel,
    ]
    return
      ([effort.rawValue] + numbers.map(String.init) + constants.map { "\($0.0)=\($0.1)" })
      .joined(separator: " ")
  }
}
