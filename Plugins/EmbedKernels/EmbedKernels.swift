import Foundation
import PackagePlugin

/// Turns every OpenCL source below `Kernels/` into a Swift string literal at build time.
@main
struct EmbedKernels: BuildToolPlugin {
  func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
    let walker = FileManager.default.enumerator(
      at: target.directoryURL, includingPropertiesForKeys: nil)
    let inputs = (walker?.allObjects as? [URL] ?? [])
      .filter { ["cl", "clh"].contains($0.pathExtension) }
      .sorted { $0.path < $1.path }
    let output = context.pluginWorkDirectoryURL.appending(path: "KernelSources.swift")
    return [
      .buildCommand(
        displayName: "Embedding \(inputs.count) OpenCL sources",
        executable: try context.tool(named: "embed-kernels").url,
        arguments: [output.path] + inputs.map(\.path),
        inputFiles: inputs,
        outputFiles: [output])
    ]
  }
}
