import ArgumentParser
import Compute
import Datasets
import Foundation
import Runs
import Studies

/// `blindspot study`: an experiment of the literature on the user's machine.
struct StudyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "study",
    abstract: "Repeat an experiment of Szegedy et al. (2013), our figures beside theirs.",
    discussion: """
      NAME is one of:

      \(StudyCatalog.all.map { "\($0.name): \($0.summary)" }.joined(separator: "\n"))
      all: each of them in this order

      The output folder gets study.json, study.md and study.html (one page with its pictures), a \
      copy of them in a folder of the study's name, and the networks that were trained, which the \
      next study uses again.
      """)

  @Argument(help: "The study's name, or all.") var name: String
  @Option(help: "The folder with MNIST's four IDX files, plain or gzip.") var data: String?
  @Option(help: "ONNX files or built-in architectures, for studies of any network.")
  var model: [String] = []
  @Option(help: "Layers to look at, by name, for studies of single layers.")
  var layer: [String] = []
  @Option(help: "Pictures for those networks.") var images: String?
  @Option(help: "imagenet (for three channels), caffe, tf, unit or raw255, for those networks.")
  var preprocessing: String?
  @Option(help: "Their labels: CSV (filename,label), .npy, IDX, or synset_words.txt.")
  var labels: String?
  @Option(help: "How many pictures; by default the study's own number.") var limit: Int?
  @Option(help: "The seed of everything that is drawn.") var seed: UInt64 = 0
  @Option(help: "The folder that takes the results.") var output = "blindspot-study"
  @OptionGroup var place: DeviceOptions
  @Flag(help: "Rougher figures in a fraction of the time.") var quick = false
  @Flag(help: "Print study.json.") var json = false
  @Flag(help: "Show no progress.") var quiet = false

  func validate() throws {
    guard limit.map({ $0 > 0 }) ?? true else { throw ValidationError("--limit is 1 or more") }
    guard labels == nil || images != nil else { throw ValidationError("--labels needs --images") }
  }

  func run() throws {
    let isAll = name == "all"
    let studies = isAll ? StudyCatalog.all : [try StudyCatalog.study(named: name)]
    let context = try place.context()
    let folder = try StudyFolder(URL(fileURLWithPath: output))
    let progress = ProgressLine(quiet: quiet)
    var reports: [StudyReport] = []
    for study in studies {
      var environment = StudyEnvironment(networks: folder.networks, context: context)
      environment.data = data.map { URL(fileURLWithPath: $0) }
      environment.models = model
      environment.layers = layer
      environment.preprocessing = try preprocessing.map { try Preprocessing(preset: $0) }
      environment.images = images.map {
        (URL(fileURLWithPath: $0), labels.map { URL(fileURLWithPath: $0) })
      }
      environment.isQuick = quick
      environment.limit = limit
      environment.seed = seed
      environment.family = try place.kernelFamily()
      environment.batch = try place.batchSize()
      environment.progress = { progress.update("\(study.name): \($0)") }
      let start = Date()
      var report = try study.run(environment)
      report.seconds = Date().timeIntervalSince(start)
      for (key, value) in settings(device: context.device.name) where report.settings[key] == nil {
        report.settings[key] = value
      }
      try folder.write(report)
      reports.append(report)
      progress.end()
      if !json { print(report.markdown) }
    }
    if isAll { try folder.write(StudyReport(summaryOf: reports)) }
    if json {
      let report = isAll ? StudyReport(summaryOf: reports) : reports[0]
      print(String(decoding: report.json, as: UTF8.self))
    } else {
      print("page: \(folder.url.appending(path: "study.html").relativePath)")
    }
  }

  private func settings(device: String) -> [String: JSONValue] {
    [
      "seed": .string("\(seed)"), "quick": .boolean(quick), "device": .string(device),
      "version": .string(codeVersion), "data": .string(data ?? ""),
    ]
  }
}
