import Compute
import Operations
import Reference
import Testing
import Verification

@Suite struct MatmulTests {
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
}
