public import Compute
public import Reference

/// A batch of samples in device memory.
public struct DeviceTensor: Sendable {
  /// The memory, usually a part of an arena.
  public let buffer: Buffer<Float>
  /// Floats from the buffer's start to the first sample, a multiple of 16.
  public let offset: Int
  /// How each sample lies.
  public let layout: Layout

  /// A part of a buffer.
  public init(buffer: Buffer<Float>, offset: Int = 0, layout: Layout) {
    self.buffer = buffer
    self.offset = offset
    self.layout = layout
  }

  /// The first pixel of the first sample, in floats from the buffer's start: what kernels get.
  public var start: UInt64 { UInt64(offset + layout.origin) }
}

/// Bytes in device memory: masks and pooling indices.
public struct DeviceBytes: Sendable {
  /// The memory.
  public let buffer: Buffer<UInt8>
  /// Bytes from the buffer's start, a multiple of 128 or, for some channels of a mask, of 2.
  public let offset: Int

  /// A part of a buffer.
  public init(buffer: Buffer<UInt8>, offset: Int = 0) {
    self.buffer = buffer
    self.offset = offset
  }
}

/// Where a forward pass writes.
public struct ForwardTarget: Sendable {
  /// The output.
  public let tensor: DeviceTensor
  /// Where the activation's bits go, or nil when no gradient will be asked.
  ///
  /// Bit c % 16 of the 16-bit word `(pixel * maskStride + c) / 16` of a sample is 1 where the
  /// activation's derivative is 1.
  public let mask: DeviceBytes?
  /// Where the operation's own state goes, or nil when no gradient will be asked.
  ///
  /// It takes `Needs.stateBytes` a sample.
  public let state: DeviceBytes?

  /// A target.
  public init(tensor: DeviceTensor, mask: DeviceBytes? = nil, state: DeviceBytes? = nil) {
    self.tensor = tensor
    self.mask = mask
    self.state = state
  }
}

/// What the forward pass left for the gradient pass.
public struct Saved: Sendable {
  /// The inputs, by position, where `Needs` asked for them.
  public let inputs: [DeviceTensor?]
  /// The output, where `Needs` asked for it.
  public let output: DeviceTensor?
  /// The operation's own state.
  public let state: DeviceBytes?
  /// The layouts of all inputs and of the output, kept or not.
  public let inputLayouts: [Layout]
  /// The layout of the output.
  public let outputLayout: Layout

  /// What was kept.
  public init(
    inputs: [DeviceTensor?], output: DeviceTensor?, state: DeviceBytes?, inputLayouts: [Layout],
    outputLayout: Layout
  ) {
    self.inputs = inputs
    self.output = output
    self.state = state
    self.inputLayouts = inputLayouts
    self.outputLayout = outputLayout
  }
}

/// Where a gradient goes, and what is done to the sum before it is stored.
///
/// The order is canonical: this operation's share s; then `s + stored` when accumulating; then the
/// derivative of the activation: s where the mask's bit is 1, else +0 (leaky ReLU: s times slope).
public struct GradientTarget: Sendable {
  /// The gradient of the value.
  public let tensor: DeviceTensor
  /// Whether the memory already holds the sum of other consumers' shares.
  public let accumulates: Bool
  /// The activation whose derivative completes the gradient, with its bits; nil to leave it.
  public let mask: (activation: Activation, bits: DeviceBytes)?

  /// A target.
  public init(
    tensor: DeviceTensor, accumulates: Bool = false,
    mask: (activation: Activation, bits: DeviceBytes)? = nil
  ) {
    self.tensor = tensor
    self.accumulates = accumulates
    self.mask = mask
  }
}
