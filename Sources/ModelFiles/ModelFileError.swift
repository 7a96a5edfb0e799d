/// Why a model file could not be read or written: one line with the file, names and sizes.
public struct ModelFileError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The kinds of trouble.
  public enum Reason: Sendable, Equatable {
    /// The file system refused.
    case unreadable
    /// The file contradicts its format or itself, or ends too early.
    case corrupt
    /// The file is sound but asks for something that is not supported.
    case unsupported
    /// The file asks for something outside its own folder or beyond a limit of size.
    case refused
    /// The file could not be written.
    case unwritable
  }

  /// The file's path.
  public internal(set) var file: String
  /// The kind of trouble.
  public let reason: Reason
  /// What is wrong, without the file.
  public let details: String

  /// The file, then what is wrong, in one line.
  public var description: String { file.isEmpty ? details : "\(file): \(details)" }

  /// A line about a file.
  public init(file: String = "", _ reason: Reason, _ details: String) {
    self.file = file
    self.reason = reason
    self.details = details
  }
}

extension ModelFileError {
  static func corrupt(_ details: String) -> Self { Self(.corrupt, details) }
  static func unsupported(_ details: String) -> Self { Self(.unsupported, details) }
  static func refused(_ details: String) -> Self { Self(.refused, details) }

  /// The same error about a given file, unless it names one already.
  func about(_ path: String) -> Self {
    var copy = self
    if copy.file.isEmpty { copy.file = path }
    return copy
  }
}

/// A name from a file as it may stand in a message: quoted, on one line, not too long.
func quoted(_ name: String) -> String {
  let visible = name.unicodeScalars.prefix(120).map { scalar in
    scalar.properties.generalCategory == .control || scalar.properties.isWhitespace
      ? " " : String(scalar)
  }
  return "'" + visible.joined() + (name.unicodeScalars.count > 120 ? "..." : "") + "'"
}

/// The product of extents.
///
/// - Throws: when an extent is negative, or the product overflows or exceeds the limit.
func elementCount(
  _ shape: [Int], limit: Int = 1 << 31, of what: String
) throws(ModelFileError) -> Int {
  var count = 1
  for extent in shape {
    guard extent >= 0 else { throw .corrupt("\(what) has the shape \(shape)") }
    let (product, overflow) = count.multipliedReportingOverflow(by: extent)
    guard !overflow, product <= limit else {
      throw .refused("\(what) of shape \(shape) has more than \(limit) elements")
    }
    count = product
  }
  return count
}
