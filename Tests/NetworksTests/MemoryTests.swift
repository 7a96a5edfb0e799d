import Networks
import Testing

@Suite struct MemoryTests {
  /// What a network takes for one picture of a batch of 32, without its weights.
  private func bytesPerImage(_ architecture: Architecture) throws -> Int {
    let graph = try architecture.graph(parameters: RandomParameters(seed: 0))
    let bytes = CompiledNetwork.estimatedBytes(
      graph, batch: 32, withGradient: true, largestBufferBytes: 4 << 30)
    return (bytes - 8 * graph.parameterCount) / 32
  }

  @Test func `ResNet-50 takes less than 24 MiB a picture with its gradient`() throws {
    #expect(try bytesPerImage(.resnet50) < 24 << 20)
  }

  @Test func `VGG16 takes less than 60 MiB a picture with its gradient`() throws {
    #expect(try bytesPerImage(.vgg16) < 60 << 20)
  }
}
