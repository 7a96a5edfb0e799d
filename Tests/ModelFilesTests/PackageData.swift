import Foundation
import Support

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
