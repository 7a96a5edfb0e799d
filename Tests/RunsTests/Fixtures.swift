import Datasets
import Foundation
import Runs

let shape = PictureShape(channels: 3, height: 5, width: 4)

/// A folder of its own for one test, removed by `clear`.
struct Scratch {
  let url = FileManager.default.temporaryDirectory
    .appending(path: "blindspot-runs-\(UUID().uuidString)")

  init() throws {
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  var run: URL { url.appending(path: "run") }

  func clear() { try? FileManager.default.removeItem(at: url) }
}

/// All paths within a folder, relative to it, in order.
func paths(_ folder: URL) -> [String] {
  (FileManager.default.subpaths(atPath: folder.path) ?? []).sorted()
}

func description(
  samples: Int = 6, settings: [String: JSONValue] = ["epsilon": 0.5, "steps": 40],
  keeps: KeptPictures = .all, shape: PictureShape = shape
) -> RunDescription {
  RunDescription(
    attack: "pgd", settings: settings, modelPath: "models/a.onnx", modelSHA256: "ab12",
    listSHA256: RunDescription.listSHA256(of: (0..<samples).map { "\($0),1" }),
    sampleCount: samples, inputShape: shape, preprocessing: "unit", seed: 1 << 63 + 7,
    device: "A", driver: "1", platform: "P", codeVersion: "0.1", kernelFamily: "cpu", batch: 4,
    keeps: keeps)
}

/// The float picture of a sample: every value differs from every other sample's.
func pixels(_ id: Int, shape: PictureShape = shape) -> [Float] {
  (0..<shape.count).map { Float(($0 * 7 + id * 31) % 256) / 255.5 }
}

/// The bytes of a sample, rounded as no rounding to the nearest level would.
func bytes(_ id: Int, shape: PictureShape = shape) -> [UInt8] {
  (0..<shape.count).map { UInt8(($0 * 7 + id * 31 + 3) % 256) }
}

/// A finished sample: of every four, two fool in float and 8 bits, one in float only, one fails.
func finished(
  _ id: Int, name: String? = nil, seconds: Double? = nil, shape: PictureShape = shape
) -> FinishedSample {
  let succeeds = id % 4 != 3
  let result = SampleResult(
    id: id, name: name ?? "n0\(id % 2)/picture \(id).JPEG", label: 3, cleanClass: 3,
    target: id % 2 == 0 ? nil : 9, adversarialClass: succeeds ? 9 : nil, attempted: true,
    success: succeeds, success8Bit: id % 4 < 2, l0: succeeds ? 60 : nil,
    l1: succeeds ? Double(id) + 0.1 : nil, l2: succeeds ? 1 / Double(id + 3) : nil,
    linf: succeeds ? Double(Float(4) / 255) : nil, rms: succeeds ? 0.01 : nil,
    l28Bit: id % 4 < 2 ? 1 / Double(id + 2) : nil, c: .infinity, forwardEvaluations: 40 + id,
    gradientEvaluations: 39, iterations: 38, stopReason: succeeds ? "converged" : "budget",
    seconds: seconds)
  return FinishedSample(
    result: result, adversarial: succeeds ? pixels(id, shape: shape) : nil,
    picture: id % 4 < 2 ? bytes(id, shape: shape) : nil)
}

/// The float pictures in the run's array, one a sample.
func array(_ run: URL, shape: PictureShape = shape) throws -> [[Float]] {
  let file = try NPYFile(run.appending(path: "adversarial.npy"))
  return try (0..<file.shape[0]).map {
    try file.readFloats($0 * shape.count..<($0 + 1) * shape.count)
  }
}

/// The picture in a PNG file of the run.
func picture(_ run: URL, _ path: String) throws -> RGBImage {
  try PNG.decode([UInt8](Data(contentsOf: run.appending(path: path))), file: path)
}
