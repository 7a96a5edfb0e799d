public import Compute

extension Device {
  /// The best device there is: a GPU before a CPU.
  ///
  /// - Throws: `ComputeError` when there is none, or when a driver fails.
  public static func preferred() throws(ComputeError) -> Device { try matching() }
}
