import ArgumentParser
import Compute
import Datasets
import Foundation
import Networks
import Operations
import Reference

/// The class whose cross-entropy is differentiated.
enum GradientClass: String, CaseIterable, ExpressibleByArgument {
  /// The picture's true class, at which the softmax of a confident network is flat.
  case label
  /// The class of the smallest logit, as attacks choose it.
  case leastLikely = "least-likely"
  /// The class of the largest logit but the predicted class's.
  case runnerUp = "runner-up"

  /// The class for one picture; of equal logits the lowest class is taken.
  ///
  /// - Throws: `CommandError` when the label is wanted and there is none.
  func choose(for sample: PictureSample, logits: [Float]) throws -> Int {
    switch self {
    case .label:
      guard let label = sample.label else {
        throw CommandError(
          "\(sample.id): has no label whose loss has a gradient (see --labels, --gradient-class)")
      }
      return label
    case .leastLikely: return LongSum.maximum(logits.map { -$0 }).offset
    case .runnerUp:
      return GoalLoss(label: LongSum.maximum(logits).offset, leaves: true).margin(logits).rival
    }
  }
}

/// Writes the gradients of a classification, `[N, C, H, W]`, to an `.npy` array that appears under
/// its name when it is complete.
final class GradientFile {
  private let url: URL
  private let temporary: URL
  private let chosen: GradientClass
  private let writer: NPYPictureWriter
  private var isFinished = false

  /// Takes the file's whole length under a temporary name.
  ///
  /// - Throws: `DatasetError` when the folder cannot be written.
  init(_ path: String, of chosen: GradientClass, count: Int, shape: PictureShape) throws {
    url = URL(fileURLWithPath: path)
    temporary = url.deletingLastPathComponent()
      .appending(path: ".\(url.lastPathComponent).\(UUID().uuidString.prefix(8)).part")
    self.chosen = chosen
    writer = try NPYPictureWriter(creating: temporary, count: count, shape: shape)
  }

  /// Differentiates the losses of a batch whose forward pass is done, and writes the gradients.
  ///
  /// The loss is that of attacks (`GoalLoss`), in the same arithmetic.
  func write(_ batch: [PictureSample], logits: Tensor<Float>, of network: CompiledNetwork) throws {
    guard let target = network.logitsGradient else {
      preconditionFailure("compiled without the gradient")
    }
    let classes = logits.count / network.batch
    var slopes = [Float](repeating: 0, count: logits.count)
    for (index, sample) in batch.enumerated() {
      let range = index * classes..<(index + 1) * classes
      let row = Array(logits.values[range])
      let loss = GoalLoss(label: try chosen.choose(for: sample, logits: row), leaves: false)
      slopes.replaceSubrange(range, with: loss.evaluate(row).gradient)
    }
    try target.buffer.write(
      target.layout.pack(slopes, batch: network.batch), at: target.offset)
    try network.gradient()
    let gradient = try network.readInputGradient().values
    let size = gradient.count / network.batch
    for (index, sample) in batch.enumerated() {
      try writer.write(Array(gradient[index * size..<(index + 1) * size]), at: sample.index)
    }
  }

  /// Puts the complete array in place of any file of its name.
  ///
  /// - Throws: `DatasetError` or `CommandError` when the disk refuses.
  func finish() throws {
    try writer.synchronize()
    guard unsafe rename(temporary.path, url.path) == 0 else {
      throw CommandError(
        "\(url.path): cannot be written (\(unsafe String(cString: strerror(errno))))")
    }
    isFinished = true
  }

  /// Removes what there is of an array that was not finished.
  func discard() {
    if !isFinished { try? FileManager.default.removeItem(at: temporary) }
  }
}
