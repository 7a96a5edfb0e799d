import Foundation
import Runs

extension StudyReport {
  /// The report in Markdown: findings, texts and tables; pictures and plots by their captions.
  public var markdown: String {
    var text = "# \(title)\n\n"
    for finding in findings { text += "- \(finding)\n" }
    if !findings.isEmpty { text += "\n" }
    for block in blocks {
      switch block {
      case .heading(let line): text += "## \(line)\n\n"
      case .text(let paragraph): text += paragraph + "\n\n"
      case .table(let table): text += table.markdown + "\n"
      case .picture(let picture): text += "*Picture: \(picture.caption)*\n\n"
      case .plot(let plot): text += "*Plot: \(plot.caption)*\n\n"
      }
    }
    return text
  }

  /// The report as one HTML page that needs no other file: pictures as data URIs, plots as SVG, no
  /// scripts; readable on a phone and on paper.
  public var page: String {
    var body = "<h1>\(escaped(title))</h1>\n"
    if !findings.isEmpty {
      body += "<ul>\n"
      for finding in findings { body += "<li>\(escaped(finding))</li>\n" }
      body += "</ul>\n"
    }
    for block in blocks {
      switch block {
      case .heading(let line): body += "<h2>\(escaped(line))</h2>\n"
      case .text(let paragraph): body += "<p>\(escaped(paragraph))</p>\n"
      case .table(let table): body += table.html
      case .picture(let picture): body += picture.html
      case .plot(let plot):
        body +=
          "<figure>\n\(plot.svg)<figcaption>\(escaped(plot.caption))</figcaption>\n</figure>\n"
      }
    }
    body += "<h2>Settings</h2>\n<dl>\n"
    for (name, value) in settings.sorted(by: { $0.key < $1.key }) {
      let text = value.pageText
      body += "<dt>\(escaped(name))</dt><dd>\(escaped(text))</dd>\n"
    }
    return HTMLPage.document(title: title, body: body + "</dl>\n")
  }
}

extension JSONValue {
  /// The value without the quotes of JSON.
  fileprivate var pageText: String {
    guard case .string(let text) = self else { return description }
    return text
  }
}

/// The frame of every page.
package enum HTMLPage {
  /// A whole document.
  package static func document(title: String, body: String) -> String {
    """
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>\(escaped(title))</title>
    <style>
    \(style)</style>
    </head>
    <body>
    \(body)</body>
    </html>

    """
  }

  /// Wide tables scroll within their own frame, so that the page itself never does.
  private static let style = """
    * { box-sizing: border-box; }
    body { font: 16px/1.5 system-ui, sans-serif; color: #111; background: #fff; \
    max-width: 60rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
    h1 { font-size: 1.5rem; line-height: 1.2; }
    h2 { font-size: 1.15rem; margin-top: 2rem; }
    .scroll { overflow-x: auto; max-width: 100%; margin: 1rem 0; }
    table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
    caption { text-align: left; padding: .3rem 0; color: #444; }
    th, td { padding: .25rem .6rem; border-bottom: 1px solid #ccc; text-align: right; \
    white-space: nowrap; }
    th:first-child, td:first-child { text-align: left; }
    figure { margin: 1rem 0; }
    figure img, figure svg { display: block; max-width: 100%; height: auto; }
    figure svg { width: 100%; max-width: 45rem; }
    figcaption { font-size: .875rem; color: #444; }
    dl { display: grid; grid-template-columns: minmax(6rem, max-content) 1fr; gap: 0 1rem; \
    font-size: .875rem; }
    dd { margin: 0; min-width: 0; }
    @media print { body { max-width: none; padding: 0; font-size: 11pt; } \
    h1, h2 { break-after: avoid; } figure, table { break-inside: avoid; } \
    figure img { width: auto; max-height: 24cm; } \
    .scroll { overflow: visible; } table { font-size: 7.5pt; } \
    th, td { padding: .1rem .3rem; white-space: normal; overflow-wrap: break-word; } \
    td:first-child { overflow-wrap: anywhere; } }

    """
}

extension StudyTable {
  /// The table in Markdown, its caption before it.
  var markdown: String {
    let rule = columns.indices.map { $0 == 0 ? "---" : "---:" }
    let lines = [columns, rule] + rows
    return caption + "\n\n"
      + lines.map { line in
        "| " + line.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ") + " |\n"
      }.joined()
  }

  fileprivate var html: String {
    func line(_ cells: [String], _ tag: String) -> String {
      "<tr>" + cells.map { "<\(tag)>\(escaped($0))</\(tag)>" }.joined() + "</tr>\n"
    }
    return "<div class=\"scroll\"><table>\n<caption>\(escaped(caption))</caption>\n<thead>\n"
      + line(columns, "th") + "</thead>\n<tbody>\n" + rows.map { line($0, "td") }.joined()
      + "</tbody>\n</table></div>\n"
  }
}

extension StudyPicture {
  fileprivate var html: String {
    "<figure>\n<img alt=\"\(escaped(caption))\" width=\"\(width)\" height=\"\(height)\" "
      + "src=\"data:image/png;base64,\(Data(png).base64EncodedString())\">\n"
      + "<figcaption>\(escaped(caption))</figcaption>\n</figure>\n"
  }
}

/// Text as HTML and SVG write it.
package func escaped(_ text: String) -> String {
  text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
    .replacing("\"", with: "&quot;")
}
