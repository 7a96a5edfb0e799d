import Foundation
import ModelFiles
import Reference
import Support
import Testing

@Suite("Safetensors files")
struct SafetensorsTests {
  /// A file of a header and a body, made without our writer.
  private func file(_ header: String, body: [UInt8] = []) -> Data {
    let length = header.utf8.count
    let prefix = (0..<8).map { UInt8(truncatingIfNeeded: length >> ($0 * 8)) }
    return Data(prefix + Array(header.utf8) + body)
  }

  private func error(_ header: String, body: [UInt8] = []) -> ModelFileError? {
    do throws(ModelFileError) {
      _ = try Safetensors(file(header, body: body))
      return nil
    } catch {
      return error
    }
  }

  @Test
  func `reads every element type`() throws {
    // 1.5 and -2 in each type, then integers.
    let body: [UInt8] =
      [0, 0, 0xc0, 0x3f, 0, 0, 0, 0xc0] + [0, 0x3e, 0, 0xc0] + [0xc0, 0x3f, 0, 0xc0]
      + [0, 0, 0, 0, 0, 0, 0xf8, 0x3f] + [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]
    let read = try Safetensors(
      file(
        """
        {"__metadata__": {"format": "pt"},
         "f32": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
         "f16": {"dtype": "F16", "shape": [2, 1], "data_offsets": [8, 12]},
         "a\\u0062": {"dtype": "BF16", "shape": [1, 2], "data_offsets": [12, 16]},
         "f64": {"dtype": "F64", "shape": [], "data_offsets": [16, 24]},
         "i64": {"dtype": "I64", "shape": [1], "data_offsets": [24, 32]},
         "none": {"dtype": "F32", "shape": [0, 3], "data_offsets": [32, 32]}}
        """, body: body))
    #expect(read.metadata == ["format": "pt"])
    #expect(read.tensors["f32"] == Tensor(shape: [2], values: [1.5, -2]))
    #expect(read.tensors["f16"] == Tensor(shape: [2, 1], values: [1.5, -2]))
    #expect(read.tensors["ab"] == Tensor(shape: [1, 2], values: [1.5, -2]))
    #expect(read.tensors["f64"] == Tensor(shape: [], values: [1.5]))
    #expect(read.tensors["i64"] == Tensor(shape: [1], values: [-2]))
    #expect(read.tensors["none"] == Tensor(shape: [0, 3], values: []))
  }

  @Test
  func `refuses what contradicts itself`() {
    let whole = #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#
    let cases: [(String, Int, String)] = [
      (whole, 3, "at most 3"), (whole, 5, "belong to no tensor"),
      (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, 4, "needs 8 bytes"),
      (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, 4, "expected from 0"),
      (#"{"a":{"dtype":"Q4","shape":[1],"data_offsets":[0,4]}}"#, 4, "element type 'Q4'"),
      (#"{"a":{"dtype":"F32","shape":[1]}}"#, 4, "lacks"),
      (
        #"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]}}"#, 4,
        "more than"
      ),
      (
        #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"#
          + #""a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, 8, "'a' twice"
      ),
      (
        #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"#
          + #""b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}"#, 6, "expected from 4"
      ),
      (
        #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"#
          + #""b":{"dtype":"F32","shape":[1],"data_offsets":[6,10]}}"#, 10, "expected from 4"
      ),
      (#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, 4, "malformed"),
      (
        #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,99999999999999999999]}}"#, 4,
        "malformed"
      ),
      (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#, 4, "malformed"),
      (whole + "x", 4, "malformed"), ("[1]", 0, "malformed"), ("", 0, "malformed"),
      (#"{"a":"#, 0, "malformed"), (#"{"a\"#, 0, "malformed"),
    ]
    for (header, count, words) in cases {
      let error = error(header, body: Array(repeating: 0, count: count))
      #expect(error?.details.contains(words) ?? false, "\(header): \(String(describing: error))")
    }
    #expect(throws: ModelFileError.self) { try Safetensors(Data([1, 2, 3])) }
    let endless = Data([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7b])
    #expect(throws: ModelFileError.self) { try Safetensors(endless) }
  }

  @Test
  func `random byte flips never trap`() throws {
    let sound = Array(
      Safetensors(
        tensors: [
          "weight": Tensor(shape: [2, 3], values: [1, 2, 3, 4, 5, 6]),
          "bias": Tensor(shape: [2], values: [7, 8]),
        ], metadata: ["note": "small"]
      ).fileData)
    for seed in 0..<5000 {
      var generator = SplitMix(state: UInt64(seed))
      var bytes = sound
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        bytes[Int.random(in: bytes.indices, using: &generator)] = .random(
          in: 0...255, using: &generator)
      }
      bytes.removeLast(Int.random(in: 0..<2, using: &generator))
      do throws(ModelFileError) {
        _ = try Safetensors(Data(bytes))
      } catch {
        #expect(!error.description.contains("\n"))
      }
    }
  }

  @Test
  func `reads what it wrote`() throws {
    let folder = try TemporaryFolder()
    let url = folder.url.appending(path: "weights.safetensors")
    let written = Safetensors(
      tensors: [
        "layer.\"1\"\n": Tensor(
          shape: [2, 2], values: [1, -0.0, .infinity, .leastNonzeroMagnitude]),
        "größe": Tensor(shape: [], values: [0.1]), "empty": Tensor(shape: [0], values: []),
      ], metadata: ["made by": "a \\ test"])
    try written.write(to: url)
    let read = try Safetensors(contentsOf: url)
    #expect(read.metadata == written.metadata)
    #expect(read.tensors.keys.sorted() == written.tensors.keys.sorted())
    for (name, tensor) in written.tensors {
      #expect(read.tensors[name]?.shape == tensor.shape)
      #expect(read.tensors[name]?.values.map(\.bitPattern) == tensor.values.map(\.bitPattern))
    }
    let error = #expect(throws: ModelFileError.self) {
      try written.write(to: folder.url.appending(path: "no/such/folder"))
    }
    #expect(error?.reason == .unwritable)
  }

  @Test(
    .enabled(
      if: Python.output(["-c", "import safetensors, numpy"]) != nil, "safetensors is absent"))
  func `another reader reads what it wrote`() throws {
    let folder = try TemporaryFolder()
    let url = folder.url.appending(path: "weights.safetensors")
    try Safetensors(
      tensors: ["w": Tensor(shape: [2, 2], values: [1, 2, 3, 4.5])], metadata: ["a": "b"]
    ).write(to: url)
    let output = Python.output([
      "-c",
      """
      import sys, safetensors.numpy
      w = safetensors.numpy.load_file(sys.argv[1])["w"]
      print(w.shape, w.tolist())
      """, url.path,
    ])
    #expect(output == "(2, 2) [[1.0, 2.0], [3.0, 4.5]]")
  }
}
