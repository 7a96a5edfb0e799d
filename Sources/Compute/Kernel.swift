import COpenCL
import Synchronization

/// A value that can be an argument of a kernel: a number, a buffer or work-group memory.
public protocol KernelArgument {
  /// Calls `body` with the argument's size and its bytes; no bytes for work-group memory.
  func withArgument<Result>(_ body: (Int, UnsafeRawPointer?) -> Result) -> Result
}

extension KernelArgument where Self: BitwiseCopyable {
  /// Passes the value's own bytes.
  public func withArgument<Result>(_ body: (Int, UnsafeRawPointer?) -> Result) -> Result {
    unsafe withUnsafePointer(to: self) {
      unsafe body(MemoryLayout<Self>.size, UnsafeRawPointer($0))
    }
  }
}

extension Float: KernelArgument {}
extension Int32: KernelArgument {}
extension UInt32: KernelArgument {}
extension UInt64: KernelArgument {}

extension Buffer: KernelArgument {
  /// Passes the OpenCL memory object.
  public func withArgument<Result>(_ body: (Int, UnsafeRawPointer?) -> Result) -> Result {
    var memory: cl_mem? = unsafe handle
    return unsafe withUnsafePointer(to: &memory) {
      unsafe body(MemoryLayout<cl_mem?>.size, UnsafeRawPointer($0))
    }
  }
}

/// How many work-items a launch has, in up to three dimensions, and in groups of which size.
public struct Grid: Hashable, Sendable {
  /// The work-items in each dimension.
  public let global: [Int]
  /// The work-items of a group in each dimension.
  public let local: [Int]

  /// Rounds `items` up to whole groups: kernels test their index against the true extent.
  public init(_ items: [Int], groups local: [Int]) {
    precondition(items.count == local.count && (1...3).contains(items.count), "grid of \(items)")
    precondition(local.allSatisfy { $0 > 0 }, "groups of \(local)")
    self.local = local
    global = zip(items, local).map { (max($0, 1) + $1 - 1) / $1 * $1 }
  }
}

/// One kernel with its arguments and grid fixed: it can be queued any number of times.
///
/// Setting arguments costs more than queueing, and an attack repeats the same launches, so each
/// launch owns a kernel object.
@safe public final class Launch: @unchecked Sendable {
  /// The kernel's name.
  public let name: String
  /// The work-items.
  public let grid: Grid
  private let kernel: cl_kernel
  private let program: Program
  /// The buffers of the arguments, kept alive.
  private let retained: [AnyObject]

  /// Binds a kernel of a program to arguments.
  public init<each Argument: KernelArgument>(
    _ program: Program, _ name: String, _ grid: Grid, _ arguments: repeat each Argument
  ) throws(ComputeError) {
    self.name = name
    self.grid = grid
    self.program = program
    let kernel = try unsafe created("clCreateKernel(\(name))") {
      unsafe clCreateKernel(program.handle, name, $0)
    }
    unsafe self.kernel = kernel
    var retained: [AnyObject] = []
    var index: cl_uint = 0
    for argument in repeat each arguments {
      let status = unsafe argument.withArgument { unsafe clSetKernelArg(kernel, index, $0, $1) }
      try check(status, "clSetKernelArg(\(name), \(index))")
      if type(of: argument) is AnyClass { retained.append(argument as AnyObject) }
      index += 1
    }
    self.retained = retained
  }

  deinit { _ = unsafe clReleaseKernel(kernel) }

  /// Replaces one argument for the launches to come.
  public func set(_ index: Int, _ argument: some KernelArgument) throws(ComputeError) {
    let status = unsafe argument.withArgument {
      unsafe clSetKernelArg(kernel, cl_uint(index), $0, $1)
    }
    try check(status, "clSetKernelArg(\(name), \(index))")
  }

  /// Queues the kernel.
  public func enqueue() throws(ComputeError) {
    let context = program.context
    var global = grid.global
    var local = grid.local
    try check(
      unsafe clEnqueueNDRangeKernel(
        context.queue, kernel, cl_uint(global.count), nil, &global, &local, 0, nil, nil),
      "clEnqueueNDRangeKernel(\(name))", detail: "items \(grid.global), groups \(grid.local)")
    program.wasLaunched()
    context.kernelWasQueued()
  }

  /// Queues the kernel, waits, and returns the seconds it ran on the device.
  public func timed() throws(ComputeError) -> Double {
    let context = program.context
    var global = grid.global
    var local = grid.local
    let event = try unsafe queued(
      "clEnqueueNDRangeKernel(\(name))", detail: "items \(grid.global), groups \(grid.local)"
    ) { event in
      unsafe clEnqueueNDRangeKernel(
        context.queue, kernel, cl_uint(global.count), nil, &global, &local, 0, nil, event)
    }
    try event.wait()
    let span = try event.span()
    program.wasLaunched()
    return span.end - span.begin
  }
}
