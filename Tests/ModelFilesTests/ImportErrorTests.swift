import Foundation
import ModelFiles
import Networks
import Operations
import Reference
import Testing

@Suite("Damaged and unsupported ONNX files")
struct ImportErrorTests {
  private func error(_ model: TestModel) -> ModelFileError? {
    do throws(ModelFileError) {
      _ = try loadONNX(from: model.data)
      return nil
    } catch {
      return error
    }
  }

  @Test
  func `the small model is sound`() throws {
    let network = try loadONNX(from: TestModel.small.data)
    #expect(network.graph.outputShape == [4])
    #expect(
      network.graph.nodes.map(\.operation.kind) == [
        "convolution", "scale-shift", "pointwise", "max-pooling", "reshape", "linear",
      ])
    #expect(network.fixedBatch == nil)
    #expect(network.name == "test")
    #expect(network.opset == 13)
  }

  @Test
  func `a file cut anywhere is refused in one line`() {
    let data = TestModel.small.data
    for length in 0..<data.count {
      do throws(ModelFileError) {
        _ = try loadONNX(from: data.prefix(length))
        Issue.record("\(length) of \(data.count) bytes were accepted")
      } catch {
        #expect(!error.description.contains("\n") && !error.description.isEmpty)
        #expect(error.reason == .corrupt || error.reason == .unsupported)
      }
    }
  }

  @Test
  func `a gzip file cut anywhere is refused`() throws {
    let folder = try TemporaryFolder()
    // One stored block: header, block of five bytes, checksum and length.
    let packed: [UInt8] = [
      0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x4b, 0x4c, 0x4a, 0x4e, 0x49, 5, 0, 0x85, 0x11, 0x4a,
      0x0d, 5, 0, 0, 0,
    ]
    for length in 2..<packed.count {
      let url = folder.url.appending(path: "cut.onnx.gz")
      try Data(packed.prefix(length)).write(to: url)
      #expect(throws: ModelFileError.self) { try loadONNX(from: url) }
    }
  }

  @Test
  func `random byte flips never trap`() {
    let sound = Array(TestModel.small.data)
    var accepted = 0
    for seed in 0..<6000 {
      var generator = SplitMix(state: UInt64(seed))
      var bytes = sound
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        let position = Int.random(in: bytes.indices, using: &generator)
        bytes[position] = .random(in: 0...255, using: &generator)
      }
      if Int.random(in: 0..<4, using: &generator) == 0 {
        bytes.removeSubrange(0..<Int.random(in: 0..<40, using: &generator))
      }
      do throws(ModelFileError) {
        let network = try loadONNX(from: Data(bytes))
        #expect(!network.graph.nodes.isEmpty)
        accepted += 1
      } catch {
        #expect(!error.description.contains("\n"))
      }
    }
    #expect(accepted > 100, "flips in weights leave a sound file")
  }

  @Test
  func `all unknown operators are named at once`() {
    var model = TestModel.small
    model.nodes.insert(TestModel.node("Erf", ["x"], ["e"], name: "first"), at: 0)
    model.nodes.insert(TestModel.node("Einsum", ["e"], ["x2"], name: "second\nline"), at: 1)
    model.nodes[2] = TestModel.node("Conv", ["x2", "w"], ["c"])
    model.nodes.append(TestModel.node("Loop", ["y"], ["unused"], name: "not needed"))
    let error = error(model)
    #expect(error?.reason == .unsupported)
    #expect(
      error?.details == "unsupported operators: Einsum ('second line'), Erf ('first')")
  }

  @Test
  func `operators of other domains are named with them`() {
    var model = TestModel.small
    model.nodes[2] = TestModel.node("Relu", ["n"], ["r"], name: "odd").string(7, "com.example")
    #expect(error(model)?.details == "unsupported operators: com.example.Relu ('odd')")
  }

  @Test(arguments: [
    ([5, 3, 3, 4], "needs 180 elements, the file has 135"),
    ([Int.max, 3, 3, 3], "more than"), ([1 << 32, 1 << 32, 3, 3], "more than"),
    ([-5, 3, 3, 3], "shape"), ([5, 27], "only two axes of taps"), ([27, 5, 1, 1], "do not fit"),
  ])
  func `shapes that contradict the data are refused`(_ shape: [Int], _ words: String) {
    var model = TestModel.small
    model.tensors[0] = TestModel.floats("w", shape, TestModel.numbers(135))
    let error = error(model)
    #expect(error?.details.contains(words) ?? false, "\(String(describing: error))")
  }

  @Test
  func `a constant made by a node may not exhaust the memory`() {
    var model = TestModel.small
    model.tensors.removeFirst()
    model.tensors.append(TestModel.integers("big", [1 << 20, 1 << 20, 3, 3]))
    model.nodes.insert(TestModel.node("ConstantOfShape", ["big"], ["w"], name: "bomb"), at: 0)
    #expect(error(model)?.reason == .refused)
  }

  @Test
  func `cycles and missing values are refused`() {
    var model = TestModel.small
    model.nodes[2] = TestModel.node("Add", ["n", "f"], ["r"])
    #expect(error(model)?.details.contains("its own result") ?? false)
    model.nodes[2] = TestModel.node("Add", ["n", "nowhere"], ["r"])
    #expect(error(model)?.details.contains("nothing computes its input 'nowhere'") ?? false)
  }

  @Test
  func `nodes may stand in any order`() throws {
    var model = TestModel.small
    model.nodes.reverse()
    let kinds = try loadONNX(from: model.data).graph.nodes.map(\.operation.kind)
    #expect(kinds == (try loadONNX(from: TestModel.small.data)).graph.nodes.map(\.operation.kind))
  }

  @Test
  func `a graph deeper than any stack is read`() throws {
    var model = TestModel()
    model.nodes = (0..<50_000).map { TestModel.node("Neg", ["v\($0)"], ["v\($0 + 1)"]) }
    model.nodes.append(TestModel.node("Neg", ["x"], ["v0"]))
    model.output = "v50000"
    #expect(try loadONNX(from: model.data).graph.nodes.count == 50_001)
  }

  @Test(arguments: [
    ("../secret.bin", "outside"), ("/etc/hostname", "outside"), ("a/../../secret.bin", "outside"),
    ("link.bin", "outside"), ("absent.bin", "no such file"),
  ])
  func `external data outside the folder is refused`(_ location: String, _ words: String) throws {
    let outer = try TemporaryFolder()
    let folder = outer.url.appending(path: "model")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let secret = outer.url.appending(path: "secret.bin")
    try Data(count: 1000).write(to: secret)
    try FileManager.default.createSymbolicLink(
      at: folder.appending(path: "link.bin"), withDestinationURL: secret)
    var model = TestModel.small
    model.tensors[0] = Self.externalWeights(location, offset: 0)
    let url = folder.appending(path: "model.onnx")
    try model.data.write(to: url)
    let error = #expect(throws: ModelFileError.self) { try loadONNX(from: url) }
    #expect(error?.details.contains(words) ?? false, "\(String(describing: error))")
    #expect(error?.file == url.path)
    // Without a folder nothing may lie outside the file.
    #expect(throws: ModelFileError.self) { try loadONNX(from: model.data) }
  }

  @Test
  func `external data beside the file is read`() throws {
    let folder = try TemporaryFolder()
    var model = TestModel.small
    let weights = TestModel.numbers(135)
    var bytes = Data(count: 12)
    for value in weights {
      for shift in stride(from: 0, to: 32, by: 8) {
        bytes.append(UInt8(truncatingIfNeeded: value.bitPattern >> shift))
      }
    }
    try bytes.write(to: folder.url.appending(path: "weights.bin"))
    model.tensors[0] = Self.externalWeights("weights.bin", offset: 12)
    let url = folder.url.appending(path: "model.onnx")
    try model.data.write(to: url)
    let x = Tensor(shape: [1, 3, 8, 8], values: TestModel.numbers(192))
    let external = evaluated(try loadONNX(from: url).graph, x)
    #expect(external == evaluated(try loadONNX(from: TestModel.small.data).graph, x))
    model.tensors[0] = Self.externalWeights("weights.bin", offset: 13)
    try model.data.write(to: url)
    let error = #expect(throws: ModelFileError.self) { try loadONNX(from: url) }
    #expect(error?.reason == .corrupt)
  }

  private static func externalWeights(_ location: String, offset: Int) -> Message {
    func entry(_ key: String, _ value: String) -> Message {
      Message().string(1, key).string(2, value)
    }
    return Message().integers(1, [5, 3, 3, 3]).integer(2, 1).string(8, "w").integer(14, 1)
      .message(13, entry("location", location)).message(13, entry("offset", "\(offset)"))
      .message(13, entry("length", "540"))
  }

  @Test(arguments: [6, 23, 0, -1])
  func `other operator sets are refused`(_ opset: Int) {
    var model = TestModel.small
    model.opset = opset
    #expect(error(model)?.details.contains("operator set \(opset)") ?? false)
  }

  @Test
  func `what mixes samples of the batch is refused`() {
    let cases: [(Message, String)] = [
      (TestModel.node("Transpose", ["x"], ["s"]), "moves the batch axis"),
      (TestModel.node("Flatten", ["x"], ["s"], [TestModel.attribute("axis", 2)]), "mixes samples"),
      (TestModel.node("Reshape", ["x", "shape"], ["s"]), "begin with the batch axis"),
      (TestModel.node("ReduceMean", ["x"], ["s"]), "mixes samples"),
      (
        TestModel.node("Concat", ["x", "x"], ["s"], [TestModel.attribute("axis", 0)]), "batch axis"
      ),
      (
        TestModel.node("Softmax", ["x"], ["s"], [TestModel.attribute("axis", 0)]), "batch axis"
      ),
    ]
    for (node, words) in cases {
      var model = TestModel()
      model.nodes = [node, TestModel.node("Neg", ["s"], ["z"])]
      model.output = "z"
      model.tensors = [TestModel.integers("shape", [192, -1])]
      let error = error(model)
      #expect(error?.details.contains(words) ?? false, "\(String(describing: error))")
    }
  }
}

/// Random numbers with a seed (Steele, Lea, Flood 2014).
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
