import Compute
import Digests
import Foundation
import Networks
import Operations

/// The SHA-256 of data, in hexadecimal digits.
func sha256(_ data: Data) -> String { SHA256.hexDigest(of: data) }

/// Builds a network for a batch, or for the largest batch that fits when none is asked for.
///
/// - Parameters:
///   - batch: The samples of a batch; nil for as many as fit, at most 64.
///   - extraPictures: Pictures of memory a slot that the caller takes besides the network.
/// - Throws: `CommandError` that says what would fit when the batch does not.
func compile(
  _ graph: Graph, context: Context, batch: Int?, samples: Int, family: KernelFamily?,
  withGradient: Bool, extraPictures: Int, progress: ProgressLine
) throws -> CompiledNetwork {
  let perImage = { (batch: Int) in
    CompiledNetwork.estimatedBytes(
      graph, batch: batch, withGradient: withGradient,
      largestBufferBytes: context.device.largestBufferBytes)
      + batch * extraPictures * graph.inputShape.reduce(1, *) * 4
  }
  // Drivers need room of their own, and a processor's memory is the host's too.
  let available = context.device.globalMemoryBytes / 10 * 8
  var fitting = 1
  while fitting < 1024, perImage(fitting * 2) <= available { fitting *= 2 }
  if let batch, perImage(batch) > available {
    var largest = fitting
    while perImage(largest + 1) <= available { largest += 1 }
    throw CommandError(
      "a batch of \(batch) needs \(perImage(batch) >> 20) MiB, \(context.device.name) has "
        + "\(available >> 20) MiB to give: --batch \(largest) would fit")
  }
  let size = batch ?? min(fitting, 32, max(1, samples))
  return try CompiledNetwork(
    graph, context: context, batch: size, family: family, withGradient: withGradient
  ) { done, all in
    progress.update("compiling \(done)/\(all)")
  }
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
