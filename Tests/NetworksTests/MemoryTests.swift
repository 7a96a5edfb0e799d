import Compute
import Networks
import Support
import Testing

@Suite struct MemoryTests {
  /// What a network takes for one picture of a batch of 32, its weights included.
  private func bytesPerImage(_ architecture: Architecture) throws -> Int {
    let graph = try architecture.graph(parameters: RandomParameters(seed: 0))
    return CompiledNetwork.estimatedBytes(
      graph, batch: 32, withGradient: true, on: try Device.matching("cpu")) / 32
  }

  @Test func `ResNet-50 takes less than 12 MiB a picture with its gradient`() throws {
    #expect(try bytesPerImage(.resnet50) < 12 << 20)
  }

  @Test func `VGG16 takes less than 30 MiB a picture with its gradient`() throws {
    #expect(try bytesPerImage(.vgg16) < 30 << 20)
  }
}
