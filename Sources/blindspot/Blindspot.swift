import ArgumentParser
import Foundation

/// The version that runs record.
let codeVersion = "0.1.0"

/// The command `blindspot`.
@main
struct Blindspot: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "blindspot",
    abstract: "Finds inputs, a hair away from ordinary pictures, on which a network is wrong.",
    version: codeVersion,
    subcommands: [
      Devices.self, Verify.self, Classify.self, Attack.self, Bench.self, StudyCommand.self,
      Demo.self,
    ])

  /// Runs a command; a failure is one line on standard error and exit code 1.
  ///
  /// A command line that cannot be parsed is answered with the usage and exit code 64 (`EX_USAGE`).
  static func main() {
    do {
      var command = parsed()
      try command.run()
    } catch {
      if exitCode(for: error) == .success { exit(withError: error) }
      let line = "\(error)".split(separator: "\n").joined(separator: " ")
      FileHandle.standardError.write(Data("blindspot: \(line)\n".utf8))
      Foundation.exit(1)
    }
  }

  private static func parsed() -> any ParsableCommand {
    do {
      return try parseAsRoot()
    } catch {
      exit(withError: error)
    }
  }
}
