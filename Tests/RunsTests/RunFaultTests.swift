import Datasets
import Foundation
import Runs
import Testing

/// Runs a body that is to fail, and returns its error, after a look at its one line.
func fault(
  _ code: RunError.Code, _ parts: String..., sourceLocation: SourceLocation = #_sourceLocation,
  _ body: () throws -> Void
) {
  let error = #expect(throws: RunError.self, sourceLocation: sourceLocation) { try body() }
  guard let error else { return }
  #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
  for part in parts {
    #expect(error.description.contains(part), "\(error)", sourceLocation: sourceLocation)
  }
  #expect(!error.description.contains { $0.isNewline }, sourceLocation: sourceLocation)
}

struct RunFaultTests {
  let scratch: Scratch
  var run: URL { scratch.run }

  init() throws { scratch = try Scratch() }

  /// A run with two samples, closed again.
  func makeRun(_ description: RunDescription = description()) throws {
    let store = try RunStore.create(run, description)
    try store.append([finished(0), finished(1)])
  }

  @Test func `does not touch a folder that is in use`() throws {
    defer { scratch.clear() }
    try makeRun()
    let before = paths(run)
    fault(.exists, run.path, "resume") { _ = try RunStore.create(run, description()) }
    #expect(paths(run) == before)
    let store = try RunStore.create(run, description(samples: 3), overwrite: true)
    #expect(store.finishedIDs == [])
    #expect(paths(run) == ["adversarial.npy", "run.json", "run.lock", "run.sqlite"])
    #expect(try array(run).count == 3)
  }

  @Test(arguments: [false, true])
  func `never replaces a folder that is no run`(overwrite: Bool) throws {
    defer { scratch.clear() }
    for name in ["notes.txt", "adversarial.npy", "run.json"] {
      let folder = scratch.url.appending(path: name)
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      try Data("x".utf8).write(to: folder.appending(path: name))
      fault(.exists, "holds no run") {
        _ = try RunStore.create(folder, description(), overwrite: overwrite)
      }
      #expect(paths(folder) == [name])
    }
  }

  @Test func `takes an empty folder and one whose creation was cut short`() throws {
    defer { scratch.clear() }
    try FileManager.default.createDirectory(at: run, withIntermediateDirectories: true)
    for name in ["run.lock", "adversarial.npy", "run.sqlite", ".run.json.1234abcd.part"] {
      try Data("half".utf8).write(to: run.appending(path: name))
    }
    let store = try RunStore.create(run, description())
    try store.append([finished(0)])
    #expect(!paths(run).contains { $0.hasSuffix(".part") })
  }

  @Test func `refuses a second writer`() throws {
    defer { scratch.clear() }
    let store = try RunStore.create(run, description())
    let process = "process \(ProcessInfo.processInfo.processIdentifier)"
    fault(.locked, run.path, process) { _ = try RunStore.resume(run, expecting: description()) }
    fault(.locked, run.path, process) {
      _ = try RunStore.create(run, description(), overwrite: true)
    }
    try store.append([finished(0)])
    #expect(try RunContents(reading: run).results.count == 1)
  }

