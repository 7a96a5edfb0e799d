import Foundation
import Compute
public import Networks
import Operations
import Reference

/// An estimate of how far a picture can be changed before a network errs: the margin over the largest
/// gradient of the margin near the picture, which is estimated from maxima of samples.
///
/// Weng and others (2018). It is no certificate (Goodfellow 2018).
public struct Clever: Sendable {
  /// The radius of the ball (L2) that is sampled, in units of [0, 1] pixels; no score exceeds it.
  public var radius = 5.0
  /// The maxima that the law is fitted to.
  public var maxima = 50
  /// The samples of each maximum.
  public var samples = 128
  /// The seed of the samples.
  public var seed: UInt64 = 0

  /// The default settings, a tenth of the samples of the authors' each way.
  public init() {}

  /// What was found for one picture.
  public struct Score: Hashable, Sendable {
    /// min(margin / largest gradient, radius), in units of pixels.
    public var radius: Double
    /// The end point of the fitted law, or the largest gradient seen where no law fits.
    public var largestGradient: Double
  }

  /// The score of one picture for one pair of classes.
  ///
  /// - Parameters:
  ///   - network: Compiled with its gradient; its input is in pixels.
  ///   - pixels: The picture.
  ///   - id: The number of the picture's random stream.
  ///   - classes: The right class, and the one it is compared with.
  ///   - margin: The difference of their logits.
  /// - Throws: `ComputeError` when the device fails.
  public func score(
    _ network: CompiledNetwork, pixels: [Float], id: Int, classes: (right: Int, other: Int),
    margin: Double
  ) throws -> Score {
    guard let target = network.logitsGradient else {
      preconditionFailure("compiled without the gradient")
    }
    var seeds = [Float](repeating: 0, count: network.graph.outputShape.reduce(1, *))
    seeds[classes.right] = 1
    seeds[classes.other] = -1
    let all = Array(repeating: seeds, count: network.batch).flatMap { $0 }
    let stream = PhiloxStream(
      seed: seed, sample: UInt64(truncatingIfNeeded: id), attack: 0x636c_6576, restart: 0)
    var norms: [Double] = []
    for step in 0..<(maxima * samples + network.batch - 1) / network.batch {
      let points = (0..<network.batch).flatMap { slot in
        point(pixels, stream, UInt32(truncatingIfNeeded: step * network.batch + slot))
      }
      try network.write(
        Tensor(shape: [network.batch] + network.graph.inputShape, values: points))
      try network.forward()
      try target.buffer.write(
        target.layout.pack(all, batch: network.batch), at: target.offset)
      try network.gradient()
      let gradients = try network.readInputGradient().values
      for slot in 0..<network.batch {
        let part = gradients[slot * pixels.count..<(slot + 1) * pixels.count]
        norms.append(part.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot())
      }
    }
    let largest = (0..<maxima).compactMap { norms[$0 * samples..<($0 + 1) * samples].max() }
    let seen = largest.max() ?? 0
    let end = ReverseWeibull(fitting: largest)?.location ?? seen
    return Score(radius: min(margin / end, radius), largestGradient: end)
  }

  /// A point drawn evenly from the ball.
  private func point(_ pixels: [Float], _ stream: PhiloxStream, _ step: UInt32) -> [Float] {
    let direction = stream.gaussian(count: pixels.count, step: step)
    let norm = direction.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
    let share = Double(stream.uniform(count: 1, step: step, draw: 1)[0])
    let length = radius * pow(share, 1 / Double(pixels.count))
    let factor = norm > 0 ? Float(length / norm) : 0
    return zip(pixels, direction).map { $0 + factor * $1 }
  }
}
