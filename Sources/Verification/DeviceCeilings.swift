public import Compute
import Operations

/// The most that a device does: fused multiply-adds in registers, and bytes through memory.
///
/// Source: the roofline of Williams, Waterman and Patterson 2009.
public struct DeviceCeilings: Sendable {
  /// 1e9 floating-point operations a second; a fused multiply-add counts two.
  public private(set) var gflops: Double
  /// 1e9 bytes a second, read and written, of a copy much larger than the caches.
  public private(set) var gigabytesPerSecond: Double

  private let adding: Launch
  private let copying: Launch
  private let operations: Double
  private let bytes: Double

  /// Measures a device: the best of several launches of each kernel, since a ceiling is what is
  /// possible.
  ///
  /// - Throws: `ComputeError` when the kernels cannot be built or the memory is not there.
  public init(_ context: Context) throws(ComputeError) {
    let device = context.device
    let isProcessor = device.kind == .cpu
    let group = isProcessor ? 1 : min(256, device.largestWorkGroup)
    let width = isProcessor ? 16 : 1
    let recorder = Recorder(context: context, family: .reference, batch: 1)
    let program = try recorder.program(
      "reference/ceilings", [("GROUP", "\(group)"), ("WIDTH", "\(width)")])
    let groups = device.computeUnits * (isProcessor ? 8 : 32)
    let rounds = 4096
    let sums = try Buffer<Float>(context, count: groups * group)
    adding = try Launch(
      program, "multiply_add", Grid([groups * group], groups: [group]), sums, Int32(rounds),
      0.5 as Float, 0.25 as Float)
    operations = Double(groups * group * width) * Double(rounds * 16 * 16 * 2)
    let size = min(device.largestBufferBytes / 4, isProcessor ? 256 << 20 : 1 << 30)
    let source = try Buffer<Float>(context, count: size / 64 * 16)
    try source.fill(1)
    let target = try Buffer<Float>(context, count: size / 64 * 16)
    copying = try Launch(
      program, "copy_vectors", Grid([groups * group], groups: [group]), source, target,
      UInt64(size / 64))
    bytes = Double(2 * (size / 64) * 64)
    gflops = 0
    gigabytesPerSecond = 0
    // Kernels may be compiled, and memory touched, by their first launch.
    _ = try adding.timed()
    _ = try copying.timed()
    for _ in 0..<7 { try measureAgain() }
  }

  /// Launches both kernels once more, and raises the ceilings that they break.
  public mutating func measureAgain() throws(ComputeError) {
    gflops = max(gflops, operations / (try adding.timed()) * 1e-9)
    gigabytesPerSecond = max(gigabytesPerSecond, bytes / (try copying.timed()) * 1e-9)
  }

  /// Seconds that no kernel of so many operations and bytes can undercut.
  public func leastSeconds(flops: Int, bytes: Int) -> Double {
    max(Double(flops) / (gflops * 1e9), Double(bytes) / (gigabytesPerSecond * 1e9))
  }
}
