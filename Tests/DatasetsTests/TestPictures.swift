import Datasets
import Foundation
import Testing

/// A small file recorded by Scripts/record_pillow.py.
struct RecordedFile: CustomTestStringConvertible, Sendable {
  let name: String
  let crc: UInt32
  let base64: String

  var testDescription: String { name }
  var bytes: [UInt8] { decode(base64) }
}

/// A resizing of the pattern recorded by Scripts/record_pillow.py.
struct RecordedResize: CustomTestStringConvertible, Sendable {
  let from: (width: Int, height: Int, channels: Int)
  let to: (width: Int, height: Int)
  let interpolation: Interpolation
  let crc: UInt32

  var testDescription: String { "\(from) to \(to), \(interpolation)" }
}

/// The bytes that base64 text stands for.
func decode(_ base64: String) -> [UInt8] {
  [UInt8](Data(base64Encoded: base64, options: .ignoreUnknownCharacters) ?? Data())
}

/// The bytes of the recorded file of a name.
func recordedFile(_ name: String) throws -> [UInt8] {
  try #require(recordedFiles.first { $0.name == name }).bytes
}

/// The picture that Scripts/record_pillow.py makes too: a gradient, edges and noise.
func pattern(width: Int, height: Int, channels: Int) -> RGBImage {
  var state = 12345
  var bytes: [UInt8] = []
  for y in 0..<height {
    for x in 0..<width {
      for c in 0..<channels {
        state = (state * 1_103_515_245 + 12345) & 0x7FFF_FFFF
        let edge = (x / 5 + y / 3 + c) % 2 == 1 ? 160 : 0
        let noise = (state >> 16) % 64
        let value: Int = edge + x * 3 + y * 2 + noise
        bytes.append(UInt8(value & 255))
      }
    }
  }
  return RGBImage(width: width, height: height, channels: channels, bytes: bytes)
}

/// CRC-32 as in PNG and gzip, bit by bit.
func crc32(_ bytes: some Sequence<UInt8>) -> UInt32 {
  var state: UInt32 = 0xFFFF_FFFF
  for byte in bytes {
    state ^= UInt32(byte)
    for _ in 0..<8 {
      let carry = state & 1
      state >>= 1
      if carry == 1 { state ^= 0xEDB8_8320 }
    }
  }
  return ~state
}

/// Four bytes, the most significant first.
func bigEndian(_ value: Int) -> [UInt8] {
  [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
}

/// Four bytes, the least significant first.
func littleEndian(_ value: Int) -> [UInt8] { bigEndian(value).reversed() }

/// A gzip file that stores its contents uncompressed.
func storedGzip(_ contents: [UInt8]) -> [UInt8] {
  precondition(contents.count < 65536)
  let (low, high) = (UInt8(contents.count & 255), UInt8(contents.count >> 8))
  var file: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255, 1, low, high, ~low, ~high]
  file += contents
  file += littleEndian(Int(crc32(contents)))
  file += littleEndian(contents.count)
  return file
}

/// An `.npy` file with any header.
func npy(_ type: String, _ shape: String, fortran: String = "False", _ values: [UInt8]) -> [UInt8] {
  let text = "{'descr': '\(type)', 'fortran_order': \(fortran), 'shape': \(shape), }\n"
  var file: [UInt8] = [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59, 1, 0, UInt8(text.utf8.count), 0]
  file += Array(text.utf8)
  file += values
  return file
}

/// Calls `body` with an empty folder, which is removed afterwards.
func withFolder<T>(_ body: (URL) throws -> T) throws -> T {
  let folder = FileManager.default.temporaryDirectory.appending(path: "blindspot-\(UUID())")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  return try body(folder)
}

extension URL {
  /// Writes a file in this folder, making the folders between.
  @discardableResult
  func put(_ name: String, _ bytes: [UInt8]) throws -> URL {
    let url = appending(path: name)
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: url)
    return url
  }

  /// Writes a text file in this folder.
  @discardableResult
  func put(_ name: String, _ text: String) throws -> URL { try put(name, Array(text.utf8)) }
}

/// Expects an error of a kind whose one line contains all of some texts.
func expectError(
  _ code: DatasetError.Code, _ texts: String..., sourceLocation: SourceLocation = #_sourceLocation,
  _ body: () throws -> Void
) {
  let error = #expect(throws: DatasetError.self, sourceLocation: sourceLocation) { try body() }
  guard let error else { return }
  #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
  #expect(!error.description.contains("\n"), sourceLocation: sourceLocation)
  for text in texts {
    #expect(
      error.description.contains(text), "'\(text)' is not in '\(error)'",
      sourceLocation: sourceLocation)
  }
}