  @Test func `refuses a writer in another process`() async throws {
    defer { scratch.clear() }
    let store = try RunStore.create(run, description())
    let path = run.path
    let owner = ProcessInfo.processInfo.processIdentifier
    await #expect(processExitsWith: .success) { [path = path as String, owner = owner as Int32] in
      fault(.locked, "process \(owner)") {
        _ = try RunStore.resume(URL(fileURLWithPath: path), expecting: description())
      }
    }
    try store.append([finished(0)])
  }

  @Test func `names the first setting that differs, with both values`() throws {
    defer { scratch.clear() }
    try makeRun(
      description(settings: ["epsilon": 0.5, "steps": 40.0, "bound": .number(.infinity)]))
    func mismatch(_ parts: [String], _ change: (inout RunDescription) -> Void) {
      var other = description(
        settings: ["epsilon": 0.5, "steps": 40, "bound": .number(.infinity)])
      change(&other)
      let error = #expect(throws: RunError.self) {
        _ = try RunStore.resume(run, expecting: other)
      }
      #expect(error?.code == .differentSettings)
      for part in parts {
        #expect(error?.description.contains(part) == true, "\(String(describing: error))")
      }
    }
    mismatch(["attack = pgd", "now it is fgsm"]) { $0.attack = "fgsm" }
    mismatch(["settings.epsilon = 0.5", "now it is 0.25"]) { $0.settings["epsilon"] = 0.25 }
    mismatch(["settings.epsilon = 0.5", "now it is absent"]) {
      $0.settings["epsilon"] = nil
      $0.settings["steps"] = 41
    }
    mismatch(["settings.new = absent", "now it is true"]) { $0.settings["new"] = true }
    mismatch(["model_sha256 = ab12", "cd"]) { $0.modelSHA256 = "cd" }
    mismatch(["sample_count = 6", "7"]) { $0.sampleCount = 7 }
    mismatch(["list_sha256"]) { $0.listSHA256 = "" }
    mismatch(["input_shape = [3, 5, 4]", "[3, 4, 5]"]) { $0.inputShape = [3, 4, 5] }
    mismatch(["preprocessing = unit"]) { $0.preprocessing = "tf" }
    mismatch(["seed = 9223372036854775815"]) { $0.seed = 1 }
    mismatch(["precision = canonical", "tf32"]) { $0.precision = "tf32" }
    mismatch(["convolution = direct", "now it is winograd"]) { $0.convolution = "winograd" }
    mismatch(["code_version = 0.1"]) { $0.codeVersion = "0.2" }
    mismatch(["keeps = pictures, array", "array"]) { $0.keeps = .array }
    // All others may differ, and 40.0 was read back as 40.
    let same = description(settings: ["epsilon": 0.5, "steps": 40, "bound": .number(.infinity)])
    #expect(try RunStore.resume(run, expecting: same).finishedIDs == [0, 1])
  }

  @Test func `binds looser arithmetic to its device`() {
    var a = description()
    a.precision = "tf32"
    var b = a
    b.batch = 9
    #expect(a.firstDifference(from: b) == nil)
    b.device = "B"
    #expect(a.firstDifference(from: b)?.name == "device")
  }

  @Test func `reports a missing run and leaves no file behind`() throws {
    defer { scratch.clear() }
    fault(.missing, "holds no run") { _ = try RunStore.resume(run, expecting: description()) }
    #expect(!FileManager.default.fileExists(atPath: run.path))
    fault(.missing, "holds no run") { _ = try RunContents(reading: scratch.url) }
    #expect(paths(scratch.url) == [])
  }

  @Test(arguments: [
    ("", RunError.Code.corrupt), ("{", .corrupt), ("[]", .corrupt),
    ("{\"format_version\": 1}", .corrupt), ("{\"format_version\": 2}", .newerVersion),
  ])
  func `reports a damaged description`(text: String, code: RunError.Code) throws {
    defer { scratch.clear() }
    try makeRun()
    try Data(text.utf8).write(to: run.appending(path: "run.json"))
    fault(code, "run.json") { _ = try RunStore.resume(run, expecting: description()) }
    fault(code, "run.json") { _ = try RunContents(reading: run) }
  }

  @Test(arguments: ["[3, 5]", "[0, 5, 4]", "[1048576, 1048576, 1048576]", "[3, -5, 4]"])
  func `reports impossible shapes`(shape: String) throws {
    defer { scratch.clear() }
    try makeRun()
    let file = run.appending(path: "run.json")
    let text = try String(contentsOf: file, encoding: .utf8)
    let start = try #require(text.range(of: "\"input_shape\" : ["))
    let end = try #require(text.range(of: "]", range: start.upperBound..<text.endIndex))
    let changed = text.replacingCharacters(
      in: start.lowerBound..<end.upperBound, with: "\"input_shape\" : \(shape)")
    try Data(changed.utf8).write(to: file)
    fault(.corrupt, "run.json") { _ = try RunContents(reading: run) }
  }

  /// Changes the database's file and expects an error of both ways to open it.
  private func spoil(
    _ code: RunError.Code, sourceLocation: SourceLocation = #_sourceLocation,
    _ change: (inout Data) -> Void
  ) throws {
    try makeRun()
    let file = run.appending(path: "run.sqlite")
    var data = try Data(contentsOf: file)
    change(&data)
    try data.write(to: file)
    fault(code, "run.sqlite", sourceLocation: sourceLocation) {
      _ = try RunStore.resume(run, expecting: description())
    }
    fault(code, "run.sqlite", sourceLocation: sourceLocation) {
      _ = try RunContents(reading: run)
    }
    #expect(try Data(contentsOf: file) == data, sourceLocation: sourceLocation)
  }

  @Test func `refuses the database of another program`() throws {
    defer { scratch.clear() }
    // Bytes 68 to 71 of SQLite's header hold the program's number.
    try spoil(.foreign) { $0.replaceSubrange(68..<72, with: [0, 0, 0, 0]) }
  }

  @Test func `refuses a file that is no database`() throws {
    defer { scratch.clear() }
    try spoil(.corrupt) { $0.replaceSubrange(0..<16, with: Data("not SQLite at al".utf8)) }
  }

  @Test func `refuses the database of a newer version`() throws {
    defer { scratch.clear() }
    try spoil(.newerVersion) { data in
      var start = data.startIndex
      while let found = data.range(of: Data("1: samples".utf8), in: start..<data.endIndex) {
        data[found.lowerBound] = UInt8(ascii: "9")
        start = found.upperBound
      }
    }
  }

  @Test func `reports a database that was cut short`() throws {
    defer { scratch.clear() }
    try makeRun()
    let file = run.appending(path: "run.sqlite")
    let data = try Data(contentsOf: file)
    try data.prefix(data.count / 2).write(to: file)
    fault(.corrupt, "run.sqlite") { _ = try RunContents(reading: run) }
  }

  @Test func `reports a value of another type`() throws {
    defer { scratch.clear() }
    try makeRun()
    let file = run.appending(path: "run.sqlite")
    var data = try Data(contentsOf: file)
    // SQLite's types of the first row's columns from the name (text of 18 bytes) to l1 and l2 (7, a
    // number of 8 bytes); 28 is a blob of 8 bytes.
    let types: [UInt8] = [49, 1, 1, 0, 1, 9, 9, 9, 9, 1, 7, 7]
    let found = try #require(data.range(of: Data(types)))
    data[found.upperBound - 1] = 28
    try data.write(to: file)
    fault(.corrupt, "run.sqlite", "l2") { _ = try RunContents(reading: run) }
  }

  @Test func `reports a missing or different array`() throws {
    defer { scratch.clear() }
    try makeRun()
    let file = run.appending(path: "adversarial.npy")
    try FileManager.default.removeItem(at: file)
    fault(.unwritable, "adversarial.npy") {
      _ = try RunStore.resume(run, expecting: description())
    }
    try NPY.write([Float(1), 2], shape: [2], to: file)
    fault(.corrupt, "adversarial.npy") { _ = try RunStore.resume(run, expecting: description()) }
  }

  @Test func `reports a place where no folder can be`() throws {
    defer { scratch.clear() }
    let file = scratch.url.appending(path: "file")
    try Data("x".utf8).write(to: file)
    let below = file.appending(path: "run")
    fault(.unwritable, below.path) { _ = try RunStore.create(below, description()) }
    fault(.unreadable, file.path) { _ = try RunStore.create(file, description()) }
  }

  @Test func `reports a folder that must not be written`() async throws {
    defer { scratch.clear() }
    try makeRun()
    let path = run.path
    await #expect(processExitsWith: .success) { [path = path as String] in
      let run = URL(fileURLWithPath: path)
      let parent = run.deletingLastPathComponent()
      for folder in [run, parent] {
        try FileManager.default.setAttributes([.posixPermissions: 0o555], ofItemAtPath: folder.path)
      }
      for name in ["run.lock", "run.sqlite", "run.json"] {
        try FileManager.default.setAttributes(
          [.posixPermissions: 0o444], ofItemAtPath: run.appending(path: name).path)
      }
      // Root may write everything, so the child becomes nobody.
      if geteuid() == 0 { try #require(setuid(65534) == 0) }
      fault(.unwritable, "run.lock", "Permission denied") {
        _ = try RunStore.resume(run, expecting: description())
      }
      fault(.unwritable, "new", "ermission") {
        _ = try RunStore.create(parent.appending(path: "new"), description())
      }
      #expect(try RunContents(reading: run).results.count == 2)
    }
    for folder in [run, scratch.url] {
      try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder.path)
    }
  }
}
