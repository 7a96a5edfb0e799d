import Foundation

/// The right to write a run: an exclusive `flock` on a file that holds the owner's process number.
///
/// The system releases it when the process ends, however it ends; the file stays.
final class RunLock: Sendable {
  private let descriptor: Int32

  /// Takes the lock, without waiting.
  ///
  /// - Throws: `locked`, with the number of the process that holds it, or `unwritable`.
  init(_ url: URL) throws(RunError) {
    let descriptor = unsafe open(url.path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw RunFile.unwritable(url) }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let isHeld = errno == EWOULDBLOCK
      var error = RunFile.unwritable(url)
      if isHeld {
        let owner = Self.processNumber(descriptor)
        error = RunError(
          .locked, url.deletingLastPathComponent().path,
          "is being written by process \(owner ?? "of unknown number")")
      }
      close(descriptor)
      throw error
    }
    // The number only serves the message above: where the disk is full, the lock still holds.
    ftruncate(descriptor, 0)
    let number = Array("\(getpid())\n".utf8)
    _ = unsafe pwrite(descriptor, number, number.count, 0)
    self.descriptor = descriptor
  }

  deinit {
    // Closing alone would leave the lock to a child that is between its birth and its program.
    flock(descriptor, LOCK_UN)
    close(descriptor)
  }

  private static func processNumber(_ descriptor: Int32) -> String? {
    var bytes = [UInt8](repeating: 0, count: 20)
    let count = unsafe pread(descriptor, &bytes, bytes.count, 0)
    let digits = bytes.prefix(max(0, count)).prefix { (0x30...0x39).contains($0) }
    return digits.isEmpty ? nil : String(decoding: digits, as: UTF8.self)
  }
}
