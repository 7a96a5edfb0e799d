import Datasets
import Foundation
import Support
import Testing

@Suite struct `IDX and CIFAR-10 files` {
  private static func idx(_ magic: Int, _ sizes: [Int], _ values: [UInt8]) -> [UInt8] {
    var file = bigEndian(magic)
    for size in sizes { file += bigEndian(size) }
    file += values
    return file
  }

  private static let images = idx(2051, [2, 2, 3], [0, 51, 102, 153, 204, 255, 1, 2, 3, 4, 5, 6])

  @Test(arguments: [true, false])
  func `read pictures and labels`(isGzip: Bool) throws {
    try withFolder { folder in
      let labels = Self.idx(2049, [2], [7, 3])
      let name = "t10k-images-idx3-ubyte\(isGzip ? ".gz" : "")"
      try folder.put(name, isGzip ? storedGzip(Self.images) : Self.images)
      try folder.put("t10k-labels-idx1-ubyte.gz", storedGzip(labels))
      for path in [folder, folder.appending(path: name)] {
        let source = try openPictures(path, classCount: 10)
        #expect(source.count == 2)
        #expect(source.shape == PictureShape(channels: 1, height: 2, width: 3))
        #expect(try source.sample(at: 0).pixels == [0, 0.2, 0.4, 0.6, 0.8, 1])
        #expect(try source.sample(at: 1).label == 3)
      }
      expectError(.invalidLabel, "t10k-labels-idx1-ubyte.gz, picture 0", "label 7", "0...6") {
        _ = try openPictures(folder, classCount: 7)
      }
    }
  }

  @Test func `sizes are checked before memory is taken`() throws {
    try withFolder { folder in
      func open(_ bytes: [UInt8]) throws {
        _ = try IDXPictures(images: folder.put("a-ubyte", bytes))
      }
      expectError(.corrupt, "a-ubyte", "2049", "expected 2051") {
        try open(Self.idx(2049, [2, 0, 0], [1, 2]))
      }
      expectError(.truncated, "a-ubyte") { try open(Array(Self.images.prefix(10))) }
      expectError(.truncated, "a-ubyte", "11 bytes", "2x2x3") { try open(Self.images.dropLast()) }
      expectError(.truncated, "a-ubyte", "11 bytes") {
        try open(storedGzip(Self.images.dropLast()))
      }
      expectError(.corrupt, "a-ubyte", "more than") { try open(Self.images + [0]) }
      expectError(.corrupt, "a-ubyte", "more than") { try open(storedGzip(Self.images + [0])) }
      expectError(.tooLarge, "a-ubyte") {
        try open(Self.idx(2051, [0x7FFF_FFFF, 0x7FFF_FFFF, 0x7FFF_FFFF], []))
      }
      expectError(.empty, "a-ubyte") { try open(Self.idx(2051, [0, 28, 28], [])) }
    }
  }

  @Test func `labels must fit the pictures`() throws {
    try withFolder { folder in
      let images = try folder.put("a-ubyte", Self.images)
      expectError(.mismatchedShape, "l-ubyte", "3 labels", "2 pictures") {
        _ = try IDXPictures(
          images: images, labels: folder.put("l-ubyte", Self.idx(2049, [3], [1, 2, 3])))
      }
      expectError(.truncated, "l-ubyte") {
        _ = try IDXPictures(
          images: images, labels: folder.put("l-ubyte", Self.idx(2049, [2], [1])))
      }
    }
  }

  @Test func `CIFAR-10 records become planes`() throws {
    try withFolder { folder in
      let planes = (0..<3072).map { UInt8($0 % 251) }
      let records: [[UInt8]] = [[9], planes, [0], planes.reversed()]
      let url = try folder.put("test_batch.bin", Array(records.joined()))
      for path in [folder, url] {
        let source = try openPictures(path)
        #expect(source.count == 2 && source.shape.description == "3x32x32")
        let first = try source.sample(at: 0)
        #expect(first.label == 9 && first.pixels == planes.map { Float($0) / 255 })
        #expect(try source.sample(at: 1).label == 0)
      }
      expectError(.truncated, "b.bin", "3072 bytes", "3073") {
        _ = try openPictures(folder.put("b.bin", planes))
      }
      expectError(.invalidLabel, "b.bin, picture 0", "label 10") {
        _ = try openPictures(folder.put("b.bin", [10] + planes))
      }
      expectError(.empty, "b.bin") { _ = try openPictures(folder.put("b.bin", "")) }
      expectError(.invalidOption, "l.csv") {
        _ = try openPictures(url, labels: folder.put("l.csv", "1\n2"))
      }
      let resized = try openPictures(
        url, preprocessing: Preprocessing(resize: .shorterSide(16), convertsToGrey: true))
      #expect(resized.shape == PictureShape(channels: 1, height: 16, width: 16))
    }
  }

