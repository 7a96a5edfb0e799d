import Compute
import Operations
import Reference

/// Memory full of numbers, each of its own, with room before and after.
private func marked(
  _ context: Context, _ layout: Layout, batch: Int
) throws(ComputeError) -> (tensor: DeviceTensor, before: [Float]) {
  let before = (0..<batch * layout.imageStride + 64).map { Float($0 + 1) }
  let buffer = try Buffer(context, before)
  return (DeviceTensor(buffer: buffer, offset: 32, layout: layout), before)
}

/// What each float of a batch is: interior, border, or outside of all samples.
private enum Place { case interior, border, outside }

private func place(_ index: Int, _ tensor: DeviceTensor, batch: Int) -> Place {
  let position = index - tensor.offset
  guard (0..<batch * tensor.layout.imageStride).contains(position) else { return .outside }
  return tensor.layout.isInterior(position) ? .interior : .border
}

private func fill(
  _ context: Context, _ shape: [Int], batch: Int
) throws(ComputeError) -> [String] {
  var failures: [String] = []
  let borders = [
    Padding.zero, Padding(1), Padding(top: 2), Padding(bottom: 1), Padding(left: 3),
    Padding(right: 2), Padding(top: 3, left: 0, bottom: 1, right: 4),
  ]
  for border in borders {
    for dense in [false, true] {
      let layout = Layout(shape: shape, border: border, dense: dense)
      let (tensor, before) = try marked(context, layout, batch: batch)
      let recorder = Recorder(context: context, family: .reference, batch: batch)
      try recordBorderFill(recorder, tensor)
      try recorder.run()
      if recorder.launches.count != (border == .zero ? 0 : 1) {
        failures.append("\(border): \(recorder.launches.count) launches")
      }
      let expected = before.indices.map {
        place($0, tensor, batch: batch) == .border ? 0 : before[$0]
      }
      if let line = difference(try tensor.buffer.read(), expected) {
        failures.append("\(border)\(dense ? ", dense" : ""): \(line)")
      }
    }
  }
  return failures
}

private func copy(
  _ context: Context, _ shape: [Int], batch: Int
) throws(ComputeError) -> [String] {
  var failures: [String] = []
  let wide = Padding(top: 1, left: 2, bottom: 3, right: 1)
  let layouts = [
    Layout(shape: shape), Layout(shape: shape, border: wide), Layout(shape: shape, dense: true),
    Layout(shape: shape, border: wide, dense: true),
  ]
  var generator = ValueGenerator(seed: 3)
  let values = generator.tensor([batch] + shape, .real(-1...1)).values
  for from in layouts {
    let source = DeviceTensor(
      buffer: try Buffer(context, from.pack(values, batch: batch, filler: .nan)), layout: from)
    for to in layouts {
      let (target, before) = try marked(context, to, batch: batch)
      let recorder = Recorder(context: context, family: .reference, batch: batch)
      try recordCopy(recorder, from: source, to: target)
      try recorder.run()
      let after = try target.buffer.read()
      if let line = difference(to.unpack(Array(after[32...]), batch: batch), values) {
        failures.append("\(from) to \(to): \(line)")
      }
      let spoilt = after.indices.first {
        place($0, target, batch: batch) != .interior && after[$0] != before[$0]
      }
      if let spoilt { failures.append("\(from) to \(to): float \(spoilt) was written") }
    }
  }
  return failures
}

private func copyInPlace(_ context: Context) throws(ComputeError) -> [String] {
  let layout = Layout(shape: [20, 2, 2], border: Padding(1))
  var generator = ValueGenerator(seed: 5)
  let values = generator.tensor([2, 20, 2, 2], .real(-1...1)).values
  let bits = generator.bytes(2 * layout.interior / 8)
  let tensor = DeviceTensor(
    buffer: try Buffer(context, layout.pack(values, batch: 2, filler: .nan)), layout: layout)
  let recorder = Recorder(context: context, family: .reference, batch: 2)
  try recordCopy(
    recorder, from: tensor,
    to: GradientTarget(
      tensor: tensor, mask: (.relu, DeviceBytes(buffer: try Buffer(context, bits)))))
  try recorder.run()
  var expected = values
  _ = layout.firstComplaint(batch: 2) { logical, interior in
    if bits[interior / 8] >> UInt8(interior % 8) & 1 == 0 { expected[logical] = 0 }
    return nil
  }
  return [difference(layout.unpack(try tensor.buffer.read(), batch: 2), expected)]
    .compactMap { $0 }
}

extension OperationCatalog {
  /// The zero borders that convolutions read, and copies between layouts.
  public static let border: [CatalogCase] =
    [[1, 1, 1], [3, 5, 4], [17, 2, 3], [32, 3, 7], [5, 13], [19]].flatMap { shape in
      [1, 3].flatMap { batch in
        [
          CatalogCase("border", "fill of \(shape), batch \(batch)", batch: batch) {
            (context, _) throws(ComputeError) in try fill(context, shape, batch: batch)
          },
          CatalogCase("border", "copy of \(shape), batch \(batch)", batch: batch) {
            (context, _) throws(ComputeError) in try copy(context, shape, batch: batch)
          },
        ]
      }
    } + [
      CatalogCase("border", "masked copy in place", batch: 2) {
        (context, _) throws(ComputeError) in try copyInPlace(context)
      }
    ]
}
