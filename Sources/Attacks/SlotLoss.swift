import Compute
import Operations
import Reference

/// The losses of all slots on a device: `Kernels/reference/slot_loss.cl`.
final class SlotLoss {
  /// What one slot's logits gave.
  struct Found {
    var loss: Float
    var margin: Float
    var predicted: Int
    var rival: Int
    var least: Int
  }

  private let slots: Int
  private let goals: StagedBuffer<Int32>
  private let results: StagedBuffer<Float>
  private let predictions: StagedBuffer<Int32>
  private let launch: Launch

  init(
    recorder: Recorder, classes: Int, logits: DeviceTensor, gradient: DeviceTensor
  ) throws(ComputeError) {
    slots = recorder.batch
    goals = try StagedBuffer(recorder.context, count: 4 * slots)
    results = try StagedBuffer(recorder.context, count: 4 * slots)
    predictions = try StagedBuffer(recorder.context, count: 4 * slots)
    let lanes = recorder.lanesPerItem
    let program = try recorder.program("reference/slot_loss", [("LANES_PER_ITEM", "\(lanes)")])
    let group = lanes == 256 ? 1 : 256
    launch = try Launch(
      program, "slot_loss", Grid([slots * group], groups: [group]), Int32(classes), goals.buffer,
      logits.buffer, logits.start, UInt64(logits.layout.imageStride), gradient.buffer,
      gradient.start, UInt64(gradient.layout.imageStride), results.buffer, predictions.buffer)
  }

  /// Queues the losses for the goals of all slots.
  func run(_ slotGoals: [SlotGoal]) throws(ComputeError) {
    try goals.send(
      slotGoals.flatMap { goal in
        [
          Int32(goal.loss.label), goal.loss.leaves ? 1 : 0, Int32(goal.criterion.label),
          goal.criterion.leaves ? 1 : 0,
        ]
      })
    try launch.enqueue()
  }

  /// Queues the copies of what the logits gave to the host.
  func fetch() throws(ComputeError) {
    _ = try results.fetch()
    _ = try predictions.fetch()
  }

  /// What the logits gave, once the device has come past `fetch()`.
  var found: [Found] {
    let (numbers, classes) = (results.fetched, predictions.fetched)
    return (0..<slots).map {
      Found(
        loss: numbers[4 * $0], margin: numbers[4 * $0 + 1], predicted: Int(classes[4 * $0]),
        rival: Int(classes[4 * $0 + 1]), least: Int(classes[4 * $0 + 2]))
    }
  }
}
