import Datasets
import Foundation
import ModelFiles
import Networks
import Operations
import Reference

/// A small network as an ONNX file and a folder of three pictures for it.
struct SmallInputs {
  let model: String
  let pictures: String

  init(in folder: TemporaryFolder) throws {
    model = folder.path("small.onnx")
    pictures = folder.path("pictures")
    try writeONNX(Self.graph(), to: URL(fileURLWithPath: model))
    try FileManager.default.createDirectory(atPath: pictures, withIntermediateDirectories: true)
    for index in 0..<3 {
      let stream = PhiloxStream(seed: 7, sample: UInt64(index), attack: 0, restart: 0)
      let shape = PictureShape(channels: 3, height: 9, width: 7)
      let picture = RGBImage(planar: stream.uniform(count: shape.count, step: 0), shape: shape)
      try PNG.write(picture, to: URL(fileURLWithPath: pictures + "/\(index).png"))
    }
  }

  /// Convolution, ReLU and a matrix product to five classes of 3x9x7 pictures.
  private static func graph() throws -> Graph {
    func values(_ shape: [Int], seed: UInt64, scale: Float) -> Tensor<Float> {
      let stream = PhiloxStream(seed: seed, sample: 0, attack: 0, restart: 0)
      let drawn = stream.symmetric(count: shape.reduce(1, *), step: 0)
      return Tensor(shape: shape, values: drawn.map { scale * $0 })
    }
    var graph = Graph(inputShape: [3, 9, 7])
    try graph.append(
      Convolution(
        weights: values([8, 3, 3, 3], seed: 1, scale: 0.4),
        window: WindowGeometry(kernel: Extent(3), padding: Padding(1))))
    try graph.append(Pointwise(.activation(.relu)))
    try graph.append(Reshape(shape: [8 * 9 * 7]))
    try graph.append(Linear(weights: values([8 * 9 * 7, 5], seed: 3, scale: 0.2)))
    return graph
  }
}
