import COpenCL

/// The end of one queued command: others of any queue can wait for it, and so can the host.
@safe public final class Event: @unchecked Sendable {
  let handle: cl_event

  init(_ handle: cl_event) { unsafe self.handle = handle }

  deinit { _ = unsafe clReleaseEvent(handle) }

  /// Whether the command has run; throws what it failed with.
  public func isComplete() throws(ComputeError) -> Bool {
    var state: cl_int = 0
    try check(
      unsafe clGetEventInfo(
        handle, cl_event_info(CL_EVENT_COMMAND_EXECUTION_STATUS), MemoryLayout<cl_int>.size, &state,
        nil), "clGetEventInfo")
    // A failed command has the error as its state.
    if state < 0 { try check(state, "a queued command") }
    return state == CL_COMPLETE
  }

  /// When the command began and ended to run, in seconds on the device's clock; only of the compute
  /// queue, and once it has run.
  public func span() throws(ComputeError) -> (begin: Double, end: Double) {
    (try time(CL_PROFILING_COMMAND_START), try time(CL_PROFILING_COMMAND_END))
  }

  private func time(_ mark: Int32) throws(ComputeError) -> Double {
    var nanoseconds: cl_ulong = 0
    try check(
      unsafe clGetEventProfilingInfo(
        handle, cl_profiling_info(mark), MemoryLayout<cl_ulong>.size, &nanoseconds, nil),
      "clGetEventProfilingInfo")
    return Double(nanoseconds) * 1e-9
  }

  /// Waits until the command has run.
  public func wait() throws(ComputeError) {
    var event: cl_event? = unsafe handle
    try check(waiting { unsafe clWaitForEvents(1, &event) }, "clWaitForEvents")
  }
}

/// The queue of a context that a command goes to; commands of one run in order.
public enum Lane: Sendable {
  /// Kernels, and all that they read and write.
  case compute
  /// Copies that run beside the kernels: events order them.
  case transfers
}

/// Calls `body` with the handles of events as OpenCL takes them; none for none.
func withHandles<Result>(
  of events: [Event], _ body: (cl_uint, UnsafePointer<cl_event?>?) -> Result
) -> Result {
  guard !events.isEmpty else { return body(0, nil) }
  let handles: [cl_event?] = unsafe events.map { unsafe $0.handle }
  return unsafe handles.withUnsafeBufferPointer { unsafe body(cl_uint($0.count), $0.baseAddress) }
}

/// Runs a call that queues a command and gives its event.
func queued(
  _ function: @autoclosure () -> String, detail: @autoclosure () -> String = "",
  _ enqueue: (UnsafeMutablePointer<cl_event?>) -> cl_int
) throws(ComputeError) -> Event {
  var event: cl_event?
  try check(unsafe enqueue(&event), function(), detail: detail())
  guard let event = unsafe event else {
    throw ComputeError(.invalidValue, function(), detail: "returned no event and no error")
  }
  return unsafe Event(event)
}
