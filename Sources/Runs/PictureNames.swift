/// The paths of adversarial pictures within a run: the samples' names, made safe.
struct PictureNames {
  /// The folder of pictures that fool the network as they are.
  static let folder = "adversarial"
  /// The folder of pictures that fool it in float, but not when read back from 8 bits.
  static let floatOnlyFolder = "adversarial_float_only"

  /// The owners of paths, in lower case: some file systems do not tell the cases apart.
  private var owners: [String: Int] = [:]

  /// Marks a path as a sample's.
  mutating func claim(_ path: String, for id: Int) { owners[path.lowercased()] = id }

  /// A path for a sample: its name without the ending of a picture's file, under `folder`; where
  /// another sample has that path, the id is appended.
  mutating func path(for id: Int, name: String, fools: Bool) -> String {
    let folder = fools ? Self.folder : Self.floatOnlyFolder
    let stem = Self.stem(name, id: id)
    var path = "\(folder)/\(stem).png"
    while let owner = owners[path.lowercased()], owner != id {
      path = "\(path.dropLast(4))-\(id).png"
    }
    claim(path, for: id)
    return path
  }

  /// The name as a relative path that stays within its folder: separators kept, so that class folders
  /// still label the pictures; "..", hidden and empty components and odd characters replaced.
  static func stem(_ name: String, id: Int) -> String {
    let components = name.split(separator: "/").map { component in
      var text = String(
        component.map { $0.isLetter || $0.isNumber || "-_.,+ ()".contains($0) ? $0 : "_" })
      if text.hasPrefix(".") { text = "_" + text.dropFirst() }
      // File systems end at 255 bytes; the ending, a temporary name and an id need room too.
      while text.utf8.count > 180 { text.removeLast() }
      return text
    }
    guard var last = components.last else { return "\(id)" }
    for ending in [".jpeg", ".jpg", ".png"]
    where last.lowercased().hasSuffix(ending) && last.count > ending.count {
      last.removeLast(ending.count)
      break
    }
    return (components.dropLast().suffix(8) + [last]).joined(separator: "/")
  }

  /// The folder of a path, relative to the run's folder.
  static func parent(of path: String) -> String {
    path.split(separator: "/").dropLast().joined(separator: "/")
  }

  /// Whether a path read from a file lies in one of the two folders.
  static func isSafe(_ path: String) -> Bool {
    let components = path.split(separator: "/", omittingEmptySubsequences: false)
    return components.count > 1 && [folder, floatOnlyFolder].contains(String(components[0]))
      && !components.contains { $0.isEmpty || $0 == "." || $0 == ".." }
  }
}
