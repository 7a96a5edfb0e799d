import Compute
import Operations
import Reference

/// One loss over one batch of logits, its gradient stored plainly, or added and masked.
private func loss(
  _ context: Context, _ kind: LossKernels.Kind, _ lanes: Int, classes: Int, batch: Int,
  mask activation: Activation? = nil
) throws(ComputeError) -> [String] {
  let loss = LossKernels(kind, lanesPerItem: lanes)
  var generator = ValueGenerator(seed: UInt64(classes))
  let logits = generator.tensor([batch, classes], .real(-9...9))
  let stored = generator.tensor([batch, classes], .real(-3...3)).values
  let targets = (0..<batch).map { [0, classes - 1, classes / 2][$0] }
  let weights = (0..<batch).map { [1.5, -2, 0.75][$0] as Float }
  let layout = Layout(shape: [classes])
  let bits = generator.bytes(batch * layout.interior / 8)
  let z = try GuardedTensor(context, layout, batch)
  try z.write(logits.values)
  let gradient = try GuardedTensor(context, layout, batch)
  if activation != nil { try gradient.write(stored) }
  let mask = DeviceBytes(buffer: try Buffer(context, bits))
  let recorder = Recorder(context: context, family: .reference, batch: batch)
  let results = try LossKernels.Results(context, batch: batch)
  try loss.record(
    recorder, logits: z.tensor, targets: try Buffer(context, targets.map { Int32($0) }),
    weights: try Buffer(context, weights), results: results,
    gradient: GradientTarget(
      tensor: gradient.tensor, accumulates: activation != nil, mask: activation.map { ($0, mask) }))
  try recorder.run()
  var (losses, expected) = loss.evaluate(logits, targets: targets, weights: weights)
  if let activation {
    _ = layout.firstComplaint(batch: batch) { logical, interior in
      expected.values[logical] += stored[logical]
      if bits[interior / 8] >> UInt8(interior % 8) & 1 == 0 {
        if case .leakyReLU(let slope) = activation {
          expected.values[logical] *= slope
        } else {
          expected.values[logical] = 0
        }
      }
      return nil
    }
  }
  let margins = LossReference.margin(logits, labels: targets, isTargeted: false)
  let classesFound = try results.classes.read().map(Int.init)
  let rivals = try results.rivals.read().map(Int.init)
  return [
    difference(try results.losses.read(), losses).map { "losses: \($0)" },
    difference(try gradient.read(), expected.values).map { "gradient: \($0)" },
    difference(try results.margins.read(), margins).map { "margins: \($0)" },
    difference(classesFound, LossReference.argmax(logits)).map { "classes: \($0)" },
    difference(rivals, LossReference.runnerUp(logits, labels: targets)).map { "rivals: \($0)" },
  ].compactMap { $0 } + (try gradient.damage()).map { "gradient \($0)" }
}

extension OperationCatalog {
  private static let lossKinds: [LossKernels.Kind] = [
    .crossEntropy, .margin(isTargeted: false, kappa: nil), .margin(isTargeted: true, kappa: nil),
    .margin(isTargeted: true, kappa: 0.5), .margin(isTargeted: false, kappa: 0),
  ]

  /// Losses of logits and their gradients, in both styles of lanes.
  public static let losses: [CatalogCase] = {
    let sizes: [(classes: Int, batch: Int)] = [
      (2, 1), (3, 3), (10, 3), (15, 1), (16, 3), (17, 2), (255, 1), (256, 2), (257, 3),
      (1000, 3), (22_000, 2),
    ]
    let masks: [Activation] = [.relu, .leakyReLU(0.125)]
    var rows: [CatalogCase] = []
    for lanes in laneStyles {
      for kind in lossKinds {
        let style = "\(lanes) lanes an item"
        for (classes, batch) in sizes {
          rows.append(
            CatalogCase("losses", "\(name(kind)), \(classes) classes, \(style)", batch: batch) {
              (context, _) throws(ComputeError) in
              try loss(context, kind, lanes, classes: classes, batch: batch)
            })
        }
        for mask in masks {
          rows.append(
            CatalogCase("losses", "\(name(kind)), added, masked by \(mask), \(style)", batch: 3) {
              (context, _) throws(ComputeError) in
              try loss(context, kind, lanes, classes: 37, batch: 3, mask: mask)
            })
        }
      }
    }
    return rows
  }()

