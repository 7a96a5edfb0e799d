public import Foundation

/// A run as it lies in its folder, finished or not: for reports and exports.
public struct RunContents: Sendable {
  /// What the run was made with.
  public let description: RunDescription

  /// The results of the finished samples, by ascending id.
  public let results: [SampleResult]

  /// Reads a run; another process may be writing it.
  ///
  /// Nothing is changed, except that a transaction a killed process left is rolled back.
  ///
  /// - Throws: `missing`, `corrupt`, `foreign`, `newerVersion`, `unreadable` or `locked`.
  public init(reading folder: URL) throws(RunError) {
    let place = RunFolder(folder)
    description = try RunDescription(reading: place.description)
    do throws(RunError) {
      results = try RunDatabase(place.database, for: .reading).results(in: nil)
    } catch {
      // SQLite refuses to roll back through an opening for reading only.
      guard error.code == .unwritable || error.code == .unreadable else { throw error }
      let lock = try RunLock(place.lock)
      results = try withExtendedLifetime(lock) { () throws(RunError) in
        try RunDatabase(place.database, for: .writing).results(in: nil)
      }
    }
  }

  /// The figures over the finished samples.
  public var summary: RunSummary { RunSummary(results: results) }
}
