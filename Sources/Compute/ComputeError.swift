import COpenCL

/// A failed OpenCL call: which function, which status, and the values that explain it.
public struct ComputeError: Error, Sendable, Equatable, CustomStringConvertible {
  /// An OpenCL status code; new codes do not break switches over it.
  public struct Status: RawRepresentable, Hashable, Sendable {
    /// The number OpenCL returned.
    public let rawValue: Int32

    /// Wraps a number OpenCL returned.
    public init(rawValue: Int32) { self.rawValue = rawValue }

    /// There is no device of the kind asked for.
    public static let deviceNotFound = Status(rawValue: CL_DEVICE_NOT_FOUND)
    /// A buffer could not be placed on the device.
    public static let outOfMemory = Status(rawValue: CL_MEM_OBJECT_ALLOCATION_FAILURE)
    /// The compiler refused a program; the detail holds its log.
    public static let buildFailure = Status(rawValue: CL_BUILD_PROGRAM_FAILURE)
    /// A value outside its range.
    public static let invalidValue = Status(rawValue: CL_INVALID_VALUE)

    /// The status's name in the OpenCL specification, without the prefix `CL_`.
    public var name: String { statusNames[rawValue] ?? "status \(rawValue)" }
  }

  /// What OpenCL answered.
  public let status: Status
  /// The OpenCL function that failed.
  public let function: String
  /// Sizes, names or the build log.
  public let detail: String

  /// Describes a failed call.
  public init(_ status: Status, _ function: String, detail: String = "") {
    self.status = status
    self.function = function
    self.detail = detail
  }

  /// One line, but for a build log.
  public var description: String {
    "\(function): \(status.name)" + (detail.isEmpty ? "" : ": \(detail)")
  }
}

/// Throws when a call did not answer `CL_SUCCESS`: the one place where statuses become errors.
func check(
  _ status: cl_int, _ function: @autoclosure () -> String,
  detail: @autoclosure () -> String = ""
) throws(ComputeError) {
  guard status == CL_SUCCESS else {
    throw ComputeError(.init(rawValue: status), function(), detail: detail())
  }
}

/// Runs a creating call, which reports its status through a pointer.
func created<Handle>(
  _ function: String, detail: @autoclosure () -> String = "",
  _ make: (UnsafeMutablePointer<cl_int>) -> Handle?
) throws(ComputeError) -> Handle {
  var status: cl_int = CL_SUCCESS
  let handle = unsafe make(&status)
  try check(status, function, detail: detail())
  guard let handle else {
    throw ComputeError(.invalidValue, function, detail: "returned no object and no error")
  }
  return handle
}

private let statusNames: [Int32: String] = [
  -1: "DEVICE_NOT_FOUND", -2: "DEVICE_NOT_AVAILABLE", -3: "COMPILER_NOT_AVAILABLE",
  -4: "MEM_OBJECT_ALLOCATION_FAILURE", -5: "OUT_OF_RESOURCES", -6: "OUT_OF_HOST_MEMORY",
  -7: "PROFILING_INFO_NOT_AVAILABLE", -8: "MEM_COPY_OVERLAP", -11: "BUILD_PROGRAM_FAILURE",
  -12: "MAP_FAILURE", -13: "MISALIGNED_SUB_BUFFER_OFFSET",
  -14: "EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST", -15: "COMPILE_PROGRAM_FAILURE",
  -30: "INVALID_VALUE", -31: "INVALID_DEVICE_TYPE", -32: "INVALID_PLATFORM",
  -33: "INVALID_DEVICE", -34: "INVALID_CONTEXT", -35: "INVALID_QUEUE_PROPERTIES",
  -36: "INVALID_COMMAND_QUEUE", -37: "INVALID_HOST_PTR", -38: "INVALID_MEM_OBJECT",
  -42: "INVALID_BINARY", -43: "INVALID_BUILD_OPTIONS", -44: "INVALID_PROGRAM",
  -45: "INVALID_PROGRAM_EXECUTABLE", -46: "INVALID_KERNEL_NAME",
  -47: "INVALID_KERNEL_DEFINITION", -48: "INVALID_KERNEL", -49: "INVALID_ARG_INDEX",
  -50: "INVALID_ARG_VALUE", -51: "INVALID_ARG_SIZE", -52: "INVALID_KERNEL_ARGS",
  -53: "INVALID_WORK_DIMENSION", -54: "INVALID_WORK_GROUP_SIZE", -55: "INVALID_WORK_ITEM_SIZE",
  -56: "INVALID_GLOBAL_OFFSET", -57: "INVALID_EVENT_WAIT_LIST", -58: "INVALID_EVENT",
  -59: "INVALID_OPERATION", -61: "INVALID_BUFFER_SIZE", -63: "INVALID_GLOBAL_WORK_SIZE",
  -68: "INVALID_DEVICE_PARTITION_COUNT", -1001: "PLATFORM_NOT_FOUND",
]
