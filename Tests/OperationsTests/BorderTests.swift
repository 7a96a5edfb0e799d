import Compute
import Operations
import Reference
import Testing
import Verification

/// The layouts that a copy must read and write.
private func layouts(_ shape: [Int]) -> [Layout] {
  let wide = Padding(top: 1, left: 2, bottom: 3, right: 1)
  return [
    Layout(shape: shape), Layout(shape: shape, border: wide), Layout(shape: shape, dense: true),
    Layout(shape: shape, border: wide, dense: true),
  ]
}

/// Marked memory with room on both sides.
private func marked(
  _ context: Context, _ layout: Layout, batch: Int
) throws -> (tensor: DeviceTensor, before: [Float]) {
  let before = (0..<batch * layout.imageStride + 64).map { Float($0 + 1) }
  let buffer = try Buffer(context, before)
  return (DeviceTensor(buffer: buffer, offset: 32, layout: layout), before)
}

/// What each float of a batch is: interior, border, or outside of all samples.
private enum Place { case interior, border, outside }

private func place(_ index: Int, _ tensor: DeviceTensor, batch: Int) -> Place {
  let layout = tensor.layout
  let position = index - tensor.offset
  guard (0..<batch * layout.imageStride).contains(position) else { return .outside }
  let row = position % layout.imageStride / layout.rowStride - layout.border.top
  let column =
    position % layout.rowStride / layout.channelStride - layout.border.left
  return (0..<layout.height).contains(row) && (0..<layout.width).contains(column)
    ? .interior : .border
}

@Test(arguments: [[1, 1, 1], [3, 5, 4], [17, 2, 3], [32, 3, 7], [5, 13], [19]], [1, 3])
func `the border of every sample becomes zero and nothing else`(
  _ shape: [Int], batch: Int
) throws {
  let borders = [
    Padding.zero, Padding(1), Padding(top: 2), Padding(bottom: 1), Padding(left: 3),
    Padding(right: 2), Padding(top: 3, left: 0, bottom: 1, right: 4),
  ]
  for context in try OperationCheck.contexts() {
    for border in borders {
      for dense in [false, true] {
        let layout = Layout(shape: shape, border: border, dense: dense)
        let (tensor, before) = try marked(context, layout, batch: batch)
        let recorder = Recorder(context: context, family: .reference, batch: batch)
        try recordBorderFill(recorder, tensor)
        try recorder.run()
        #expect(recorder.launches.count == (border == .zero ? 0 : 1))
        let after = try tensor.buffer.read()
        let expected = before.indices.map {
          place($0, tensor, batch: batch) == .border ? 0 : before[$0]
        }
        #expect(after == expected, "\(shape), border \(border), dense \(dense)")
      }
    }
  }
}

@Test(arguments: [[1, 1, 1], [3, 5, 4], [17, 2, 3], [32, 3, 7], [5, 13], [19]], [1, 3])
func `a copy between any two layouts moves every element and nothing else`(
  _ shape: [Int], batch: Int
) throws {
  var generator = TestGenerator(seed: 3)
  let values = generator.tensor([batch] + shape, .real(-1...1)).values
  for context in try OperationCheck.contexts() {
    for from in layouts(shape) {
      let source = DeviceTensor(
        buffer: try Buffer(context, from.pack(values, batch: batch, filler: .nan)), layout: from)
      for to in layouts(shape) {
        let (target, before) = try marked(context, to, batch: batch)
        let recorder = Recorder(context: context, family: .reference, batch: batch)
        try recordCopy(recorder, from: source, to: target)
        try recorder.run()
        let after = try target.buffer.read()
        let copied = to.unpack(Array(after[32...]), batch: batch)
        #expect(copied.map(\.bitPattern) == values.map(\.bitPattern), "\(from) to \(to)")
        let untouched = after.indices.allSatisfy {
          place($0, target, batch: batch) == .interior || after[$0] == before[$0]
        }
        #expect(untouched, "\(from) to \(to)")
      }
    }
  }
}

@Test func `a copy in place applies a mask and adds nothing`() throws {
  let layout = Layout(shape: [20, 2, 2], border: Padding(1))
  var generator = TestGenerator(seed: 5)
  let values = generator.tensor([2, 20, 2, 2], .real(-1...1)).values
  let bits = (0..<2 * layout.interior / 8).map { _ in
    UInt8(truncatingIfNeeded: generator.next())
  }
  for context in try OperationCheck.contexts() {
    let tensor = DeviceTensor(
      buffer: try Buffer(context, layout.pack(values, batch: 2, filler: .nan)), layout: layout)
    let recorder = Recorder(context: context, family: .reference, batch: 2)
    try recordCopy(
      recorder, from: tensor,
      to: GradientTarget(
        tensor: tensor, mask: (.relu, DeviceBytes(buffer: try Buffer(context, bits)))))
    try recorder.run()
    let after = layout.unpack(try tensor.buffer.read(), batch: 2)
    for n in 0..<2 {
      for c in 0..<20 {
        for pixel in 0..<4 {
          let bit = (n * 4 + pixel) * layout.channelStride + c
          let kept = bits[bit / 8] >> UInt8(bit % 8) & 1 == 1
          let index = (n * 20 + c) * 4 + pixel
          #expect(after[index] == (kept ? values[index] : 0))
        }
      }
    }
  }
}
