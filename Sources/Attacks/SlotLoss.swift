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
  private let goals: Buffer<Int32>
  private let results: Buffer<Float>
  private let predictions: Buffer<Int32>
  private let launch: Launch

  init(
    recorder: Recorder, classes: Int, logits: DeviceTensor, gradient: DeviceTensor
  ) throws(ComputeError) {
    slots = recorder.batch
    goals = try Buffer(recorder.context, count: 4 * slots)
    results = try Buffer(recorder.context, count: 4 * slots)
    predictions = try Buffer(recorder.context, count: 4 * slots)
    let lanes = recorder.lanesPerItem
    let program = try recorder.program("reference/slot_loss", [("LANES_PER_ITEM", "\(lanes)")])
    let group = lanes == 256 ? 1 : 256
    launch = try Launch(
      program, "slot_loss", Grid([slots * group], groups: [group]), Int32(classes), goals,
      logits.buffer, logits.start, UInt64(logits.layout.imageStride), gradient.buffer,
      gradient.start, UInt64(gradient.layout.imageStride), results, predictions)
  }

  /// Queues the losses for the goals of all slots.
  func run(_ slotGoals: [SlotGoal]) throws(ComputeError) {
    try goals.write(
      slotGoals.flatMap { goal in
        [
          Int32(goal.loss.label), goal.loss.leaves ? 1 : 0, Int32(goal.criterion.label),
          goal.criterion.leaves ? 1 : 0,
        ]
      })
    try launch.enqueue()
  }

  /// What the logits gave; waits for the device.
  func read() throws(ComputeError) -> [Found] {
    let numbers = try results.read()
    let classes = try predictions.read()
    return (0..<slots).map {
      Found(
        loss: numbers[4 * $0], margin: numbers[4 * $0 + 1], predicted: Int(classes[4 * $0]),
        rival: Int(classes[4 * $0 + 1]), least: Int(classes[4 * $0 + 2]))
    }
  }
}
