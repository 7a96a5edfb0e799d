import COpenCL

/// Device memory for elements of one type; freed when the last reference goes.
@safe public final class Buffer<Element: BitwiseCopyable & Sendable>: @unchecked Sendable {
  /// The context the memory belongs to.
  public let context: Context
  /// The number of elements.
  public let count: Int
  let handle: cl_mem
  private let bytes: Int

  /// Takes memory for `count` elements, at least one; its content is undefined.
  public init(_ context: Context, count: Int) throws(ComputeError) {
    precondition(count >= 0, "a buffer of \(count) elements")
    self.context = context
    self.count = count
    let size = max(count, 1) * MemoryLayout<Element>.stride
    bytes = size
    unsafe handle = try unsafe created(
      "clCreateBuffer", detail: "\(size) bytes on \(context.device.name)"
    ) {
      unsafe clCreateBuffer(context.handle, cl_mem_flags(CL_MEM_READ_WRITE), size, nil, $0)
    }
    context.allocated(size)
  }

  /// Takes memory and fills it.
  public convenience init(_ context: Context, _ values: [Element]) throws(ComputeError) {
    try self.init(context, count: values.count)
    try write(values)
  }

  deinit {
    _ = unsafe clReleaseMemObject(handle)
    context.released(bytes)
  }

  /// Writes elements from `start` on; returns when they are copied.
  public func write(_ values: [Element], at start: Int = 0) throws(ComputeError) {
    precondition(
      start >= 0 && start + values.count <= count,
      "write of \(values.count) elements at \(start) into a buffer of \(count)")
    guard !values.isEmpty else { return }
    let stride = MemoryLayout<Element>.stride
    try check(
      context.copying {
        unsafe clEnqueueWriteBuffer(
          context.queue, handle, cl_bool(CL_TRUE), start * stride, values.count * stride, values, 0,
          nil, nil)
      },
      "clEnqueueWriteBuffer", detail: "\(values.count * stride) bytes")
  }

  /// Reads elements into an array of the right size; waits for all commands queued before.
  public func read(into values: inout [Element], from start: Int = 0) throws(ComputeError) {
    precondition(
      start >= 0 && start + values.count <= count,
      "read of \(values.count) elements at \(start) from a buffer of \(count)")
    guard !values.isEmpty else { return }
    let stride = MemoryLayout<Element>.stride
    try check(
      waiting {
        unsafe clEnqueueReadBuffer(
          context.queue, handle, cl_bool(CL_TRUE), start * stride, values.count * stride, &values,
          0,
          nil, nil)
      },
      "clEnqueueReadBuffer", detail: "\(values.count * stride) bytes")
    context.storeBinaries()
  }

  /// Queues a copy of `length` elements of this buffer to another, after what `events` stand for.
  @discardableResult
  public func copy(
    from start: Int, length: Int, to target: Buffer<Element>, at targetStart: Int,
    after events: [Event] = []
  ) throws(ComputeError) -> Event {
    precondition(start + length <= count && targetStart + length <= target.count, "copy range")
    let stride = MemoryLayout<Element>.stride
    return try unsafe queued("clEnqueueCopyBuffer", detail: "\(length * stride) bytes") { event in
      unsafe withHandles(of: events) { count, events in
        unsafe clEnqueueCopyBuffer(
          context.queue, handle, target.handle, start * stride, targetStart * stride,
          length * stride, count, events, event)
      }
    }
  }
}

extension Buffer where Element: ExpressibleByIntegerLiteral {
  /// Reads `length` elements, or all; waits for all commands queued before.
  public func read(from start: Int = 0, length: Int? = nil) throws(ComputeError) -> [Element] {
    var values = [Element](repeating: 0, count: length ?? count - start)
    try read(into: &values, from: start)
    return values
  }

  /// Queues filling the whole buffer with one element.
  public func fill(_ element: Element) throws(ComputeError) {
    var pattern = element
    let stride = MemoryLayout<Element>.stride
    try check(
      unsafe clEnqueueFillBuffer(
        context.queue, handle, &pattern, stride, 0, max(count, 1) * stride, 0, nil, nil),
      "clEnqueueFillBuffer")
  }
}
