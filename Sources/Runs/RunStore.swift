import Datasets
public import Foundation
import Synchronization

/// A finished sample: its result, and the adversarial picture where there is one.
public struct FinishedSample: Sendable {
  /// The row.
  public let result: SampleResult

  /// The adversarial picture in float, planes `[C, H, W]` in [0, 1]; nil where there is none.
  public let adversarial: [Float]?

  /// The adversarial picture in 8 bits, planes `[C, H, W]`, rounded as the attack found that it still
  /// fools; nil to round `adversarial` to the nearest levels.
  public let picture: [UInt8]?

  /// A finished sample; the pictures are kept for successes only, in float or in 8 bits.
  public init(result: SampleResult, adversarial: [Float]? = nil, picture: [UInt8]? = nil) {
    self.result = result
    self.adversarial = adversarial
    self.picture = picture
  }
}

/// The results of an attack in a folder, safe against being killed at any moment.
///
/// The folder holds
/// - `run.json`: the description, complete from the start;
/// - `run.sqlite`: one row a finished sample in the table `samples`, and a row a start of the attack in
///   `sessions`;
/// - `adversarial.npy`: `[N, C, H, W]` float32, sample i at place i; NaN where no adversarial picture
///   is known (yet);
/// - `adversarial/NAME.png`: the pictures in 8 bits that fool the network as they are;
/// - `adversarial_float_only/NAME.png`: those that fool it only before rounding (`picture_fools` is 0);
/// - `run.lock`: the number of the process that writes, locked while it does.
///
/// The pictures of a sample are on the disk before its row is committed, so a row that is there has
/// its pictures whole. What a killed process left half-done is removed by `resume`.
public final class RunStore: Sendable {
  /// The run's folder.
  public let folder: URL

  /// What the run was made with; after resuming, the description of the first start.
  public let description: RunDescription

  private struct State {
    var finished: Set<Int>
    var names: PictureNames
  }

  private let shape: PictureShape
  private let lock: RunLock
  private let database: RunDatabase
  private let array: NPYPictureWriter?
  private let state: Mutex<State>

  private init(
    _ folder: RunFolder, _ description: RunDescription, _ shape: PictureShape, _ lock: RunLock,
    _ database: RunDatabase, _ array: NPYPictureWriter?
  ) throws(RunError) {
    self.folder = folder.url
    self.description = description
    self.shape = shape
    self.lock = lock
    self.database = database
    self.array = array
    var finished: Set<Int> = []
    var names = PictureNames()
    for (id, picture) in try database.finished() {
      guard 0..<description.sampleCount ~= id else {
        throw RunError(
          .corrupt, folder.database.path,
          "holds sample \(id) of a run of \(description.sampleCount) samples")
      }
      finished.insert(id)
      if let picture { names.claim(picture, for: id) }
    }
    state = Mutex(State(finished: finished, names: names))
  }

  /// Begins a run.
  ///
  /// - Parameters:
  ///   - folder: is created where it does not exist; otherwise it is to be empty or, with `overwrite`,
  ///     to hold a run.
  ///   - description: is written to `run.json`.
  ///   - overwrite: removes the run that is there, its pictures too.
  /// - Precondition: the description's shape is positive; PNG needs 1 or 3 channels, pictures of
  ///   others are kept in the array only.
  /// - Throws: `exists`, `locked`, or `unwritable`, also where the space for the array is lacking;
  ///   what was created is removed again.
  public static func create(
    _ folder: URL, _ description: RunDescription, overwrite: Bool = false
  ) throws(RunError) -> RunStore {
    guard let shape = description.pictureShape else {
      preconditionFailure("pictures of shape \(description.inputShape)")
    }
    let place = RunFolder(folder)
    try place.checkVacant(overwrite: overwrite)
    let wasThere = try RunFile.names(in: folder) != nil
    try RunFile.createFolder(folder)
    let lock: RunLock
    do throws(RunError) {
      lock = try RunLock(place.lock)
    } catch {
      if !wasThere { unsafe rmdir(folder.path) }
      throw error
    }
    // Another process may have begun a run between the first look and the lock.
    try place.checkVacant(overwrite: overwrite)
    try place.removeContents()
    do throws(RunError) {
      let array =
        description.keeps.contains(.array)
        ? try newArray(place.array, count: description.sampleCount, shape: shape) : nil
      let database = try RunDatabase(place.database, for: .creating)
      try database.beginSession(description, at: description.createdAt)
      try description.write(to: place.description)
      return try RunStore(place, description, shape, lock, database, array)
    } catch {
      try? place.removeContents()
      try? RunFile.remove(place.lock)
      if !wasThere { unsafe rmdir(folder.path) }
      throw error
    }
  }

