public import Compute
import Reference

/// How products are rounded: canonically, or looser and faster by an NVIDIA GPU's tensor cores.
public enum Precision: String, Sendable, CaseIterable {
  /// float32 in one prescribed order, the same bits on every device.
  case canonical
  /// Factors rounded to tf32, 11 significant bits; sums in float32.
  case tf32
  /// Factors split into two bf16, three products of these: 16 significant bits.
  case bf16x3
  /// Factors split into two tf32, three products of these: nearly float32.
  case tf32x3
}

/// The precision of convolutions and matrix products, and what computes them.
///
/// Looser modes need the `gpu` family's kernels; operations without tensor-core kernels stay
/// canonical: depthwise and small grouped convolutions, Winograd's, gradients of weights and all
/// that is no product. Results of a looser mode are those of a device, not of every device.
public struct Arithmetic: Hashable, Sendable, CustomStringConvertible {
  /// What every device has.
  public static let canonical = Arithmetic(.canonical)

  /// How products are rounded.
  public let precision: Precision
  /// Whether other devices stand in for tensor cores, slowly: for tests.
  public let emulatesTensorCores: Bool

  /// A precision, by tensor cores unless they are emulated.
  public init(_ precision: Precision, emulatesTensorCores: Bool = false) {
    self.precision = precision
    self.emulatesTensorCores = emulatesTensorCores && precision != .canonical
  }

  /// The precision, and whether it is emulated.
  public var description: String {
    emulatesTensorCores ? "\(precision.rawValue) emulated" : precision.rawValue
  }

  /// Whether results are the same bits on every device.
  public var isCanonical: Bool { precision == .canonical }

  /// Whether a device may have the tensor cores that the kernels are written for.
  public static func hasTensorCores(_ device: Device) -> Bool {
    device.kind == .gpu && device.vendor.contains("NVIDIA")
  }

  /// The arithmetic as build constants of `tile.clh`.
  var constants: [(String, String)] {
    let mode =
      switch precision {
      case .canonical: 0
      case .tf32: 1
      case .bf16x3: 2
      case .tf32x3: 3
      }
    guard mode > 0 else { return [] }
    return [("PRECISION", "\(mode)"), ("EMULATES_MMA", emulatesTensorCores ? "1" : "0")]
  }

  /// Why a device cannot compute so, in one line; nil where it can.
  ///
  /// A small product, exact in every mode, is computed and compared by value: one launch.
  public func obstacle(on context: Context) -> String? {
    guard !isCanonical else { return nil }
    let name = context.device.name
    guard emulatesTensorCores || Self.hasTensorCores(context.device) else {
      return "precision \(precision.rawValue) needs an NVIDIA GPU's tensor cores; \(name) has none"
    }
    do throws(ComputeError) {
      guard try computesProbe(on: context) else {
        return "precision \(precision.rawValue): the tensor cores of \(name) give wrong products"
      }
      return nil
    } catch {
      return "precision \(precision.rawValue): \(name) does not take the kernels: \(error)"
    }
  }

  /// Whether a product is right whose factors the mode's parts hold, and whose sums float32 holds.
  private func computesProbe(on context: Context) throws(ComputeError) -> Bool {
    let (rows, columns, depth) = (70, 45, 37)
    // A second part to be split off, where there is one.
    let rest: Float = precision == .tf32 ? 0 : 0x1p-12
    let left = (0..<rows * depth).map { (index: Int) -> Float in
      Float(index * 7 % 15 - 7) + (index % 3 == 0 ? rest : 0)
    }
    let right = (0..<depth * columns).map { (index: Int) -> Float in Float(index * 5 % 13 - 6) }
    let x = Tensor<Float>(shape: [rows, depth], values: left)
    let y = Tensor<Float>(shape: [depth, columns], values: right)
    let recorder = Recorder(context: context, family: .gpu, batch: 1)
    recorder.arithmetic = self
    let product = MatrixProduct()
    let result = try Buffer<Float>(context, count: rows * columns)
    try result.fill(.nan)
    try product.record(
      recorder, DeviceMatrix(buffer: try Buffer(context, x.values), rows: rows, columns: depth),
      DeviceMatrix(buffer: try Buffer(context, y.values), rows: depth, columns: columns),
      to: DeviceMatrix(buffer: result, rows: rows, columns: columns))
    try recorder.run()
    return try result.read() == product.evaluate(x, y).values
  }
}
