import Foundation
import Testing

/// The keys that programs rely on, no more and no fewer, and what they must hold.
@Suite(.serialized) struct JSONKeysTests {
  private let folder: TemporaryFolder
  private let world: SmallInputs

  init() throws {
    folder = try TemporaryFolder()
    world = try SmallInputs(in: folder)
  }

  private func json(_ arguments: [String], keys: [String]) throws -> [String: Any] {
    let command = try Command(arguments + ["--json", "--quiet"])
    #expect(command.status == 0, "\(command.errors)")
    #expect(command.errors.isEmpty)
    let json = try command.json()
    #expect(json.keys.sorted() == keys.sorted())
    return json
  }

  private static let attackKeys = [
    "attack", "model", "device", "precision", "batch", "samples", "clean_correct", "attempted",
    "succeeded",
    "succeeded_8bit", "success_rate", "success_rate_low", "success_rate_high", "mean_l2",
    "median_l2", "median_l2_all", "mean_l2_8bit", "mean_rms", "mean_linf", "forward_evaluations",
    "gradient_evaluations", "mean_forward_evaluations", "mean_gradient_evaluations", "seconds",
    "images_per_second", "peak_device_bytes",
  ]

  @Test(arguments: ["lbfgs", "fgsm", "pgd"]) func `attack and bench attack`(name: String) throws {
    let attack = try json(
      ["attack", name, "--model", world.model, "--images", world.pictures], keys: Self.attackKeys)
    let bench = try json(
      [
        "bench", "attack", name, "--model", world.model, "--images", world.pictures, "--repeats",
        "3",
      ], keys: Self.attackKeys + ["repeats", "repeat_seconds", "device_busy_share"])
    for key in ["attack", "samples", "succeeded", "mean_l2", "gradient_evaluations"] {
      #expect("\(attack[key] ?? "")" == "\(bench[key] ?? "")", "\(key)")
    }
    // Without labels the network's own answers count as right in a measurement.
    #expect(bench["clean_correct"] as? Int == 3)
    let times = try #require(bench["repeat_seconds"] as? [Double])
    #expect(times.count == 3 && bench["repeats"] as? Int == 3)
    #expect(bench["seconds"] as? Double == times.sorted()[1])
    let busy = try #require(bench["device_busy_share"] as? Double)
    #expect(busy > 0.1 && busy <= 1)
  }

