import Compute
import Networks
import Operations
import Reference

/// One layer on a device: its forward pass and the gradient of its input are the map and its
/// transpose, the zero padding included.
struct DeviceOperator: LinearOperator {
  private let network: CompiledNetwork
  private let target: DeviceTensor
  let inputCount: Int

  /// A layer without bias, residual and activation.
  init(
    _ layer: any Operations.Operation, inputShape: [Int], context: Context, family: KernelFamily?
  ) throws {
    var graph = Graph(inputShape: inputShape)
    try graph.append(layer)
    network = try CompiledNetwork(graph, context: context, batch: 1, family: family)
    guard let target = network.logitsGradient else {
      preconditionFailure("compiled without the gradient")
    }
    self.target = target
    inputCount = inputShape.reduce(1, *)
  }

  func product(_ x: [Float]) throws -> [Float] {
    try network.write(Tensor(shape: [1] + network.graph.inputShape, values: x))
    try network.forward()
    return try network.readLogits().values
  }

  func transposedProduct(_ y: [Float]) throws -> [Float] {
    try target.buffer.write(target.layout.pack(y, batch: 1), at: target.offset)
    try network.gradient()
    return try network.readInputGradient().values
  }
}
