public import Compute
import Operations

/// The most that a device does: fused multiply-adds in registers, and bytes through memory.
///
/// Source: the roofline of Williams, Waterman and Patterson 2009.
public struct DeviceCeilings: Sendable {
  /// 1e9 floating-point operations a second; a fused multiply-add counts two.
  public let gflops: Double
  /// 1e9 bytes a second, read and written, of a copy much larger than the caches.
  public let gigabytesPerSecond: Double

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
    let adding = try Launch(
      program, "multiply_add", Grid([groups * group], groups: [group]), sums, Int32(rounds),
      0.5 as Float, 0.25 as Float)
    let operations = Double(groups * group * width) * Double(rounds * 16 * 16 * 2)
    gflops = operations / (try Self.fastest(adding)) * 1e-9
    let bytes = min(device.largestBufferBytes / 4, isProcessor ? 256 << 20 : 1 << 30)
    let source = try Buffer<Float>(context, count: bytes / 64 * 16)
    try source.fill(1)
    let target = try Buffer<Float>(context, count: bytes / 64 * 16)
    let copying = try Launch(
      program, "copy_vectors", Grid([groups * group], groups: [group]), source, target,
      UInt64(bytes / 64))
    gigabytesPerSecond = Double(2 * (bytes / 64) * 64) / (try Self.fastest(copying)) * 1e-9
  }

  /// Seconds that no kernel of so many operations and bytes can undercut.
  public func leastSeconds(flops: Int, bytes: Int) -> Double {
    max(Double(flops) / (gflops * 1e9), Double(bytes) / (gigabytesPerSecond * 1e9))
  }

  private static func fastest(_ launch: Launch) throws(ComputeError) -> Double {
    _ = try launch.timed()
    var best = Double.infinity
    for _ in 0..<7 { best = min(best, try launch.timed()) }
    return best
  }
}
