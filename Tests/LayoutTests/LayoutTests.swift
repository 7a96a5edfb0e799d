import Foundation
import Kernels
import Testing

/// A module of Sources and what it may import besides the system's own modules.
private struct Module {
  let name: String
  let imports: Set<String>

  init(_ name: String, _ imports: Set<String>) {
    self.name = name
    self.imports = imports
  }
}

/// The modules from the lowest to the highest: a module imports only what stands above it here.
private let modules = [
  Module("COpenCL", []),
  Module("CProcessors", []),
  Module("CTurboJPEG", []),
  Module("CPNG", []),
  Module("CZlib", []),
  Module("CCrypto", []),
  Module("embed-kernels", []),
  Module("Kernels", []),
  Module("Digests", ["CCrypto"]),
  Module("Compute", ["COpenCL", "CProcessors", "Digests"]),
  Module("Reference", []),
  Module("Operations", ["Compute", "Kernels", "Reference"]),
  Module("Networks", ["Operations", "Compute", "Reference"]),
  Module("ModelFiles", ["Networks", "Operations", "Reference", "CZlib", "SwiftProtobuf"]),
  Module("Datasets", ["Reference", "CTurboJPEG", "CPNG", "CZlib"]),
  Module("Attacks", ["Networks", "Operations", "Compute", "Reference"]),
  Module(
    "BlindspotKit",
    ["Attacks", "Compute", "Datasets", "ModelFiles", "Networks", "Operations", "Reference"]),
  Module("Verification", ["Networks", "Operations", "Compute", "Kernels", "Reference"]),
  Module("Runs", ["Datasets", "Digests", "GRDB"]),
  Module("Spectrum", ["Compute", "Networks", "Operations", "Reference"]),
  Module(
    "Studies",
    [
      "Attacks", "BlindspotKit", "Compute", "Datasets", "Digests", "ModelFiles", "Networks",
      "Operations", "Reference", "Runs", "Spectrum",
    ]),
  Module(
    "blindspot",
    [
      "Attacks", "BlindspotKit", "Compute", "Datasets", "Digests", "ModelFiles", "Networks",
      "Operations", "Reference", "Runs", "Studies", "Verification", "ArgumentParser", "Glibc",
    ]),
]

/// What every module may import.
private let systemModules: Set<String> = [
  "Foundation", "FoundationEssentials", "Dispatch", "Synchronization",
]

/// Modules that have one owner, which hides them from all others, tests included.
private let owners = [
  "COpenCL": "Compute", "SwiftProtobuf": "ModelFiles", "GRDB": "Runs",
  "ArgumentParser": "blindspot", "CTurboJPEG": "Datasets", "CPNG": "Datasets",
  "CCrypto": "Digests", "Glibc": "blindspot",
]

/// Kernel files whose Swift twin bears another name.
private let twins = [
  "ceilings": "DeviceCeilings",
  "depthwise": "Convolution", "lbfgs": "LimitedMemory", "max_pooling": "MaximumPooling",
  "rearrange": "StridedAxes", "scale_shift_rows": "ScaleShift",
]

private let lineLimit = 600

@Test func `every module imports only what the table allows`() throws {
  let allowed = Dictionary(uniqueKeysWithValues: modules.map { ($0.name, $0.imports) })
  var seen = 0
  for file in try SourceTree.files(in: "Sources", suffixes: ["swift"]) {
    let imports = try #require(
      allowed[file.module], "\(file.path): no row of the table names \(file.module)")
    for (line, module) in file.imports {
      seen += 1
      #expect(
        imports.contains(module) || systemModules.contains(module),
        "\(file.path):\(line): \(file.module) may not import \(module)")
    }
  }
  #expect(seen > 100, "the import lines are not found")
}

@Test func `the table runs downwards and names every folder of Sources`() throws {
  var above: Set<String> = ["SwiftProtobuf", "GRDB", "ArgumentParser", "Glibc"]
  for module in modules {
    let upwards = module.imports.subtracting(above).sorted()
    #expect(upwards.isEmpty, "\(module.name) would import \(upwards), which stand below it")
    above.insert(module.name)
  }
  for folder in try SourceTree.folders(in: "Sources") {
    #expect(above.contains(folder), "Sources/\(folder) has no row in the table")
  }
}

@Test func `a module with an owner is imported by its owner only`() throws {
  var users: [String: Set<String>] = [:]
  for folder in ["Sources", "Tests", "Kernels", "Benchmarks"] {
    for file in try SourceTree.files(in: folder, suffixes: ["swift"]) {
      for (line, module) in file.imports {
        guard let owner = owners[module] else { continue }
        users[module, default: []].insert(file.module)
        #expect(
          folder == "Sources" && file.module == owner,
          "\(file.path):\(line): only \(owner) imports \(module)")
      }
    }
  }
  for module in ["COpenCL", "SwiftProtobuf", "GRDB", "CTurboJPEG", "CPNG", "CCrypto"] {
    #expect(users[module]?.isEmpty == false, "nobody imports \(module): are the lines found?")
  }
}

