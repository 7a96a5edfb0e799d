public import Foundation

/// A folder of JPEG and PNG files, or a folder of such folders, one a class.
public struct PictureFolder: PictureSource {
  /// Where the labels come from.
  public enum Labels: Hashable, Sendable {
    /// There are none.
    case none
    /// Class folders: the position of the folder in the sorted list. Other pictures have none.
    case automatic
    /// A file of lines `filename,label`, with or without a header.
    case csv(URL)
    /// A `synset_words.txt`: label = line of the class folder's name or, in a folder without class
    /// folders, of what stands before the file name's first `_` (`n01440764_tench.JPEG`).
    case synsets(URL)
  }

  private struct Entry: Sendable {
    let id: String
    let label: Int?
  }

  /// The sizes of every picture.
  public let shape: PictureShape

  private let folder: URL
  private let preprocessing: Preprocessing
  private let entries: [Entry]

  /// Lists a folder: files `.jpg`, `.jpeg`, `.png` in any case, hidden ones left out, sorted by the
  /// bytes of their names.
  ///
  /// Where the preprocessing does not decide the size, the first picture that can be decoded does,
  /// and others of another size are refused when they are read.
  ///
  /// - Parameters:
  ///   - folder: the folder; its sub-folders are classes if it holds no picture itself.
  ///   - labels: where the labels come from.
  ///   - preprocessing: its geometric part is applied.
  ///   - classCount: labels must be below this number.
  ///   - limit: at most the first so many pictures are taken.
  /// - Throws: `DatasetError` when there is no picture, a label is missing or out of range, or
  ///   labels name a file that is not there.
  public init(
    _ folder: URL, labels: Labels = .automatic, preprocessing: Preprocessing = .unit,
    classCount: Int? = nil, limit: Int? = nil
  ) throws(DatasetError) {
    let listing = try Listing(folder)
    let all = listing.files
    guard !all.isEmpty else {
      throw DatasetError(.empty, folder.path, "holds no JPEG or PNG file")
    }
    let taken = all.prefix(limit ?? all.count)
    guard !taken.isEmpty else {
      throw DatasetError(.invalidOption, folder.path, "a limit of 0 leaves no picture")
    }
    let find = try Self.labelling(labels, listing)
    var entries: [Entry] = []
    for id in taken {
      let label = try find(id)
      if let label { try checkLabel(label, id, classCount: classCount) }
      entries.append(Entry(id: id, label: label))
    }
    self.folder = folder
    self.preprocessing = preprocessing
    self.entries = entries
    if let (height, width) = preprocessing.outputSize {
      shape = PictureShape(
        channels: preprocessing.convertsToGrey ? 1 : 3, height: height, width: width)
    } else {
      shape = try Self.firstShape(folder, entries, preprocessing)
    }
  }

  /// The number of pictures.
  public var count: Int { entries.count }

  /// The preprocessing, then name and label of each picture.
  public var provenance: [String] {
    ["folder \(shape) \(preprocessing)"] + entries.map { provenanceLine($0.id, $0.label) }
  }

  /// Reads, decodes, resizes and crops one picture.
  public func sample(at index: Int) throws(DatasetError) -> PictureSample {
    let entry = entries[index]
    let picture = try Self.picture(folder, entry.id, preprocessing)
    guard picture.shape == shape else {
      throw DatasetError(
        .mismatchedShape, entry.id,
        "is \(picture.shape), the others are \(shape); resize or crop to one size")
    }
    return PictureSample(
      index: index, id: entry.id, label: entry.label, pixels: picture.planar(), shape: shape)
  }

  private static func picture(
    _ folder: URL, _ id: String, _ preprocessing: Preprocessing
  ) throws(DatasetError) -> RGBImage {
    let picture = try RGBImage(contentsOf: folder.appending(path: id), name: id)
    return try preprocessing.apply(to: picture, file: id)
  }

  private static func firstShape(
    _ folder: URL, _ entries: [Entry], _ preprocessing: Preprocessing
  ) throws(DatasetError) -> PictureShape {
    var firstError: DatasetError?
    for entry in entries {
      do throws(DatasetError) {
        return try picture(folder, entry.id, preprocessing).shape
      } catch {
        firstError = firstError ?? error
      }
    }
    throw firstError ?? DatasetError(.empty, folder.path, "holds no picture")
  }

