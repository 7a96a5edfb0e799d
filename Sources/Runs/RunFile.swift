package import Foundation

/// Whole files of a run, read and written through the system's calls so that every fault has a name.
package enum RunFile {
  /// The largest text file that is read, in bytes.
  static let maximumTextSize = 1 << 26

  /// Writes a file under a temporary name, waits until it is on the disk, and renames it.
  package static func write(_ bytes: some Sequence<UInt8>, to url: URL) throws(RunError) {
    let bytes = Array(bytes)
    let folder = url.deletingLastPathComponent()
    let temporary = folder.appending(
      path: ".\(url.lastPathComponent).\(UUID().uuidString.prefix(8)).part")
    let descriptor = unsafe open(temporary.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw unwritable(url) }
    do throws(RunError) {
      defer { close(descriptor) }
      var done = 0
      while done < bytes.count {
        let step = unsafe bytes.withUnsafeBytes {
          unsafe Foundation.write(
            descriptor, $0.baseAddress?.advanced(by: done), bytes.count - done)
        }
        if step < 0 && errno == EINTR { continue }
        guard step > 0 else { throw unwritable(url) }
        done += step
      }
      guard fsync(descriptor) == 0 else { throw unwritable(url) }
    } catch {
      unsafe unlink(temporary.path)
      throw error
    }
    guard unsafe rename(temporary.path, url.path) == 0 else {
      let error = unwritable(url)
      unsafe unlink(temporary.path)
      throw error
    }
    synchronize(folder: folder)
  }

  /// Reads a whole text file of limited size.
  static func read(_ url: URL) throws(RunError) -> Data {
    let attributes: [FileAttributeKey: Any]
    do {
      attributes = try FileManager.default.attributesOfItem(atPath: url.path)
      guard attributes[.type] as? FileAttributeType == .typeRegular else {
        throw RunError(.unreadable, url.path, "is not an ordinary file")
      }
      let size = (attributes[.size] as? NSNumber)?.intValue ?? 0
      guard size <= maximumTextSize else {
        throw RunError(.corrupt, url.path, "has \(size) bytes, more than \(maximumTextSize)")
      }
      return try Data(contentsOf: url)
    } catch let error as RunError {
      throw error
    } catch {
      throw RunError(.unreadable, url.path, "cannot be read (\(reason(error)))")
    }
  }

  /// Creates a folder, its parents too; one that is there already is left as it is.
  package static func createFolder(_ url: URL) throws(RunError) {
    do {
      try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    } catch {
      throw RunError(.unwritable, url.path, "cannot be created (\(reason(error)))")
    }
  }

  /// Removes a file, or a folder and all that is in it, if it is there.
  static func remove(_ url: URL) throws(RunError) {
    var status = stat()
    guard unsafe lstat(url.path, &status) == 0 else { return }
    do {
      try FileManager.default.removeItem(at: url)
    } catch {
      throw RunError(.unwritable, url.path, "cannot be removed (\(reason(error)))")
    }
  }

  /// The names in a folder; nil when it is not there.
  static func names(in folder: URL) throws(RunError) -> [String]? {
    var status = stat()
    guard unsafe stat(folder.path, &status) == 0 else { return nil }
    do {
      return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    } catch {
      throw RunError(.unreadable, folder.path, "cannot be listed (\(reason(error)))")
    }
  }

  /// Makes names that were given in a folder survive a loss of power; systems that cannot are
  /// forgiven, since a killed process loses no names.
  static func synchronize(folder: URL) {
    let descriptor = unsafe open(folder.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    fsync(descriptor)
    close(descriptor)
  }

  /// The error of the system call that failed last, about a file that was to be written.
  static func unwritable(_ url: URL) -> RunError {
    let reason = unsafe String(cString: strerror(errno))
    return RunError(.unwritable, url.path, "cannot be written (\(reason))")
  }

  /// The system's own words within an error of Foundation's, where there are any.
  static func reason(_ error: any Error) -> String {
    let error = error as NSError
    let system = error.userInfo[NSUnderlyingErrorKey] as? NSError ?? error
    guard system.domain == NSPOSIXErrorDomain, let code = Int32(exactly: system.code) else {
      return error.localizedDescription
    }
    return unsafe String(cString: strerror(code))
  }
}
