import Digests
public import Foundation

/// Compiled programs on disk, keyed by everything that their meaning depends on.
///
/// A bad, missing or foreign entry is a miss, never an error; a full disk only costs the speed.
public struct ProgramCache: Sendable {
  /// The folder of the entries, or nil for no cache.
  public let folder: URL?

  /// A cache in a folder, which is made when the first entry is stored; nil for no cache.
  public init(folder: URL?) { self.folder = folder }

  /// No cache: every program is compiled.
  public static let none = ProgramCache(folder: nil)

  /// The user's cache: the folder that `BLINDSPOT_CACHE` names (`off` for none), or
  /// `blindspot` in `XDG_CACHE_HOME` or `~/.cache`.
  public static func standard() -> ProgramCache {
    let environment = ProcessInfo.processInfo.environment
    if let path = environment["BLINDSPOT_CACHE"] {
      return ProgramCache(folder: path == "off" || path.isEmpty ? nil : URL(fileURLWithPath: path))
    }
    let base =
      environment["XDG_CACHE_HOME"].map { URL(fileURLWithPath: $0) }
      ?? FileManager.default.homeDirectoryForCurrentUser.appending(path: ".cache")
    return ProgramCache(folder: base.appending(path: "blindspot"))
  }

  var isEnabled: Bool { folder != nil }

  /// Bumped when the meaning of an entry changes.
  private static let format = "blindspot program 1\n"

  /// The key of what a device makes of a source with options.
  public func key(source: String, options: String, device: Device) -> String {
    let parts = [
      Self.format, source, options, device.name, device.version, device.driverVersion,
      device.platformName, device.platformVersion,
    ]
    return SHA256.hexDigest(of: Array(parts.joined(separator: "\u{0}").utf8))
  }

  private func entry(_ key: String) -> URL? { folder?.appending(path: key + ".program") }

  /// An entry's bytes; nil when there is none or it is damaged.
  ///
  /// An entry is the format line, the digest of the bytes, a line feed, and the bytes.
  public func load(_ key: String) -> [UInt8]? {
    guard let entry = entry(key), let data = try? Data(contentsOf: entry) else { return nil }
    let header = Self.format.utf8.count + 65
    guard data.count > header, data.starts(with: Array(Self.format.utf8)) else { return nil }
    let digest = data.dropFirst(Self.format.utf8.count).prefix(64)
    let binary = Array(data.dropFirst(header))
    guard Array(digest) == Array(SHA256.hexDigest(of: binary).utf8) else { return nil }
    return binary
  }

  /// Keeps an entry's bytes; nothing happens where that cannot be.
  public func store(_ binary: [UInt8], for key: String) {
    guard let folder, let entry = entry(key) else { return }
    try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let bytes = Array((Self.format + SHA256.hexDigest(of: binary) + "\n").utf8) + binary
    // .atomic writes to a temporary name and renames: a reader never sees half an entry.
    try? Data(bytes).write(to: entry, options: .atomic)
  }
}
