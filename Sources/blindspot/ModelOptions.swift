public import ArgumentParser
import BlindspotKit
import Compute
import Datasets
import Foundation
import ModelFiles
import Networks
public import Operations

/// A failure that a command explains in one line.
struct CommandError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}

extension ConvolutionAlgorithm: ExpressibleByArgument {}
extension Precision: ExpressibleByArgument {}

/// Where a command computes.
struct DeviceOptions: ParsableArguments {
  @Option(
    help:
      "The device: its index, kind (cpu, gpu) or part of its name; for attack and bench network also all, or several joined by commas."
  )
  var device: String?

  @Option(
    help:
      "The kernels: \(KernelFamily.allCases.map(\.rawValue).joined(separator: ", ")); by default those that suit the device."
  )
  var family: String?

  @Option(help: "Pictures computed together, or auto.")
  var batch = "auto"

  @Option(help: "Measure how to cut the work on this device: off, quick or full; kept for later.")
  var tune = "off"

  func context() throws -> Context { try Context(device: try Device.matching(device)) }

  /// Where a run is computed that several devices may share.
  func contexts() throws -> [Context] { try Device.list(device).map { try Context(device: $0) } }

  func kernelFamily() throws -> KernelFamily? {
    try blindspot.kernelFamily(named: family)
  }

  /// What measures how the work is cut; nil leaves it to the rules.
  func tuner(_ context: Context) throws -> Tuner? {
    guard let effort = Tuner.Effort(rawValue: tune) else {
      throw ValidationError("--tune is off, quick or full, not '\(tune)'")
    }
    return effort == .off ? nil : Tuner(context, effort: effort)
  }

  /// The batch asked for, or nil for auto.
  func batchSize() throws -> Int? {
    if batch == "auto" { return nil }
    guard let size = Int(batch), size > 0 else {
      throw ValidationError("--batch is a positive number or auto, not '\(batch)'")
    }
    return size
  }
}

/// How products are rounded.
struct PrecisionOptions: ParsableArguments {
  @Option(
    help:
      "canonical, or tf32, bf16x3, tf32x3 on an NVIDIA GPU's tensor cores; attacks confirm what these find canonically."
  )
  var precision = Precision.canonical

  @Flag(help: .hidden) var emulateTensorCores = false

  /// What is asked for.
  var arithmetic: Arithmetic {
    Arithmetic(precision, emulatesTensorCores: emulateTensorCores)
  }

  /// Its name in results; nil for canonical.
  var name: String? { arithmetic.isCanonical ? nil : arithmetic.description }

  /// What is asked for; throws when a device or kernel family cannot compute so.
  func arithmetic(on contexts: [Context], _ place: DeviceOptions) throws -> Arithmetic {
    guard !arithmetic.isCanonical else { return arithmetic }
    if let family = try place.kernelFamily(), family != .gpu {
      throw CommandError("--precision \(precision.rawValue) takes the gpu kernels, not \(family)")
    }
    for context in contexts {
      if let obstacle = arithmetic.obstacle(on: context) { throw CommandError(obstacle) }
    }
    return arithmetic
  }
}

/// Which network.
struct ModelOptions: ParsableArguments {
  @Option(help: "An ONNX file (.onnx, .onnx.gz) or a built-in architecture with random weights.")
  var model: String

  @Option(help: "Weights (.safetensors, torchvision's names) for a built-in architecture.")
  var weights: String?

  @Option(help: "The seed of random weights, targets and starts.")
  var seed: UInt64 = 0

  @Option(
    help: "How 3x3 convolutions are summed: direct or winograd, with other roundings.")
  var convolution = ConvolutionAlgorithm.direct

  /// The network, with the SHA-256 of its file or of its description.
  func load() throws -> LoadedModel {
    var loaded = try loadModel(model, weights: weights, seed: seed)
    loaded.graph = loaded.graph.with(convolution: convolution)
    return loaded
  }
}

/// A network ready to be given its normalisation.
struct LoadedModel {
  var graph: Graph
  var path: String
  var digest: String
}

/// Loads an ONNX file or builds an architecture by name.
func loadModel(_ name: String, weights: String? = nil, seed: UInt64) throws -> LoadedModel {
  let weights = weights.map { URL(fileURLWithPath: $0) }
  let network = try Network(named: name, weights: weights, seed: seed)
  let isFile = Architecture(rawValue: name) == nil
  let contents =
    if let file = isFile ? URL(fileURLWithPath: name) : weights {
      try Data(contentsOf: file, options: .mappedIfSafe)
    } else {
      Data("\(name) \(seed)".utf8)
    }
  return LoadedModel(graph: network.graph, path: name, digest: sha256(contents))
}

/// Which pictures, and how they become the network's input.
struct PictureOptions: ParsableArguments {
  @Option(help: "A folder of JPEG or PNG, an .npy array, IDX files (.gz) or CIFAR-10's .bin.")
  var images: String

  @OptionGroup var treatment: PictureTreatment

  func prepared() throws -> Preprocessing { try treatment.prepared() }

  /// The pictures, checked against the network's input and classes.
  func open(for graph: Graph, _ preprocessing: Preprocessing) throws -> any PictureSource {
    try treatment.open(images, for: graph, preprocessing)
  }
}

/// How pictures become the network's input.
struct PictureTreatment: ParsableArguments {
  @Option(help: "Labels: CSV (filename,label), .npy, IDX, or synset_words.txt.")
  var labels: String?

  @Option(help: "imagenet, caffe, tf, unit or raw255.")
  var preprocessing = "unit"

  @Option(help: "Shorter side, HEIGHTxWIDTH, or 0 for none.")
  var resize: String?

  @Option(help: "Side of the middle square, HEIGHTxWIDTH, or 0 for none.")
  var crop: String?

  @Option(help: "bilinear or bicubic.")
  var interpolation: String?

  @Option(help: "Mean of each network channel, after scaling.")
  var mean: String?

  @Option(help: "Deviation of each network channel, after scaling.")
  var std: String?

  @Option(help: "rgb, bgr or grey.")
  var channels: String?

  @Option(help: "At most the first so many pictures.")
  var limit: Int?

  func prepared() throws -> Preprocessing {
    var preprocessing = try Preprocessing(preset: preprocessing)
    try preprocessing.override(
      resize: resize, crop: crop, interpolation: interpolation, mean: mean, std: std,
      channels: channels)
    return preprocessing
  }

  /// The pictures at a path, checked against the network's input and classes.
  func open(
    _ images: String, for graph: Graph, _ preprocessing: Preprocessing
  ) throws -> any PictureSource {
    let source = try openPictures(
      URL(fileURLWithPath: images), labels: labels.map { URL(fileURLWithPath: $0) },
      preprocessing: preprocessing, classCount: graph.outputShape.reduce(1, *), limit: limit)
    let shape = [source.shape.channels, source.shape.height, source.shape.width]
    guard shape == graph.inputShape else {
      throw CommandError(
        "\(images): pictures are \(source.shape), the network takes "
          + graph.inputShape.map(String.init).joined(separator: "x")
          + " (see --preprocessing, --resize, --crop, --channels)")
    }
    return source
  }
}

/// The network with its normalisation as first layer.
func normalized(_ graph: Graph, _ normalization: Normalization) throws -> Graph {
  try graph.normalized(by: normalization)
}