  @Test func `bench attack on random pictures`() throws {
    func bench(_ seed: Int, _ batch: Int) throws -> [String: Any] {
      try json(
        [
          "bench", "attack", "pgd", "--steps", "3", "--model", world.model, "--limit", "7",
          "--repeats", "1", "--seed", "\(seed)", "--batch", "\(batch)",
        ], keys: Self.attackKeys + ["repeats", "repeat_seconds", "device_busy_share"])
    }
    let (first, again, other) = (try bench(1, 4), try bench(1, 3), try bench(2, 4))
    for json in [first, again, other] {
      #expect(json["samples"] as? Int == 7)
      #expect(json["clean_correct"] as? Int == 7)
      #expect(json["attempted"] as? Int == 7)
    }
    #expect("\(first["mean_rms"] ?? "")" == "\(again["mean_rms"] ?? "")")
    #expect(
      "\(first["mean_rms"] ?? "") \(first["success_rate"] ?? "")"
        != "\(other["mean_rms"] ?? "") \(other["success_rate"] ?? "")")
  }

  @Test func `bench network`() throws {
    let json = try json(
      ["bench", "network", "--model", world.model, "--batch", "5"],
      keys: [
        "model", "batch", "device", "forward_images_per_second", "gradient_images_per_second",
        "peak_device_bytes", "bytes_per_image", "first_run_seconds", "warm_start_seconds",
      ])
    let peak = try #require(json["peak_device_bytes"] as? Int)
    #expect(json["bytes_per_image"] as? Int == (peak + 4) / 5)
    // Input, its gradient, the output of the convolution and the weights are there at least.
    #expect(peak > 4 * (2 * 5 * 189 + 5 * 504 + 504 * 5))
    let first = try #require(json["first_run_seconds"] as? Double)
    let warm = try #require(json["warm_start_seconds"] as? Double)
    #expect(first > warm, "a cold start is no slower than a warm one")
    #expect(warm > 0)
  }

  @Test func `a looser precision stands in the results`() throws {
    let loose = ["--precision", "tf32", "--emulate-tensor-cores"]
    let network = try json(
      ["bench", "network", "--model", world.model, "--batch", "2", "--rates-only"] + loose,
      keys: [
        "model", "batch", "device", "precision", "forward_images_per_second",
        "gradient_images_per_second", "peak_device_bytes", "bytes_per_image",
      ])
    #expect(network["precision"] as? String == "tf32 emulated")
    let attack = try json(
      ["bench", "attack", "fgsm", "--model", world.model, "--repeats", "1", "--limit", "3"] + loose,
      keys: Self.attackKeys + ["repeats", "repeat_seconds", "device_busy_share"])
    #expect(attack["precision"] as? String == "tf32 emulated")
    let files = ["canonical", "tf32"].map { folder.path("\($0).npy") }
    let classify = ["classify", "--model", world.model, "--images", world.pictures, "--logits"]
    let keys = ["samples", "top1", "top5", "seconds", "images_per_second"]
    _ = try json(classify + [files[0]], keys: keys)
    let classified = try json(classify + [files[1]] + loose, keys: keys + ["precision"])
    #expect(classified["precision"] as? String == "tf32 emulated")
    let logits = try files.map { try Data(contentsOf: URL(fileURLWithPath: $0)) }
    #expect(logits[0] != logits[1] && logits[0].count == logits[1].count)
  }

  @Test func `bench kernels`() throws {
    let json = try json(
      ["bench", "kernels", "--filter", "softmax 1000", "--batch", "2"],
      keys: ["ceiling_gflops", "ceiling_gbytes_per_second", "kernels"])
    let kernels = try #require(json["kernels"] as? [[String: Any]])
    #expect(
      kernels.compactMap { $0["operation"] as? String } == ["softmax", "gradient of softmax"])
    for kernel in kernels {
      #expect(
        kernel.keys.sorted() == [
          "family", "gflops", "operation", "seconds_median", "shape", "share_of_ceiling",
        ])
      let seconds = try #require(kernel["seconds_median"] as? Double)
      #expect(seconds > 0 && seconds < 1)
    }
  }

  @Test func `classify`() throws {
    let labels = folder.path("labels.csv")
    try Data("0.png,1\n1.png,2\n2.png,3\n".utf8).write(to: URL(fileURLWithPath: labels))
    let json = try json(
      ["classify", "--model", world.model, "--images", world.pictures, "--labels", labels],
      keys: ["samples", "top1", "top5", "seconds", "images_per_second"])
    #expect(json["samples"] as? Int == 3)
    // Five classes: one of them is right.
    #expect(json["top5"] as? Double == 1)
  }

  @Test func `classify without labels`() throws {
    let json = try json(
      ["classify", "--model", world.model, "--images", world.pictures],
      keys: ["samples", "top1", "top5", "seconds", "images_per_second"])
    #expect(json["samples"] as? Int == 3)
    #expect(json["top1"] is NSNull && json["top5"] is NSNull)
  }

  @Test func `verify`() throws {
    let json = try json(
      ["verify", "--tiny"],
      keys: ["device", "driver", "cases", "failed", "bit_identical", "skipped", "canonical"])
    #expect(json["failed"] as? Int == 0)
    #expect(json["bit_identical"] as? Bool == true)
    #expect(try #require(json["cases"] as? Int) > 20)
    #expect(json["skipped"] is [String])
  }

  @Test func `one core computes the same bits`() throws {
    let command = try Command(
      ["verify", "--tiny", "--family", "cpu", "--json"],
      environment: ["POCL_MAX_PTHREAD_COUNT": "1"])
    #expect(command.status == 0, "\(command.errors)")
    #expect(try command.json()["bit_identical"] as? Bool == true)
  }
}
