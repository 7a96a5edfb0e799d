import Foundation
import Runs

/// What an attack's command prints: the run's figures, and where and how fast it went.
struct AttackSummary: Encodable {
  var attack: String
  var model: String
  var device: String
  var precision: String
  var batch: Int
  var seconds: Double
  var imagesPerSecond: Double
  /// The most bytes that the network's and the attack's buffers held together.
  var peakDeviceBytes: Int
  var run: RunSummary

  private enum Key: String, CodingKey {
    case attack, model, device, precision, batch, seconds
    case imagesPerSecond = "images_per_second"
    case peakDeviceBytes = "peak_device_bytes"
  }

  func encode(to encoder: any Encoder) throws {
    try run.encode(to: encoder)
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(attack, forKey: .attack)
    try container.encode(model, forKey: .model)
    try container.encode(device, forKey: .device)
    try container.encode(precision, forKey: .precision)
    try container.encode(batch, forKey: .batch)
    try container.encode(seconds, forKey: .seconds)
    try container.encode(imagesPerSecond, forKey: .imagesPerSecond)
    try container.encode(peakDeviceBytes, forKey: .peakDeviceBytes)
  }

  /// Prints the figures for people.
  func printLines() {
    let text = { (value: Double?, digits: Int) in
      value.map { String(format: "%.\(digits)f", $0) } ?? "-"
    }
    print("attack           \(attack) on \(model)")
    print("device           \(device), batch \(batch), precision \(precision)")
    print("pictures         \(run.samples), \(run.cleanCorrect) classified rightly")
    print(
      "success          \(run.succeeded) of \(run.attempted) (\(text(run.successRate, 4))), "
        + "\(run.succeeded8Bit) after rounding to 8 bits")
    print("L2               mean \(text(run.meanL2, 4)), median \(text(run.medianL2, 4))")
    print("RMS, L-infinity  \(text(run.meanRMS, 6)), \(text(run.meanLinf, 5))")
    print(
      "evaluations      \(text(run.meanGradientEvaluations, 1)) gradients, "
        + "\(text(run.meanForwardEvaluations, 1)) forward passes a picture")
    print(
      "time             \(text(seconds, 1)) s, \(text(imagesPerSecond, 2)) pictures/s, "
        + "\(peakDeviceBytes >> 20) MiB of device memory")
  }
}
