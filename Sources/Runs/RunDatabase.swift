import Foundation
import GRDB

/// The table of a run: one row a finished sample, in SQLite with a rollback journal.
///
/// A transaction is on the disk when `commit` returns (`synchronous` is FULL); a process that is
/// killed leaves at most a journal, which the next opening rolls back.
struct RunDatabase: Sendable {
  /// The number in SQLite's header that marks a file as ours: "blsp".
  static let applicationID: Int32 = 0x626C_7370

  private let queue: DatabaseQueue
  private let path: String

  /// What opening is for.
  enum Purpose {
    /// The file must be there; nothing is written.
    case reading
    /// The file must be there.
    case writing
    /// The file must not be there.
    case creating
  }

  /// Opens the file and brings its schema up to date.
  ///
  /// - Throws: `missing`, `foreign`, `newerVersion`, `corrupt`, or what reading and writing throw.
  init(_ url: URL, for purpose: Purpose) throws(RunError) {
    path = url.path
    let isThere = FileManager.default.fileExists(atPath: path)
    if purpose == .creating {
      guard !isThere else { throw RunError(.exists, path, "is there already") }
    } else {
      guard isThere else { throw RunError(.missing, path, "is missing") }
    }
    var configuration = Configuration()
    configuration.readonly = purpose == .reading
    // A report may read while an attack writes: each waits for the other's short transaction.
    configuration.busyMode = .timeout(10)
    configuration.label = "run"
    if purpose != .reading {
      configuration.prepareDatabase { database in
        try database.execute(sql: "PRAGMA synchronous = FULL")
      }
    }
    let path = path
    queue = try Self.translating(path) {
      try DatabaseQueue(path: path, configuration: configuration)
    }
    let migrator = Self.migrator
    if purpose != .creating {
      let (number, isSuperseded, isComplete) = try Self.translating(path) { [queue] in
        try queue.read { database in
          (
            try Int32.fetchOne(database, sql: "PRAGMA application_id"),
            try migrator.hasBeenSuperseded(database),
            try migrator.hasCompletedMigrations(database)
          )
        }
      }
      guard number == Self.applicationID else {
        throw RunError(.foreign, path, "is a database of another program")
      }
      guard !isSuperseded else {
        throw RunError(.newerVersion, path, "was written by a newer version of this program")
      }
      guard purpose != .reading || isComplete else {
        throw RunError(.corrupt, path, "lacks the tables of a run")
      }
    }
    if purpose != .reading {
      try Self.translating(path) { [queue] in try migrator.migrate(queue) }
    }
  }

