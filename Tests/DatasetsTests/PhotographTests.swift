import Datasets
import Foundation
import Support
import Testing

@Suite(.enabled(if: SharedData.isPresent, "the shared data folder is absent"))
struct `ImageNet photographs` {
  private static let folder = SharedData.file("imagenet/photos")
  private static let recorded = recordedPhotos.split(separator: "\n").map { line in
    line.split(separator: " ").map { UInt32($0, radix: 16) ?? 0 }
  }

  @Test func `decode and crop to Pillow's pixels`() throws {
    let names = try PictureFolder(Self.folder, preprocessing: .imageNet).provenance.dropFirst()
      .map { String($0.dropLast()) }
    #expect(names.count == Self.recorded.count && names.count == 200)
    for (name, crcs) in zip(names, Self.recorded) {
      let picture = try RGBImage(contentsOf: Self.folder.appending(path: name))
      #expect(crc32(picture.bytes) == crcs[0], "\(name) decoded")
      for (interpolation, crc) in zip([Interpolation.bilinear, .bicubic], crcs.dropFirst()) {
        var preprocessing = Preprocessing.imageNet
        preprocessing.interpolation = interpolation
        let cropped = try preprocessing.apply(to: picture, file: name)
        #expect(crc32(cropped.bytes) == crc, "\(name) \(interpolation)")
      }
    }
  }

  @Test func `open with their labels`() async throws {
    let source = try openPictures(
      Self.folder, labels: SharedData.file("imagenet/labels.csv"), preprocessing: .imageNet,
      classCount: 1000, limit: 12)
    var labels: [Int?] = []
    for await result in PrefetchedPictures(source, lookAhead: 4) {
      let sample = try result.get()
      #expect(sample.shape == source.shape && sample.pixels.allSatisfy { 0...1 ~= $0 })
      labels.append(sample.label)
    }
    let synsets = try openPictures(
      Self.folder, labels: SharedData.file("imagenet/synset_words.txt"),
      preprocessing: .imageNet, classCount: 1000, limit: 12)
    #expect(try (0..<12).map { try synsets.sample(at: $0).label } == labels)
    #expect(labels.first == 0)
  }
}
