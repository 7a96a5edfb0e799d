import Reference
import Support
import Testing

/// The reference path against recorded results of PyTorch and the onnx package's node cases.
struct FixtureTests {
  @Test(arguments: Fixture.all("torch.json"))
  func `agrees with PyTorch in double precision`(_ fixture: Fixture) throws {
    let results: [String: Tensor<Double>] = try FixtureRunner(fixture: fixture).results()
    // Recorded to nine digits; the functions behind both are good to a few ulp.
    try compare(results, fixture, tolerance: 1e-8)
  }

  @Test(arguments: Fixture.all("torch.json"))
  func `agrees with PyTorch in single precision`(_ fixture: Fixture) throws {
    let results: [String: Tensor<Float>] = try FixtureRunner(fixture: fixture).results()
    // Sums of at most 270 terms of the results' size: about sqrt(270) * 2^-24 and some slack.
    try compare(results, fixture, tolerance: 4e-6)
  }

  @Test(arguments: Fixture.all("onnx.json"))
  func `agrees with the node cases of ONNX`(_ fixture: Fixture) throws {
    let results: [String: Tensor<Float>] = try FixtureRunner(fixture: fixture).results()
    try compare(results, fixture, tolerance: 4e-6)
  }

  @Test func `has fixtures`() {
    #expect(Fixture.all("torch.json").count > 100)
    #expect(Fixture.all("onnx.json").count >= 50)
  }

  /// Errors are measured against the largest element of the tensor.
  private func compare<Scalar: ReferenceScalar>(
    _ results: [String: Tensor<Scalar>], _ fixture: Fixture, tolerance: Double
  ) throws {
    // Cross-entropy subtracts probabilities and logarithms near 1: an ulp of 1 is its unit.
    let floor = fixture.operation == "cross-entropy" ? 1 : 1e-3
    for (name, expected) in fixture.outputs {
      let result = try #require(results[name], "\(fixture.name) computes no \(name)")
      #expect(result.shape == expected.shape, "\(fixture.name): \(name)")
      guard result.count == expected.values.count else { continue }
      let size = expected.values.map(\.magnitude).max() ?? 0
      for (index, (value, truth)) in zip(result.values, expected.values).enumerated() {
        let isClose = (Double(value) - truth).magnitude <= tolerance * max(size, floor)
        #expect(isClose, "\(fixture.name): \(name)[\(index)] is \(value), not \(truth)")
      }
    }
  }
}
