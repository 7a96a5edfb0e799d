/// What can be wrong with a file of pictures or labels, or with an option that says how to read it.
///
/// Its description is one line: the file (or option), then what is wrong with it.
public struct DatasetError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kind of fault.
  public enum Code: Hashable, Sendable {
    /// The file or folder cannot be opened, read or written.
    case inaccessible
    /// The file ends before its contents do.
    case truncated
    /// The contents break the rules of the file's format.
    case corrupt
    /// The format is known, this variant of it is not read here.
    case unsupported
    /// The file, the picture or the inflated contents exceed a limit.
    case tooLarge
    /// The sizes of the pictures do not fit together or do not fit the request.
    case mismatchedShape
    /// A value is NaN or infinite.
    case notFinite
    /// A pixel lies outside [0, 1].
    case valueOutOfRange
    /// A picture has no label where labels are given.
    case missingLabel
    /// A label is negative or not below the number of classes, or is no whole number.
    case invalidLabel
    /// Labels name a picture or class that is not there.
    case unknownName
    /// There is no picture where pictures are looked for.
    case empty
    /// The text of an option cannot be understood.
    case invalidOption
    /// The file is there already and must not be replaced.
    case exists
  }

  /// The kind of fault.
  public let code: Code

  /// The file's name or path, or the option's name.
  public let subject: String

  /// What is wrong, on one line.
  public let detail: String

  /// An error about one file or option; line breaks in `detail` become spaces.
  public init(_ code: Code, _ subject: String, _ detail: String) {
    self.code = code
    self.subject = subject
    self.detail = String(detail.map { $0.isNewline ? " " : $0 })
  }

  /// One line: subject, colon, detail.
  public var description: String { "\(subject): \(detail)" }
}
