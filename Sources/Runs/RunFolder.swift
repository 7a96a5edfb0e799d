import Foundation

/// The places of a run's files.
struct RunFolder {
  let url: URL

  init(_ url: URL) { self.url = url }

  var description: URL { url.appending(path: "run.json") }
  var database: URL { url.appending(path: "run.sqlite") }
  var lock: URL { url.appending(path: "run.lock") }
  var array: URL { url.appending(path: "adversarial.npy") }
  func file(_ path: String) -> URL { url.appending(path: path) }

  /// What a run consists of, the lock apart; the description is first, so that a removal that is cut
  /// short leaves no run that looks whole.
  static let contents = [
    "run.json", "run.sqlite", "run.sqlite-journal", "adversarial.npy", PictureNames.folder,
    PictureNames.floatOnlyFolder,
  ]

  /// The temporary files of a folder: what a killed process left of files it was writing.
  static func temporaries(_ names: [String]) -> [String] {
    names.filter { $0.hasPrefix(".") && $0.hasSuffix(".part") }
  }

  /// Checks that a new run may take this folder.
  ///
  /// - Throws: `exists` for a run without `overwrite`, and for a folder of anything else always.
  func checkVacant(overwrite: Bool) throws(RunError) {
    guard let names = try RunFile.names(in: url), !names.isEmpty else { return }
    let own = Set(Self.contents + ["run.lock"] + Self.temporaries(names))
    let isRun = names.contains("run.json") && names.contains("run.sqlite")
    if isRun {
      guard overwrite else {
        throw RunError(.exists, url.path, "holds a run already; resume it or overwrite it")
      }
      return
    }
    // The lock comes first in a new run: with it and nothing strange, a creation was cut short.
    guard names.contains("run.lock"), own.isSuperset(of: names) else {
      throw RunError(.exists, url.path, "is not empty and holds no run")
    }
  }

  /// Removes what a run consists of, but for the lock.
  func removeContents() throws(RunError) {
    for name in Self.contents { try RunFile.remove(file(name)) }
    for name in Self.temporaries(try RunFile.names(in: url) ?? []) {
      try RunFile.remove(file(name))
    }
  }
}
