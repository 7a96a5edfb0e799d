import COpenCL

/// Memory of the host that the device copies from and to directly, without the driver's own copy and
/// without making the host wait.
///
/// Drivers keep such memory in place (pinned); it counts as the host's, not as the device's. Whoever
/// queued a copy must wait for its event before touching these elements again, and before releasing
/// the buffer.
@safe public final class StagingBuffer<Element: BitwiseCopyable & Sendable>: @unchecked Sendable {
  /// The number of elements.
  public let count: Int
  private let context: Context
  private let memory: cl_mem
  private let elements: UnsafeMutableBufferPointer<Element>

  /// Takes memory for `count` elements, at least one; its content is undefined.
  public init(_ context: Context, count: Int) throws(ComputeError) {
    precondition(count >= 0, "a staging buffer of \(count) elements")
    self.context = context
    self.count = count
    let size = max(count, 1) * MemoryLayout<Element>.stride
    let memory = try unsafe created("clCreateBuffer", detail: "\(size) bytes of host memory") {
      unsafe clCreateBuffer(
        context.handle, cl_mem_flags(CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR), size, nil, $0)
    }
    do throws(ComputeError) {
      // Mapped for its whole life: kernels never see it.
      let place = try unsafe created("clEnqueueMapBuffer", detail: "\(size) bytes") {
        unsafe clEnqueueMapBuffer(
          context.queue(.transfers), memory, cl_bool(CL_TRUE),
          cl_map_flags(CL_MAP_READ | CL_MAP_WRITE), 0, size, 0, nil, nil, $0)
      }
      unsafe elements = UnsafeMutableBufferPointer(
        start: place.bindMemory(to: Element.self, capacity: max(count, 1)), count: count)
    } catch {
      _ = unsafe clReleaseMemObject(memory)
      throw error
    }
    unsafe self.memory = memory
  }

  deinit {
    _ = unsafe clEnqueueUnmapMemObject(
      context.queue(.transfers), memory, elements.baseAddress, 0, nil, nil)
    _ = unsafe clReleaseMemObject(memory)
  }

  /// Puts elements at `start` and after.
  public func put(_ values: [Element], at start: Int = 0) {
    precondition(start >= 0 && start + values.count <= count, "\(values.count) at \(start)")
    _ = unsafe UnsafeMutableBufferPointer(rebasing: elements[start..<start + values.count])
      .update(fromContentsOf: values)
  }

  /// The elements of a range, or all.
  public func values(_ range: Range<Int>? = nil) -> [Element] {
    let range = range ?? 0..<count
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "elements \(range)")
    return unsafe Array(elements[range])
  }

  /// Where an element lies.
  func address(of index: Int) -> UnsafeMutableRawPointer? {
    unsafe elements.baseAddress.map { unsafe UnsafeMutableRawPointer($0 + index) }
  }
}

extension Buffer {
  /// Queues a copy of staged elements into this buffer.
  ///
  /// - Parameters:
  ///   - range: The elements of the staging buffer.
  ///   - start: Where the first goes in this buffer.
  ///   - lane: The queue.
  ///   - events: What must have run before.
  @discardableResult
  public func write(
    staged source: StagingBuffer<Element>, _ range: Range<Int>, at start: Int = 0,
    on lane: Lane = .compute, after events: [Event] = []
  ) throws(ComputeError) -> Event {
    precondition(
      range.upperBound <= source.count && start >= 0 && start + range.count <= count,
      "write of \(range) at \(start) into a buffer of \(count)")
    let stride = MemoryLayout<Element>.stride
    return try unsafe queued("clEnqueueWriteBuffer", detail: "\(range.count * stride) bytes") {
      event in
      unsafe withHandles(of: events) { count, events in
        unsafe clEnqueueWriteBuffer(
          context.queue(lane), handle, cl_bool(CL_FALSE), start * stride, range.count * stride,
          source.address(of: range.lowerBound), count, events, event)
      }
    }
  }

  /// Queues a copy of elements of this buffer, from `start` on, to a staging buffer.
  ///
  /// - Parameters:
  ///   - range: The elements of the staging buffer.
  ///   - start: Where the first lies in this buffer.
  ///   - lane: The queue.
  ///   - events: What must have run before.
  @discardableResult
  public func read(
    staged target: StagingBuffer<Element>, _ range: Range<Int>, from start: Int = 0,
    on lane: Lane = .compute, after events: [Event] = []
  ) throws(ComputeError) -> Event {
    precondition(
      range.upperBound <= target.count && start >= 0 && start + range.count <= count,
      "read of \(range) from \(start) of a buffer of \(count)")
    let stride = MemoryLayout<Element>.stride
    return try unsafe queued("clEnqueueReadBuffer", detail: "\(range.count * stride) bytes") {
      event in
      unsafe withHandles(of: events) { count, events in
        unsafe clEnqueueReadBuffer(
          context.queue(lane), handle, cl_bool(CL_FALSE), start * stride, range.count * stride,
          target.address(of: range.lowerBound), count, events, event)
      }
    }
  }
}
