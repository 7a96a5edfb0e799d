import Compute
import Foundation
import Operations
import Reference
import Testing
import Verification

private let wide = VectorRegisters(count: 32, floats: 16)
private let narrow = VectorRegisters(count: 16, floats: 8)

@Suite struct RegisterTileTests {
  @Test(arguments: [1, 2, 7, 13, 14, 27, 28, 56, 111, 224], [1, 12, 16, 48, 64, 96, 2048])
  func `sums, weights and a value fit the registers`(columns: Int, channels: Int) throws {
    for registers in [wide, narrow] {
      let tiles = RegisterTile.candidates(
        columns: columns, channels: channels, registers: registers)
      #expect(!tiles.isEmpty && Set(tiles).count == tiles.count)
      for tile in tiles {
        let taken = (tile.pixels + 1) * tile.vectors * (16 / registers.floats)
        #expect(taken < registers.count && tile.pixels <= columns, "\(tile)")
        #expect(tile.vectors <= (channels + 15) / 16)
      }
    }
  }

  /// Measured on AVX-512 in whole networks: see Benchmarks/Results.md.
  @Test func `the first tile wastes few lanes`() throws {
    let first = { (columns: Int, channels: Int, registers: VectorRegisters) in
      let tile = RegisterTile.candidates(
        columns: columns, channels: channels, registers: registers)[0]
      return [tile.pixels, tile.vectors]
    }
    #expect(first(56, 64, wide) == [14, 2])
    #expect(first(7, 512, wide) == [7, 3])
    #expect(first(112, 12, wide) == [28, 1])
    #expect(first(27, 64, wide) == [14, 2])
    #expect(first(56, 64, narrow)[1] == 1)
  }
}

@Suite(.serialized) struct TunerTests {
  private let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
  private let input = [32, 9, 14]

  /// Runs a convolution whose plan the tuner chooses, and says how many sums it measured.
  private func measuredSums(_ effort: Tuner.Effort) throws -> Int {
    let device = try Device.matching("cpu")
    let context = try Context(device: device, cache: ProgramCache(folder: folder))
    let tuner = Tuner(context, effort: effort)
    var generator = ValueGenerator(seed: 5)
    let convolution = Convolution(
      weights: generator.tensor([48, 32, 3, 3], .real(-1...1)),
      window: WindowGeometry(kernel: Extent(3), padding: Padding(1)), activation: .relu)
    let x = generator.tensor([2] + input, .real(-2...2))
    let plain = Layout(shape: input)
    let to = Layout(shape: [48, 9, 14])
    let from = plain.with(border: convolution.inputBorder(0, inputs: [plain], output: to))
    let source = DeviceTensor(
      buffer: try Buffer(context, from.pack(x.values, batch: 2)), layout: from)
    let result = DeviceTensor(buffer: try Buffer(context, count: 2 * to.imageStride), layout: to)
    let recorder = Recorder(context: context, family: .cpu, batch: 2, tuner: tuner)
    try convolution.recordForward(
      recorder, inputs: [source], output: ForwardTarget(tensor: result))
    try recorder.run()
    let expected = convolution.evaluate([x])
    let found = to.unpack(try result.buffer.read(), batch: 2)
    #expect(found.map(\.bitPattern) == expected.values.map(\.bitPattern))
    #expect(tuner.rejected == 0)
    return tuner.measured.sums
  }

  @Test func `measures once, remembers, and measures again what was damaged`() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    #expect(try measuredSums(.off) == 0)
    #expect(try measuredSums(.quick) == 1)
    #expect(try measuredSums(.quick) == 0)
    #expect(try measuredSums(.full) == 1)
    let entries = try FileManager.default.contentsOfDirectory(
      at: folder, includingPropertiesForKeys: nil)
    #expect(!entries.isEmpty)
    for entry in entries {
      var bytes = try Data(contentsOf: entry)
      bytes[bytes.count - 2] ^= 0x40
      try bytes.write(to: entry)
    }
    #expect(try measuredSums(.quick) == 1)
  }
}
