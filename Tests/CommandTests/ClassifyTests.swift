import Datasets
import Foundation
import Support
import Testing

/// The arrays that `classify` writes, on a network with weights from a seed.
@Suite struct ClassifyTests {
  private static let size = 224
  private static let count = 3 * size * size

  /// Pictures of smooth waves in [0.2, 0.8].
  private static func pictures(_ number: Int) -> [Float] {
    (0..<number * count).map { 0.5 + 0.3 * sin(Float($0 % 977) * 0.013 + Float($0 / count)) }
  }

  private static func classify(
    _ images: String, _ labels: String?, _ more: [String]
  ) throws -> Command {
    try Command(
      ["classify", "--model", "squeezenet1_1", "--images", images, "--json", "--quiet"]
        + (labels.map { ["--labels", $0] } ?? []) + more)
  }

  /// The cross-entropy of a class, in double precision.
  private static func loss(_ logits: ArraySlice<Float>, of label: Int) -> Double {
    let values = logits.map(Double.init)
    let top = values.max() ?? 0
    return top + log(values.reduce(0) { $0 + exp($1 - top) }) - values[label]
  }

  @Test func `gradients are the slopes of the losses of the logits`() throws {
    let folder = try TemporaryFolder()
    let pictures = Self.pictures(3)
    try NPY.write(
      pictures, shape: [3, 3, Self.size, Self.size], to: folder.url.appending(path: "x.npy"))
    try Data("label\n5\n17\n901\n".utf8).write(to: URL(fileURLWithPath: folder.path("l.csv")))
    var found: [String: (shape: String, values: [Float])] = [:]
    var logits: [Float] = []
    for chosen in ["label", "least-likely", "runner-up"] {
      // Two batches, the second not full.
      let command = try Self.classify(
        folder.path("x.npy"), folder.path("l.csv"),
        [
          "--batch", "2", "--logits", folder.path("z.npy"), "--gradients", folder.path("g.npy"),
          "--gradient-class", chosen,
        ])
      #expect(command.status == 0, "\(command.errors)")
      let gradient = try Array32.read(folder.path("g.npy"))
      #expect(gradient.shape == "3, 3, 224, 224")
      found[chosen] = gradient
      let numbers = try Array32.read(folder.path("z.npy"))
      #expect(numbers.shape == "3, 1000")
      logits = numbers.values
    }
    // Steps along each gradient change the losses of the logits by its squared length.
    let rows = (0..<3).map { logits[1000 * $0..<1000 * ($0 + 1)] }
    for (chosen, gradient) in found {
      var steps: [Double] = []
      var moved: [[Float]] = [[], []]
      for (index, row) in rows.enumerated() {
        let slope = gradient.values[index * Self.count..<(index + 1) * Self.count]
        let largest = try #require(slope.map(abs).max())
        #expect(largest > 0)
        let step = 0.0001 / largest  // larger ones cross kinks
        steps.append(Double(step) * slope.reduce(0) { $0 + Double($1) * Double($1) })
        for (side, sign) in [Float(-1), 1].enumerated() {
          moved[side] += zip(pictures[index * Self.count..<(index + 1) * Self.count], slope)
            .map { $0 + sign * step * $1 }
        }
        #expect(row.count == 1000)
      }
      var sides: [[Float]] = []
      for side in moved {
        try NPY.write(
          side, shape: [3, 3, Self.size, Self.size], to: folder.url.appending(path: "y.npy"))
        let command = try Self.classify(
          folder.path("y.npy"), nil, ["--logits", folder.path("y_z.npy")])
        #expect(command.status == 0, "\(command.errors)")
        sides.append(try Array32.read(folder.path("y_z.npy")).values)
      }
      for (index, row) in rows.enumerated() {
        let order = Array(row).enumerated().sorted {
          ($0.element, -$0.offset) < ($1.element, -$1.offset)
        }
        let label =
          switch chosen {
          case "label": [5, 17, 901][index]
          case "least-likely": order[0].offset
          default: order[998].offset
          }
        let range = 1000 * index..<1000 * (index + 1)
        let change = Self.loss(sides[1][range], of: label) - Self.loss(sides[0][range], of: label)
        #expect(abs(change / (2 * steps[index]) - 1) < 0.05, "\(chosen), picture \(index)")
      }
    }
  }

  @Test func `nothing is left when there is no gradient to write`() throws {
    let folder = try TemporaryFolder()
    let (images, gradients) = (folder.path("x.npy"), folder.path("g.npy"))
    try NPY.write(
      Self.pictures(1), shape: [1, 3, Self.size, Self.size], to: URL(fileURLWithPath: images))
    let unlabelled = try Self.classify(images, nil, ["--gradients", gradients])
    #expect(unlabelled.status == 1)
    #expect(unlabelled.errors.contains("label"), "\(unlabelled.errors)")
    let nowhere = try Self.classify(
      images, nil,
      ["--gradients", folder.path("none/g.npy"), "--gradient-class", "least-likely"])
    #expect(nowhere.status == 1)
    #expect(nowhere.errors.contains("none"), "\(nowhere.errors)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.url.path) == ["x.npy"])
    #expect(try Self.classify(images, nil, ["--gradient-class", "label"]).status == 64)
    #expect(
      try Self.classify(images, nil, ["--gradients", gradients, "--gradient-class", "best"]).status
        == 64)
  }
}
