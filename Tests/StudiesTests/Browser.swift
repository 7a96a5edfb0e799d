import Foundation

/// Chromium without a window, told what to do by the DevTools protocol over a pair of pipes.
///
/// It belongs to one thread, and every call waits for the answer. The process ends with the object.
final class Browser {
  /// The program: `BLINDSPOT_BROWSER`, or Chromium under one of its names on the search path.
  static let executable: URL? = {
    let environment = ProcessInfo.processInfo.environment
    if let path = environment["BLINDSPOT_BROWSER"] { return URL(fileURLWithPath: path) }
    let folders = (environment["PATH"] ?? "").split(separator: ":").map(String.init)
    return ["chromium", "chromium-browser", "google-chrome"].lazy
      .flatMap { name in folders.map { URL(fileURLWithPath: $0).appending(path: name) } }
      .first { FileManager.default.isExecutableFile(atPath: $0.path) }
  }()

  /// Whether pages are to be looked at: a machine that checks changes fails without the program.
  static let isWanted = executable != nil || ProcessInfo.processInfo.environment["CI"] != nil

  /// Why there is no answer.
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  private let process = Process()
  private let commands = Pipe()
  private let answers = Pipe()
  private let profile = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
  private var received = Data()
  private var lastID = 0
  private var session: String?

  /// Starts the program with an empty tab.
  ///
  /// - Parameter limit: Seconds after which the program is ended, whatever it does.
  /// - Throws: `Failure` when it is not there or does not answer.
  init(limit: Double = 60) throws {
    guard let executable = Self.executable else { throw Failure(description: "no Chromium") }
    try FileManager.default.createDirectory(at: profile, withIntermediateDirectories: true)
    // The protocol's pipes are descriptors 3 and 4, which Process does not hand on.
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments =
      ["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null", "sh", executable.path]
      + [
        "--headless", "--remote-debugging-pipe", "--user-data-dir=\(profile.path)",
        // Its sandbox does not work as root or in a container; the pages are our own.
        "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions",
        "--disable-background-networking", "--no-first-run", "--hide-scrollbars", "about:blank",
      ]
    process.standardInput = commands
    process.standardOutput = answers
    process.standardError = FileHandle.nullDevice
    // A program that has ended must be an error of the next call, not the end of the tests.
    signal(SIGPIPE, SIG_IGN)
    try process.run()
    let process = process
    DispatchQueue.global().asyncAfter(deadline: .now() + limit) {
      if process.isRunning { process.terminate() }
    }
    let target = try call("Target.createTarget", ["url": "about:blank"])
    session =
      try call(
        "Target.attachToTarget", ["targetId": target["targetId"] ?? "", "flatten": true])[
        "sessionId"] as? String
    try call("Page.enable")
  }

  deinit {
    if process.isRunning { process.terminate() }
    process.waitUntilExit()
    try? FileManager.default.removeItem(at: profile)
  }

  /// Opens a page and waits until all of it is loaded.
  ///
  /// - Parameters:
  ///   - page: A file.
  ///   - width: The screen's width in CSS pixels.
  ///   - isPhone: Whether pages are laid out as on a phone, which obeys `<meta name="viewport">`.
  ///   - medium: The medium of the style: `screen` or `print`.
  func open(_ page: URL, width: Int, isPhone: Bool = false, medium: String = "screen") throws {
    try call(
      "Emulation.setDeviceMetricsOverride",
      ["width": width, "height": 800, "deviceScaleFactor": 1, "mobile": isPhone])
    try call("Emulation.setEmulatedMedia", ["media": medium])
    try call("Page.navigate", ["url": page.absoluteString])
    while try receive()["method"] as? String != "Page.loadEventFired" {}
  }

  /// What an expression of JavaScript, or the promise it makes, comes to.
  func evaluate(_ expression: String) throws -> Any? {
    let answer = try call(
      "Runtime.evaluate",
      ["expression": expression, "awaitPromise": true, "returnByValue": true])
    if let exception = answer["exceptionDetails"] { throw Failure(description: "\(exception)") }
    return (answer["result"] as? [String: Any])?["value"]
  }

  /// The open page on paper of a size in inches, as the bytes of a PDF file.
  func print(width: Double, height: Double, margin: Double) throws -> Data {
    let answer = try call(
      "Page.printToPDF",
      [
        "paperWidth": width, "paperHeight": height, "marginTop": margin, "marginBottom": margin,
        "marginLeft": margin, "marginRight": margin, "printBackground": true,
      ])
    guard let text = answer["data"] as? String, let data = Data(base64Encoded: text) else {
      throw Failure(description: "a PDF that is no base64")
    }
    return data
  }

  /// Sends a command and waits for its answer; events in between are dropped.
  @discardableResult
  private func call(
    _ method: String, _ parameters: [String: Any] = [:]
  ) throws -> [String: Any] {
    lastID += 1
    var message: [String: Any] = ["id": lastID, "method": method, "params": parameters]
    message["sessionId"] = session
    try commands.fileHandleForWriting.write(
      contentsOf: try JSONSerialization.data(withJSONObject: message) + [0])
    while true {
      let answer = try receive()
      guard answer["id"] as? Int == lastID else { continue }
      if let error = answer["error"] { throw Failure(description: "\(method): \(error)") }
      return answer["result"] as? [String: Any] ?? [:]
    }
  }

  /// The next message; a zero byte ends it.
  private func receive() throws -> [String: Any] {
    while true {
      if let end = received.firstIndex(of: 0) {
        let message = received[..<end]
        received = Data(received[(end + 1)...])
        return try JSONSerialization.jsonObject(with: message) as? [String: Any] ?? [:]
      }
      let more = answers.fileHandleForReading.availableData
      guard !more.isEmpty else { throw Failure(description: "Chromium has ended") }
      received += more
    }
  }
}
