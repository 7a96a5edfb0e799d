import Compute
import Networks
import Reference

/// A network's forward pass over any number of pictures.
struct Classifier {
  private let network: CompiledNetwork

  /// A network compiled for batches of some pictures.
  init(_ graph: Graph, _ environment: StudyEnvironment, batch: Int = 500) throws(ComputeError) {
    network = try CompiledNetwork(
      graph, context: environment.context, batch: batch, family: environment.family,
      withGradient: false)
  }

  /// The outputs one after another, for inputs one after another.
  func outputs(_ inputs: [Float]) throws(ComputeError) -> [Float] {
    try Self.outputs(network, inputs)
  }

  /// The outputs of any compiled network one after another, for inputs one after another.
  static func outputs(
    _ network: CompiledNetwork, _ inputs: [Float]
  ) throws(ComputeError) -> [Float] {
    let size = network.graph.inputShape.reduce(1, *)
    let width = network.graph.outputShape.reduce(1, *)
    var outputs: [Float] = []
    for start in stride(from: 0, to: inputs.count, by: network.batch * size) {
      let end = min(inputs.count, start + network.batch * size)
      let count = (end - start) / size
      try network.write(
        Tensor(shape: [count] + network.graph.inputShape, values: Array(inputs[start..<end])))
      try network.forward()
      outputs += try network.readLogits().values.prefix(count * width)
    }
    return outputs
  }

  /// The class of each picture; -1 where a logit is NaN.
  func classes(_ pixels: [Float]) throws(ComputeError) -> [Int] {
    let outputs = try outputs(pixels)
    let width = network.graph.outputShape.reduce(1, *)
    return LossReference.argmax(Tensor(shape: [outputs.count / width, width], values: outputs))
  }

  /// How many pictures are not given their own class.
  func mistakes(_ pixels: [Float], labels: [Int]) throws(ComputeError) -> Int {
    zip(try classes(pixels), labels).count { $0 != $1 }
  }

  /// The part of the pictures that are not given their own class.
  func error(on pictures: LabelledPictures) throws(ComputeError) -> Double {
    Double(try mistakes(pictures.pixels, labels: pictures.labels)) / Double(pictures.count)
  }
}
