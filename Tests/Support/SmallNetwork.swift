import Datasets
public import Foundation
public import Networks
import Operations
import Reference

/// A network that every test of the whole path can afford.
public enum SmallNetwork {
  /// Convolution, ReLU and a matrix product to five classes of 3x9x7 pictures.
  public static func graph() throws -> Graph {
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

  /// Saves random pictures for the network as 0.png, 1.png and so on in a folder, which is made.
  public static func writePictures(_ count: Int, to folder: URL) throws {
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let shape = PictureShape(channels: 3, height: 9, width: 7)
    for index in 0..<count {
      let stream = PhiloxStream(seed: 7, sample: UInt64(index), attack: 0, restart: 0)
      let picture = RGBImage(planar: stream.uniform(count: shape.count, step: 0), shape: shape)
      try PNG.write(picture, to: folder.appending(path: "\(index).png"))
    }
  }
}
