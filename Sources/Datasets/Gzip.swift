import CZlib
public import Foundation

/// The largest number of bytes `readFile` returns unless it is told otherwise: 4 GiB.
public let defaultFileLimit = 1 << 32

/// Reads a whole file, inflating it if it begins with gzip's magic number (RFC 1952).
///
/// - Parameters:
///   - url: the file.
///   - limit: the largest number of bytes, after inflation, that is accepted; memory beyond it is
///     never taken, so a small file cannot fill the memory.
/// - Throws: `DatasetError` when the file cannot be read, exceeds the limit, or is not sound gzip.
public func readFile(_ url: URL, limit: Int = defaultFileLimit) throws(DatasetError) -> [UInt8] {
  let file = try DataFile(url)
  let magic = try file.read(at: 0, count: 2)
  if magic == gzipMagic {
    return try inflate(file, limit: limit, isPrefix: false)
  }
  let length = file.length
  guard length <= limit else {
    throw DatasetError(.tooLarge, file.name, "\(length) bytes exceed the limit of \(limit)")
  }
  let bytes = try file.read(at: 0, count: length)
  guard bytes.count == length else {
    throw DatasetError(.truncated, file.name, "\(bytes.count) of \(length) bytes could be read")
  }
  return bytes
}

/// The first bytes of a file, after inflation; fewer only where the contents end.
func readPrefix(_ url: URL, count: Int) throws(DatasetError) -> [UInt8] {
  let file = try DataFile(url)
  let bytes = try file.read(at: 0, count: max(2, count))
  if bytes.starts(with: gzipMagic) {
    return try inflate(file, limit: count, isPrefix: true)
  }
  return Array(bytes.prefix(count))
}

/// Inflates gzip data that is in memory.
func inflateGzip(_ bytes: [UInt8], name: String, limit: Int) throws(DatasetError) -> [UInt8] {
  try inflate(name: name, limit: limit, isPrefix: false) { (offset, count) in
    Array(bytes[min(offset, bytes.count)..<min(offset + count, bytes.count)])
  }
}

private let gzipMagic: [UInt8] = [0x1F, 0x8B]

private func inflate(
  _ file: DataFile, limit: Int, isPrefix: Bool
) throws(DatasetError) -> [UInt8] {
  try inflate(name: file.name, limit: limit, isPrefix: isPrefix) {
    (offset, count) throws(DatasetError) in
    try file.read(at: offset, count: count)
  }
}

/// Inflates one gzip member after the other, piece by piece.
///
/// - Parameter read: up to the given number of bytes from an offset, none at the end.
private func inflate(
  name: String, limit: Int, isPrefix: Bool,
  read: (_ offset: Int, _ count: Int) throws(DatasetError) -> [UInt8]
) throws(DatasetError) -> [UInt8] {
  var stream = unsafe z_stream()
  // 15 bits of window, plus 16 for gzip's header and check sum.
  guard
    unsafe inflateInit2_(&stream, 31, zlibVersion(), Int32(MemoryLayout<z_stream>.size)) == Z_OK
  else {
    throw DatasetError(.inaccessible, name, "zlib could not be started")
  }
  defer { unsafe inflateEnd(&stream) }
  var output = [UInt8]()
  var piece = [UInt8](repeating: 0, count: 1 << 18)
  var offset = 0
  var input = try read(0, 1 << 16)
  var used = 0
  var isBetweenMembers = true
  while true {
    if used == input.count {
      offset += input.count
      input = try read(offset, 1 << 16)
      used = 0
      if input.isEmpty {
        if isBetweenMembers { return output }
        throw DatasetError(.truncated, name, "the gzip data end early")
      }
    }
    if isBetweenMembers && offset + used > 0 && input[used] == 0 {
      // Tape blocks are padded with zeros; gzip skips them too.
      used += 1
      continue
    }
    var status = Z_OK
    var produced = 0
    unsafe input.withUnsafeMutableBufferPointer { source in
      unsafe piece.withUnsafeMutableBufferPointer { target in
        unsafe stream.next_in = source.baseAddress?.advanced(by: used)
        unsafe stream.avail_in = UInt32(source.count - used)
        unsafe stream.next_out = target.baseAddress
        unsafe stream.avail_out = UInt32(target.count)
        status = unsafe CZlib.inflate(&stream, Z_NO_FLUSH)
        used = unsafe source.count - Int(stream.avail_in)
        produced = unsafe target.count - Int(stream.avail_out)
      }
    }
    isBetweenMembers = status == Z_STREAM_END
    guard status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR else {
      let text = unsafe stream.msg.map { unsafe String(cString: $0) } ?? "code \(status)"
      throw DatasetError(.corrupt, name, "the gzip data are damaged (\(text))")
    }
    if isPrefix && output.count + produced >= limit {
      return output + piece.prefix(limit - output.count)
    }
    guard produced <= limit - output.count else {
      throw DatasetError(
        .tooLarge, name, "the inflated contents exceed the limit of \(limit) bytes")
    }
    output.append(contentsOf: piece.prefix(produced))
    if isBetweenMembers { unsafe inflateReset(&stream) }
  }
}
