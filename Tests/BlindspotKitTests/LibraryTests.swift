import BlindspotKit
import Foundation
import Operations
import Reference
import Support
import Testing

/// A small network as an ONNX file and a folder of pictures for it; gone with the object.
private final class SmallWorld {
  let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
  var model: URL { folder.appending(path: "small.onnx") }
  var pictures: URL { folder.appending(path: "pictures") }

  init(pictures count: Int = 10) throws {
    try SmallNetwork.writePictures(count, to: pictures)
    try writeONNX(SmallNetwork.graph(), to: model)
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  func network(batch: Int = 4) throws -> PreparedNetwork {
    try Network(onnx: model).compiled(for: Device.preferred(), batch: batch, cache: .none)
  }
}

@Suite(.serialized) struct LibraryTests {
  @Test func `the call site of the documentation`() async throws {
    let world = try SmallWorld()
    let (modelURL, folderURL) = (world.model, world.pictures)
    var lines: [String] = []
    func print(_ id: Int, _ l2: Double, _ adversarialClass: Int) {
      lines.append("\(id) \(l2) \(adversarialClass)")
    }
    // The example, to the letter:
    let device = try Device.preferred()
    let network = try Network(onnx: modelURL).compiled(
      for: device, batch: 64, preprocessing: .imageNet)
    let attack = BoxConstrainedLBFGS(loss: .crossEntropy, target: .runnerUp)
    for try await sample in attack.run(on: network, pictures: try PictureFolder(folderURL)) {
      print(sample.id, sample.distance.l2, sample.adversarialClass)
    }
    #expect(lines.count == 10)
    #expect(Set(lines.compactMap { $0.split(separator: " ").first }).count == 10)
  }

  @Test func `what the sequence reports is true of the network's file`() async throws {
    let world = try SmallWorld()
    let source = try PictureFolder(world.pictures)
    let network = try world.network()
    // Double precision, on the graph that was written: none of the engine's code.
    let reference = ReferenceNetwork(try SmallNetwork.graph())
    var succeeded = 0
    for try await sample in BoxConstrainedLBFGS().run(on: network, pictures: source) {
      let clean = try source.sample(at: sample.id)
      #expect(sample.name == clean.id)
      guard let picture = sample.result.adversarial else {
        #expect(!sample.succeeded && sample.distance.l2 == .infinity)
        continue
      }
      let pixels = [clean.pixels, picture].map { pixels in
        Tensor(shape: [1, 3, 9, 7], values: pixels.map(Double.init))
      }
      let classes = pixels.map { pixels in
        let logits = reference.forward(pixels).values
        return logits.indices.max { logits[$0] < logits[$1] }
      }
      #expect(classes == [sample.result.cleanClass, sample.adversarialClass])
      #expect(classes[0] != classes[1])
      let squares = zip(pixels[0].values, pixels[1].values).map { ($0 - $1) * ($0 - $1) }
      #expect(abs(squares.reduce(0, +).squareRoot() - sample.distance.l2) < 1e-9)
      succeeded += 1
    }
    #expect(succeeded > 5)
  }

  @Test func `two attacks on one network take turns`() async throws {
    let world = try SmallWorld()
    let source = try PictureFolder(world.pictures)
    let network = try world.network(batch: 3)
    func distances() async throws -> [Int: Double] {
      var found: [Int: Double] = [:]
      for try await sample in BoxConstrainedLBFGS().run(on: network, pictures: source) {
        found[sample.id] = sample.distance.l2
      }
      return found
    }
    async let first = distances()
    async let second = distances()
    let both = try await [first, second]
    #expect(both[0] == both[1])
    #expect(both[0].count == 10)
  }

  @Test(.timeLimit(.minutes(2))) func `networks share pictures, in two attacks at once`()
    async throws
  {
    let world = try SmallWorld()
    let source = try PictureFolder(world.pictures)
    let networks = [try world.network(batch: 3), try world.network(batch: 2)]
    @Sendable func distances(_ networks: [PreparedNetwork]) async throws -> [Int: Double] {
      var found: [Int: Double] = [:]
      for try await sample in BoxConstrainedLBFGS().run(on: networks, pictures: source) {
        found[sample.id] = sample.distance.l2
      }
      return found
    }
    let alone = try await distances([networks[0]])
    async let first = distances(networks)
    async let second = distances(networks.reversed())
    let both = try await [first, second]
    #expect(both[0] == alone)
    #expect(both[1] == alone)
    #expect(alone.count == 10)
  }

