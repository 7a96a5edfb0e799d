import Attacks
import Datasets
import Digests
import Foundation
import Networks
import Reference

/// Labelled pictures in memory, for training, measuring and attacking.
struct LabelledPictures: Sendable {
  /// The sizes of every picture.
  let shape: PictureShape
  /// The number of classes.
  let classes: Int
  /// `[N, C, H, W]` in [0, 1].
  let pixels: [Float]
  /// N classes.
  let labels: [Int]
  /// SHA-256 of pictures and labels.
  let digest: String

  var count: Int { labels.count }

  init(shape: PictureShape, classes: Int, pixels: [Float], labels: [Int]) {
    self.shape = shape
    self.classes = classes
    self.pixels = pixels
    self.labels = labels
    // Levels of 8 bits tell pictures apart, as they are stored.
    var bytes = pixels.map { UInt8(min(1, max(0, $0)) * 255) }
    bytes += labels.map { UInt8(truncatingIfNeeded: $0) }
    digest = SHA256.hexDigest(of: Data(bytes))
  }

  /// Reads one part of a data set with labels.
  ///
  /// - Throws: `DatasetError`, also when a label is missing.
  init(_ folder: URL, split: DatasetSplit, classes: Int = 10) throws(DatasetError) {
    try self.init(
      openPictures(folder, classCount: classes, split: split), classes: classes,
      origin: folder.path)
  }

  /// Reads all pictures of a source.
  ///
  /// - Parameters:
  ///   - origin: What messages call the source.
  ///   - defaultLabel: The label of pictures without one; nil if all must have one.
  init(
    _ source: any PictureSource, classes: Int, origin: String, defaultLabel: Int? = nil
  ) throws(DatasetError) {
    var pixels: [Float] = []
    pixels.reserveCapacity(source.count * source.shape.count)
    var labels: [Int] = []
    for index in 0..<source.count {
      let sample = try source.sample(at: index)
      guard let label = sample.label ?? defaultLabel else {
        throw DatasetError(.missingLabel, origin, "picture \(sample.id) has no label")
      }
      pixels += sample.pixels
      labels.append(label)
    }
    self.init(shape: source.shape, classes: classes, pixels: pixels, labels: labels)
  }

  /// The pictures to train on and those to test, of the data set that a study needs.
  ///
  /// - Throws: `StudyError` without a data set, and `DatasetError`.
  static func bothParts(
    _ environment: StudyEnvironment
  ) throws -> (training: LabelledPictures, test: LabelledPictures) {
    let folder = try environment.requiredData()
    return (
      try LabelledPictures(folder, split: .train), try LabelledPictures(folder, split: .test)
    )
  }

  /// Some of the pictures.
  subscript(range: Range<Int>) -> LabelledPictures {
    LabelledPictures(
      shape: shape, classes: classes,
      pixels: Array(pixels[range.lowerBound * shape.count..<range.upperBound * shape.count]),
      labels: Array(labels[range]))
  }

  /// One picture.
  func picture(_ index: Int) -> [Float] {
    Array(pixels[index * shape.count..<(index + 1) * shape.count])
  }

  /// The pictures for a trainer.
  func trainingSet() throws(TrainingSetError) -> TrainingSet {
    try TrainingSet(
      pictures: Tensor(
        shape: [count, shape.channels, shape.height, shape.width], values: pixels),
      labels: labels, classes: classes)
  }

  /// The first pictures for an attack.
  func samples(_ limit: Int) -> [AttackSample] {
    (0..<min(limit, count)).map {
      AttackSample(id: $0, name: String($0), pixels: picture($0), label: labels[$0])
    }
  }
}
