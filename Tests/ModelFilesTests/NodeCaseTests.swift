import Foundation
import ModelFiles
import Networks
import Reference
import Testing

/// A tensor from a file of the onnx package, decoded by hand.
private struct StoredTensor {
  var shape: [Int] = []
  var type = 0
  var raw: [UInt8] = []

  init?(_ url: URL) {
    guard let data = try? Data(contentsOf: url) else { return nil }
    let bytes = Array(data)
    var position = 0
    func varint() -> Int {
      var (value, shift): (UInt64, UInt64) = (0, 0)
      while position < bytes.count {
        let byte = bytes[position]
        position += 1
        value |= UInt64(byte & 0x7f) << shift
        shift += 7
        if byte < 0x80 { break }
      }
      return Int(truncatingIfNeeded: value)
    }
    while position < bytes.count {
      let key = varint()
      switch (key >> 3, key & 7) {
      case (1, 0): shape.append(varint())
      case (2, 0): type = varint()
      case (_, 0): _ = varint()
      case (let field, 2):
        let length = varint()
        if field == 9 { raw = Array(bytes[position..<position + length]) }
        position += length
      default: return nil
      }
    }
  }

  private func words<Word: FixedWidthInteger>(_ word: Word.Type) -> [Word] {
    let width = Word.bitWidth / 8
    return stride(from: 0, to: raw.count, by: width).map { start in
      (0..<width).reduce(Word(0)) { $0 | Word(truncatingIfNeeded: raw[start + $1]) << ($1 * 8) }
    }
  }

  var floats: [Float]? {
    switch type {
    case 1: words(UInt32.self).map { Float(bitPattern: $0) }
    case 10: words(UInt16.self).map { Float(Float16(bitPattern: $0)) }
    case 11: words(UInt64.self).map { Float(Double(bitPattern: $0)) }
    default: nil
    }
  }

  var constant: Constant? {
    if let floats { return Constant(shape: shape, floats: floats) }
    if type == 7 { return Constant(shape: shape, integers: words(Int64.self).map { Int($0) }) }
    return nil
  }
}

@Suite("Cases of single operators from the onnx package")
struct NodeCaseTests {
  /// How one case went.
  private enum Outcome {
    case equal
    case wrong(String)
    case refused(ModelFileError)
    case foreign
  }

  private static func run(_ folder: URL) throws -> Outcome {
    let set = folder.appending(path: "test_data_set_0")
    guard let input = StoredTensor(set.appending(path: "input_0.pb")),
      let output = StoredTensor(set.appending(path: "output_0.pb")),
      let x = input.floats, let expected = output.floats
    else { return .foreign }
    let model = try Data(contentsOf: folder.appending(path: "model.onnx"))
    let names = try InputNames(model)
    guard let first = names.inputs.first else { return .foreign }
    var constants: [String: Constant] = [:]
    for (index, name) in names.inputs.enumerated().dropFirst() {
      guard let constant = StoredTensor(set.appending(path: "input_\(index).pb"))?.constant else {
        return .foreign
      }
      constants[name] = constant
    }
    let network: ImportedNetwork
    do {
      network = try importONNX(
        model, folder: nil, options: ONNXImportOptions(keepsSoftmax: true), constants: constants)
    } catch {
      return .refused(error)
    }
    guard network.inputName == first, !input.shape.isEmpty else { return .foreign }
    let graph = network.graph
    guard x.count == input.shape[0] * graph.inputShape.reduce(1, *), !network.inputIsNHWC else {
      return .wrong("input \(input.shape), imported as \(graph.inputShape)")
    }
    let y = evaluated(graph, Tensor(shape: [input.shape[0]] + graph.inputShape, values: x))
    guard y.count == expected.count else {
      return .wrong("output \(y.shape), expected \(output.shape)")
    }
    // Casts to half precision are left out: networks compute in single.
    let relative: Float = output.type == 10 ? 1e-3 : 1e-4
    for (ours, theirs) in zip(y.values, expected) where ours != theirs {
      if ours.isNaN && theirs.isNaN { continue }
      guard abs(ours - theirs) <= 1e-5 + relative * abs(theirs) else {
        return .wrong("\(ours), expected \(theirs)")
      }
    }
    return .equal
  }

  @Test(.enabled(if: PackageData.isPresent, "the onnx package is absent"))
  func `computes what the package recorded or refuses`() throws {
    let folders = try FileManager.default.contentsOfDirectory(
      at: PackageData.file("node"), includingPropertiesForKeys: nil)
    var equal = 0
    for folder in folders.sorted(by: { $0.path < $1.path }) {
      switch try Self.run(folder) {
      case .equal: equal += 1
      case .wrong(let details): Issue.record("\(folder.lastPathComponent): \(details)")
      case .refused(let error): #expect(error.reason != .unreadable)
      case .foreign: continue
      }
    }
    #expect(equal >= 150, "\(equal) cases")
  }
}