  private static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1: samples") { database in
      try database.execute(sql: "PRAGMA application_id = \(applicationID)")
      try database.execute(
        sql: """
          CREATE TABLE samples (
            id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL, label INTEGER,
            clean_class INTEGER NOT NULL, target INTEGER, adversarial_class INTEGER,
            clean_correct INTEGER, attempted INTEGER NOT NULL, success INTEGER NOT NULL,
            success_8bit INTEGER NOT NULL, l0 INTEGER, l1 REAL, l2 REAL, linf REAL, rms REAL,
            l2_8bit REAL, c REAL, forward_evaluations INTEGER NOT NULL,
            gradient_evaluations INTEGER NOT NULL, iterations INTEGER NOT NULL,
            stop_reason TEXT NOT NULL, seconds REAL, picture TEXT UNIQUE, picture_fools INTEGER)
          """)
      // Samples whose pictures are being written: what a crash may leave half-done.
      try database.execute(
        sql: "CREATE TABLE in_flight (id INTEGER PRIMARY KEY NOT NULL, picture TEXT)")
      // Every start of the attack, since a run may go on elsewhere.
      try database.execute(
        sql: """
          CREATE TABLE sessions (
            id INTEGER PRIMARY KEY NOT NULL, started_at TEXT NOT NULL, device TEXT NOT NULL,
            driver TEXT NOT NULL, platform TEXT NOT NULL, kernel_family TEXT NOT NULL,
            batch INTEGER)
          """)
    }
    return migrator
  }

  /// A sample whose pictures are about to be written, and the path of its PNG, if it has one.
  struct InFlight {
    let id: Int
    let picture: String?
  }

  /// Notes that pictures are about to be written.
  func announce(_ samples: [InFlight]) throws(RunError) {
    try write { database in
      let statement = try database.cachedStatement(
        sql: "INSERT OR REPLACE INTO in_flight (id, picture) VALUES (?, ?)")
      for sample in samples { try statement.execute(arguments: [sample.id, sample.picture]) }
    }
  }

  /// The samples whose pictures were being written when the last process ended.
  func inFlight() throws(RunError) -> [InFlight] {
    try read { database in
      try Row.fetchAll(database, sql: "SELECT id, picture FROM in_flight ORDER BY id")
        .map { InFlight(id: try $0.required("id"), picture: try $0.optional("picture")) }
    }
  }

  /// Forgets the samples whose pictures were being written.
  func clearInFlight() throws(RunError) {
    try write { database in try database.execute(sql: "DELETE FROM in_flight") }
  }

  /// Adds finished samples, all or none, which are in flight no more.
  func commit(_ results: [SampleResult]) throws(RunError) {
    let names = SampleResult.columnNames
    let marks = names.map { _ in "?" }.joined(separator: ", ")
    try write { database in
      let insertion = try database.cachedStatement(
        sql: "INSERT INTO samples (\(names.joined(separator: ", "))) VALUES (\(marks))")
      for result in results {
        let values = SampleResult.columns.map { $0.value(result).databaseValue }
        try insertion.execute(arguments: StatementArguments(values))
      }
      try database.execute(sql: "DELETE FROM in_flight")
    }
  }

  /// The ids of all finished samples with their pictures' paths.
  func finished() throws(RunError) -> [(id: Int, picture: String?)] {
    try read { database in
      try Row.fetchAll(database, sql: "SELECT id, picture FROM samples")
        .map { (try $0.required("id"), try $0.optional("picture")) }
    }
  }

  /// The rows of a range of ids, or all, by ascending id.
  func results(in range: Range<Int>?) throws(RunError) -> [SampleResult] {
    let range = range ?? 0..<Int.max
    return try read { database in
      try Row.fetchAll(
        database, sql: "SELECT * FROM samples WHERE id >= ? AND id < ? ORDER BY id",
        arguments: [range.lowerBound, range.upperBound]
      ).map(SampleResult.init(row:))
    }
  }

  /// Notes on what this process runs the attack.
  func beginSession(_ description: RunDescription, at date: Date) throws(RunError) {
    try write { database in
      try database.execute(
        sql: """
          INSERT INTO sessions (started_at, device, driver, platform, kernel_family, batch)
          VALUES (?, ?, ?, ?, ?, ?)
          """,
        arguments: [
          date.ISO8601Format(), description.device, description.driver, description.platform,
          description.kernelFamily, description.batch,
        ])
    }
  }

  private func write(_ body: (Database) throws -> Void) throws(RunError) {
    try Self.translating(path) { try queue.write(body) }
  }

  private func read<T>(_ body: (Database) throws -> T) throws(RunError) -> T {
    try Self.translating(path) { try queue.read(body) }
  }

  /// Runs the body; SQLite's faults become errors about the file.
  private static func translating<T>(_ path: String, _ body: () throws -> T) throws(RunError) -> T {
    do {
      return try body()
    } catch let error as DatabaseError {
      throw RunError(code(error.resultCode), path, text(error))
    } catch {
      throw RunError(.corrupt, path, "holds unexpected values (\(error))")
    }
  }

  private static func code(_ code: ResultCode) -> RunError.Code {
    switch code {
    case .SQLITE_NOTADB, .SQLITE_CORRUPT, .SQLITE_ERROR, .SQLITE_CONSTRAINT, .SQLITE_MISMATCH:
      .corrupt
    case .SQLITE_FULL, .SQLITE_IOERR, .SQLITE_READONLY: .unwritable
    case .SQLITE_BUSY, .SQLITE_LOCKED: .locked
    default: .unreadable
    }
  }

  private static func text(_ error: DatabaseError) -> String {
    switch error.resultCode {
    case .SQLITE_NOTADB: "is no SQLite database"
    case .SQLITE_FULL: "cannot be written (no space left on device)"
    default: error.message.map { "SQLite: \($0)" } ?? "SQLite: code \(error.resultCode.rawValue)"
    }
  }
}

extension Field {
  fileprivate var databaseValue: DatabaseValue {
    switch self {
    case .none: .null
    case .flag(let value): value.databaseValue
    case .integer(let value): value.databaseValue
    case .real(let value): value.databaseValue
    case .text(let value): value.databaseValue
    }
  }
}

/// A value of a column that is not of the column's type.
private struct UnexpectedValue: Error, CustomStringConvertible {
  let column: String
  let value: DatabaseValue

  var description: String { "\(column) is \(value)" }
}

extension Row {
  /// The value of a column; where there is one of another type, or none, an error and not a trap.
  fileprivate func required<T: DatabaseValueConvertible>(_ column: String) throws -> T {
    guard let value: T = try optional(column) else {
      throw UnexpectedValue(column: column, value: .null)
    }
    return value
  }

  /// The value of a column, nil for NULL.
  fileprivate func optional<T: DatabaseValueConvertible>(_ column: String) throws -> T? {
    guard let value: DatabaseValue = self[column], !value.isNull else { return nil }
    guard let converted = T.fromDatabaseValue(value) else {
      throw UnexpectedValue(column: column, value: value)
    }
    return converted
  }
}

extension SampleResult {
  /// The result in a row of the table.
  fileprivate init(row: Row) throws {
    let distances: [Double?] = try ["l1", "l2", "linf", "rms", "l2_8bit", "c", "seconds"].map {
      try row.optional($0)
    }
    self.init(
      id: try row.required("id"),
      name: try row.required("name"),
      label: try row.optional("label"),
      cleanClass: try row.required("clean_class"),
      target: try row.optional("target"),
      adversarialClass: try row.optional("adversarial_class"),
      attempted: try row.required("attempted"),
      success: try row.required("success"),
      success8Bit: try row.required("success_8bit"),
      l0: try row.optional("l0"), l1: distances[0], l2: distances[1], linf: distances[2],
      rms: distances[3], l28Bit: distances[4], c: distances[5],
      forwardEvaluations: try row.required("forward_evaluations"),
      gradientEvaluations: try row.required("gradient_evaluations"),
      iterations: try row.required("iterations"),
      stopReason: try row.required("stop_reason"),
      seconds: distances[6])
    picture = try row.optional("picture")
    pictureFools = try row.optional("picture_fools")
  }
}
