import Compute
import Operations
import Reference
import Testing
import Verification

@Suite struct MatmulTests {
  @Test(
    arguments: [(false, false), (false, true), (true, false), (true, true)],
    [(1, 0), (0.7, 0), (1, 1), (-1.7, 0.3)] as [(Float, Float)])
  func `products equal the reference bit for bit`(
    transposes: (Bool, Bool), factors: (Float, Float)
  ) throws {
    let product = MatrixProduct(
      transposesA: transposes.0, transposesB: transposes.1, alpha: factors.0, beta: factors.1)
    var generator = TestGenerator(seed: 31)
    for (m, n, k) in [(1, 1, 1), (2, 3, 5), (17, 65, 16), (64, 128, 33), (7, 130, 257)] {
      let a = generator.tensor(product.transposesA ? [k, m] : [m, k], .real(-2...2))
      let b = generator.tensor(product.transposesB ? [n, k] : [k, n], .real(-2...2))
      let c = generator.tensor([m, n], .real(-2...2))
      let expected = product.evaluate(a, b, c: c)
      for context in try OperationCheck.contexts() {
        // Rows are longer than they need be, and C lies among canaries.
        let target = try matrix(c, on: context)
        let recorder = Recorder(context: context, family: .reference, batch: 1)
        try product.record(
          recorder, try matrix(a, on: context), try matrix(b, on: context), to: target)
        try recorder.run()
        var memory = try target.buffer.read()
        for i in 0..<m {
          for j in 0..<n {
            let place = target.offset + i * target.rowStride + j
            #expect(
              memory[place].bitPattern == expected.values[i * n + j].bitPattern,
              "\(product) \(m)x\(n)x\(k) at \(i), \(j)")
            memory[place] = 77
          }
        }
        #expect(memory.allSatisfy { $0 == 77 }, "\(product) \(m)x\(n)x\(k) wrote outside")
      }
    }
  }

  @Test func `without beta, what C held is not read`() throws {
    for context in try OperationCheck.contexts() {
      let c = DeviceMatrix(
        buffer: try Buffer(context, [Float](repeating: .nan, count: 4)), rows: 2, columns: 2)
      let a = DeviceMatrix(buffer: try Buffer(context, [1, 2, 3, 4]), rows: 2, columns: 2)
      let b = DeviceMatrix(buffer: try Buffer(context, [5, 6, 7, 8]), rows: 2, columns: 2)
      let recorder = Recorder(context: context, family: .reference, batch: 1)
      try MatrixProduct().record(recorder, a, b, to: c)
      try recorder.run()
      #expect(try c.buffer.read() == [19, 22, 43, 50])
    }
  }

  private func matrix(_ values: Tensor<Float>, on context: Context) throws -> DeviceMatrix {
    let (rows, columns) = (values.shape[0], values.shape[1])
    var memory = [Float](repeating: 77, count: 9 + rows * (columns + 5))
    for i in 0..<rows {
      for j in 0..<columns { memory[9 + i * (columns + 5) + j] = values.values[i * columns + j] }
    }
    return DeviceMatrix(
      buffer: try Buffer(context, memory), offset: 9, rows: rows, columns: columns,
      rowStride: columns + 5)
  }
}
