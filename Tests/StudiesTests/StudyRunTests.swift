import Compute
import Datasets
import Foundation
import ModelFiles
import Reference
import Runs
import Studies
import Support
import Testing

/// Whole studies on the embedded digits, as the four IDX files of MNIST's form.
@Suite(.serialized) struct StudyRunTests {
  /// A folder with data and results that is removed in the end.
  private final class World {
    let url = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    let environment: StudyEnvironment

    init(limit: Int) throws {
      let folder = try StudyFolder(url.appending(path: "out"))
      let device = try #require(try Device.all().first)
      var environment = StudyEnvironment(
        networks: folder.networks, context: try Context(device: device))
      environment.data = url
      environment.isQuick = true
      environment.limit = limit
      self.environment = environment
      try write(Digits.samples.prefix(1397), "train")
      try write(Digits.samples.suffix(400), "t10k")
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    private func write(_ samples: ArraySlice<PictureSample>, _ name: String) throws {
      let sizes = [2051, samples.count, 8, 8]
      var images = sizes.flatMap { size in [24, 16, 8, 0].map { UInt8(size >> $0 & 255) } }
      images += samples.flatMap { $0.pixels.map { UInt8($0 * 255) } }
      var labels = [2049, samples.count].flatMap { size in
        [24, 16, 8, 0].map { UInt8(size >> $0 & 255) }
      }
      labels += samples.map { UInt8($0.label ?? 0) }
      try Data(images).write(to: url.appending(path: "\(name)-images-idx3-ubyte"))
      try Data(labels).write(to: url.appending(path: "\(name)-labels-idx1-ubyte"))
    }
  }

  /// Opens the report's page in a browser; without one the suite PageTests says that it is absent.
  private func expectWholePage(_ report: StudyReport) throws {
    guard Browser.isWanted else { return }
    let defects = try PageInspection(browser: Browser()).defects(of: report.page)
    #expect(defects.isEmpty, "\(report.study): \(defects.joined(separator: "\n"))")
  }

  private func number(_ row: [String: JSONValue], _ key: String) -> Double? {
    switch row[key] {
    case .number(let value): value
    case .integer(let value): Double(value)
    default: nil
    }
  }

