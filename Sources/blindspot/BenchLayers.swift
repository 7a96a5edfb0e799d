import ArgumentParser
import Compute
import Foundation
import Networks
import Operations

/// `bench layers`: where the time of a network's passes goes.
struct BenchLayers: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "layers",
    abstract: "Times every layer of a network's forward and gradient pass.",
    discussion: """
      Each time is the median of five passes on the device's own clock, launch by launch; a layer's
      launches are added up. Rates count a multiplication and an addition as two operations.
      """)

  @OptionGroup var model: ModelOptions
  @OptionGroup var place: DeviceOptions
  @OptionGroup var rounding: PrecisionOptions
  @Option(help: "Show so many layers, the slowest first.")
  var top = 40

  func validate() throws {
    guard top > 0 else { throw ValidationError("--top is a positive number, not \(top)") }
  }

  func run() throws {
    let progress = ProgressLine(quiet: false)
    let context = try place.context()
    let graph = try model.load().graph.withBenchNormalisation().optimized()
    let batch = try fittingBatch(
      graph, on: context.device, batch: try place.batchSize(), samples: 8, withGradient: true,
      extraPictures: 0)
    let tuner = try place.tuner(context)
    let network = try CompiledNetwork(
      graph, context: context, batch: batch, family: try place.kernelFamily(), tuner: tuner,
      arithmetic: try rounding.arithmetic(on: [context], place)
    ) { done, all in
      progress.update(compilingLine(done, all, tuner))
    }
    try network.input.buffer.fill(0.5)
    progress.update("timing")
    _ = try network.timedPasses()
    let passes = try (0..<5).map { _ in try network.timedPasses() }
    progress.end()
    var layers: [Layer: Layer.Time] = [:]
    for (index, launch) in (passes.first ?? []).enumerated() {
      let seconds = passes.map { $0[index].seconds }.sorted()[2]
      let layer = Layer(node: launch.node, isGradient: launch.isGradient)
      layers[layer, default: Layer.Time(kernel: launch.kernel)].add(seconds)
    }
    let total = layers.values.reduce(0) { $0 + $1.seconds }
    let slowest = layers.sorted { $0.value.seconds > $1.value.seconds }
    let rows = slowest.prefix(top).map { layer, time in
      let node = network.graph.nodes[layer.node]
      let flops = Double(batch) * network.graph.multiplyAdds(of: node) * 2
      return [
        layer.isGradient ? "gradient" : "forward", node.operation.kind, node.name,
        "\(node.inputs.map { network.graph.shape(of: $0) })",
        "\(network.graph.shape(of: node.output))",
        time.kernel, "\(time.launches)", String(format: "%.3f ms", 1e3 * time.seconds),
        String(format: "%.1f %%", 100 * time.seconds / total),
        flops > 0 ? String(format: "%.0f GFLOP/s", 1e-9 * flops / time.seconds) : "",
      ]
    }
    printTable(rows)
    for isGradient in [false, true] {
      let sum = layers.filter { $0.key.isGradient == isGradient }.reduce(0) {
        $0 + $1.value.seconds
      }
      print(
        "\(isGradient ? "gradient" : "forward") \(format(1e3 * sum)) ms, "
          + "\(format(Double(batch) / sum)) images/s")
    }
  }
}

/// One node in one pass.
private struct Layer: Hashable {
  let node: Int
  let isGradient: Bool

  /// What its launches took together; the kernel is that of the first.
  struct Time {
    let kernel: String
    var seconds = 0.0
    var launches = 0

    mutating func add(_ more: Double) {
      seconds += more
      launches += 1
    }
  }
}