  /// The function from a picture's id to its label.
  private static func labelling(
    _ labels: Labels, _ listing: Listing
  ) throws(DatasetError) -> (String) throws(DatasetError) -> Int? {
    switch labels {
    case .none:
      return { _ in nil }
    case .automatic:
      let positions = Dictionary(
        uniqueKeysWithValues: listing.classFolders.enumerated().map { ($1, $0) })
      return { id in id.split(separator: "/").dropLast().first.flatMap { positions[String($0)] } }
    case .csv(let url):
      let table = try CSVTable(url).namedLabels()
      let known = Set(listing.files).union(listing.files.map(fileName))
      for file in table.keys.sorted() where !known.contains(file) {
        throw DatasetError(
          .unknownName, url.lastPathComponent,
          "names \(file), which is not in \(listing.folder.lastPathComponent)")
      }
      return { (id) throws(DatasetError) in
        guard let label = table[id] ?? table[fileName(id)] else {
          throw DatasetError(.missingLabel, id, "has no label in \(url.lastPathComponent)")
        }
        return label
      }
    case .synsets(let url):
      let synsets = try readSynsets(url)
      return { (id) throws(DatasetError) in
        let parts = id.split(separator: "/")
        let word = parts.count > 1 ? parts[0] : id.split(separator: "_").first ?? ""
        guard let label = synsets[String(word)] else {
          throw DatasetError(.missingLabel, id, "'\(word)' is not in \(url.lastPathComponent)")
        }
        return label
      }
    }
  }
}

/// What stands after the last slash.
private func fileName(_ id: String) -> String {
  id.split(separator: "/").last.map(String.init) ?? id
}

/// The pictures of a folder, or of its sub-folders.
private struct Listing {
  let folder: URL
  let classFolders: [String]
  let files: [String]

  init(_ folder: URL) throws(DatasetError) {
    self.folder = folder
    let names = try Self.names(folder)
    let pictures = names.filter(Self.isPicture)
    guard pictures.isEmpty else {
      classFolders = []
      files = pictures
      return
    }
    var classFolders: [String] = []
    var files: [String] = []
    for name in names {
      let child = folder.appending(path: name)
      guard isFolder(child) else { continue }
      classFolders.append(name)
      files += try Self.names(child).filter(Self.isPicture).map { "\(name)/\($0)" }
    }
    self.classFolders = classFolders
    self.files = files
  }

  private static func names(_ folder: URL) throws(DatasetError) -> [String] {
    do {
      return try FileManager.default.contentsOfDirectory(atPath: folder.path)
        .filter { !$0.hasPrefix(".") }
        .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    } catch {
      throw DatasetError(.inaccessible, folder.path, "cannot be listed")
    }
  }

  private static func isPicture(_ name: String) -> Bool {
    let name = name.lowercased()
    return [".jpg", ".jpeg", ".png"].contains { name.hasSuffix($0) }
  }
}

/// Whether a folder lies at this place, or a link to one.
func isFolder(_ url: URL) -> Bool {
  var isDirectory: ObjCBool = false
  let exists = unsafe FileManager.default.fileExists(atPath: url.path, isDirectory: &isDirectory)
  return exists && isDirectory.boolValue
}

extension RGBImage {
  /// Reads and decodes a JPEG or PNG file to RGB; what it is is told from its first bytes, since
  /// ImageNet holds PNG files under JPEG names.
  ///
  /// - Parameters:
  ///   - url: the file.
  ///   - name: what it is called in errors; its last path component if `nil`.
  /// - Throws: `DatasetError` when it cannot be read or is neither, truncated or damaged.
  public init(contentsOf url: URL, name: String? = nil) throws(DatasetError) {
    let name = name ?? url.lastPathComponent
    let bytes = try readFile(url, limit: 1 << 29)
    if bytes.starts(with: PNG.signature) {
      self = try PNG.decode(bytes, file: name)
    } else if bytes.starts(with: [0xFF, 0xD8]) {
      self = try JPEG.decode(bytes, file: name)
    } else {
      throw DatasetError(.corrupt, name, "is neither a JPEG nor a PNG file (\(bytes.count) bytes)")
    }
  }
}