  @Test func `distortion, transfer and subsets: figures, bits, kept networks, pages`() throws {
    let world = try World(limit: 10)
    let report = try DistortionStudy().run(world.environment)
    #expect(report.rows.count == 6)
    for row in report.rows {
      #expect(
        row.keys.sorted() == [
          "accuracy_after_attack", "attacked", "description", "distortion_ratio",
          "mean_distortion", "mean_distortion_high", "mean_distortion_low",
          "mean_distortion_nearest_class", "model", "paper_distortion", "paper_test_error",
          "paper_train_error", "succeeded", "test_error", "train_error",
        ])
      #expect(number(row, "accuracy_after_attack") == 0)
      let distortion = try #require(number(row, "mean_distortion"))
      let nearest = try #require(number(row, "mean_distortion_nearest_class"))
      #expect(nearest > 0.01 && nearest < distortion && distortion < 0.6, "\(row)")
      #expect(try #require(number(row, "test_error")) < 0.45, "\(row)")
    }
    // The unpenalised softmax classifier of 64 pixels learns the digits.
    #expect(try #require(number(report.rows[0], "test_error")) < 0.12)
    let files = try FileManager.default.contentsOfDirectory(
      atPath: world.environment.networks.path)
    #expect(files.count(where: { $0.hasSuffix(".safetensors") }) == 6)
    #expect(files.count(where: { $0.hasSuffix(".onnx") }) == 6)
    try expectMinimum(lambda: 1, file: #require(files.first { $0.hasPrefix("FC101-") }), world)
    // Kept networks give the same figures without training: a mark left in their place stays.
    let stamps = try files.map {
      try FileManager.default.attributesOfItem(
        atPath: world.environment.networks.appending(path: $0).path)[.modificationDate] as? Date
    }
    let again = try DistortionStudy().run(world.environment)
    #expect(again.rows == report.rows)
    let later = try files.map {
      try FileManager.default.attributesOfItem(
        atPath: world.environment.networks.appending(path: $0).path)[.modificationDate] as? Date
    }
    #expect(stamps == later)
    let transfer = try TransferStudy().run(world.environment)
    #expect(transfer.rows.count == 9 * 6)
    let subsets = try SubsetsStudy().run(world.environment)
    #expect(subsets.rows.count == 3 + 5 * 3 + 4 * 3 + 1)
    let asymmetry = try #require(subsets.rows.last)
    #expect(asymmetry["comparison"] == "asymmetry")
    let difference = try #require(number(asymmetry, "difference"))
    #expect(try #require(number(asymmetry, "difference_low")) < difference)
    #expect(try #require(number(asymmetry, "difference_high")) > difference)
    for row in transfer.rows + subsets.rows where row["made_for"] == row["fed_to"] {
      // Distortions of so small pictures are longer than those that 0.1 magnifies.
      guard row["made_for"] != nil, row["magnified"] != true else { continue }
      #expect(number(row, "error") == 1, "\(row)")
    }
    for report in [report, transfer, subsets] {
      let page = report.page
      for match in page.matches(of: /data:image\/png;base64,([^"]+)"/) {
        let bytes = try #require(Data(base64Encoded: String(match.1)))
        _ = try PNG.decode([UInt8](bytes), file: report.study)
      }
      #expect(page.contains("<svg") && !page.contains("NaN"))
      try expectWholePage(report)
    }
  }

  /// A softmax classifier without biases where mean cross-entropy + lambda / 2 |w|^2 has no slope.
  private func expectMinimum(lambda: Double, file: String, _ world: World) throws {
    let stem = try #require(file.split(separator: ".").first)
    let url = world.environment.networks.appending(path: stem + ".safetensors")
    let tensors = try Safetensors(contentsOf: url).tensors
    #expect(tensors.keys.sorted() == ["fc1.weight"])
    let weights = try #require(tensors["fc1.weight"]).values.map { Double($0) }
    let samples = Digits.samples.prefix(1397)
    var slopes = weights.map { lambda * $0 }
    for sample in samples {
      let pixels = sample.pixels.map { (Double($0) * 255).rounded(.down) / 255 }
      let powers = (0..<10).map { output in
        exp(zip(weights[64 * output..<64 * output + 64], pixels).reduce(0) { $0 + $1.0 * $1.1 })
      }
      let sum = powers.reduce(0, +)
      for output in 0..<10 {
        let share = powers[output] / sum - (output == sample.label ? 1 : 0)
        for place in 0..<64 {
          slopes[64 * output + place] += share * pixels[place] / Double(samples.count)
        }
      }
    }
    func norm(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }
    #expect(norm(slopes) < 0.02 * lambda * norm(weights), "\(norm(slopes)) \(norm(weights))")
  }

  @Test func `units, spectrum and fooling: figures and pages`() throws {
    let world = try World(limit: 60)
    let units = try UnitsStudy().run(world.environment)
    #expect(units.rows.map { $0["basis"] } == ["units", "rotated", "standardized", "chance"])
    let purities = try units.rows.map { try #require(number($0, "class_purity")) }
    // What a unit likes is of one class far more often than pictures drawn at random.
    #expect(purities[0] > purities[3] + 0.15 && purities[1] > purities[3] + 0.15, "\(purities)")
    let spectrum = try SpectrumStudy().run(world.environment)
    let pictures = spectrum.rows.filter { $0["table"] == "pictures" }
    #expect(pictures.count == 2 * 60)
    for row in pictures {
      let safe = try #require(number(row, "certified_distance"))
      #expect(try safe <= #require(number(row, "attack_distance")), "\(row)")
      #expect(try #require(number(row, "clever_distance")) > 0, "\(row)")
    }
    let fooling = try FoolingStudy().run(world.environment)
    for row in fooling.rows where row["method"] == "gradient" {
      #expect(try #require(number(row, "confidence")) > 0.99, "\(row)")
    }
    // Elites begin as noise, which a network rarely sees a drawn class in.
    let evolved = fooling.rows.filter { $0["method"] == "evolution" }
    let confidences = try evolved.map { try #require(number($0, "confidence")) }
    #expect(
      confidences.count == 30 && confidences.count(where: { $0 > 0.9 }) > 20, "\(confidences)")
    let noise = fooling.rows.filter { $0["table"] == "noise" }
    #expect(noise.count == 3 * 4)
    for model in stride(from: 0, to: noise.count, by: 4) {
      let accuracies = try (0..<4).map { try #require(number(noise[model + $0], "accuracy")) }
      #expect(accuracies[0] > accuracies[3], "\(accuracies)")
    }
    for report in [units, spectrum, fooling] {
      #expect(!report.findings.isEmpty && !report.page.contains("NaN"))
      try expectWholePage(report)
    }
    var environment = world.environment
    environment.layers = ["no such layer"]
    #expect(throws: StudyError.self) { try UnitsStudy().run(environment) }
  }

  @Test
  func `adversarial training: every regime learns, distortions on pictures help against them`()
    throws
  {
    let world = try World(limit: 40)
    let report = try AdversarialTrainingStudy().run(world.environment)
    #expect(report.rows.count == 7)
    try expectWholePage(report)
    for row in report.rows {
      #expect(try #require(number(row, "test_error")) < 0.3, "\(row)")
      #expect(number(row, "accuracy_after_attack") == 0)
    }
    let distortions = try report.rows.map { try #require(number($0, "mean_distortion")) }
    #expect(distortions[6] > 1.1 * distortions[0], "\(distortions)")
  }

  @Test(.enabled(if: Python.hasRuntime, "onnxruntime is absent"))
  func `exported networks have the same test errors in onnxruntime`() throws {
    let world = try World(limit: 1)
    let report = try DistortionStudy().run(world.environment)
    let output = try #require(Python.output(["-c", Self.script, world.url.path]))
    var errors: [String: Double] = [:]
    for line in output.split(separator: "\n") {
      let parts = line.split(separator: " ")
      errors[String(parts[0])] = Double(parts[1])
    }
    let stems = ["FC1010-", "FC1010-", "FC101-", "FC100-100-10-", "FC200-200-10-", "AE400-10-"]
    for (row, stem) in zip(report.rows, stems) {
      let own = try #require(number(row, "test_error"))
      // Sums in another order may turn a picture on the boundary.
      let found = errors.filter { $0.key.hasPrefix(stem) }.values
      #expect(found.contains { abs($0 - own) <= 0.0026 }, "\(stem): \(own), \(errors)")
    }
  }

  private static let script = """
    import glob, os, sys, numpy as np, onnxruntime
    folder = sys.argv[1]
    read = lambda name, start: np.fromfile(os.path.join(folder, name), np.uint8)[start:]
    x = read('t10k-images-idx3-ubyte', 16).reshape(-1, 1, 8, 8).astype(np.float32) / 255
    y = read('t10k-labels-idx1-ubyte', 8)
    for path in glob.glob(os.path.join(folder, 'out/networks/*.onnx')):
      run = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
      z = run.run(None, {'input': x})[0]
      print(os.path.basename(path), (z.argmax(1) != y).mean())
    """

  @Test func `without data a study says what it needs`() throws {
    var environment = try World(limit: 1).environment
    environment.data = nil
    for study in StudyCatalog.all {
      #expect(throws: StudyError.self) { try study.run(environment) }
    }
  }
}
