import ArgumentParser
import Datasets
import Foundation
import Networks
import Reference

/// `blindspot classify`: how often a network is right.
struct Classify: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Classify pictures and count how often the network is right.",
    discussion: """
      --logits and --gradients write float32 arrays in the order of the pictures, [N, classes] and \
      [N, C, H, W]; a file appears when it is complete. The gradient is that of the cross-entropy of \
      one class with respect to the picture in [0, 1], the preprocessing being part of the network.
      """)

  @OptionGroup var model: ModelOptions
  @OptionGroup var pictures: PictureOptions
  @OptionGroup var place: DeviceOptions
  @OptionGroup var rounding: PrecisionOptions
  @Flag(help: "Print one JSON object.") var json = false
  @Flag(help: "Show no progress.") var quiet = false
  @Option(help: "Write the logits as an .npy array.") var logits: String?
  @Option(help: "Write the gradients of the loss as an .npy array.") var gradients: String?
  @Option(help: "The class whose loss it is: label, least-likely or runner-up (default: label).")
  var gradientClass: GradientClass?

  private struct Summary: Encodable {
    var samples: Int
    var top1: Double?
    var top5: Double?
    var seconds: Double
    var imagesPerSecond: Double
    /// Nil for canonical.
    var precision: String?

    private enum Key: String, CodingKey {
      case samples, top1, top5, seconds, precision
      case imagesPerSecond = "images_per_second"
    }

    /// Every key is there, null for a share of no labels; the precision where it is a looser one.
    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: Key.self)
      try container.encode(samples, forKey: .samples)
      try container.encode(top1, forKey: .top1)
      try container.encode(top5, forKey: .top5)
      try container.encode(seconds, forKey: .seconds)
      try container.encode(imagesPerSecond, forKey: .imagesPerSecond)
      try container.encodeIfPresent(precision, forKey: .precision)
    }
  }

  func validate() throws {
    if gradientClass != nil, gradients == nil {
      throw ValidationError("--gradient-class needs --gradients FILE")
    }
  }

  func run() throws {
    let loaded = try model.load()
    let preprocessing = try pictures.prepared()
    let source = try pictures.open(for: loaded.graph, preprocessing)
    let graph = try normalized(loaded.graph, preprocessing.normalization)
    let context = try place.context()
    let progress = ProgressLine(quiet: quiet)
    let network = try compile(
      graph, context: context, batch: try place.batchSize(), samples: source.count,
      family: try place.kernelFamily(), withGradient: gradients != nil, extraPictures: 0,
      tuner: try place.tuner(context),
      arithmetic: try rounding.arithmetic(on: [context], place), progress: progress)
    let gradientFile = try gradients.map {
      try GradientFile(
        $0, of: gradientClass ?? .label, count: source.count, shape: source.shape)
    }
    defer { gradientFile?.discard() }
    let prefetcher = PicturePrefetcher(source)
    let start = Date()
    var counts = (labelled: 0, top1: 0, top5: 0)
    var all: [Float] = []
    var done = 0
    while done < source.count {
      var batch: [PictureSample] = []
      while batch.count < network.batch, let next = prefetcher.waitForNext() {
        batch.append(try next.get())
      }
      guard !batch.isEmpty else { break }
      try network.write(
        Tensor(shape: [batch.count] + graph.inputShape, values: batch.flatMap(\.pixels)))
      try network.forward()
      let result = try network.readLogits()
      try gradientFile?.write(batch, logits: result, of: network)
      let classes = result.count / network.batch
      for (index, sample) in batch.enumerated() {
        let row = Array(result.values[index * classes..<(index + 1) * classes])
        if logits != nil { all += row }
        guard let label = sample.label else { continue }
        counts.labelled += 1
        // The rank of the true class; equal logits go to the lower class, NaN is always wrong.
        let rank =
          row[label].isNaN
          ? classes
          : row.indices.count { row[$0] > row[label] || (row[$0] == row[label] && $0 < label) }
        counts.top1 += rank < 1 ? 1 : 0
        counts.top5 += rank < 5 ? 1 : 0
      }
      done += batch.count
      progress.update(done: done, of: source.count)
    }
    progress.end()
    let seconds = Date().timeIntervalSince(start)
    if let logits {
      try NPY.write(
        all, shape: [done, all.count / max(done, 1)], to: URL(fileURLWithPath: logits))
    }
    try gradientFile?.finish()
    let share = { (count: Int) in
      counts.labelled > 0 ? Double(count) / Double(counts.labelled) : nil
    }
    let summary = Summary(
      samples: done, top1: share(counts.top1), top5: share(counts.top5), seconds: seconds,
      imagesPerSecond: Double(done) / seconds,
      precision: rounding.name)
    if json {
      try printJSON(summary)
    } else {
      let text = { (value: Double?) in value.map { String(format: "%.4f", $0) } ?? "no labels" }
      print("samples  \(done)")
      print("top-1    \(text(summary.top1))")
      print("top-5    \(text(summary.top5))")
      print(String(format: "seconds  %.2f (%.1f images/s)", seconds, summary.imagesPerSecond))
    }
  }
}
