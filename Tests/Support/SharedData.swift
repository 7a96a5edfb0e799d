public import Foundation

/// Real data beside the project: the folder `BLINDSPOT_DATA` names, or `../shared/data`.
public enum SharedData {
  /// The package's root folder.
  public static let packageRoot = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// The data folder, whether it exists or not.
  public static var folder: URL {
    if let path = ProcessInfo.processInfo.environment["BLINDSPOT_DATA"] {
      return URL(fileURLWithPath: path)
    }
    return packageRoot.deletingLastPathComponent().appending(path: "shared/data")
  }

  /// Whether the data is there; tests that need it are skipped, with a reason, when it is not.
  public static var isPresent: Bool {
    FileManager.default.fileExists(atPath: folder.appending(path: "SOURCES.md").path)
  }

  /// A file or folder of the data.
  public static func file(_ path: String) -> URL { folder.appending(path: path) }
}
