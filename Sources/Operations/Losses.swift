public import Compute
public import Reference

/// A loss of logits, one number a sample, with its gradient to the logits.
///
/// With the logits z of a sample, its target y, and the rival r, the largest logit other than z_y
/// (the lowest class of equals): cross-entropy is log(sum of exp(z_k)) - z_y; the margin loss is
/// z_y - z_r, or z_r - z_y when the attack aims at y, and no less than -kappa
/// (Carlini and Wagner 2017). One launch a batch; sums go over 256 lanes (`LossReference`).
public struct LossKernels: Hashable, Sendable {
  /// The losses there are.
  public enum Kind: Hashable, Sendable {
    /// Minus the logarithm of the target's softmax.
    case crossEntropy
    /// How far the target is ahead of its rival, or behind it when the attack aims at the target;
    /// at -kappa the loss stays and its gradient is zero. Nil for no such bound.
    case margin(isTargeted: Bool, kappa: Float?)
  }

  /// What a launch writes, one element a sample.
  public struct Results: Sendable {
    /// The loss, not weighted.
    public let losses: Buffer<Float>
    /// The target's logit less its rival's, for every kind of loss.
    public let margins: Buffer<Float>
    /// The class of the largest logit, the lowest of equals; -1 where a logit is NaN.
    public let classes: Buffer<Int32>
    /// The class of the largest logit but the target's; -1 if there is none.
    public let rivals: Buffer<Int32>

    /// Room for the results of a batch.
    public init(_ context: Context, batch: Int) throws(ComputeError) {
      losses = try Buffer(context, count: batch)
      margins = try Buffer(context, count: batch)
      classes = try Buffer(context, count: batch)
      rivals = try Buffer(context, count: batch)
    }
  }

  /// Which loss.
  public let kind: Kind
  /// Lanes of a sum that one work-item takes, 256 or 1; nil for what suits the device.
  public let lanesPerItem: Int?

  /// A loss.
  public init(_ kind: Kind, lanesPerItem: Int? = nil) {
    precondition([nil, 1, 256].contains(lanesPerItem), "\(lanesPerItem ?? 0) lanes an item")
    self.kind = kind
    self.lanesPerItem = lanesPerItem
  }

  /// Records the launch for a batch.
  ///
  /// - Parameters:
  ///   - recorder: whose batch says how many samples there are.
  ///   - logits: K logits a sample, a vector.
  ///   - targets: a class a sample; one outside 0..<K means none: loss and margin are NaN, the
  ///     rival is the largest of all, and the gradient's share is zero.
  ///   - weights: what a sample's gradient is multiplied by, last of all.
  ///   - results: where the numbers go.
  ///   - gradient: where the logits' gradient goes, if it is wanted: share, sum, mask, as for any
  ///     operation.
  public func record(
    _ recorder: Recorder, logits: DeviceTensor, targets: Buffer<Int32>, weights: Buffer<Float>,
    results: Results, gradient: GradientTarget? = nil
  ) throws(ComputeError) {
    let batch = recorder.batch
    let layout = logits.layout
    precondition(layout.pixels == 1 && !layout.isUnpadded, "logits of \(layout)")
    precondition(
      targets.count >= batch && weights.count >= batch && results.losses.count >= batch,
      "\(targets.count) targets and \(weights.count) weights for \(batch) samples")
    precondition(
      gradient.map { $0.tensor.layout.channelStride == layout.channelStride } ?? true,
      "the gradient's layout is not that of the logits")
    let lanes = lanesPerItem ?? recorder.lanesPerItem
    let items = 256 / lanes
    let program = try recorder.program(
      "reference/losses",
      constants + [("LANES_PER_ITEM", "\(lanes)"), ("GRADIENT", gradient == nil ? "0" : "1")]
        + (gradient.map(EpilogueConstants.gradient) ?? []))
    let mask = try recorder.bytesOrPlaceholder(gradient?.mask?.bits)
    let target = gradient?.tensor ?? logits
    try recorder.launch(
      program, "losses", Grid([batch * items], groups: [items]), logits.buffer, Place(logits),
      Int32(layout.channels), targets, weights, kappa, results.losses, results.margins,
      results.classes, results.rivals, target.buffer, Place(target), mask.buffer, mask.firstWord,
      UInt64(target.layout.interior / 16))
  }

  /// The CPU reference path: losses and the weighted gradient, for logits `[N, K]`.
  ///
  /// - Parameters:
  ///   - logits: `[N, K]`, with K at least 2 for a margin.
  ///   - targets: N classes in 0..<K.
  ///   - weights: N factors of the gradient.
  public func evaluate<Scalar: ReferenceScalar>(
    _ logits: Tensor<Scalar>, targets: [Int], weights: [Scalar]
  ) -> (losses: [Scalar], gradient: Tensor<Scalar>) {
    let losses: [Scalar]
    var gradient: Tensor<Scalar>
    switch kind {
    case .crossEntropy:
      losses = LossReference.crossEntropy(logits, labels: targets)
      gradient = LossReference.crossEntropyGradient(logits, labels: targets)
    case .margin(let isTargeted, let kappa):
      let kappa = kappa.map { Scalar($0) }
      losses = LossReference.margin(
        logits, labels: targets, isTargeted: isTargeted, kappa: kappa)
      gradient = LossReference.marginGradient(
        logits, labels: targets, isTargeted: isTargeted, kappa: kappa)
    }
    for i in gradient.values.indices { gradient.values[i] *= weights[i / logits.shape[1]] }
    return (losses, gradient)
  }

  private var kappa: Float {
    if case .margin(_, .some(let kappa)) = kind { kappa } else { 0 }
  }

  private var constants: [(String, String)] {
    switch kind {
    case .crossEntropy: [("KIND", "0"), ("TARGETED", "0"), ("HINGE", "0")]
    case .margin(let isTargeted, let kappa):
      [
        ("KIND", "1"), ("TARGETED", isTargeted ? "1" : "0"), ("HINGE", kappa == nil ? "0" : "1"),
      ]
    }
  }
}
