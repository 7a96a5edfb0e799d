import COpenCL
import Synchronization

/// One OpenCL device, with the facts that kernels and caches depend on.
@safe public final class Device: @unchecked Sendable, CustomStringConvertible {
  /// What kind of hardware a device is.
  public enum Kind: String, Sendable, CaseIterable {
    /// A host processor.
    case cpu
    /// A graphics processor.
    case gpu
    /// Any other device.
    case accelerator
  }

  let id: cl_device_id
  /// The position among all devices of all platforms.
  public let index: Int
  /// The device's own name.
  public let name: String
  /// The vendor of the device.
  public let vendor: String
  /// The OpenCL platform that drives the device.
  public let platformName: String
  /// The platform's version string.
  public let platformVersion: String
  /// The OpenCL version that the device claims.
  public let version: String
  /// The version of the driver.
  public let driverVersion: String
  /// The extensions the device claims.
  public let extensions: Set<String>
  /// The kind of hardware.
  public let kind: Kind
  /// The number of compute units.
  public let computeUnits: Int
  /// The device's memory in bytes.
  public let globalMemoryBytes: Int
  /// The largest single buffer in bytes that the device claims.
  public let largestBufferBytes: Int
  /// Work-group memory in bytes.
  public let localMemoryBytes: Int
  /// The largest work-group.
  public let largestWorkGroup: Int
  /// The floats that an instruction of the device computes.
  public let nativeFloatWidth: Int
  /// Whether the device claims correctly rounded division and square root.
  public let claimsCorrectDivision: Bool

  init(id: cl_device_id, platform: cl_platform_id, index: Int) throws(ComputeError) {
    unsafe self.id = id
    self.index = index
    name = try unsafe text(CL_DEVICE_NAME) { unsafe clGetDeviceInfo(id, $0, $1, $2, $3) }
    vendor = try unsafe text(CL_DEVICE_VENDOR) { unsafe clGetDeviceInfo(id, $0, $1, $2, $3) }
    version = try unsafe text(CL_DEVICE_VERSION) { unsafe clGetDeviceInfo(id, $0, $1, $2, $3) }
    driverVersion = try unsafe text(CL_DRIVER_VERSION) {
      unsafe clGetDeviceInfo(id, $0, $1, $2, $3)
    }
    platformName = try unsafe text(CL_PLATFORM_NAME) {
      unsafe clGetPlatformInfo(platform, $0, $1, $2, $3)
    }
    platformVersion = try unsafe text(CL_PLATFORM_VERSION) {
      unsafe clGetPlatformInfo(platform, $0, $1, $2, $3)
    }
    extensions = Set(
      try unsafe text(CL_DEVICE_EXTENSIONS) { unsafe clGetDeviceInfo(id, $0, $1, $2, $3) }
        .split(separator: " ").map(String.init))
    let type: cl_device_type = try unsafe value(id, CL_DEVICE_TYPE, cl_device_type(0))
    kind =
      type & cl_device_type(CL_DEVICE_TYPE_GPU) != 0
      ? .gpu : type & cl_device_type(CL_DEVICE_TYPE_CPU) != 0 ? .cpu : .accelerator
    computeUnits = Int(try unsafe value(id, CL_DEVICE_MAX_COMPUTE_UNITS, cl_uint(0)))
    globalMemoryBytes = Int(try unsafe value(id, CL_DEVICE_GLOBAL_MEM_SIZE, cl_ulong(0)))
    largestBufferBytes = Int(try unsafe value(id, CL_DEVICE_MAX_MEM_ALLOC_SIZE, cl_ulong(0)))
    localMemoryBytes = Int(try unsafe value(id, CL_DEVICE_LOCAL_MEM_SIZE, cl_ulong(0)))
    largestWorkGroup = try unsafe value(id, CL_DEVICE_MAX_WORK_GROUP_SIZE, 0)
    nativeFloatWidth = Int(
      try unsafe value(id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, cl_uint(0)))
    let floats: cl_device_fp_config = try unsafe value(
      id, CL_DEVICE_SINGLE_FP_CONFIG, cl_device_fp_config(0))
    claimsCorrectDivision =
      floats & cl_device_fp_config(CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT) != 0
  }

  /// Every device of every platform, in the order the ICD loader gives them.
  ///
  /// None when no OpenCL driver is installed.
  /// - Throws: `ComputeError` when a driver fails.
  public static func all() throws(ComputeError) -> [Device] {
    // While one thread makes the ICD loader look for drivers, another would be told there are none.
    try enumeration.withLock { (_: inout Void) throws(ComputeError) in try unlockedAll() }
  }

  private static let enumeration = Mutex<Void>(())

