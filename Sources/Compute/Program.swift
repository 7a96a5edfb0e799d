import COpenCL
import Synchronization

/// OpenCL C compiled for one device.
@safe public final class Program: @unchecked Sendable {
  let handle: cl_program
  let context: Context
  /// What messages call the program.
  public let name: String
  /// Whether the binary came from the disk cache.
  let cameFromCache: Bool
  private let cacheKey: String
  private let announced: Mutex<Bool>

  /// The options every program is built with; constants become `-D` options.
  static func options(_ constants: [(String, String)], for device: Device) -> String {
    // Warnings are for the lint; some drivers print them from running programs.
    var words = ["-cl-std=CL1.2", "-w"]
    // PoCL rounds division correctly without being asked, and warns about the option.
    if device.claimsCorrectDivision { words.append("-cl-fp32-correctly-rounded-divide-sqrt") }
    words += constants.map { "-D\($0.0)=\($0.1)" }
    return words.joined(separator: " ")
  }

  init(
    _ context: Context, name: String, source: String, options: String
  ) throws(ComputeError) {
    self.context = context
    self.name = name
    cacheKey = context.cache.key(source: source, options: options, device: context.device)
    if let binary = context.cache.load(cacheKey),
      let program = unsafe Program.load(binary, in: context, options: options)
    {
      unsafe handle = program
      cameFromCache = true
      announced = Mutex(true)
      return
    }
    cameFromCache = false
    announced = Mutex(false)
    let program = try unsafe created("clCreateProgramWithSource") { status in
      unsafe source.withCString { text -> cl_program? in
        var pointer: UnsafePointer<CChar>? = unsafe text
        return unsafe clCreateProgramWithSource(context.handle, 1, &pointer, nil, status)
      }
    }
    unsafe handle = program
    var id: cl_device_id? = unsafe context.device.id
    let status = unsafe clBuildProgram(program, 1, &id, options, nil, nil)
    if status != CL_SUCCESS {
      let log = unsafe Program.buildLog(program, context.device)
      throw ComputeError(
        .init(rawValue: status), "clBuildProgram(\(name))", detail: "options \(options)\n\(log)")
    }
  }

  deinit { _ = unsafe clReleaseProgram(handle) }

  /// Tells the context that the program was launched, once.
  func wasLaunched() {
    let first = announced.withLock { done in
      defer { done = true }
      return !done
    }
    if first, context.cache.isEnabled { context.launched(self) }
  }

  /// Puts the binary into the disk cache.
  func storeBinary() {
    var size = 0
    guard
      unsafe clGetProgramInfo(
        handle, cl_program_info(CL_PROGRAM_BINARY_SIZES), MemoryLayout<Int>.size, &size, nil)
        == CL_SUCCESS, size > 0
    else { return }
    var binary = [UInt8](repeating: 0, count: size)
    let status = unsafe binary.withUnsafeMutableBufferPointer { bytes in
      var pointer = bytes.baseAddress
      return unsafe clGetProgramInfo(
        handle, cl_program_info(CL_PROGRAM_BINARIES),
        MemoryLayout<UnsafeMutablePointer<UInt8>?>.size,
        &pointer, nil)
    }
    if status == CL_SUCCESS { context.cache.store(binary, for: cacheKey) }
  }

  /// A program from a binary, or nil when the driver refuses it: the caller then builds the source.
  private static func load(
    _ binary: [UInt8], in context: Context, options: String
  ) -> cl_program? {
    var id: cl_device_id? = unsafe context.device.id
    var size = binary.count
    var status: cl_int = CL_SUCCESS
    var binaryStatus: cl_int = CL_SUCCESS
    let program = unsafe binary.withUnsafeBufferPointer { bytes -> cl_program? in
      var pointer = bytes.baseAddress
      return unsafe clCreateProgramWithBinary(
        context.handle, 1, &id, &size, &pointer, &binaryStatus, &status)
    }
    guard let program = unsafe program else { return nil }
    guard status == CL_SUCCESS, binaryStatus == CL_SUCCESS,
      unsafe clBuildProgram(program, 1, &id, options, nil, nil) == CL_SUCCESS
    else {
      _ = unsafe clReleaseProgram(program)
      return nil
    }
    return unsafe program
  }

  private static func buildLog(_ program: cl_program, _ device: Device) -> String {
    var size = 0
    let parameter = cl_program_build_info(CL_PROGRAM_BUILD_LOG)
    _ = unsafe clGetProgramBuildInfo(program, device.id, parameter, 0, nil, &size)
    var log = [UInt8](repeating: 0, count: size)
    _ = unsafe clGetProgramBuildInfo(program, device.id, parameter, size, &log, nil)
    return String(decoding: log.prefix { $0 != 0 }, as: UTF8.self)
  }
}