  /// Goes on with a run: `finishedIDs` says which samples need no more work.
  ///
  /// - Parameters:
  ///   - folder: the run's folder.
  ///   - description: the run as it would be begun now.
  /// - Throws: `missing`, `locked`, `differentSettings` with the first setting that differs and both
  ///   values, `corrupt`, `foreign`, `newerVersion`, `unreadable` or `unwritable`.
  public static func resume(
    _ folder: URL, expecting description: RunDescription
  ) throws(RunError) -> RunStore {
    let place = RunFolder(folder)
    // Read first: a folder without a run gets no lock file.
    _ = try RunDescription(reading: place.description)
    let lock = try RunLock(place.lock)
    let stored = try RunDescription(reading: place.description)
    if let difference = stored.firstDifference(from: description) {
      throw RunError(
        .differentSettings, place.description.path,
        "the run was made with \(difference.name) = \(difference.value), "
          + "now it is \(difference.other)")
    }
    guard let shape = stored.pictureShape else {
      throw RunError(.corrupt, place.description.path, "is damaged (\(stored.inputShape))")
    }
    let database = try RunDatabase(place.database, for: .writing)
    let array =
      stored.keeps.contains(.array)
      ? try writing(in: folder.path) { () throws(DatasetError) in
        try NPYPictureWriter(resuming: place.array, count: stored.sampleCount, shape: shape)
      } : nil
    let store = try RunStore(place, stored, shape, lock, database, array)
    try store.removeUnfinished(try database.inFlight())
    try database.clearInFlight()
    try database.beginSession(description, at: Date())
    return store
  }

  /// The samples that are finished.
  public var finishedIDs: Set<Int> { state.withLock { $0.finished } }

  /// The number of samples that are finished.
  public var finishedCount: Int { state.withLock { $0.finished.count } }

  /// Adds finished samples: all of them are in the run when this returns, none where it throws.
  ///
  /// One call waits for the disk a few times, whatever the number of samples, and once a picture;
  /// the samples that finish in one step of an attack should come in one call. Calls from several
  /// threads wait for each other.
  ///
  /// - Precondition: each id lies within the run and is not finished; pictures have the run's shape.
  /// - Throws: `unwritable` where the disk refuses; what was written of the pictures is removed.
  public func append(_ samples: [FinishedSample]) throws(RunError) {
    guard !samples.isEmpty else { return }
    try state.withLock { (state) throws(RunError) in
      var ids = state.finished
      for sample in samples {
        let id = sample.result.id
        precondition(0..<description.sampleCount ~= id, "sample \(id) is not of this run")
        precondition(ids.insert(id).inserted, "sample \(id) is finished already")
        precondition(
          sample.adversarial.map { $0.count == shape.count } ?? true
            && sample.picture.map { $0.count == shape.count } ?? true,
          "the picture of sample \(id) is not \(shape)")
      }
      var names = state.names
      let rows = samples.map { row($0, &names) }
      let flight = rows.map { RunDatabase.InFlight(id: $0.id, picture: $0.picture) }
      let writesPictures = zip(rows, samples).contains { row, sample in
        row.picture != nil || (array != nil && isKept(sample) && sample.adversarial != nil)
      }
      if writesPictures { try database.announce(flight) }
      do throws(RunError) {
        if writesPictures { try writePictures(of: samples, rows) }
        try database.commit(rows)
      } catch {
        // The disk refused; what cannot be undone now is undone when the run is resumed.
        if writesPictures, (try? removeUnfinished(flight)) != nil { try? database.clearInFlight() }
        throw error
      }
      state = State(finished: ids, names: names)
    }
  }

