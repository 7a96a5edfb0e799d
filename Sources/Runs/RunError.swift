import Datasets

/// What can go wrong with the folder of a run.
///
/// Its description is one line: the file or folder, then what is wrong with it.
public struct RunError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kind of fault.
  public enum Code: Hashable, Sendable {
    /// There is something in the folder already, and it must not be replaced.
    case exists
    /// The folder holds no run.
    case missing
    /// Another process is writing the run.
    case locked
    /// A file cannot be read.
    case unreadable
    /// A file or folder cannot be written: no permission, no space, a limit.
    case unwritable
    /// A file's contents are damaged.
    case corrupt
    /// A file is sound, but was not written by this program.
    case foreign
    /// The run was written by a newer version of this program.
    case newerVersion
    /// The run was made with other settings than those it shall be resumed with.
    case differentSettings
  }

  /// The kind of fault.
  public let code: Code

  /// The file's or folder's path.
  public let subject: String

  /// What is wrong, on one line.
  public let detail: String

  /// An error about one file or folder; line breaks in `detail` become spaces.
  public init(_ code: Code, _ subject: String, _ detail: String) {
    self.code = code
    self.subject = subject
    self.detail = String(detail.map { $0.isNewline ? " " : $0 })
  }

  /// One line: subject, colon, detail.
  public var description: String { "\(subject): \(detail)" }
}

/// Runs the body, whose faults with a picture or an array concern a file of the run that is written.
func writing<T>(
  in folder: String, _ body: () throws(DatasetError) -> T
) throws(RunError) -> T {
  do {
    return try body()
  } catch {
    let code: RunError.Code = error.code == .mismatchedShape ? .corrupt : .unwritable
    throw RunError(code, folder, error.description)
  }
}
