import Datasets
import Foundation
import Runs
import Studies
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// Reports as files: figures for programs, pages for people.
@Suite struct ReportTests {
  /// A report with a part of every kind, and texts that HTML and Markdown must escape.
  private static func report() throws -> StudyReport {
    var report = StudyReport(study: "test", title: "a < b & \"c\"")
    report.settings = ["seed": "7", "limit": 3]
    report.rows = [["model": "x", "test_error": 0.25, "paper_test_error": .null]]
    report.findings = ["1 < 2"]
    let shape = PictureShape(channels: 1, height: 4, width: 5)
    var sheet = PictureSheet(shape: shape)
    sheet.append([.init(pixels: (0..<20).map { Float($0) / 20 }, lines: ["one"])])
    report.blocks = [
      .heading("Head"), .text("Text & more"),
      .table(StudyTable(caption: "Table", columns: ["a|b", "c"], rows: [["d", "<e>"]])),
      .picture(try StudyPicture(sheet, caption: "Picture")),
      .plot(
        StudyPlot(
          caption: "Bars", axis: .categories(["p", "q"]), quantity: "y",
          series: [
            .init("ours", [.init(0.5, 0.4...0.6), nil]), .init("theirs", [.init(1), .init(.nan)]),
          ])),
      .plot(
        StudyPlot(
          caption: "Lines", axis: .places(name: "x", [0, 1, 4]), quantity: "y",
          series: [.init("z", [.init(-1), .init(.infinity), .init(3, 2...4)])])),
    ]
    return report
  }

  @Test func `study.json has the figures under their names`() throws {
    let json = try #require(
      try JSONSerialization.jsonObject(with: Self.report().json) as? [String: Any])
    #expect(json.keys.sorted() == ["findings", "rows", "seconds", "settings", "study", "title"])
    let rows = try #require(json["rows"] as? [[String: Any]])
    #expect(rows.count == 1 && rows[0]["test_error"] as? Double == 0.25)
    #expect(rows[0]["paper_test_error"] is NSNull)
    #expect((json["settings"] as? [String: Any])?["limit"] as? Int == 3)
  }

  @Test func `the page is well-formed, stands alone and its picture can be decoded`() throws {
    let page = try Self.report().page
    // Its void elements aside, the page is XML; the parser finds what is not closed or not escaped.
    var text = page.replacing("<!DOCTYPE html>", with: "")
    text.replace(/<(meta|img)([^>]*)>/) { "<\($0.1)\($0.2)/>" }
    let parser = XMLParser(data: Data(text.utf8))
    #expect(parser.parse(), "\(parser.parserError.map { "\($0)" } ?? "")")
    #expect(page.contains("a &lt; b &amp; &quot;c&quot;") && page.contains("&lt;e&gt;"))
    #expect(!page.contains("<script") && !page.contains("http:") || page.contains("www.w3.org"))
    #expect(page.contains("name=\"viewport\"") && page.contains("@media print"))
    let encoded = try #require(page.firstMatch(of: /data:image\/png;base64,([^"]+)"/)?.1)
    let bytes = try #require(Data(base64Encoded: String(encoded)))
    let picture = try PNG.decode([UInt8](bytes), file: "page")
    #expect(picture.width > 5 && picture.height > 4)
    #expect(!page.contains("nan") && !page.contains("inf"))
  }

  @Test func `bars stand for their figures`() throws {
    let plot = StudyPlot(
      caption: "c", axis: .categories(["p"]), quantity: "y",
      series: [.init("a", [.init(1)]), .init("b", [.init(3)])])
    let heights = plot.svg.matches(of: /height="([0-9.]+)" fill="#/).compactMap { Double($0.1) }
      .filter { $0 != 12 }
    #expect(heights.count == 2)
    #expect(abs(heights[1] / heights[0] - 3) < 0.02)
  }

  @Test func `a table in Markdown keeps its columns`() throws {
    let markdown = try Self.report().markdown
    #expect(markdown.contains("| a\\|b | c |\n| --- | ---: |\n| d | <e> |\n"))
    #expect(markdown.hasPrefix("# a < b"))
  }

  @Test func `a folder takes a study's files, complete and in both places`() throws {
    let url = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    defer { try? FileManager.default.removeItem(at: url) }
    let folder = try StudyFolder(url)
    let report = try Self.report()
    try folder.write(report)
    try folder.write(report)
    for path in ["", "test/"] {
      for (name, data) in [
        ("study.json", report.json), ("study.md", Data(report.markdown.utf8)),
        ("study.html", Data(report.page.utf8)),
      ] {
        #expect(try Data(contentsOf: url.appending(path: path + name)) == data)
      }
    }
    let names = try FileManager.default.contentsOfDirectory(atPath: url.path).sorted()
    #expect(names == ["networks", "study.html", "study.json", "study.md", "test"])
  }

  @Test func `a folder that cannot be made is an error of one line`() throws {
    let url = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    try Data().write(to: url)
    defer { try? FileManager.default.removeItem(at: url) }
    let error = #expect(throws: RunError.self) { try StudyFolder(url) }
    #expect(error?.description.contains("\n") == false)
  }

  @Test func `an unknown study is answered with the names there are`() {
    let error = #expect(throws: StudyError.self) { try StudyCatalog.study(named: "nothing") }
    #expect(error?.description.contains("'nothing'") == true)
    let names = StudyCatalog.all.map(\.name)
    #expect(Set(names).count == names.count)
  }
}
