import Foundation

/// What a check needs of the Python world: packages that another project wrote.
enum Python {
  /// The interpreter: `BLINDSPOT_PYTHON`, or python3.
  static let command = ProcessInfo.processInfo.environment["BLINDSPOT_PYTHON"] ?? "python3"

  /// Standard output of a command line, nil when it failed.
  static func output(_ arguments: [String]) -> String? {
    let process = Process()
    let pipe = Pipe()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [command] + arguments
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    do { try process.run() } catch { return nil }
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { return nil }
    return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
  }

  /// Whether onnxruntime and the onnx package can be imported.
  static let hasRuntime = output(["-c", "import onnx, onnxruntime"]) != nil
}

/// The test data that the onnx package carries: `BLINDSPOT_ONNX_DATA`, or asked of Python.
enum PackageData {
  static let folder: URL? = {
    let path =
      ProcessInfo.processInfo.environment["BLINDSPOT_ONNX_DATA"]
      ?? Python.output([
        "-c",
        "import os, onnx; print(os.path.join(os.path.dirname(onnx.__file__), 'backend/test/data'))",
      ])
    guard let path, FileManager.default.fileExists(atPath: path + "/light") else { return nil }
    return URL(fileURLWithPath: path)
  }()

  static var isPresent: Bool { folder != nil }

  static func file(_ path: String) -> URL {
    (folder ?? URL(fileURLWithPath: "/nowhere")).appending(path: path)
  }
}

/// A folder that is removed with the value.
final class TemporaryFolder: Sendable {
  let url = FileManager.default.temporaryDirectory
    .appending(path: "model-files-\(UUID().uuidString)")

  init() throws {
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }
}
