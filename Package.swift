// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
]

func module(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(
  _ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []
) -> Target {
  .testTarget(
    name: name, dependencies: dependencies, exclude: exclude, swiftSettings: strict)
}

func system(_ name: String, _ pkgConfig: String, _ packages: [String]) -> Target {
  .systemLibrary(name: name, pkgConfig: pkgConfig, providers: [.apt(packages)])
}

let package = Package(
  name: "blindspot",
  products: [
    .library(
      name: "Blindspot",
      targets: [
        "BlindspotKit", "Compute", "Networks", "ModelFiles", "Datasets", "Attacks", "Runs",
        "Spectrum", "Studies",
      ]),
    .executable(name: "blindspot", targets: ["blindspot"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.28.0"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.0.0"),
  ],
  targets: [
    system("COpenCL", "OpenCL", ["ocl-icd-opencl-dev", "opencl-headers"]),
    .systemLibrary(name: "CProcessors"),
    system("CTurboJPEG", "libturbojpeg", ["libturbojpeg0-dev"]),
    system("CPNG", "libpng", ["libpng-dev"]),
    system("CZlib", "zlib", ["zlib1g-dev"]),
    system("CCrypto", "libcrypto", ["libssl-dev"]),

    .plugin(
      name: "EmbedKernels", capability: .buildTool(), dependencies: ["embed-kernels"]),
    .executableTarget(name: "embed-kernels", swiftSettings: strict),
    .target(
      name: "Kernels", path: "Kernels", sources: ["KernelLibrary.swift"], swiftSettings: strict,
      plugins: ["EmbedKernels"]),

    module("Digests", ["CCrypto"]),
    module("Compute", ["COpenCL", "CProcessors", "Digests"]),
    module("Reference", []),
    module("Operations", ["Compute", "Kernels", "Reference"]),
    module("Networks", ["Operations", "Compute", "Reference"]),
    module(
      "ModelFiles",
      [
        "Networks", "Operations", "Reference", "CZlib",
        .product(name: "SwiftProtobuf", package: "swift-protobuf"),
      ]),
    module("Datasets", ["Reference", "CTurboJPEG", "CPNG", "CZlib"]),
    module("Attacks", ["Networks", "Operations", "Compute", "Reference"]),
    module(
      "Runs",
      ["Datasets", "Digests", .product(name: "GRDB", package: "GRDB.swift")]),
    module(
      "BlindspotKit",
      ["Attacks", "Compute", "Datasets", "ModelFiles", "Networks", "Operations", "Reference"]),
    module("Spectrum", ["Compute", "Networks", "Operations", "Reference"]),
    module(
      "Studies",
      [
        "Attacks", "BlindspotKit", "Compute", "Datasets", "Digests", "ModelFiles", "Networks",
        "Operations", "Reference", "Runs", "Spectrum",
      ]),
    module("Verification", ["Compute", "Operations", "Reference", "Networks", "Kernels"]),
    .executableTarget(
      name: "blindspot",
      dependencies: [
        "Attacks", "BlindspotKit", "Compute", "Datasets", "Digests", "ModelFiles", "Networks",
        "Operations", "Reference", "Runs", "Studies", "Verification",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: strict),

    .target(
      name: "Support",
      dependencies: ["Compute", "Datasets", "Networks", "Operations", "Reference"],
      path: "Tests/Support",
      swiftSettings: strict),
    tests("LayoutTests", ["Kernels"]),
    tests("ReferenceTests", ["Support", "Reference"], exclude: ["Fixtures"]),
    tests("ComputeTests", ["Support", "Compute"]),
    tests(
      "OperationsTests",
      ["Support", "Verification", "Operations", "Compute", "Kernels", "Reference"]),
    tests(
      "NetworksTests",
      ["Support", "Networks", "Operations", "Compute", "Reference", "Datasets"]),
    tests(
      "ModelFilesTests",
      ["Support", "ModelFiles", "Networks", "Operations", "Compute", "Reference"]),
    tests("DatasetsTests", ["Support", "Datasets", "Reference"]),
    tests(
      "AttacksTests", ["Support", "Attacks", "Networks", "Operations", "Compute", "Reference"]),
    tests("RunsTests", ["Support", "Runs", "Datasets"]),
    tests(
      "SpectrumTests", ["Support", "Spectrum", "Networks", "Operations", "Compute", "Reference"]),
    tests(
      "StudiesTests",
      ["Support", "Studies", "Compute", "Datasets", "ModelFiles", "Reference", "Runs"]),
    tests("BlindspotKitTests", ["Support", "BlindspotKit", "Operations", "Reference"]),
    tests(
      "CommandTests",
      ["Support", "ModelFiles", "Networks", "Operations", "Reference", "Datasets"]),
  ])
