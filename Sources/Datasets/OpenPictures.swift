public import Foundation

/// Which part of a data set that comes in two parts.
public enum DatasetSplit: String, Hashable, Sendable, CaseIterable {
  /// The pictures for training.
  case train
  /// The pictures for testing.
  case test
}

/// Opens whatever pictures lie at a path.
///
/// A folder is searched for MNIST's IDX files (`t10k-*`, `train-*`), CIFAR-10's `.bin` files
/// (`test_batch.bin`, `data_batch_*.bin`), then pictures or class folders. A file is read as
/// `.npy`, CIFAR-10 (`.bin`) or IDX (`.idx`, `-ubyte`) by its name, also with `.gz` after it where
/// the format allows; the labels of an IDX file are looked for beside it.
///
/// - Parameters:
///   - path: a folder or a file.
///   - labels: labels that go with it: CSV, `.npy`, IDX, or a `synset_words.txt` for pictures with
///     ImageNet names; `nil` for those the data bring along, if any.
///   - preprocessing: its geometric part is applied to pictures, IDX and CIFAR-10; arrays must have
///     the size it leads to.
///   - classCount: labels must be below this number.
///   - limit: at most the first so many pictures are taken.
///   - split: which part of MNIST or CIFAR-10 is taken from a folder.
/// - Throws: `DatasetError` when nothing there can be read or labels do not fit.
public func openPictures(
  _ path: URL, labels: URL? = nil, preprocessing: Preprocessing = .unit, classCount: Int? = nil,
  limit: Int? = nil, split: DatasetSplit = .test
) throws(DatasetError) -> any PictureSource {
  if let limit, limit < 1 {
    throw DatasetError(.invalidOption, "--limit", "\(limit) pictures cannot be taken")
  }
  if isFolder(path) {
    return try openFolder(path, labels, preprocessing, classCount, limit, split)
  }
  guard FileManager.default.fileExists(atPath: path.path) else {
    throw DatasetError(.inaccessible, path.path, "there is no such file or folder")
  }
  let name = path.lastPathComponent.lowercased()
  let stem = name.hasSuffix(".gz") ? String(name.dropLast(3)) : name
  if name.hasSuffix(".npy") {
    return try NPYPictures(
      path, labels: labels, preprocessing: preprocessing, classCount: classCount, limit: limit)
  }
  if stem.hasSuffix(".bin") {
    return try openCIFAR([path], labels, preprocessing, classCount, limit)
  }
  if stem.hasSuffix("-ubyte") || stem.hasSuffix(".idx") {
    return try IDXPictures(
      images: path, labels: labels ?? labelFile(beside: path), preprocessing: preprocessing,
      classCount: classCount, limit: limit)
  }
  throw DatasetError(
    .unsupported, path.path,
    "is none of: a folder, .npy, .idx or -ubyte (.gz), CIFAR-10's .bin")
}

private func openFolder(
  _ folder: URL, _ labels: URL?, _ preprocessing: Preprocessing, _ classCount: Int?, _ limit: Int?,
  _ split: DatasetSplit
) throws(DatasetError) -> any PictureSource {
  let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
  let prefix = split == .test ? "t10k-images" : "train-images"
  let images = names.filter { $0.hasPrefix(prefix) }.min().map { folder.appending(path: $0) }
  if let images {
    return try IDXPictures(
      images: images, labels: labels ?? labelFile(beside: images), preprocessing: preprocessing,
      classCount: classCount, limit: limit)
  }
  let batches = names.filter {
    $0.hasSuffix(".bin") && $0.hasPrefix(split == .test ? "test_batch" : "data_batch")
  }
  if !batches.isEmpty {
    return try openCIFAR(
      batches.sorted().map { folder.appending(path: $0) }, labels, preprocessing, classCount, limit)
  }
  let kind: PictureFolder.Labels =
    switch labels?.pathExtension.lowercased() {
    case nil: .automatic
    case "txt": labels.map { .synsets($0) } ?? .automatic
    default: labels.map { .csv($0) } ?? .automatic
    }
  return try PictureFolder(
    folder, labels: kind, preprocessing: preprocessing, classCount: classCount, limit: limit)
}

private func openCIFAR(
  _ files: [URL], _ labels: URL?, _ preprocessing: Preprocessing, _ classCount: Int?, _ limit: Int?
) throws(DatasetError) -> CIFARPictures {
  if let labels {
    throw DatasetError(
      .invalidOption, labels.lastPathComponent, "CIFAR-10 files bring their own labels")
  }
  return try CIFARPictures(
    files, preprocessing: preprocessing, classCount: classCount ?? 10, limit: limit)
}

/// `t10k-labels-idx1-ubyte.gz` for `t10k-images-idx3-ubyte.gz`, with or without `.gz`, if it
/// exists.
private func labelFile(beside images: URL) -> URL? {
  let name = images.lastPathComponent
    .replacing("images", with: "labels").replacing("idx3", with: "idx1")
  guard name != images.lastPathComponent else { return nil }
  let stem = name.hasSuffix(".gz") ? String(name.dropLast(3)) : name
  return [name, stem, stem + ".gz"]
    .map { images.deletingLastPathComponent().appending(path: $0) }
    .first { FileManager.default.fileExists(atPath: $0.path) }
}
