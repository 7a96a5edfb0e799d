import Foundation

/// A kernel tree that cannot be embedded.
struct EmbedError: Error, CustomStringConvertible {
  let description: String
}

/// Writes a Swift file holding every `.cl` file named on the command line, with its headers inlined.
///
/// Usage: `embed-kernels OUTPUT.swift FILE...`. A kernel's name is `family/stem`, the two last
/// components of its path without the suffix.
@main
enum EmbedKernelsTool {
  static func main() throws {
    let arguments = CommandLine.arguments.dropFirst()
    guard let output = arguments.first else {
      throw EmbedError(description: "usage: embed-kernels OUTPUT.swift FILE...")
    }
    let files = arguments.dropFirst().map { URL(fileURLWithPath: $0) }
    let headers = Dictionary(
      files.filter { $0.pathExtension == "clh" }.map { ($0.lastPathComponent, $0) },
      uniquingKeysWith: { first, _ in first })
    var text = "enum EmbeddedKernels {\n  static let all: [String: String] = [\n"
    for file in files where file.pathExtension == "cl" {
      let family = file.deletingLastPathComponent().lastPathComponent
      let stem = file.deletingPathExtension().lastPathComponent
      var seen: Set<String> = []
      let source = try expand(file, headers: headers, seen: &seen)
      text += "    \"\(family)/\(stem)\": ##\"\"\"\n\(source)\n\"\"\"##,\n"
    }
    text += (text.hasSuffix("[\n") ? "    :\n" : "") + "  ]\n}\n"
    try text.write(toFile: output, atomically: true, encoding: .utf8)
  }

  /// Inlines each `#include "x"` once; `#line` keeps file names and lines in compiler messages.
  static func expand(
    _ file: URL, headers: [String: URL], seen: inout Set<String>
  ) throws -> String {
    let name = file.lastPathComponent
    var result = "#line 1 \"\(name)\"\n"
    let lines = try String(contentsOf: file, encoding: .utf8)
      .split(separator: "\n", omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() {
      guard line.hasPrefix("#include \"") else {
        result += line + "\n"
        continue
      }
      let included = String(line.split(separator: "\"")[1])
      guard let header = headers[included] else {
        throw EmbedError(description: "\(name):\(index + 1): no such header \(included)")
      }
      if seen.insert(included).inserted {
        result += try expand(header, headers: headers, seen: &seen)
      }
      result += "#line \(index + 2) \"\(name)\"\n"
    }
    return result
  }
}
