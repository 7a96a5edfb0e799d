import CZlib
import Foundation

/// Reads a whole file, which must not exceed a size, and unpacks it when it is gzip.
func fileContents(of url: URL, limit: Int) throws(ModelFileError) -> Data {
  let data: Data
  do {
    let size = try url.resourceValues(forKeys: [.fileSizeKey]).fileSize ?? 0
    guard size <= limit else {
      throw ModelFileError.refused("the file has \(size) bytes, more than \(limit)")
    }
    data = try Data(contentsOf: url, options: .mappedIfSafe)
  } catch let error as ModelFileError {
    throw error.about(url.path)
  } catch {
    throw ModelFileError(file: url.path, .unreadable, reason(of: error))
  }
  guard data.starts(with: [0x1f, 0x8b]) else { return data }
  do throws(ModelFileError) {
    return try gunzip(data, limit: limit)
  } catch {
    throw error.about(url.path)
  }
}

/// Writes a file under a temporary name and moves it into place.
func writeFile(_ data: Data, to url: URL) throws(ModelFileError) {
  do {
    try data.write(to: url, options: .atomic)
  } catch {
    throw ModelFileError(file: url.path, .unwritable, reason(of: error))
  }
}

/// A file-system error in a few words.
func reason(of error: any Error) -> String {
  if let error = error as? CocoaError {
    switch error.code {
    case .fileNoSuchFile, .fileReadNoSuchFile: return "no such file or folder"
    case .fileReadNoPermission, .fileWriteNoPermission: return "no permission"
    case .fileWriteOutOfSpace: return "no space is left on the device"
    default: break
    }
    if let underlying = error.underlying { return quoted(underlying.localizedDescription) }
  }
  return quoted(error.localizedDescription)
}

/// Unpacks gzip (RFC 1952), also of several members, up to a size.
func gunzip(_ data: Data, limit: Int) throws(ModelFileError) -> Data {
  var result = Data()
  var failure: ModelFileError?
  unsafe data.withUnsafeBytes { packed in
    failure = unsafe inflateAll(packed, into: &result, limit: limit)
  }
  if let failure { throw failure }
  return result
}

/// Runs zlib over all of the input; nil when it went well.
private func inflateAll(
  _ packed: UnsafeRawBufferPointer, into result: inout Data, limit: Int
) -> ModelFileError? {
  var stream = unsafe z_stream()
  let gzipOnly: Int32 = 16 + MAX_WBITS
  let size = unsafe Int32(MemoryLayout<z_stream>.size)
  guard unsafe inflateInit2_(&stream, gzipOnly, ZLIB_VERSION, size) == Z_OK else {
    return .corrupt("zlib could not start")
  }
  defer { unsafe inflateEnd(&stream) }
  var consumed = 0
  var chunk = [UInt8](repeating: 0, count: 1 << 18)
  while true {
    let offered = min(packed.count - consumed, 1 << 30)
    let room = chunk.count
    var status: Int32 = Z_OK
    unsafe chunk.withUnsafeMutableBufferPointer { output in
      unsafe stream.next_in = UnsafeMutablePointer(
        mutating: packed.baseAddress?.assumingMemoryBound(to: UInt8.self)
      )
      .map { unsafe $0 + consumed }
      unsafe stream.avail_in = UInt32(offered)
      unsafe stream.next_out = output.baseAddress
      unsafe stream.avail_out = UInt32(room)
      status = unsafe inflate(&stream, Z_NO_FLUSH)
    }
    let taken = unsafe offered - Int(stream.avail_in)
    let made = unsafe room - Int(stream.avail_out)
    consumed += taken
    guard result.count + made <= limit else {
      return .refused("the gzip file unpacks to more than \(limit) bytes")
    }
    result.append(contentsOf: chunk[..<made])
    if status == Z_STREAM_END {
      if consumed == packed.count { return nil }
      guard unsafe inflateReset(&stream) == Z_OK else { return .corrupt("zlib could not go on") }
    } else if status != Z_OK || (taken == 0 && made == 0) {
      return .corrupt(
        consumed == packed.count
          ? "the gzip file ends too early, after \(packed.count) bytes"
          : "the gzip file is damaged at byte \(consumed) of \(packed.count)")
    }
  }
}
