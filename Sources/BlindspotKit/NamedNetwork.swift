public import Foundation
import ModelFiles
import Networks

extension Network {
  /// Reads an ONNX file, or builds the built-in architecture of that name.
  ///
  /// - Parameters:
  ///   - name: A path (.onnx, .onnx.gz) or an `Architecture`'s raw value.
  ///   - weights: A safetensors file with torchvision's names for an architecture; without it, the
  ///     weights are random.
  ///   - seed: The seed of random weights.
  /// - Throws: `ModelFileError` with the file, or with the architectures there are; `ArchitectureError`
  ///   when a parameter is missing.
  public init(named name: String, weights: URL? = nil, seed: UInt64 = 0) throws {
    if let architecture = Architecture(rawValue: name) {
      if let weights {
        let file = try Safetensors(contentsOf: weights)
        try self.init(architecture, parameters: NamedParameters(file.tensors))
      } else {
        try self.init(architecture, parameters: RandomParameters(seed: seed))
      }
      return
    }
    let url = URL(fileURLWithPath: name)
    guard FileManager.default.fileExists(atPath: url.path) else {
      let names = Architecture.allCases.map(\.rawValue).joined(separator: ", ")
      throw ModelFileError(
        file: name, .unreadable, "no such file, and no built-in architecture (\(names))")
    }
    try self.init(onnx: url)
  }
}
