import Foundation
import Support
import Testing

/// PoCL shows its processor as two devices when it is asked to.
private let twoDevices = ["POCL_DEVICES": "pthread basic"]

/// One attack on several devices.
@Suite struct SeveralDevicesTests {
  @Test func `two devices find what one finds`() throws {
    let folder = try TemporaryFolder()
    let world = try SmallInputs(in: folder, pictures: 9)
    func attack(_ device: String, _ output: String) throws -> [String: Any] {
      let command = try Command(
        [
          "attack", "lbfgs", "--model", world.model, "--images", world.pictures, "--device",
          device, "--batch", "2", "--output", folder.path(output), "--json", "--quiet",
        ], environment: twoDevices)
      try #require(command.status == 0, "\(command.errors)")
      return try command.json()
    }
    let alone = try attack("0", "one")
    for (device, output) in [("all", "both"), ("basic,pthread", "list")] {
      let together = try attack(device, output)
      #expect((together["device"] as? String)?.contains(" + ") == true)
      #expect(together["batch"] as? Int == 4)
      for key in ["samples", "succeeded", "mean_l2", "gradient_evaluations"] {
        #expect(together[key] as? Double == alone[key] as? Double, "\(key)")
      }
      let arrays = try ["one", output].map {
        try Data(contentsOf: folder.url.appending(path: "\($0)/adversarial.npy"))
      }
      #expect(arrays[0] == arrays[1])
    }
    #expect((alone["succeeded"] as? Int ?? 0) > 5)
  }

  @Test func `bench network shows devices side by side`() throws {
    let folder = try TemporaryFolder()
    let world = try SmallInputs(in: folder)
    let arguments = [
      "bench", "network", "--model", world.model, "--batch", "3", "--rates-only", "--quiet",
      "--device", "pthread,basic",
    ]
    let command = try Command(arguments + ["--json"], environment: twoDevices)
    try #require(command.status == 0, "\(command.errors)")
    let devices = try #require(try command.json()["devices"] as? [[String: Any]])
    #expect(Set(devices.compactMap { $0["device"] as? String }).count == 2)
    #expect(devices.allSatisfy { ($0["gradient_images_per_second"] as? Double ?? 0) > 0 })
    let table = try Command(arguments, environment: twoDevices)
    try #require(table.status == 0, "\(table.errors)")
    let rates = table.output.split(separator: "\n").filter { $0.contains("images/s") }
    // The last device's rate is once its own.
    #expect(rates.count == 2 && rates.allSatisfy { $0.hasSuffix("(1.00)") }, "\(table.output)")
  }

  @Test(arguments: [("0,0", "twice"), ("0,abacus", "abacus"), ("0,", "no device matches ''")])
  func `devices that are meant twice or do not exist`(device: String, word: String) throws {
    let folder = try TemporaryFolder()
    let world = try SmallInputs(in: folder)
    let command = try Command(
      [
        "attack", "fgsm", "--model", world.model, "--images", world.pictures, "--device", device,
      ], environment: twoDevices)
    #expect(command.status == 1)
    #expect(command.errors.contains(word), "\(command.errors)")
    #expect(command.errors.split(separator: "\n").count == 1)
  }
}
