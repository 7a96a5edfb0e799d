import Datasets
import Foundation
import Testing

@Suite struct `Folders of pictures` {
  private static func fill(_ folder: URL, _ names: [String]) throws {
    for (index, name) in names.enumerated() {
      let picture = pattern(width: 6 + index, height: 5, channels: 3)
      try folder.put(name, PNG.encode(picture))
    }
  }

  private static let small = Preprocessing(resize: .exact(height: 4, width: 3))

  @Test func `hold what ends in a picture's suffix, sorted by bytes`() throws {
    try withFolder { folder in
      try Self.fill(folder, ["b.png", "a.JPEG", "Z.JPG", "é.jpeg", ".hidden.png", "notes.txt"])
      let source = try PictureFolder(folder, preprocessing: Self.small)
      let ids = try (0..<source.count).map { try source.sample(at: $0).id }
      #expect(ids == ["Z.JPG", "a.JPEG", "b.png", "é.jpeg"])
      #expect(source.shape == PictureShape(channels: 3, height: 4, width: 3))
      let sample = try source.sample(at: 1)
      let expected = pattern(width: 7, height: 5, channels: 3).resized(width: 3, height: 4)
      #expect(sample.pixels == expected.planar() && sample.label == nil && sample.index == 1)
      #expect(try PictureFolder(folder, preprocessing: Self.small, limit: 2).count == 2)
    }
  }

  @Test(arguments: [
    "filename,label\nb.png,1\na.png,0\n", "b.png,1\r\na.png,0",
    "id,x,label\nb.png,7,1\n\"a.png\",7, 0",
  ])
  func `take labels from a CSV`(text: String) throws {
    try withFolder { folder in
      try Self.fill(folder, ["a.png", "b.png"])
      let csv = try folder.put("labels.csv", text)
      let source = try PictureFolder(
        folder, labels: .csv(csv), preprocessing: Self.small, classCount: 2)
      #expect(try (0..<2).map { try source.sample(at: $0).label } == [0, 1])
      #expect(source.provenance.dropFirst() == ["a.png,0", "b.png,1"])
    }
  }

  @Test func `refuse labels that do not fit`() throws {
    try withFolder { folder in
      try Self.fill(folder, ["a.png", "b.png"])
      func open(_ text: String) throws {
        let csv = try folder.put("l.csv", text)
        _ = try PictureFolder(
          folder, labels: .csv(csv), preprocessing: Self.small, classCount: 10)
      }
      expectError(.missingLabel, "b.png", "l.csv") { try open("a.png,1") }
      expectError(.unknownName, "l.csv", "c.png") { try open("a.png,1\nb.png,2\nc.png,3") }
      expectError(.invalidLabel, "b.png", "label 10", "0...9") { try open("a.png,1\nb.png,10") }
      expectError(.invalidLabel, "b.png", "label -1") { try open("a.png,1\nb.png,-1") }
      expectError(.invalidLabel, "l.csv, line 2", "'cat'") { try open("a.png,1\nb.png,cat") }
      expectError(.corrupt, "l.csv, line 3", "a.png") { try open("a.png,1\nb.png,2\na.png,3") }
      expectError(.corrupt, "l.csv, line 2") { try open("a.png,1\n5") }
      expectError(.inaccessible, "none.csv") {
        _ = try PictureFolder(folder, labels: .csv(folder.appending(path: "none.csv")))
      }
    }
  }

  @Test func `number class folders in order`() throws {
    try withFolder { folder in
      try Self.fill(folder, ["n02/x.png", "n01/y.png", "n03/a.png", "n02/b.jpg"])
      let source = try PictureFolder(folder, preprocessing: Self.small)
      #expect(
        source.provenance.dropFirst()
          == ["n01/y.png,0", "n02/b.jpg,1", "n02/x.png,1", "n03/a.png,2"])
      let csv = try folder.put("l.csv", "x.png,5\ny.png,6\nn03/a.png,7\nb.jpg,8")
      let named = try PictureFolder(folder, labels: .csv(csv), preprocessing: Self.small)
      #expect(
        named.provenance.dropFirst()
          == ["n01/y.png,6", "n02/b.jpg,8", "n02/x.png,5", "n03/a.png,7"])
      let none = try PictureFolder(folder, labels: .none, preprocessing: Self.small)
      #expect(try none.sample(at: 0).label == nil)
      expectError(.invalidLabel, "n03/a.png", "0...1") {
        _ = try PictureFolder(folder, preprocessing: Self.small, classCount: 2)
      }
    }
  }

  @Test func `take labels from a list of synsets`() throws {
    try withFolder { folder in
      let synsets = try folder.put("synset_words.txt", "n03 cat\nn01 dog, hound\nn02 owl\n")
      let classes = folder.appending(path: "classes")
      try Self.fill(classes, ["n01/y.png", "n02/x.png", "n03/a.png"])
      let source = try PictureFolder(
        classes, labels: .synsets(synsets), preprocessing: Self.small)
      #expect(try (0..<3).map { try source.sample(at: $0).label } == [1, 2, 0])
      let flat = folder.appending(path: "flat")
      try Self.fill(flat, ["n01_1.png", "n02_owl.png"])
      let prefixed = try PictureFolder(
        flat, labels: .synsets(synsets), preprocessing: Self.small)
      #expect(try (0..<2).map { try prefixed.sample(at: $0).label } == [1, 2])
      try Self.fill(flat, ["m01_1.png"])
      expectError(.missingLabel, "m01_1.png", "'m01'", "synset_words.txt") {
        _ = try PictureFolder(flat, labels: .synsets(synsets), preprocessing: Self.small)
      }
      let twice = try folder.put("twice.txt", "n01 a\nn01 b\n")
      expectError(.corrupt, "twice.txt", "n01") {
        _ = try PictureFolder(flat, labels: .synsets(twice), preprocessing: Self.small)
      }
    }
  }

  @Test func `need pictures`() throws {
    try withFolder { folder in
      expectError(.empty, folder.path) { _ = try PictureFolder(folder) }
      expectError(.inaccessible, "none") {
        _ = try PictureFolder(folder.appending(path: "none"))
      }
    }
  }

  @Test func `refuse a picture of another size, at its place`() throws {
    try withFolder { folder in
      try Self.fill(folder, ["a.png", "b.png"])
      let source = try PictureFolder(folder)
      #expect(source.shape == PictureShape(channels: 3, height: 5, width: 6))
      #expect(try source.sample(at: 0).pixels.count == 90)
      expectError(.mismatchedShape, "b.png", "3x5x7", "3x5x6") { _ = try source.sample(at: 1) }
      let grey = try PictureFolder(folder, preprocessing: Preprocessing(convertsToGrey: true))
      #expect(grey.shape == PictureShape(channels: 1, height: 5, width: 6))
      try folder.put("0.png", "broken")
      let other = try PictureFolder(folder)
      #expect(other.shape == source.shape)
      expectError(.corrupt, "0.png") { _ = try other.sample(at: 0) }
    }
  }
}
