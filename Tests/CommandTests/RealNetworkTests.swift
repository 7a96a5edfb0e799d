import Foundation
import Support
import Testing

/// The command on trained networks and real pictures.
@Suite(.enabled(if: SharedData.isPresent, "the shared data is not here"), .serialized)
struct RealNetworkTests {
  private static func data(_ path: String) -> String { SharedData.file(path).path }

  private static let lenet = data("mnist_networks/mnist_lenet5_clntrained.onnx")
  private static let mnist = data("mnist")
  private static let photographs = [
    "--images", data("imagenet/photos"), "--labels", data("imagenet/labels.csv"),
  ]

  @Test(arguments: [
    ("squeezenet1.1_fp32.onnx", "caffe", 0.603, 0.833),
    ("mobilenetv2_1.0_224.onnx", "tf", 0.911, 0.986),
    ("mobilenet_v1_0.25_224.onnx", "tf", 0.603, 0.819),
  ])
  func `photographs are classified as well as recorded`(
    model: String, preprocessing: String, top1: Double, top5: Double
  ) throws {
    let command = try Command(
      ["classify", "--model", Self.data("imagenet/networks/" + model), "--json"]
        + Self.photographs + ["--preprocessing", preprocessing])
    #expect(command.status == 0, "\(command.errors)")
    let json = try command.json()
    #expect(json["samples"] as? Int == 200)
    // Recorded on 663 pictures, measured on 200: three standard deviations apart at most.
    #expect(abs(try #require(json["top1"] as? Double) - top1) < 0.11)
    #expect(abs(try #require(json["top5"] as? Double) - top5) < 0.09)
  }

  @Test func `LeNet5 is fooled every time by perturbations near the best known`() throws {
    let command = try Command(
      [
        "attack", "lbfgs", "--model", Self.lenet, "--images", Self.mnist, "--limit", "100",
        "--json",
      ])
    #expect(command.status == 0, "\(command.errors)")
    let json = try command.json()
    #expect(json["success_rate"] as? Double == 1)
    #expect(try #require(json["mean_l2"] as? Double) <= 1.45)
    let gradients = try #require(json["gradient_evaluations"] as? Int)
    let attempted = try #require(json["attempted"] as? Int)
    #expect(gradients <= 60 * attempted)
  }

  @Test func `an adversarially trained LeNet5 is fooled every time, near DDN's norms`() throws {
    // Without the walk to the boundary a quarter of the attacks fails, and the mean is above 2.
    let command = try Command(
      [
        "attack", "lbfgs", "--model", Self.data("mnist_networks/mnist_lenet5_advtrained.onnx"),
        "--images", Self.mnist, "--limit", "40", "--json",
      ])
    #expect(command.status == 0, "\(command.errors)")
    let json = try command.json()
    #expect(json["success_rate"] as? Double == 1)
    // DDN with 1000 steps: 1.917 over all 10000 pictures, as advertorch recorded.
    #expect(try #require(json["mean_l2"] as? Double) <= 1.917)
  }

  @Test func `an interrupted run goes on to the same bytes`() throws {
    let folder = try TemporaryFolder()
    func run(_ extra: [String]) throws -> Command {
      try Command(
        ["attack", "lbfgs", "--model", Self.lenet, "--images", Self.mnist, "--json"] + extra)
    }
    let whole = try run(["--limit", "24", "--batch", "7", "--output", folder.path("whole")])
    #expect(whole.status == 0, "\(whole.errors)")
    // A run that is killed in the middle: whatever it had finished stays.
    let process = Process()
    process.executableURL = Command.executable
    process.arguments = [
      "attack", "lbfgs", "--model", Self.lenet, "--images", Self.mnist, "--limit", "24", "--batch",
      "4", "--output", folder.path("cut"), "--quiet",
    ]
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    while process.isRunning,
      (try? FileManager.default.contentsOfDirectory(atPath: folder.path("cut/adversarial")).count)
        ?? 0 < 4
    {
      usleep(20_000)
    }
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    let rest = try run(
      ["--limit", "24", "--batch", "64", "--output", folder.path("cut"), "--resume"])
    #expect(rest.status == 0, "\(rest.errors)")
    let arrays = try ["whole", "cut"].map {
      try Data(contentsOf: folder.url.appending(path: $0 + "/adversarial.npy"))
    }
    #expect(arrays[0] == arrays[1])
    for key in ["succeeded", "mean_l2", "gradient_evaluations", "forward_evaluations"] {
      #expect("\(try whole.json()[key] ?? "")" == "\(try rest.json()[key] ?? "")")
    }
  }
}
