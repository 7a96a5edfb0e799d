import Foundation
import Reference
import Support
import Testing

/// A recorded case: an operation's inputs and what another implementation made of them.
struct Fixture: Decodable, Sendable, CustomTestStringConvertible {
  struct Values: Decodable, Sendable {
    let shape: [Int]
    let values: [Double]
  }

  let name, operation: String
  let mode: String?
  let integers: [String: [Int]]
  let reals: [String: Double]
  let inputs, outputs: [String: Values]

  var testDescription: String { name }

  /// The cases of a file in Fixtures.
  static func all(_ file: String) -> [Fixture] {
    let folder = SharedData.packageRoot.appending(path: "Tests/ReferenceTests/Fixtures")
    do {
      let data = try Data(contentsOf: folder.appending(path: file))
      return try JSONDecoder().decode([Fixture].self, from: data)
    } catch {
      Issue.record("\(file) cannot be read: \(error)")
      return []
    }
  }

  func input<Scalar: ReferenceScalar>(_ name: String) -> Tensor<Scalar>? {
    inputs[name].map { Tensor(shape: $0.shape, values: $0.values.map { Scalar($0) }) }
  }

  func required<Scalar: ReferenceScalar>(_ name: String) throws -> Tensor<Scalar> {
    try #require(input(name), "\(self.name) has no \(name)")
  }

  func integers(_ name: String) throws -> [Int] {
    try #require(integers[name], "\(self.name) has no \(name)")
  }

  func integer(_ name: String) throws -> Int { try #require(try integers(name).first) }

  func real(_ name: String) throws -> Double {
    try #require(reals[name], "\(self.name) has no \(name)")
  }

  func padding() throws -> Padding {
    let sides = try integers("padding")
    return Padding(top: sides[0], left: sides[1], bottom: sides[2], right: sides[3])
  }

  func extent(_ name: String) throws -> Extent {
    let numbers = try integers(name)
    return Extent(numbers[0], numbers[1])
  }

  func activation() throws -> Activation {
    switch mode {
    case "relu": .relu
    case "clip": .clip(Float(try real("low")), Float(try real("high")))
    case "leaky": .leakyReLU(Float(try real("slope")))
    default: .none
    }
  }
}
