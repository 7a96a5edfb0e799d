import Compute
import Operations
import Reference

/// A batch in device memory between two canaries, filled with NaN of a payload of its own.
struct GuardedTensor {
  private static let canary = Float(bitPattern: 0x7fc0_beef)
  private static let unwritten = Float(bitPattern: 0x7fc0_dead)
  private static let room = 64
  let tensor: DeviceTensor
  private let batch: Int
  private var count: Int { batch * tensor.layout.imageStride }

  init(_ context: Context, _ layout: Layout, _ batch: Int) throws(ComputeError) {
    self.batch = batch
    let canary = [Float](repeating: Self.canary, count: Self.room)
    let inner = [Float](repeating: Self.unwritten, count: batch * layout.imageStride)
    tensor = DeviceTensor(
      buffer: try Buffer(context, canary + inner + canary), offset: Self.room, layout: layout)
  }

  /// Stores logical elements; padding channels become NaN, the border becomes zero.
  func write(_ values: [Float]) throws(ComputeError) {
    try tensor.buffer.write(
      tensor.layout.pack(values, batch: batch, filler: .nan), at: Self.room)
  }

  /// The logical elements.
  func read() throws(ComputeError) -> [Float] {
    tensor.layout.unpack(
      try tensor.buffer.read(from: Self.room, length: count), batch: batch)
  }

  /// What was written that no kernel may write: canaries and the border.
  func damage() throws(ComputeError) -> [String] {
    let memory = try tensor.buffer.read()
    var result: [String] = []
    let outside = Array(0..<Self.room) + Array((Self.room + count)..<memory.count)
    if let place = outside.first(where: { memory[$0].bitPattern != Self.canary.bitPattern }) {
      result.append("was written outside, \(place - Self.room) floats from its start")
    }
    guard tensor.layout.border != .zero else { return result }
    let border = (0..<count).first {
      let bits = memory[Self.room + $0].bitPattern
      return bits != 0 && bits != Self.unwritten.bitPattern && !tensor.layout.isInterior($0)
    }
    if let border { result.append("was written in its border, \(border) floats from its start") }
    return result
  }
}

/// Bytes in device memory between two canaries.
struct GuardedBytes {
  private static let room = 128
  let bytes: DeviceBytes
  private let count: Int

  init(_ context: Context, count: Int) throws(ComputeError) {
    self.count = count
    let canary = [UInt8](repeating: 0xa5, count: Self.room)
    let buffer = try Buffer(
      context, canary + [UInt8](repeating: 0x5a, count: count) + canary)
    bytes = DeviceBytes(buffer: buffer, offset: Self.room)
  }

  func write(_ values: [UInt8]) throws(ComputeError) {
    try bytes.buffer.write(values, at: Self.room)
  }

  func read() throws(ComputeError) -> [UInt8] {
    try bytes.buffer.read(from: Self.room, length: count)
  }

  func damage() throws(ComputeError) -> [String] {
    let memory = try bytes.buffer.read()
    let outside = Array(0..<Self.room) + Array((Self.room + count)..<memory.count)
    return outside.contains { memory[$0] != 0xa5 } ? ["was written outside"] : []
  }
}

extension Layout {
  /// Whether a float of a batch belongs to a pixel, not to the border.
  func isInterior(_ index: Int) -> Bool {
    let inImage = index % imageStride
    let row = inImage / rowStride - border.top
    let column = inImage % rowStride / channelStride - border.left
    return (0..<height).contains(row) && (0..<width).contains(column)
  }

  /// Calls `body` with every element's logical index and its place in a mask, until it complains.
  func firstComplaint(batch: Int, _ body: (Int, Int) -> String?) -> String? {
    for n in 0..<batch {
      for pixel in 0..<pixels {
        for c in 0..<channels {
          let logical =
            isPlanar ? (n * channels + c) * pixels + pixel : (n * pixels + pixel) * channels + c
          let interior = (n * pixels + pixel) * maskStride + c
          if let complaint = body(logical, interior) { return complaint }
        }
      }
    }
    return nil
  }
}

extension Padding {
  func adding(_ other: Padding) -> Padding {
    Padding(
      top: top + other.top, left: left + other.left, bottom: bottom + other.bottom,
      right: right + other.right)
  }
}
