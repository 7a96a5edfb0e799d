import Foundation

/// What a check needs of the Python world: packages that another project wrote.
public enum Python {
  /// The interpreter: `BLINDSPOT_PYTHON`, or python3.
  public static let command = ProcessInfo.processInfo.environment["BLINDSPOT_PYTHON"] ?? "python3"

  /// Standard output of a command line, nil when it failed.
  public static func output(_ arguments: [String]) -> String? {
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
  public static let hasRuntime = output(["-c", "import onnx, onnxruntime"]) != nil
}
