import Compute
import Digests
import Foundation
import Networks
import Operations

/// The SHA-256 of data, in hexadecimal digits.
func sha256(_ data: Data) -> String { SHA256.hexDigest(of: data) }

/// The batch asked for, checked against the device's memory, or as many pictures as fit, at most 32,
/// and 256 on a GPU.
///
/// - Parameters:
///   - graph: The network, optimized: asking for another batch then only plans its memory.
///   - batch: The samples of a batch; nil for auto.
///   - extraPictures: Pictures of memory a slot that the caller takes besides the network.
/// - Throws: `CommandError` that says what would fit when the batch does not.
func fittingBatch(
  _ graph: Graph, on device: Device, batch: Int?, samples: Int, withGradient: Bool,
  extraPictures: Int
) throws -> Int {
  let needed = { (batch: Int) in
    let (pictures, isTooMany) = (extraPictures * graph.inputShape.reduce(1, *) * 4)
      .multipliedReportingOverflow(by: batch)
    // The plan of an absurd batch would overflow before it can be refused.
    guard !isTooMany, batch <= 1 << 24 else { return Int.max }
    let network = CompiledNetwork.estimatedBytes(
      graph, batch: batch, withGradient: withGradient, on: device)
    let (sum, isTooLarge) = network.addingReportingOverflow(pictures)
    return isTooLarge ? Int.max : sum
  }
  // Drivers need room of their own, and a processor's memory is the host's too.
  let available = device.globalMemoryBytes / 10 * 8
  guard needed(1) <= available else {
    throw CommandError(
      "not even one picture fits: \(device.name) has \(available >> 20) MiB to give")
  }
  var fitting = 1
  // A GPU has many more lanes to keep busy; a processor's caches are small.
  let most = device.kind == .gpu ? 256 : 32
  while fitting < batch ?? most, needed(fitting * 2) <= available { fitting *= 2 }
  if let batch, needed(batch) > available {
    var (fits, tooLarge) = (fitting, 2 * fitting)
    while tooLarge - fits > 1 {
      let middle = (fits + tooLarge) / 2
      if needed(middle) <= available { fits = middle } else { tooLarge = middle }
    }
    let size = needed(batch)
    throw CommandError(
      "a batch of \(batch) needs "
        + (size == .max ? "larger buffers than there can be" : "\(size >> 20) MiB")
        + ", \(device.name) has \(available >> 20) MiB to give: --batch \(fits) would fit")
  }
  return batch ?? min(fitting, most, max(1, samples))
}

/// Builds a network for a batch that fits, or for the largest that does, at most 32, and 256 on a
/// GPU.
///
/// - Throws: `CommandError` that says what would fit when the batch does not.
func compile(
  _ graph: Graph, context: Context, batch: Int?, samples: Int, family: KernelFamily?,
  withGradient: Bool, extraPictures: Int, tuner: Tuner?, arithmetic: Arithmetic = .canonical,
  progress: ProgressLine
) throws -> CompiledNetwork {
  let graph = graph.optimized()
  let size = try fittingBatch(
    graph, on: context.device, batch: batch, samples: samples, withGradient: withGradient,
    extraPictures: extraPictures)
  return try CompiledNetwork(
    graph, context: context, batch: size, family: family, withGradient: withGradient, tuner: tuner,
    arithmetic: arithmetic
  ) { done, all in
    progress.update(compilingLine(done, all, tuner))
  }
}

/// What a progress line says while kernels are built and perhaps measured.
func compilingLine(_ done: Int, _ all: Int, _ tuner: Tuner?) -> String {
  guard let tuner else { return "compiling \(done)/\(all)" }
  return "compiling and measuring \(done)/\(all), \(tuner.measured.changed) of "
    + "\(tuner.measured.sums) sums cut otherwise"
}

/// One line on standard error that tells how far a command is; nothing when that is no terminal.
final class ProgressLine {
  private let isShown: Bool
  private var last = Date.distantPast
  private let start = Date()

  init(quiet: Bool) { isShown = !quiet && isatty(2) == 1 }

  /// Replaces the line, a few times a second at most.
  func update(_ text: @autoclosure () -> String) {
    guard isShown, Date().timeIntervalSince(last) > 0.2 else { return }
    last = Date()
    FileHandle.standardError.write(Data("\r\u{1b}[K\(text())".utf8))
  }

  /// Done, total, rate, time left and a remark.
  func update(done: Int, of total: Int, _ remark: @autoclosure () -> String = "") {
    let seconds = Date().timeIntervalSince(start)
    let rate = Double(done) / max(seconds, 1e-9)
    let left = done > 0 ? Int(Double(total - done) / rate) : 0
    update(
      "\(done)/\(total)  \(String(format: "%.1f", rate))/s  \(left) s left  \(remark())")
  }

  /// Removes the line.
  func end() {
    if isShown { FileHandle.standardError.write(Data("\r\u{1b}[K".utf8)) }
  }
}

/// Prints one JSON object with sorted keys.
func printJSON(_ value: some Encodable) throws {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
  encoder.nonConformingFloatEncodingStrategy = .convertToString(
    positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
  print(String(decoding: try encoder.encode(value), as: UTF8.self))
}
