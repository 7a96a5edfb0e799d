import Foundation
import Testing

/// What goes wrong is told in one line, with exit code 1 and nothing left behind.
@Suite struct BadInputTests {
  private func fails(
    _ arguments: [String], mentioning words: [String], environment: [String: String] = [:],
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let command = try Command(arguments, environment: environment)
    #expect(command.status == 1, "\(command.errors)", sourceLocation: sourceLocation)
    #expect(command.output.isEmpty, sourceLocation: sourceLocation)
    let lines = command.errors.split(separator: "\n")
    #expect(lines.count == 1, "\(command.errors)", sourceLocation: sourceLocation)
    for word in words {
      #expect(command.errors.contains(word), "\(command.errors)", sourceLocation: sourceLocation)
    }
  }

  @Test func `models, pictures, devices and batches`() throws {
    let folder = try TemporaryFolder()
    try Data("not a network".utf8).write(to: URL(fileURLWithPath: folder.path("bad.onnx")))
    var values = [Float](repeating: 0.5, count: 3 * 224 * 224)
    try Array32.write(values, [1, 3, 224, 224], to: folder.path("good.npy"))
    values[5] = .nan
    try Array32.write(values, [1, 3, 224, 224], to: folder.path("nan.npy"))
    let good = folder.path("good.npy")
    try fails(
      ["classify", "--model", folder.path("bad.onnx"), "--images", good],
      mentioning: ["bad.onnx", "damaged"])
    try fails(
      ["classify", "--model", "no-such-network", "--images", good], mentioning: ["no such file"])
    try fails(
      ["classify", "--model", "squeezenet1_1", "--images", folder.path("nan.npy")],
      mentioning: ["nan.npy", "nan"])
    try fails(
      ["classify", "--model", "squeezenet1_1", "--images", folder.path("nothing")],
      mentioning: ["nothing"])
    try fails(
      ["classify", "--model", "squeezenet1_1", "--images", good, "--device", "no such device"],
      mentioning: ["no device matches"])
    try fails(
      ["classify", "--model", "squeezenet1_1", "--images", good], mentioning: ["no OpenCL device"],
      environment: ["OCL_ICD_VENDORS": folder.path("empty")])
    try fails(
      [
        "attack", "lbfgs", "--model", "squeezenet1_1", "--images", good, "--batch", "1000000",
        "--output", folder.path("run"),
      ], mentioning: ["would fit"])
    #expect(!FileManager.default.fileExists(atPath: folder.path("run")))
  }

  @Test func `bad usage has exit code 64`() throws {
    #expect(try Command(["classify", "--nonsense"]).status == 64)
    #expect(
      try Command(["attack", "pgd", "--model", "a", "--images", "b", "--norm", "l7"]).status == 64)
  }
}
