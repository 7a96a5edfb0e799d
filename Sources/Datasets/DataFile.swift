import Foundation

/// An open file that is read and written at given offsets, from any number of threads.
final class DataFile: Sendable {
  /// The name or path, for errors.
  let name: String
  private let descriptor: Int32

  /// Opens a file for reading, or for reading and writing.
  init(_ url: URL, writable: Bool = false) throws(DatasetError) {
    name = url.lastPathComponent
    descriptor = unsafe open(url.path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw DatasetError(.inaccessible, url.path, "cannot be opened (\(systemError()))")
    }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw DatasetError(.inaccessible, url.path, "is not an ordinary file")
    }
  }

  deinit { close(descriptor) }

  /// The file's length in bytes.
  var length: Int {
    var status = stat()
    return unsafe fstat(descriptor, &status) == 0 ? Int(status.st_size) : 0
  }

  /// Up to `count` bytes from an offset; fewer only where the file ends.
  func read(at offset: Int, count: Int) throws(DatasetError) -> [UInt8] {
    var failed = false
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { target, done in
      while done < count {
        let step = unsafe pread(
          descriptor, target.baseAddress?.advanced(by: done), count - done, offset + done)
        if step < 0 && errno == EINTR { continue }
        failed = step < 0
        if step <= 0 { break }
        done += step
      }
    }
    if failed {
      throw DatasetError(.inaccessible, name, "cannot be read (\(systemError()))")
    }
    return bytes
  }

  /// Writes bytes at an offset.
  func write(_ bytes: [UInt8], at offset: Int) throws(DatasetError) {
    var done = 0
    while done < bytes.count {
      let step = unsafe bytes.withUnsafeBytes {
        unsafe pwrite(
          descriptor, $0.baseAddress?.advanced(by: done), $0.count - done, offset + done)
      }
      if step < 0 && errno == EINTR { continue }
      guard step > 0 else {
        throw DatasetError(.inaccessible, name, "cannot be written (\(systemError()))")
      }
      done += step
    }
  }

  /// Waits until what was written is on the disk.
  func synchronize() throws(DatasetError) {
    guard fsync(descriptor) == 0 else {
      throw DatasetError(.inaccessible, name, "cannot be written (\(systemError()))")
    }
  }
}

/// What the last failed system call complained about.
func systemError() -> String {
  unsafe String(cString: strerror(errno))
}

/// Calls `body` with a temporary name in the same folder, then renames that file to `url`; what is
/// left of it is removed on failure.
func replaceFile(
  _ url: URL, body: (URL) throws(DatasetError) -> Void
) throws(DatasetError) {
  let temporary = url.deletingLastPathComponent()
    .appending(path: ".\(url.lastPathComponent).\(UUID().uuidString.prefix(8)).part")
  do throws(DatasetError) {
    try body(temporary)
    guard unsafe rename(temporary.path, url.path) == 0 else {
      throw DatasetError(.inaccessible, url.path, "cannot be written (\(systemError()))")
    }
  } catch {
    unsafe unlink(temporary.path)
    throw error
  }
}

/// Writes a whole file under a temporary name and renames it.
func writeFile(_ bytes: [UInt8], to url: URL) throws(DatasetError) {
  try writeFile(to: url, length: bytes.count) { (file) throws(DatasetError) in
    try file.write(bytes, at: 0)
  }
}

/// Creates a file of a given length (zeros where `fill` writes nothing) and puts it in place when
/// it is complete.
func writeFile(
  to url: URL, length: Int, fill: (DataFile) throws(DatasetError) -> Void
) throws(DatasetError) {
  try replaceFile(url) { (temporary) throws(DatasetError) in
    let descriptor = unsafe open(temporary.path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw DatasetError(.inaccessible, url.path, "cannot be written (\(systemError()))")
    }
    let resized = ftruncate(descriptor, length)
    close(descriptor)
    guard resized == 0 else {
      throw DatasetError(.inaccessible, url.path, "cannot be written (\(systemError()))")
    }
    let file = try DataFile(temporary, writable: true)
    try fill(file)
    try file.synchronize()
  }
}
