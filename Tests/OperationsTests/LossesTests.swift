import Compute
import Operations
import Reference
import Testing
import Verification

@Suite struct LossesTests {
  static let kinds: [LossKernels.Kind] = [
    .crossEntropy, .margin(isTargeted: false, kappa: nil), .margin(isTargeted: true, kappa: nil),
    .margin(isTargeted: true, kappa: 0.5), .margin(isTargeted: false, kappa: 0),
  ]

  /// What a launch wrote.
  private struct Found {
    var losses, margins: [Float]
    var classes, rivals: [Int]
    var gradient: [Float]
    var isIntact: Bool
  }

  private func run(
    _ loss: LossKernels, _ logits: Tensor<Float>, _ targets: [Int], _ weights: [Float],
    on context: Context, stored: [Float]? = nil, mask: (Activation, [UInt8])? = nil
  ) throws -> Found {
    let batch = logits.shape[0]
    let layout = Layout(shape: [logits.shape[1]])
    let room = 64
    let canary = [Float](repeating: 77, count: room)
    let z = try Buffer(context, canary + layout.pack(logits.values, batch: batch, filler: .nan))
    let initial = stored ?? [Float](repeating: .nan, count: logits.count)
    let g = try Buffer(
      context, canary + layout.pack(initial, batch: batch, filler: .nan) + canary)
    let recorder = Recorder(context: context, family: .reference, batch: batch)
    let results = try LossKernels.Results(context, batch: batch)
    let bits = try mask.map {
      (activation: $0.0, bits: DeviceBytes(buffer: try Buffer(context, $0.1)))
    }
    try loss.record(
      recorder, logits: DeviceTensor(buffer: z, offset: room, layout: layout),
      targets: try Buffer(context, targets.map { Int32($0) }),
      weights: try Buffer(context, weights), results: results,
      gradient: GradientTarget(
        tensor: DeviceTensor(buffer: g, offset: room, layout: layout), accumulates: stored != nil,
        mask: bits))
    try recorder.run()
    let memory = try g.read()
    return Found(
      losses: try results.losses.read(), margins: try results.margins.read(),
      classes: try results.classes.read().map(Int.init),
      rivals: try results.rivals.read().map(Int.init),
      gradient: layout.unpack(Array(memory[room..<memory.count - room]), batch: batch),
      isIntact: (memory.prefix(room) + memory.suffix(room)).allSatisfy { $0 == 77 })
  }

  /// Equal bits, or both NaN.
  private func agree(_ a: [Float], _ b: [Float]) -> Bool {
    a.count == b.count
      && zip(a, b).allSatisfy { $0.bitPattern == $1.bitPattern || ($0.isNaN && $1.isNaN) }
  }

