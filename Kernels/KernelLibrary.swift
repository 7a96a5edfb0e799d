/// The OpenCL C sources compiled into the binary.
public enum KernelLibrary {
  /// Every kernel file's name, `family/stem`, sorted.
  public static var names: [String] { EmbeddedKernels.all.keys.sorted() }

  /// The source of a kernel file with its headers inlined, or `nil` when there is no such name.
  public static func source(_ name: String) -> String? { EmbeddedKernels.all[name] }
}