  @Test(.timeLimit(.minutes(2))) func `cancellation stops the attack and is told`() async throws {
    let world = try SmallWorld()
    let network = try world.network(batch: 1)
    let endless = RepeatedPictures(try PictureFolder(world.pictures), count: 100_000)
    let task = Task {
      var count = 0
      for try await _ in ProjectedGradientDescent().run(on: network, pictures: endless) {
        count += 1
        if count == 3 { unsafe withUnsafeCurrentTask { unsafe $0?.cancel() } }
      }
      return count
    }
    await #expect(throws: CancellationError.self) { try await task.value }
    // The network is free again: another attack gets it.
    var count = 0
    for try await _ in ProjectedGradientDescent().run(
      on: network, pictures: try PictureFolder(world.pictures))
    { count += 1 }
    #expect(count == 10)
  }

  @Test(.timeLimit(.minutes(2))) func `a loop that is left frees the network`() async throws {
    let world = try SmallWorld()
    let network = try world.network(batch: 2)
    let endless = RepeatedPictures(try PictureFolder(world.pictures), count: 100_000)
    for _ in 0..<2 {
      for try await _ in ProjectedGradientDescent().run(on: network, pictures: endless) {
        // Long enough for hundreds of pictures, if the attack did not wait.
        try await Task.sleep(for: .milliseconds(500))
        break
      }
    }
    #expect(endless.taken < 2 * 25, "the attack ran ahead of who takes its results")
  }

  @Test func `pictures of another size and labels without a class are refused`() async throws {
    let world = try SmallWorld()
    let network = try world.network()
    let pixels = [Float](repeating: 0.5, count: 3 * 9 * 9)
    func attack(_ side: Int, label: Int?) async throws {
      let shape = PictureShape(channels: 3, height: 9, width: side)
      let source = try InMemoryPictures(
        [
          PictureSample(
            index: 0, id: "odd", label: label, pixels: Array(pixels.prefix(shape.count)),
            shape: shape)
        ], name: "one")
      for try await _ in BoxConstrainedLBFGS().run(on: network, pictures: source) {}
    }
    let size = await #expect(throws: DatasetError.self) { try await attack(9, label: nil) }
    #expect(size?.description.contains("the network takes 3x9x7") == true)
    let label = await #expect(throws: DatasetError.self) { try await attack(7, label: 5) }
    #expect(label?.code == .invalidLabel)
    try await attack(7, label: 4)
  }

  @Test func `the example of the README is compiled here`() throws {
    let example = try String(
      contentsOf: SharedData.packageRoot.appending(path: "README.md"), encoding: .utf8
    )
    .split(separator: "```swift\n").dropFirst().first?.split(separator: "\n```").first
    let this = try String(contentsOfFile: #filePath, encoding: .utf8).split(separator: "\n")
      .map { $0.trimmingCharacters(in: .whitespaces) }
    let lines = try #require(example).split(separator: "\n")
      .map { $0.trimmingCharacters(in: .whitespaces) }
    #expect(lines.count > 5)
    for line in lines { #expect(this.contains(line), "README.md: \(line)") }
  }

  /// Never run: it only has to compile, its files are the reader's.
  private func readme() async throws {
    let device = try Device.preferred()
    let model = URL(fileURLWithPath: "squeezenet1.1.onnx")
    let network = try Network(onnx: model)
      .compiled(for: device, batch: 16, preprocessing: .caffe)
    let photos = try PictureFolder(
      URL(fileURLWithPath: "photos"), labels: .csv(URL(fileURLWithPath: "labels.csv")),
      preprocessing: .caffe)
    let attack = BoxConstrainedLBFGS(loss: .crossEntropy, target: .runnerUp)
    for try await sample in attack.run(on: network, pictures: photos) where sample.succeeded {
      print(sample.name, sample.distance.l2, sample.adversarialClass)
    }
  }
}

/// The pictures of a source over and over.
private final class RepeatedPictures: PictureSource {
  let source: any PictureSource
  let count: Int
  private let counter = Counter()

  init(_ source: any PictureSource, count: Int) {
    self.source = source
    self.count = count
  }

  var shape: PictureShape { source.shape }
  var provenance: [String] { source.provenance }
  /// How many pictures were asked for.
  var taken: Int { counter.value }

  func sample(at index: Int) throws(DatasetError) -> PictureSample {
    counter.increase()
    return try source.sample(at: index % source.count)
  }
}
