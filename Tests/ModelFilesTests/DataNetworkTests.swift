import Foundation
import ModelFiles
import Networks
import Operations
import Reference
import Support
import Testing

/// A network of the data and what it must be imported as.
struct DataNetwork: CustomTestStringConvertible, Sendable {
  let path: String
  let input: [Int]
  let output: [Int]
  let nodes: Int
  var isNHWC = false
  var hasSoftmax = false
  /// How far the outputs may lie from those recorded, relative to the largest.
  var tolerance: Float = 2e-5

  var testDescription: String { path }

  static let all: [DataNetwork] = [
    DataNetwork(
      path: "imagenet/networks/squeezenet1.1_fp32.onnx", input: [3, 224, 224], output: [1000],
      nodes: 65, hasSoftmax: true),
    // The file computes in half precision, we in single.
    DataNetwork(
      path: "imagenet/networks/squeezenet1.1_fp16_opset7.onnx", input: [3, 224, 224],
      output: [1000], nodes: 65, hasSoftmax: true, tolerance: 0.02),
    DataNetwork(
      path: "imagenet/networks/mobilenetv2_1.0_224.onnx", input: [3, 224, 224], output: [1000],
      nodes: 152, hasSoftmax: true),
    DataNetwork(
      path: "imagenet/networks/mobilenet_v1_0.25_224.onnx", input: [3, 224, 224],
      output: [1000], nodes: 84, hasSoftmax: true),
    DataNetwork(
      path: "cifar/resnet8_cifar10_fp32.onnx", input: [3, 32, 32], output: [10], nodes: 22,
      hasSoftmax: true),
    DataNetwork(
      path: "mnist_networks/mnist_lenet5_clntrained.onnx", input: [1, 28, 28], output: [10],
      nodes: 10),
    DataNetwork(
      path: "mnist_networks/mnist_lenet5_advtrained.onnx", input: [1, 28, 28], output: [10],
      nodes: 10),
    DataNetwork(
      path: "vnncomp/2021/eran/nets/ffnnSIGMOID__Point_6x200.onnx", input: [1, 28, 28],
      output: [10], nodes: 16),
    DataNetwork(
      path: "vnncomp/2021/eran/nets/mnist_relu_9_200.onnx", input: [1, 28, 28], output: [10],
      nodes: 21),
    DataNetwork(
      path: "vnncomp/2021/marabou-cifar10/nets/cifar10_small.onnx", input: [3, 32, 32],
      output: [10], nodes: 14, isNHWC: true),
    DataNetwork(
      path: "vnncomp/2021/marabou-cifar10/nets/cifar10_medium.onnx", input: [3, 32, 32],
      output: [10], nodes: 14, isNHWC: true),
    DataNetwork(
      path: "vnncomp/2021/marabou-cifar10/nets/cifar10_large.onnx", input: [3, 32, 32],
      output: [10], nodes: 14, isNHWC: true),
    DataNetwork(
      path: "vnncomp/2021/mnistfc/mnist-net_256x2.onnx", input: [784], output: [10], nodes: 5),
    DataNetwork(
      path: "vnncomp/2021/mnistfc/mnist-net_256x4.onnx", input: [784], output: [10], nodes: 9),
    DataNetwork(
      path: "vnncomp/2021/mnistfc/mnist-net_256x6.onnx", input: [784], output: [10], nodes: 13),
    DataNetwork(
      path: "vnncomp/2022/sri_resnet_a/onnx/resnet_3b2_bn_mixup_adv_4.0_bs128_lr-1.onnx.gz",
      input: [3, 32, 32], output: [10], nodes: 24),
  ]
}

@Suite("Networks of the data", .enabled(if: SharedData.isPresent, "the data is absent"))
struct DataNetworkTests {
  @Test(arguments: DataNetwork.all)
  func `imports with the expected shapes and nodes`(_ expected: DataNetwork) throws {
    let network = try loadONNX(from: SharedData.file(expected.path))
    #expect(network.graph.inputShape == expected.input)
    #expect(network.graph.outputShape == expected.output)
    #expect(network.graph.nodes.count == expected.nodes)
    #expect(network.inputIsNHWC == expected.isNHWC)
    #expect(network.strippedSoftmax == expected.hasSoftmax)
    #expect(!network.graph.nodes.contains { $0.operation.kind == "softmax" })
  }

