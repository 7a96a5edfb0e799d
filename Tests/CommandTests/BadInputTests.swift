import Datasets
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
    try NPY.write(values, shape: [1, 3, 224, 224], to: folder.url.appending(path: "good.npy"))
    values[5] = .nan
    try NPY.write(values, shape: [1, 3, 224, 224], to: folder.url.appending(path: "nan.npy"))
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
    for mode in ["tf32", "bf16x3", "tf32x3"] {
      try fails(
        [
          "attack", "fgsm", "--model", "squeezenet1_1", "--images", good, "--precision", mode,
          "--output", folder.path("run"),
        ], mentioning: [mode, "NVIDIA"])
    }
    #expect(!FileManager.default.fileExists(atPath: folder.path("run")))
  }

  @Test func `damaged and foreign networks`() throws {
    let folder = try TemporaryFolder()
    let world = try SmallInputs(in: folder)
    let model = try Data(contentsOf: URL(fileURLWithPath: world.model))
    func fails(_ name: String, _ bytes: Data, mentioning words: [String]) throws {
      try bytes.write(to: folder.url.appending(path: name))
      try self.fails(
        [
          "attack", "lbfgs", "--model", folder.path(name), "--images", world.pictures, "--output",
          folder.path("run"),
        ], mentioning: [name] + words)
      #expect(!FileManager.default.fileExists(atPath: folder.path("run")))
    }
    try fails("cut.onnx", model.prefix(model.count / 2), mentioning: ["too early"])
    // The weights' first dimension, 8 of 8x3x3x3, becomes 9.
    let sizes = try #require(
      [[10, 4, 8, 3, 3, 3], [8, 8, 8, 3, 8, 3, 8, 3]].lazy
        .compactMap { model.firstRange(of: Data($0 as [UInt8])) }.first)
    var larger = model
    larger[sizes.lowerBound + (sizes.count == 6 ? 2 : 1)] = 9
    try fails("sizes.onnx", larger, mentioning: ["[9, 3, 3, 3]", "864"])
    var foreign = model
    for (known, unknown) in [("Relu", "Rexu"), ("Gemm", "Gexm")] {
      // As a node's name too.
      #expect(foreign.firstRange(of: Data(known.utf8)) != nil)
      while let place = foreign.firstRange(of: Data(known.utf8)) {
        foreign.replaceSubrange(place, with: Data(unknown.utf8))
      }
    }
    try fails("foreign.onnx", foreign, mentioning: ["unsupported operators", "Rexu", "Gexm"])
  }

  @Test func `pictures and labels that do not fit leave no run behind`() throws {
    let folder = try TemporaryFolder()
    let world = try SmallInputs(in: folder)
    func fails(_ images: String, _ options: [String], mentioning words: [String]) throws {
      try self.fails(
        ["attack", "lbfgs", "--model", world.model, "--images", images, "--output"]
          + [folder.path("run")] + options, mentioning: words)
      #expect(!FileManager.default.fileExists(atPath: folder.path("run")))
    }
    func file(_ name: String, _ text: String) throws -> String {
      try Data(text.utf8).write(to: folder.url.appending(path: name))
      return folder.path(name)
    }
    let missing = try file("missing.csv", "filename,label\n0.png,1\n")
    try fails(world.pictures, ["--labels", missing], mentioning: ["1.png", "no label"])
    let large = try file("large.csv", "filename,label\n0.png,1\n1.png,5\n2.png,0\n")
    try fails(world.pictures, ["--labels", large], mentioning: ["1.png", "5"])
    let other = try file("other.csv", "filename,label\n0.png,1\n1.png,1\n2.png,0\n3.png,0\n")
    try fails(world.pictures, ["--labels", other], mentioning: ["3.png"])
    var pixels = [Float](repeating: 0.5, count: 2 * 3 * 9 * 7)
    pixels[200] = .nan
    try NPY.write(pixels, shape: [2, 3, 9, 7], to: folder.url.appending(path: "nan.npy"))
    try fails(folder.path("nan.npy"), [], mentioning: ["nan.npy", "[1, 0, 1, 4]"])
    try NPY.write(pixels, shape: [2, 3, 7, 9], to: folder.url.appending(path: "turned.npy"))
    try fails(folder.path("turned.npy"), [], mentioning: ["3x7x9", "3x9x7"])
    // The beginning of a JPEG file, as a camera writes it, and no more.
    let start: [UInt8] = [0xFF, 0xD8, 0xFF, 0xE0, 0, 16] + Array("JFIF".utf8) + [0, 1, 1, 0, 0, 1]
    try Data(start).write(to: URL(fileURLWithPath: world.pictures + "/3.jpg"))
    try fails(world.pictures, [], mentioning: ["3.jpg"])
  }

  @Test func `output folders that are taken or cannot be`() throws {
    let folder = try TemporaryFolder()
    let world = try SmallInputs(in: folder)
    let attack = ["attack", "fgsm", "--model", world.model, "--images", world.pictures]
    let output = folder.path("run")
    let first = try Command(attack + ["--output", output, "--quiet", "--json"])
    #expect(first.status == 0, "\(first.errors)")
    let files = try FileManager.default.subpathsOfDirectory(atPath: output).sorted()
    let database = try Data(contentsOf: folder.url.appending(path: "run/run.sqlite"))
    try fails(attack + ["--output", output], mentioning: ["holds a run already"])
    try fails(
      attack + ["--output", output, "--resume", "--epsilon", "0.5"], mentioning: ["epsilon"])
    try fails(
      attack + ["--output", output, "--resume", "--convolution", "winograd"],
      mentioning: ["convolution = direct", "winograd"])
    #expect(try FileManager.default.subpathsOfDirectory(atPath: output).sorted() == files)
    #expect(try Data(contentsOf: folder.url.appending(path: "run/run.sqlite")) == database)
    try fails(attack + ["--output", world.pictures], mentioning: ["not empty"])
    try fails(attack + ["--output", world.model], mentioning: ["not a folder"])
    try fails(attack + ["--output", world.model + "/run"], mentioning: ["small.onnx/run"])
    try fails(attack + ["--output", folder.path("new"), "--resume"], mentioning: ["new"])
    #expect(!FileManager.default.fileExists(atPath: folder.path("new")))
  }

  @Test func `a batch that does not fit, and one that does`() throws {
    let folder = try TemporaryFolder()
    let world = try SmallInputs(in: folder)
    for command in [
      ["classify", "--images", world.pictures], ["attack", "lbfgs", "--images", world.pictures],
      ["bench", "network"], ["bench", "attack"],
    ] {
      for batch in ["1000000000", "9000000000000000000"] {
        try fails(
          command + ["--model", world.model, "--batch", batch],
          mentioning: ["a batch of \(batch)", "would fit"])
      }
    }
    let automatic = try Command(
      ["classify", "--model", world.model, "--images", world.pictures, "--batch", "auto", "--json"])
    #expect(automatic.status == 0, "\(automatic.errors)")
    #expect(try automatic.json()["samples"] as? Int == 3)
  }

  @Test(arguments: [
    ["devices"], ["verify"], ["classify"], ["attack", "pgd"], ["bench", "kernels"],
    ["bench", "network"], ["bench", "attack"], ["demo"],
  ])
  func `no device`(command: [String]) throws {
    let folder = try TemporaryFolder()
    let world = try SmallInputs(in: folder)
    let output = folder.path("out")
    let options =
      switch command.last {
      case "classify": ["--model", world.model, "--images", world.pictures]
      case "pgd": ["--model", world.model, "--images", world.pictures, "--output", output]
      case "network", "attack": ["--model", world.model]
      case "demo": ["--output", output]
      default: [String]()
      }
    try fails(
      command + options, mentioning: ["no OpenCL device"],
      environment: ["OCL_ICD_VENDORS": folder.path("empty")])
    #expect(!FileManager.default.fileExists(atPath: output))
  }

  @Test(arguments: [
    ("--batch", "many"), ("--batch", "0"), ("--family", "warp"), ("--target", "5"),
    ("--target", "nonsense"), ("--preprocessing", "none"), ("--limit", "0"), ("--mean", "a"),
    ("--std", "0"), ("--resize", "x"), ("--channels", "cmyk"), ("--norm", "l7"),
    ("--epsilon", "1/0"), ("--step-size", "long"), ("--device", "abacus"),
  ])
  func `unknown values of options`(option: String, value: String) throws {
    let folder = try TemporaryFolder()
    let world = try SmallInputs(in: folder)
    try fails(
      [
        "attack", "pgd", "--model", world.model, "--images", world.pictures, "--output",
        folder.path("run"), option, value,
      ], mentioning: [option == "--device" ? "no device matches" : option, value])
    #expect(!FileManager.default.fileExists(atPath: folder.path("run")))
  }

  @Test(arguments: [
    ["classify", "--nonsense"], ["attack", "nonsense"], ["bench", "attack", "nonsense"],
    ["classify", "--model", "a", "--images", "b", "--convolution", "fourier"],
    ["attack", "lbfgs", "--model", "a"], ["bench", "kernels", "--batch", "0"],
    ["attack", "lbfgs", "--model", "a", "--images", "b", "--resume"],
  ])
  func `a command line that cannot be parsed has exit code 64`(arguments: [String]) throws {
    let command = try Command(arguments)
    #expect(command.status == 64)
    #expect(command.output.isEmpty)
    #expect(command.errors.contains("Usage:"), "\(command.errors)")
  }
}