  @Test func `paths that hold nothing known are refused`() throws {
    try withFolder { folder in
      expectError(.unsupported, "a.txt") { _ = try openPictures(folder.put("a.txt", "x")) }
      expectError(.inaccessible, "none", "no such") {
        _ = try openPictures(folder.appending(path: "none"))
      }
      expectError(.empty) { _ = try openPictures(folder) }
      expectError(.invalidOption, "--limit") { _ = try openPictures(folder, limit: 0) }
      let array = try openPictures(folder.put("a.npy", npy("|u1", "(1, 1, 1, 1)", [255])))
      #expect(try array.sample(at: 0).pixels == [1])
    }
  }

  @Test(.enabled(if: SharedData.isPresent, "the shared data folder is absent"))
  func `MNIST has the known sums`() throws {
    // Sums of bytes and labels of the official files, by NumPy.
    let test = try openPictures(SharedData.file("mnist"), classCount: 10)
    #expect(test.count == 10000 && test.shape.description == "1x28x28")
    var sum = 0
    var labels = 0
    for index in 0..<test.count {
      let sample = try test.sample(at: index)
      sum += sample.pixels.reduce(0) { $0 + Int(($1 * 255).rounded()) }
      labels += (sample.label ?? 0) * (index % 7)
    }
    #expect(sum == recordedMNIST.sum)
    #expect(labels == recordedMNIST.labels)
    let train = try openPictures(SharedData.file("mnist"), limit: 5, split: .train)
    #expect(try (0..<5).map { try train.sample(at: $0).label } == [5, 0, 4, 1, 9])
  }

  @Test(.enabled(if: SharedData.isPresent, "the shared data folder is absent"))
  func `CIFAR-10's first test pictures are known`() throws {
    let source = try openPictures(SharedData.file("cifar/test_first100_exact.bin"))
    #expect(source.count == 100)
    // Cat, ship, ship, airplane, frog.
    #expect(try (0..<5).map { try source.sample(at: $0).label } == [3, 8, 8, 0, 6])
  }
}

/// The bytes' sum and sum(label * (index % 7)) of MNIST's test set, by NumPy.
private let recordedMNIST = (sum: 264_923_200, labels: 134_322)

@Suite struct `Gzip files` {
  /// `gzip.compress(bytes(100000), 9, mtime=0)` by Python.
  private static let zeros = """
    H4sIAAAAAAACA+3BMQEAAADCoPVPbQ0PoAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIBXA32VEdSghgEA
    """

  /// `gzip.compress(b"blindspot " * 5, 9, mtime=0)` by Python.
  private static let text = "H4sIAAAAAAACA0vKycxLKS7IL1FIIpIFANxTk+YyAAAA"

  private static let plain = Array(String(repeating: "blindspot ", count: 5).utf8)

  @Test func `inflate, one member after another`() throws {
    try withFolder { folder in
      let member = decode(Self.text)
      #expect(try readFile(folder.put("a.gz", member)) == Self.plain)
      #expect(try readFile(folder.put("b.gz", member + member)) == Self.plain + Self.plain)
      #expect(try readFile(folder.put("c.gz", member + [0, 0, 0])) == Self.plain)
      #expect(try readFile(folder.put("d", Self.plain)) == Self.plain)
      #expect(try readFile(folder.put("e", "")) == [])
      let zeros = try readFile(folder.put("f.gz", decode(Self.zeros)), limit: 100_000)
      #expect(zeros == [UInt8](repeating: 0, count: 100_000))
    }
  }

  @Test func `stop at the limit`() throws {
    try withFolder { folder in
      expectError(.tooLarge, "bomb.gz", "99999") {
        _ = try readFile(folder.put("bomb.gz", decode(Self.zeros)), limit: 99_999)
      }
      expectError(.tooLarge, "plain", "limit of 49") {
        _ = try readFile(folder.put("plain", Self.plain), limit: 49)
      }
    }
  }

  @Test func `are refused when truncated or damaged`() throws {
    try withFolder { folder in
      let member = decode(Self.text)
      for length in 2..<member.count {
        expectError(.truncated, "a.gz") {
          _ = try readFile(folder.put("a.gz", Array(member.prefix(length))))
        }
      }
      var damaged = member
      damaged[member.count - 6] ^= 1
      expectError(.corrupt, "b.gz", "damaged") { _ = try readFile(folder.put("b.gz", damaged)) }
      expectError(.corrupt, "c.gz") { _ = try readFile(folder.put("c.gz", member + [7, 7])) }
    }
  }
}
