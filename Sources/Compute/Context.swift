import COpenCL
import Synchronization

/// A device in use: its OpenCL context, a queue for kernels and one for copies, its programs and its
/// memory account.
@safe public final class Context: @unchecked Sendable {
  /// The device that all objects of this context live on.
  public let device: Device
  /// The binaries of programs built before, in this process or another.
  public let cache: ProgramCache
  let handle: cl_context
  let queue: cl_command_queue
  private let transferQueue: cl_command_queue
  private let account = Mutex(MemoryAccount())
  private let programs = Mutex([String: Program]())
  /// Programs that have run but are not in the disk cache yet.
  private let unstored = Mutex([Program]())
  /// Whether kernels were queued that nobody has waited for yet.
  private let mayCompute = Atomic(false)

  private struct MemoryAccount {
    var live = 0
    var peak = 0
  }

  /// Opens a device.
  public init(device: Device, cache: ProgramCache = .standard()) throws(ComputeError) {
    self.device = device
    self.cache = cache
    var id: cl_device_id? = unsafe device.id
    let context = try unsafe created("clCreateContext") {
      unsafe clCreateContext(nil, 1, &id, nil, nil, $0)
    }
    unsafe handle = context
    unsafe queue = try unsafe created("clCreateCommandQueue") {
      unsafe clCreateCommandQueue(
        context, device.id, cl_command_queue_properties(CL_QUEUE_PROFILING_ENABLE), $0)
    }
    unsafe transferQueue = try unsafe created("clCreateCommandQueue") {
      unsafe clCreateCommandQueue(context, device.id, 0, $0)
    }
    if device.kind == .cpu { ActiveWaiting.shared?.start(atMost: device.computeUnits) }
  }

  deinit {
    _ = unsafe clReleaseCommandQueue(transferQueue)
    _ = unsafe clReleaseCommandQueue(queue)
    _ = unsafe clReleaseContext(handle)
  }

  /// The bytes of all buffers that live now.
  public var liveBytes: Int { account.withLock { $0.live } }
  /// The most bytes that buffers ever held together.
  public var peakBytes: Int { account.withLock { $0.peak } }

  /// Forgets the peak: it starts again from what lives now.
  public func resetPeak() { account.withLock { $0.peak = $0.live } }

  func allocated(_ bytes: Int) {
    account.withLock {
      $0.live += bytes
      $0.peak = max($0.peak, $0.live)
    }
  }

  func released(_ bytes: Int) { account.withLock { $0.live -= bytes } }

  /// The program of a source with build constants, built at most once.
  ///
  /// - Parameters:
  ///   - name: What messages call the program.
  ///   - source: OpenCL C.
  ///   - constants: Build constants, given to the compiler as `-D`.
  /// - Throws: `ComputeError` with the build log.
  public func program(
    _ name: String, source: String, constants: [(String, String)]
  ) throws(ComputeError) -> Program {
    let options = Program.options(constants, for: device)
    let key = name + "\u{0}" + options
    if let known = programs.withLock({ $0[key] }) { return known }
    let program = try Program(self, name: name, source: source, options: options)
    return programs.withLock { table in
      if let known = table[key] { return known }
      table[key] = program
      return program
    }
  }

  /// The queue of a lane.
  func queue(_ lane: Lane) -> cl_command_queue {
    lane == .compute ? unsafe queue : unsafe transferQueue
  }

  /// Hands queued commands to the device without waiting.
  public func flush(_ lane: Lane = .compute) throws(ComputeError) {
    try check(unsafe clFlush(queue(lane)), "clFlush")
  }

  /// Waits until every queued command has run.
  public func finish() throws(ComputeError) {
    // Either may wait for the other.
    try flush(.compute)
    try check(waiting { unsafe clFinish(transferQueue) }, "clFinish")
    try check(waiting { unsafe clFinish(queue) }, "clFinish")
    mayCompute.store(false, ordering: .sequentiallyConsistent)
    storeBinaries()
  }

  /// Waits for the last command of the compute queue.
  ///
  /// - Parameter event: That command's: kernels that are queued after it may not be running.
  public func finish(_ event: Event) throws(ComputeError) {
    try event.wait()
    storeBinaries()
  }

  /// Notes that a kernel was queued.
  func kernelWasQueued() {
    mayCompute.store(true, ordering: .sequentiallyConsistent)
    ActiveWaiting.shared?.stayAwake()
  }

  /// Calls what waits for a copy, and for the kernels queued before it if there are any: a network's
  /// parameters are copied while the host prepares the next, which processors kept awake would slow.
  func copying<Result>(_ copy: () -> Result) -> Result {
    mayCompute.load(ordering: .sequentiallyConsistent) ? waiting(copy) : copy()
  }

  /// Remembers a program that was launched for the first time.
  func launched(_ program: Program) { unstored.withLock { $0.append(program) } }

  /// Puts the binaries of new programs into the disk cache; the queue must be empty.
  ///
  /// PoCL compiles a kernel when it is launched, and may not be asked for the binary while it runs.
  func storeBinaries() {
    let programs = unstored.withLock { list in
      defer { list = [] }
      return list
    }
    for program in programs { program.storeBinary() }
  }
}