  @Test(arguments: kinds, [1, 256])
  func `losses and gradients equal the reference path`(
    _ kind: LossKernels.Kind, lanesPerItem: Int
  ) throws {
    let loss = LossKernels(kind, lanesPerItem: lanesPerItem)
    var generator = TestGenerator(seed: 9)
    for context in try OperationCheck.contexts() {
      for (classes, batch) in [
        (2, 1), (3, 3), (10, 3), (15, 1), (16, 3), (17, 2), (255, 1), (256, 2), (257, 3),
        (1000, 3), (22_000, 2),
      ] {
        let logits = generator.tensor([batch, classes], .real(-9...9))
        let targets = (0..<batch).map { [0, classes - 1, classes / 2][$0] }
        let weights = (0..<batch).map { [1.5, -2, 0.75][$0] as Float }
        let found = try run(loss, logits, targets, weights, on: context)
        let expected = loss.evaluate(logits, targets: targets, weights: weights)
        let name = "\(kind), \(classes) classes, batch \(batch), \(lanesPerItem) lanes an item"
        #expect(agree(found.losses, expected.losses), "losses of \(name)")
        #expect(agree(found.gradient, expected.gradient.values), "gradient of \(name)")
        #expect(found.isIntact, "canaries of \(name)")
        #expect(found.classes == LossReference.argmax(logits), "arg-max of \(name)")
        #expect(found.rivals == LossReference.runnerUp(logits, labels: targets), "rival of \(name)")
        #expect(
          agree(
            found.margins, LossReference.margin(logits, labels: targets, isTargeted: false)),
          "margins of \(name)")
        let again = try run(loss, logits, targets, weights, on: context)
        #expect(agree(again.gradient, found.gradient), "second run of \(name)")
      }
    }
  }

  @Test(arguments: kinds, [1, 256])
  func `gradients are added and masked in the prescribed order`(
    _ kind: LossKernels.Kind, lanesPerItem: Int
  ) throws {
    let loss = LossKernels(kind, lanesPerItem: lanesPerItem)
    var generator = TestGenerator(seed: 10)
    let (classes, batch) = (37, 3)
    let logits = generator.tensor([batch, classes], .real(-3...3))
    let stored = generator.tensor([batch, classes], .real(-3...3)).values
    let targets = [4, 36, 0]
    let weights: [Float] = [0.3, -1.25, 7]
    let stride = Layout(shape: [classes]).channelStride
    let bits = (0..<batch * stride / 8).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
    let share = loss.evaluate(logits, targets: targets, weights: weights).gradient.values
    for context in try OperationCheck.contexts() {
      for activation in [Activation.relu, .leakyReLU(0.2)] {
        let found = try run(
          loss, logits, targets, weights, on: context, stored: stored, mask: (activation, bits))
        let expected = share.indices.map { i -> Float in
          let place = i / classes * stride + i % classes
          let sum = share[i] + stored[i]
          if bits[place / 8] >> UInt8(place % 8) & 1 == 1 { return sum }
          return activation == .relu ? 0 : sum * 0.2
        }
        #expect(agree(found.gradient, expected), "\(kind), \(activation)")
        #expect(found.isIntact)
      }
    }
  }

  @Test(arguments: [1, 256])
  func `equal logits, infinities, NaN and missing targets are told apart`(
    lanesPerItem: Int
  ) throws {
    let inf = Float.infinity
    let logits = Tensor<Float>(
      shape: [6, 4],
      values: [
        2, 2, 2, 2,
        1, 3, 3, 0,
        -inf, -inf, -inf, -inf,
        0, .nan, 5, .nan,
        .nan, 1, 2, 3,
        1, 4, 2, 3,
      ])
    for context in try OperationCheck.contexts() {
      let loss = LossKernels(.margin(isTargeted: false, kappa: nil), lanesPerItem: lanesPerItem)
      let found = try run(
        loss, logits, [0, 2, 0, 2, 0, -1], [Float](repeating: 1, count: 6), on: context)
      #expect(found.classes == [0, 1, 0, -1, -1, 1])
      #expect(found.rivals == [1, 1, 1, 1, 3, 1])
      #expect(agree(found.losses, [0, 0, .nan, .nan, .nan, .nan]))
      #expect(Array(found.gradient[20...]) == [0, 0, 0, 0])
      let entropy = LossKernels(.crossEntropy, lanesPerItem: lanesPerItem)
      let other = try run(
        entropy, logits, [0, 2, 0, 2, 0, 4], [Float](repeating: 1, count: 6), on: context)
      #expect(other.classes == [0, 1, 0, -1, -1, 1])
      #expect(abs(other.losses[0] - 1.3862944) < 1e-6)
      #expect(agree(Array(other.losses[2...]), [.nan, .nan, .nan, .nan]))
    }
  }

  @Test func `cross-entropy agrees with double precision`() throws {
    var generator = TestGenerator(seed: 11)
    let logits = generator.tensor([2, 1000], .real(-20...20))
    let loss = LossKernels(.crossEntropy)
    for context in try OperationCheck.contexts() {
      let found = try run(loss, logits, [7, 999], [1, 1], on: context)
      for n in 0..<2 {
        let row = logits.values[n * 1000..<(n + 1) * 1000].map(Double.init)
        let peak = row.reduce(-Double.infinity, max)
        let total = row.reduce(0) { $0 + .canonicalExp($1 - peak) }
        let target = [7, 999][n]
        let expected = .canonicalLog(total) + peak - row[target]
        #expect(abs(Double(found.losses[n]) - expected) < 1e-6 * max(1, expected))
        for k in 0..<1000 {
          let value = .canonicalExp(row[k] - peak) / total - (k == target ? 1 : 0)
          #expect(abs(Double(found.gradient[n * 1000 + k]) - value) < 3e-7)
        }
      }
    }
  }
}