  @Test(arguments: DataNetwork.all)
  func `computes what onnxruntime computed`(_ expected: DataNetwork) throws {
    let text = try #require(recordedOutputs[expected.path])
    let data = try #require(Data(base64Encoded: text))
    let recorded = littleEndianFloats(data)
    let network = try loadONNX(
      from: SharedData.file(expected.path), options: ONNXImportOptions(keepsSoftmax: true))
    let shape = network.graph.inputShape
    let x = TestModel.numbers(shape.reduce(1, *)).map { ($0 + 1) / 2 }
    let y = evaluated(network.graph, Tensor(shape: [1] + shape, values: x))
    #expect(y.count == recorded.count)
    let scale = recorded.map(abs).max() ?? 0
    let error = zip(y.values, recorded).map { abs($0 - $1) }.max() ?? .infinity
    #expect(error <= expected.tolerance * scale, "error \(error), largest output \(scale)")
    // A network that forgot its input would pass otherwise.
    #expect(Set(recorded).count > 3)
  }
}

/// Floats as NumPy writes them.
private func littleEndianFloats(_ data: Data) -> [Float] {
  let bytes = Array(data)
  return stride(from: 0, to: bytes.count, by: 4).map { start in
    Float(bitPattern: (0..<4).reduce(0) { $0 | UInt32(bytes[start + $1]) << UInt32(8 * $1) })
  }
}

/// The folder that Scripts/fill_light_networks.py wrote: `BLINDSPOT_LIGHT_NETWORKS`.
private let filledNetworks = ProcessInfo.processInfo.environment["BLINDSPOT_LIGHT_NETWORKS"]
  .map { URL(fileURLWithPath: $0) }

@Suite("Light networks of the onnx package")
struct LightNetworkTests {
  @Test(
    .enabled(if: PackageData.isPresent, "the onnx package is absent"),
    arguments: [
      ("bvlc_alexnet", 21), ("densenet121", 669), ("inception_v1", 141), ("inception_v2", 370),
      ("resnet50", 175), ("shufflenet", 202), ("squeezenet", 65), ("vgg19", 43), ("zfnet512", 21),
    ])
  func `imports with the expected shapes and nodes`(_ name: String, _ nodes: Int) throws {
    let network = try loadONNX(from: PackageData.file("light/light_\(name).onnx"))
    #expect(network.graph.inputShape == [3, 224, 224])
    #expect(network.graph.outputShape == [1000])
    #expect(network.graph.nodes.count == nodes)
    #expect(network.strippedSoftmax == (name != "densenet121"))
  }

  @Test(
    .enabled(if: filledNetworks != nil, "BLINDSPOT_LIGHT_NETWORKS names no folder"),
    arguments: [
      "bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50", "shufflenet",
      "squeezenet", "vgg19", "zfnet512",
    ])
  func `with random weights they compute what onnxruntime computed`(_ name: String) throws {
    let folder = try #require(filledNetworks)
    let recorded = try littleEndianFloats(
      Data(contentsOf: folder.appending(path: "\(name).bin")))
    let network = try loadONNX(
      from: folder.appending(path: "\(name).onnx"), options: ONNXImportOptions(keepsSoftmax: true))
    let x = Tensor(shape: [1, 3, 224, 224], values: TestModel.numbers(3 * 224 * 224))
    let y = evaluated(network.graph, x)
    let scale = recorded.map(abs).max() ?? 0
    let error = zip(y.values, recorded).map { abs($0 - $1) }.max() ?? .infinity
    #expect(y.count == recorded.count && Set(recorded).count > 100)
    #expect(error <= 1e-4 * scale, "error \(error), largest output \(scale)")
  }
}
