public import Foundation
public import Networks
import Operations
import SwiftProtobuf

/// How an ONNX file is read.
public struct ONNXImportOptions: Sendable {
  /// Whether a softmax at the end stays; attacks need the logits before it.
  public var keepsSoftmax: Bool
  /// The value to return, by its name in the file; nil for the file's first output.
  public var output: String?
  /// The input's shape without the batch axis, in the file's order, where the file leaves it open.
  public var inputShape: [Int]?
  /// The largest file, after unpacking, in bytes; protobuf's own limit is 2 GiB.
  public var largestFile: Int

  /// The usual way: the first output, without its softmax.
  public init(
    keepsSoftmax: Bool = false, output: String? = nil, inputShape: [Int]? = nil,
    largestFile: Int = Int(Int32.max)
  ) {
    self.keepsSoftmax = keepsSoftmax
    self.output = output
    self.inputShape = inputShape
    self.largestFile = largestFile
  }
}

/// A network from an ONNX file.
public struct ImportedNetwork: Sendable {
  /// The operations for one sample; pictures are `[C, H, W]`, whatever the file's order.
  public var graph: Graph
  /// The graph's name in the file, which may be empty.
  public let name: String
  /// The version of ONNX's operator set that the file was written for.
  public let opset: Int
  /// The input's name in the file.
  public let inputName: String
  /// The name in the file of the value returned (of its softmax, when that was left out).
  public let outputName: String
  /// The batch that the file fixes; nil when it leaves the batch open.
  public let fixedBatch: Int?
  /// Whether the file's own input is `[N, H, W, C]`; the graph's is `[C, H, W]` all the same.
  public let inputIsNHWC: Bool
  /// Whether the file ends in a softmax that was left out, so that the result is logits.
  public let strippedSoftmax: Bool
}

/// Reads a network from an ONNX file, plain or gzip.
///
/// Operator sets 7 to 22, one input whose first axis is the batch, weights of any floating-point
/// type (held as `Float`). Tensors outside the file are read from the model's own folder only.
/// Sources: the ONNX specification, onnx.ai/onnx/operators (read in version 1.17).
///
/// - Throws: `ModelFileError` with the file, the node and the shapes: a damaged or truncated file,
///   all unsupported operators at once, sizes that do not agree with the data.
public func loadONNX(
  from url: URL, options: ONNXImportOptions = ONNXImportOptions()
) throws(ModelFileError) -> ImportedNetwork {
  let data = try fileContents(of: url, limit: options.largestFile)
  do throws(ModelFileError) {
    return try importONNX(data, folder: url.deletingLastPathComponent(), options: options)
  } catch {
    throw error.about(url.path)
  }
}

/// Reads a network from the bytes of an ONNX file, which must hold all of its weights.
///
/// - Throws: `ModelFileError`, as `loadONNX(from:options:)`.
public func loadONNX(
  from data: Data, options: ONNXImportOptions = ONNXImportOptions()
) throws(ModelFileError) -> ImportedNetwork {
  try importONNX(data, folder: nil, options: options)
}

/// Imports a file's bytes.
///
/// - Parameter constants: inputs that are to be taken as constants.
package func importONNX(
  _ data: Data, folder: URL?, options: ONNXImportOptions, constants: [String: Constant] = [:]
) throws(ModelFileError) -> ImportedNetwork {
  let model: Onnx_ModelProto
  do {
    model = try Onnx_ModelProto(serializedBytes: data)
  } catch {
    throw .corrupt("not an ONNX file, or damaged: \(data.count) bytes, \(decodingReason(error))")
  }
  guard model.hasGraph, !model.graph.node.isEmpty else {
    throw .corrupt("not an ONNX file, or one without a graph: \(data.count) bytes")
  }
  let versions = model.opsetImport.filter { $0.domain.isEmpty || $0.domain == "ai.onnx" }
  guard let version = versions.map(\.version).max(), (7...22).contains(version) else {
    let found = versions.map { "\($0.version)" }.joined(separator: ", ")
    throw .unsupported(
      "operator set \(found.isEmpty ? "missing" : found), versions 7 to 22 are supported")
  }
  let file = try ModelGraph(model.graph, opset: Int(version), output: options.output)
  return try file.imported(
    options: options, external: ExternalData(folder: folder), constants: constants)
}

private func decodingReason(_ error: any Error) -> String {
  switch error {
  case SwiftProtobuf.BinaryDecodingError.truncated: "it ends too early"
  case SwiftProtobuf.BinaryDecodingError.messageDepthLimit: "messages are nested too deeply"
  case SwiftProtobuf.BinaryDecodingError.invalidUTF8: "a name is not UTF-8"
  default: "malformed protobuf"
  }
}