  /// The results of all finished samples, or of those in a range of ids, by ascending id.
  ///
  /// - Throws: `unreadable` or `corrupt`.
  public func results(in ids: Range<Int>? = nil) throws(RunError) -> [SampleResult] {
    try database.results(in: ids)
  }

  /// The figures over the samples that are finished.
  ///
  /// - Throws: `unreadable` or `corrupt`.
  public func summary() throws(RunError) -> RunSummary {
    RunSummary(results: try results())
  }

  /// An array of NaN, with all its space taken, so that a disk too small shows before the attack.
  private static func newArray(
    _ url: URL, count: Int, shape: PictureShape
  ) throws(RunError) -> NPYPictureWriter {
    try writing(in: url.deletingLastPathComponent().path) { () throws(DatasetError) in
      let array = try NPYPictureWriter(creating: url, count: count, shape: shape)
      let none = [Float](repeating: .nan, count: shape.count)
      for index in 0..<count { try array.write(none, at: index) }
      try array.synchronize()
      return array
    }
  }

  private func isKept(_ sample: FinishedSample) -> Bool {
    sample.result.success || sample.result.success8Bit
  }

  /// The sample's row, with the path of its PNG if it gets one.
  private func row(_ sample: FinishedSample, _ names: inout PictureNames) -> SampleResult {
    var row = sample.result
    row.picture = nil
    row.pictureFools = nil
    if description.keeps.contains(.pictures), [1, 3].contains(shape.channels), isKept(sample),
      sample.picture != nil || sample.adversarial != nil
    {
      row.picture = names.path(for: row.id, name: row.name, fools: row.success8Bit)
      row.pictureFools = row.success8Bit
    }
    return row
  }

  private func writePictures(
    of samples: [FinishedSample], _ rows: [SampleResult]
  ) throws(RunError) {
    var folders: Set<String> = []
    for (sample, row) in zip(samples, rows) {
      if let array, isKept(sample), let adversarial = sample.adversarial {
        try writing(in: folder.path) { () throws(DatasetError) in
          try array.write(adversarial, at: row.id)
        }
      }
      guard let path = row.picture else { continue }
      let parent = PictureNames.parent(of: path)
      if folders.insert(parent).inserted {
        try RunFile.createFolder(folder.appending(path: parent))
      }
      let image: RGBImage
      if let picture = sample.picture {
        image = RGBImage(planarBytes: picture, shape: shape)
      } else if let adversarial = sample.adversarial {
        image = RGBImage(planar: adversarial, shape: shape)
      } else {
        continue
      }
      try writing(in: folder.path) { () throws(DatasetError) in
        try PNG.write(image, to: folder.appending(path: path))
      }
    }
    if let array {
      try writing(in: folder.path) { () throws(DatasetError) in try array.synchronize() }
    }
    for parent in folders.sorted() {
      RunFile.synchronize(folder: folder.appending(path: parent))
    }
  }

  /// Takes back the pictures of samples that have no row.
  private func removeUnfinished(_ samples: [RunDatabase.InFlight]) throws(RunError) {
    let none = [Float](repeating: .nan, count: samples.isEmpty ? 0 : shape.count)
    var parents: Set<String> = []
    for sample in samples where 0..<description.sampleCount ~= sample.id {
      if let array {
        try writing(in: folder.path) { () throws(DatasetError) in
          try array.write(none, at: sample.id)
        }
      }
      if let picture = sample.picture, PictureNames.isSafe(picture) {
        try RunFile.remove(folder.appending(path: picture))
        parents.insert(PictureNames.parent(of: picture))
      }
    }
    for parent in parents.sorted() {
      let url = folder.appending(path: parent)
      for name in RunFolder.temporaries(try RunFile.names(in: url) ?? []) {
        try RunFile.remove(url.appending(path: name))
      }
    }
    if !samples.isEmpty, let array {
      try writing(in: folder.path) { () throws(DatasetError) in try array.synchronize() }
    }
  }
}
