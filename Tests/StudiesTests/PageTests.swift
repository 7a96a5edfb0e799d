import Datasets
import Foundation
import Runs
import Studies
import Testing

/// Pages in a browser: whole on a phone, on a desktop and on paper.
@Suite(.enabled(if: Browser.isWanted, "Chromium is absent")) struct PageTests {
  /// A report with parts of every kind, each as long or as wide as a study may make it.
  private static func report() throws -> StudyReport {
    var report = StudyReport(
      study: "test", title: "A title of " + String(repeating: "long", count: 30))
    report.settings = [
      "training_digest": .string(String(repeating: "0123456789abcdef", count: 4)),
      "data": .string(String(repeating: "folder/", count: 30)),
    ]
    report.findings = [String(repeating: "unbroken", count: 40), "short"]
    let shape = PictureShape(channels: 1, height: 28, width: 28)
    var sheet = PictureSheet(shape: shape, magnification: 2)
    let pixels = (0..<shape.count).map { Float($0) / Float(shape.count) }
    for _ in 0..<40 {
      sheet.append((0..<15).map { .init(pixels: pixels, lines: ["class \($0)"]) })
    }
    let networks = ["FC10(10⁻⁴)", "FC100-100-10", "FC200-200-10", "AE400-10", "clean", "noise 0.1"]
    let regimes = [
      "Weight decay alone", "Distorted outputs of layer 1", "PGD training on pictures", "None",
    ]
    let series = { (names: [String], count: Int) in
      names.enumerated().map { index, name in
        let value = Double(index + 1) / 10
        return StudyPlot.Series(
          name, Array(repeating: .init(value, value - 0.05...value + 0.05), count: count))
      }
    }
    report.blocks = [
      .heading("Tables"),
      .text(String(repeating: "Some words and a path/of/a/file/without/a/space. ", count: 30)),
      .table(
        StudyTable(
          caption: "Errors of networks, fed with what was made for others",
          columns: ["Made for"] + networks + networks.dropLast(),
          rows: (0..<60).map { _ in
            ["squeezenet1.1-7-quantized.onnx"]
              + Array(repeating: "100.0 % (100.0 %)", count: 2 * networks.count - 1)
          })),
      .heading("Pictures"), .picture(try StudyPicture(sheet, caption: "Distorted pictures")),
      .plot(
        StudyPlot(
          caption: "Names as wide as their places", axis: .categories(networks),
          quantity: "error, fed to the network", series: series(networks + ["noise 0.3"], 6))),
      .plot(
        StudyPlot(
          caption: "Names that are long",
          axis: .categories(regimes + regimes.map { "\($0) again" }), quantity: "test error",
          series: series(["ours, with intervals of 95 per cent", "the paper's"], 8))),
      .plot(
        StudyPlot(
          caption: "Lines", axis: .places(name: "deviation of the noise", [0, 0.1, 0.25, 1]),
          quantity: "accuracy", series: series(networks, 4))),
    ]
    return report
  }

  @Test func `a page of long texts and wide tables is whole`() throws {
    let defects = try PageInspection(browser: Browser()).defects(of: Self.report().page)
    #expect(defects.isEmpty, "\(defects.joined(separator: "\n"))")
  }

  @Test func `what is broken on purpose is found`() throws {
    let page = try Self.report().page
    let inspection = PageInspection(browser: try Browser())
    let body = "<body>\n"
    let rules: [(broken: String, with: String, found: [String])] = [
      ("base64,", "base64,AAAA", ["phone: broken picture: Distorted", "paper: broken picture"]),
      ("<meta name=\"viewport\"", "<meta name=\"view\"", ["phone: laid out for 980 pixels"]),
      (body, body + "<p style=\"width: 900px\">wide</p>", ["phone: 9", "paper: 9"]),
      (body, body + "<p style=\"width: 1400px\">wide</p>", ["desktop: 15"]),
      ("overflow-wrap: anywhere", "", ["phone: "]),
      (".scroll { overflow-x: auto;", ".scroll {", ["phone: ", "desktop: "]),
      ("@media print", "@media none", ["paper: table cut off: Errors of networks"]),
      ("max-height: 24cm", "", ["paper: picture taller than the paper: Distorted pictures"]),
      (
        "@media print {", "@media print { img, svg { display: none !important; }",
        ["paper: hidden picture: Distorted pictures", "paper: hidden plot: Lines"]
      ),
      (
        "</svg>", "<text x=\"550\" y=\"30\">beyond the edge</text></svg>",
        ["phone: label cut off: beyond the edge", "desktop: label cut off", "paper: label cut off"]
      ),
      (
        "</svg>", "<text x=\"100\" y=\"100\">one</text><text x=\"110\" y=\"103\">two</text></svg>",
        ["phone: labels overlap: one, two (Lines)"]
      ),
    ]
    for rule in rules {
      #expect(page.contains(rule.broken), "\(rule.broken) is not in the page")
      let defects = try inspection.defects(of: page.replacing(rule.broken, with: rule.with))
      for found in rule.found {
        #expect(defects.contains { $0.hasPrefix(found) }, "\(rule.with): \(found) of \(defects)")
      }
    }
  }

  @Test func `a printed page is A4, in pages, with its picture and no frames that scroll`() throws {
    let page = try Self.report().page
    let inspection = PageInspection(browser: try Browser())
    let pictures = { (pdf: String) in pdf.matches(of: /\/Subtype \/Image/).count }
    let pdf = try inspection.pdf(of: page)
    #expect(pdf.hasPrefix("%PDF-"))
    // 210 x 297 mm in points of 1/72 inch, as Chromium rounds them.
    let sheets = pdf.matches(of: /\/MediaBox \[0 0 ([0-9.]+) ([0-9.]+)\]/)
    #expect(sheets.count >= 3 && sheets.count < 20, "\(sheets.count) pages")
    for sheet in sheets {
      #expect(abs((Double(sheet.1) ?? 0) - 595.3) < 1 && abs((Double(sheet.2) ?? 0) - 841.9) < 1)
    }
    #expect(pictures(pdf) == 1)
    let hidden = page.replacing(
      "@media print {", with: "@media print { img { display: none !important; }")
    #expect(pictures(try inspection.pdf(of: hidden)) == 0)
  }

  @Test(.enabled(if: PageFolder.url != nil, "BLINDSPOT_PAGES names no folder"))
  func `the pages of a folder are whole`() throws {
    let pages = try PageFolder.pages()
    #expect(!pages.isEmpty)
    let inspection = PageInspection(browser: try Browser(limit: 300))
    for page in pages {
      let defects = try inspection.defects(of: String(contentsOf: page, encoding: .utf8))
      #expect(defects.isEmpty, "\(page.relativePath):\n\(defects.joined(separator: "\n"))")
      #expect(try inspection.pdf(of: String(contentsOf: page, encoding: .utf8)).hasPrefix("%PDF-"))
    }
  }
}

/// Reports that a run of studies left: `make pages` makes them and names their folder.
private enum PageFolder {
  static let url = ProcessInfo.processInfo.environment["BLINDSPOT_PAGES"].map {
    URL(fileURLWithPath: $0)
  }

  static func pages() throws -> [URL] {
    guard let url else { return [] }
    let walker = FileManager.default.enumerator(at: url, includingPropertiesForKeys: nil)
    return (walker?.allObjects as? [URL] ?? []).filter { $0.lastPathComponent == "study.html" }
  }
}
