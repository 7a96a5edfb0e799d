import Datasets
import Testing

@Suite struct `The embedded digits` {
  @Test func `are scikit-learn's`() throws {
    let samples = Digits.samples
    #expect(samples.count == 1797)
    #expect(samples.allSatisfy { $0.shape == PictureShape(channels: 1, height: 8, width: 8) })
    // Sums over `load_digits().data`, by NumPy: of the values, weighted by place, by picture.
    let values = samples.map { $0.pixels.map { Int($0 * 16) } }
    #expect(values.joined().reduce(0, +) == 561_718)
    let byPlace = values.map { picture in
      picture.enumerated().reduce(0) { $0 + $1.element * ($1.offset + 1) }
    }
    #expect(byPlace.reduce(0, +) == 18_222_371)
    let byPicture = values.enumerated().map { index, picture in
      (picture.reduce(0, +) + (samples[index].label ?? -1)) * (index % 97)
    }
    #expect(byPicture.reduce(0, +) == 26_936_141)
    let counts = (0..<10).map { digit in samples.count { $0.label == digit } }
    #expect(counts == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
    #expect(samples[1796].pixels[16...21].map { $0 * 16 } == [0, 0, 15, 15, 8, 15])
  }

  @Test func `are a source of pictures`() throws {
    let source = try Digits.source(limit: 12)
    #expect(source.count == 12 && source.provenance.count == 13)
    #expect(source.provenance[4] == "3,3")
    #expect(try source.sample(at: 11).label == 1)
    expectError(.empty, "digits") { _ = try Digits.source(limit: 0) }
  }
}

@Suite struct `Pictures in memory` {
  @Test func `must have one shape`() throws {
    let small = PictureShape(channels: 1, height: 1, width: 1)
    let large = PictureShape(channels: 1, height: 1, width: 2)
    let samples = [
      PictureSample(index: 0, id: "a", label: nil, pixels: [0], shape: small),
      PictureSample(index: 1, id: "b", label: 4, pixels: [0, 1], shape: large),
    ]
    expectError(.mismatchedShape, "b", "1x1x2", "1x1x1") {
      _ = try InMemoryPictures(samples, name: "two")
    }
    #expect(try InMemoryPictures(samples, name: "two", limit: 1).provenance == ["two 1x1x1", "a,"])
  }
}