  private static func unlockedAll() throws(ComputeError) -> [Device] {
    var count: cl_uint = 0
    let found = unsafe clGetPlatformIDs(0, nil, &count)
    // What the ICD loader answers when it finds no driver.
    if found == -1001 || count == 0 { return [] }
    try check(found, "clGetPlatformIDs")
    var platforms = unsafe [cl_platform_id?](repeating: nil, count: Int(count))
    try check(unsafe clGetPlatformIDs(count, &platforms, nil), "clGetPlatformIDs")
    var devices: [Device] = []
    for position in unsafe platforms.indices {
      guard let platform = unsafe platforms[position] else { continue }
      var deviceCount: cl_uint = 0
      let all = cl_device_type(CL_DEVICE_TYPE_ALL)
      let status = unsafe clGetDeviceIDs(platform, all, 0, nil, &deviceCount)
      if status == CL_DEVICE_NOT_FOUND { continue }
      try check(status, "clGetDeviceIDs")
      var ids = unsafe [cl_device_id?](repeating: nil, count: Int(deviceCount))
      try check(unsafe clGetDeviceIDs(platform, all, deviceCount, &ids, nil), "clGetDeviceIDs")
      for position in unsafe ids.indices {
        guard let id = unsafe ids[position] else { continue }
        devices.append(try unsafe Device(id: id, platform: platform, index: devices.count))
      }
    }
    return devices
  }

  /// The device a user means: an index, a kind (`cpu`, `gpu`), part of a name, or nil for the best.
  ///
  /// The default is a GPU before a CPU.
  /// - Throws: `ComputeError` naming the devices there are.
  public static func matching(_ text: String? = nil) throws(ComputeError) -> Device {
    try matching(text, among: try all())
  }

  /// The devices a user means: `all`, or several of what `matching(_:)` takes, joined by commas.
  ///
  /// - Throws: `ComputeError` naming the devices there are, or the device that is meant twice.
  public static func list(_ text: String? = nil) throws(ComputeError) -> [Device] {
    let devices = try all()
    guard let text else { return [try matching(nil, among: devices)] }
    if text.lowercased() == "all", !devices.isEmpty { return devices }
    var chosen: [Device] = []
    for name in text.split(separator: ",", omittingEmptySubsequences: false) {
      let device = try matching(String(name), among: devices)
      guard !chosen.contains(where: { $0.index == device.index }) else {
        throw ComputeError(
          .invalidValue, "device",
          detail: "'\(text)' means device \(device.index), \(device.name), twice")
      }
      chosen.append(device)
    }
    return chosen
  }

  private static func matching(
    _ text: String?, among devices: [Device]
  ) throws(ComputeError) -> Device {
    let found: Device?
    if let text {
      let wanted = text.lowercased()
      if let index = Int(wanted) {
        found = devices.first { $0.index == index }
      } else if let kind = Kind(rawValue: wanted) {
        found = devices.first { $0.kind == kind }
      } else if wanted.isEmpty {
        found = nil
      } else {
        found = devices.first {
          $0.name.lowercased().contains(wanted) || $0.platformName.lowercased().contains(wanted)
        }
      }
    } else {
      found = devices.first { $0.kind == .gpu } ?? devices.first
    }
    guard let found else {
      let names = devices.map { "\($0.index) \($0.name)" }.joined(separator: ", ")
      throw ComputeError(
        .deviceNotFound, "device",
        detail: (text.map { "no device matches '\($0)'" } ?? "no OpenCL device")
          + (names.isEmpty
            ? "; install a driver (pocl-opencl-icd runs on any CPU)" : "; there are: \(names)"))
    }
    return found
  }

  /// Index, name and platform.
  public var description: String { "\(name) (\(platformName))" }
}

private func text(
  _ parameter: Int32,
  _ query: (cl_uint, Int, UnsafeMutableRawPointer?, UnsafeMutablePointer<Int>?) -> cl_int
) throws(ComputeError) -> String {
  var size = 0
  try check(unsafe query(cl_uint(parameter), 0, nil, &size), "clGetInfo(\(parameter))")
  var bytes = [UInt8](repeating: 0, count: size)
  try check(unsafe query(cl_uint(parameter), size, &bytes, nil), "clGetInfo(\(parameter))")
  return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
}

private func value<Value: BitwiseCopyable>(
  _ id: cl_device_id, _ parameter: Int32, _ initial: Value
) throws(ComputeError) -> Value {
  var result = initial
  try check(
    unsafe clGetDeviceInfo(id, cl_uint(parameter), MemoryLayout<Value>.size, &result, nil),
    "clGetDeviceInfo(\(parameter))")
  return result
}
