import ArgumentParser
import Compute
import Foundation
import Verification

/// `blindspot devices`: what there is to compute on.
struct Devices: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Lists the OpenCL devices, and whether each one's arithmetic is canonical.",
    discussion: """
      Canonical means that division, square root, multiply-add and denormals have exactly the bits
      that the reference path computes: results are then the same on every such device.
      """)

  @Flag(help: "Print one JSON list.")
  var json = false

  func run() throws {
    let rows = try Device.all().map(DeviceRow.init)
    guard !rows.isEmpty else {
      throw CommandError("no OpenCL device; install a driver (pocl-opencl-icd runs on any CPU)")
    }
    if json { return try printJSON(rows) }
    printTable(
      [["", "name", "kind", "platform", "driver", "units", "memory", "canonical"]]
        + rows.map {
          [
            "\($0.index)", $0.name, $0.kind, $0.platform, $0.driver, "\($0.computeUnits)",
            "\($0.memoryBytes >> 20) MiB", $0.canonical.map { $0 ? "yes" : "no" } ?? "unknown",
          ]
        })
    for row in rows { if let error = row.error { print("\(row.index): \(error)") } }
  }
}

/// One device, as JSON has it; `canonical` is null when the probe could not run, and why.
private struct DeviceRow: Encodable {
  let index: Int
  let name: String
  let kind: String
  let platform: String
  let driver: String
  let computeUnits: Int
  let memoryBytes: Int
  var canonical: Bool?
  var error: String?

  enum CodingKeys: String, CodingKey {
    case index, name, kind, platform, driver, canonical, error
    case computeUnits = "compute_units"
    case memoryBytes = "memory_bytes"
  }

  init(_ device: Device) {
    index = device.index
    name = device.name
    kind = device.kind.rawValue
    platform = device.platformName
    driver = device.driverVersion
    computeUnits = device.computeUnits
    memoryBytes = device.globalMemoryBytes
    do throws(ComputeError) {
      canonical = try CanonicalProbe(Context(device: device)).isCanonical
    } catch {
      self.error = error.description.split(separator: "\n").joined(separator: " ")
    }
  }
}

/// Prints rows of cells as wide as each column needs; numbers stand at the right.
func printTable(_ rows: [[String]]) {
  guard let columns = rows.first?.count else { return }
  let widths = (0..<columns).map { column in rows.map { $0[column].count }.max() ?? 0 }
  for row in rows {
    let cells = row.enumerated().map { column, cell in
      let space = String(repeating: " ", count: widths[column] - cell.count)
      return Double(cell) == nil ? cell + space : space + cell
    }
    let line = cells.joined(separator: "  ")
    print(String(line.reversed().drop { $0 == " " }.reversed()))
  }
}
