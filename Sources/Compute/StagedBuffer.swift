/// A small buffer of a device with its staging memory: numbers that go to kernels, or come from them,
/// once a step.
///
/// Neither direction makes the host wait. It must wait once between two uses, for an event of the
/// compute queue that comes after them.
public final class StagedBuffer<Element: BitwiseCopyable & Sendable> {
  /// What kernels read and write.
  public let buffer: Buffer<Element>
  private let staging: StagingBuffer<Element>

  /// Takes memory on both sides.
  public init(_ context: Context, count: Int) throws(ComputeError) {
    buffer = try Buffer(context, count: count)
    staging = try StagingBuffer(context, count: count)
  }

  /// Queues a copy of values to the device, in front of the kernels that come after.
  @discardableResult
  public func send(_ values: [Element]) throws(ComputeError) -> Event {
    precondition(values.count == buffer.count, "\(values.count) values for \(buffer.count)")
    staging.put(values)
    return try buffer.write(staged: staging, 0..<values.count)
  }

  /// Queues a copy from the device, after the kernels that came before.
  public func fetch() throws(ComputeError) -> Event {
    try buffer.read(staged: staging, 0..<buffer.count)
  }

  /// What was fetched, once the event of `fetch()` has been waited for.
  public var fetched: [Element] { staging.values() }
}