@Test(arguments: [
  ("import Foundation", "Foundation"), ("  public import Compute", "Compute"),
  ("@testable import Runs", "Runs"), ("@preconcurrency private import struct GRDB.Row", "GRDB"),
  ("import func Glibc.isatty", "Glibc"), ("// import Nothing", nil), ("let important = 1", nil),
])
func `import lines are understood`(line: String, module: String?) {
  #expect(importedModule(line) == module)
}

@Test func `only the commands print and end the process`() throws {
  let calls = ["rint(", "exit(", "abort(", "fatalError("]
  for file in try SourceTree.files(in: "Sources", suffixes: ["swift"])
  where !["blindspot", "embed-kernels"].contains(file.module) {
    for (number, line) in file.lines.enumerated()
    where calls.contains(where: line.contains) && !line.contains("//") {
      let found = line.firstMatch(of: /\b(print|debugPrint|exit|abort|fatalError)\(/)
      #expect(found == nil, "\(file.path):\(number + 1): \(line)")
    }
  }
}

@Test func `no written file is longer than 600 lines`() throws {
  let suffixes: Set<String> = ["swift", "cl", "clh", "py", "sh", "h"]
  for file in try SourceTree.files(suffixes: suffixes) where !file.isGenerated {
    #expect(file.lines.count <= lineLimit, "\(file.path) has \(file.lines.count) lines")
  }
}

@Test func `a kernel file begins with at least five lines of comment`() throws {
  let files = try SourceTree.files(in: "Kernels", suffixes: ["cl"])
  #expect(!files.isEmpty)
  for file in files {
    let comment = file.lines.prefix { $0.hasPrefix("// ") }
    #expect(comment.count >= 5, "\(file.path) begins with \(comment.count) lines of comment")
    for word in ["Shapes:", "Variants:", "Order", "Source:"] {
      #expect(
        comment.contains { $0.contains(word) }, "\(file.path): its comment does not say \"\(word)\""
      )
    }
  }
}

@Test func `every kernel file is in the library, and nothing else is`() throws {
  let names = try SourceTree.files(in: "Kernels", suffixes: ["cl"])
    .map { String($0.path.dropFirst("Kernels/".count).dropLast(".cl".count)) }
  #expect(names.sorted() == KernelLibrary.names)
  for name in names {
    let source = try #require(KernelLibrary.source(name), "\(name) is not in the library")
    #expect(!source.contains("#include \""), "\(name) has an include that was not inlined")
  }
}

@Test func `a kernel file has the stem of its Swift twin`() throws {
  let stems = Set(
    try ["Reference", "Operations", "Attacks", "Verification"].flatMap {
      try SourceTree.files(in: "Sources/\($0)", suffixes: ["swift"]).map { $0.stem.lowercased() }
    })
  for file in try SourceTree.files(in: "Kernels", suffixes: ["cl"]) {
    let twin = twins[file.stem] ?? file.stem.replacing("_", with: "")
    #expect(
      stems.contains(twin.lowercased()),
      "\(file.path): no \(twin).swift in Reference, Operations, Attacks or Verification")
  }
}

@Test func `every operation has rows in the catalogue`() throws {
  let catalogue = try SourceTree.files(in: "Sources/Verification", suffixes: ["swift"])
    .filter { $0.stem.hasPrefix("Catalog+") }.flatMap(\.lines)
  var operations = 0
  for file in try SourceTree.files(in: "Sources/Operations", suffixes: ["swift"]) {
    for line in file.lines {
      guard let match = line.firstMatch(of: /^public struct (\w+): .*\bOperation\b/) else {
        continue
      }
      operations += 1
      let use = match.1 + "("
      #expect(catalogue.contains { $0.contains(use) }, "\(file.path): no row makes a \(match.1)")
    }
  }
  #expect(operations > 10, "the operations are not found")
}

@Test func `no file names a path of one machine`() throws {
  let suffixes: Set<String> = [
    "swift", "cl", "clh", "py", "sh", "h", "md", "json", "modulemap", "csv", "txt", "",
  ]
  let folders = ["home", "root", "Users", "work", "tmp", "opt", "mnt"].joined(separator: "|")
  let path = try Regex("(^|[\\s\"'`(=:])/(\(folders))/[A-Za-z0-9_.]")
  for file in try SourceTree.files(suffixes: suffixes) {
    for (number, line) in file.lines.enumerated() where line.contains("/") {
      #expect(line.firstMatch(of: path) == nil, "\(file.path):\(number + 1): \(line)")
    }
  }
}