  private static func name(_ kind: LossKernels.Kind) -> String {
    switch kind {
    case .crossEntropy:
      return "cross-entropy"
    case .margin(let isTargeted, let kappa):
      let bound = kappa.map { " to -" + String($0) } ?? ""
      return (isTargeted ? "targeted margin" : "margin") + bound
    }
  }

  /// The losses of attacks: to reach or to leave a class, with another criterion or the same.
  public static let slotLoss: [CatalogCase] = laneStyles.flatMap { lanes in
    [2, 10, 16, 17, 255, 257, 1000].map { classes in
      CatalogCase(
        "slot-loss", "\(classes) classes, \(lanes) lanes an item", batch: 7,
        groupSize: 256 / lanes
      ) {
        (context, _) throws(ComputeError) in try slots(context, classes, lanes)
      }
    }
  }
}

/// Seven slots with different goals, in one launch of `slot_loss.cl`.
private func slots(
  _ context: Context, _ classes: Int, _ lanes: Int
) throws(ComputeError) -> [String] {
  let predicted = -1
  let goals: [(label: Int, leaves: Bool, criterion: Int, criterionLeaves: Bool)] = [
    (0, true, 0, true), (classes - 1, false, classes - 1, false),
    (predicted, true, predicted, true),
    (0, false, classes - 1, true), (classes / 2, true, 0, false), (predicted, false, 0, true),
    (1, true, predicted, false),
  ]
  let batch = goals.count
  var generator = ValueGenerator(seed: UInt64(classes))
  var logits = generator.tensor([batch, classes], .real(-9...9)).values
  // One sample of equal logits, one that is sure of its class.
  for k in 0..<classes { logits[2 * classes + k] = 2 }
  logits[4 * classes + classes / 2] = 60
  let layout = Layout(shape: [classes])
  let z = try GuardedTensor(context, layout, batch)
  try z.write(logits)
  let gradient = try GuardedTensor(context, layout, batch)
  let results = try Buffer<Float>(context, count: 4 * batch)
  let predictions = try Buffer<Int32>(context, count: 4 * batch)
  let words = goals.flatMap {
    [
      Int32($0.label), $0.leaves ? 1 : 0, Int32($0.criterion), $0.criterionLeaves ? 1 : 0,
    ] as [Int32]
  }
  let recorder = Recorder(context: context, family: .reference, batch: batch)
  let launch = try Launch(
    try recorder.program("reference/slot_loss", [("LANES_PER_ITEM", "\(lanes)")]), "slot_loss",
    Grid(slots: batch, lanesPerItem: lanes), Int32(classes), try Buffer(context, words),
    z.tensor.buffer, z.tensor.start, UInt64(layout.imageStride), gradient.tensor.buffer,
    gradient.tensor.start, UInt64(layout.imageStride), results, predictions)
  try launch.enqueue()
  let numbers = try results.read()
  let found = try predictions.read()
  let gradients = try gradient.read()
  var failures = try gradient.damage().map { "gradient \($0)" }
  for (slot, goal) in goals.enumerated() {
    let row = Array(logits[slot * classes..<(slot + 1) * classes])
    let best = LongSum.maximum(row).offset
    let loss = GoalLoss(label: goal.label < 0 ? best : goal.label, leaves: goal.leaves)
    let criterion = GoalLoss(
      label: goal.criterion < 0 ? best : goal.criterion, leaves: goal.criterionLeaves)
    let expected = loss.evaluate(row)
    let margin = criterion.margin(row)
    let least = LongSum.maximum(row.map { -$0 }).offset
    let lines = [
      difference(Array(numbers[4 * slot..<4 * slot + 2]), [expected.loss, margin.margin]),
      difference(
        Array(gradients[slot * classes..<(slot + 1) * classes]), expected.gradient),
      difference(
        Array(found[4 * slot..<4 * slot + 3]), [Int32(best), Int32(margin.rival), Int32(least)]),
    ]
    failures += lines.compactMap { $0 }.map { "slot \(slot): \($0)" }
  }
  return failures
}
