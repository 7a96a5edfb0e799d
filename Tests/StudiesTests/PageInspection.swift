import Foundation

/// What is wrong with a page as a browser lays it out.
struct PageInspection {
  /// A4 and its margins, in inches.
  private static let paper = (width: 210 / 25.4, height: 297 / 25.4, margin: 10 / 25.4)
  /// Widths in CSS pixels: a phone's, a desktop's, and A4's between the margins.
  private static let layouts: [(name: String, width: Int, medium: String)] = [
    ("phone", 390, "screen"), ("desktop", 1280, "screen"), ("paper", 718, "print"),
  ]

  let browser: Browser

  /// Everything that is wrong with a page on a phone, on a desktop and on paper, a line each.
  func defects(of html: String) throws -> [String] {
    try withFile(html) { file in
      try Self.layouts.flatMap { layout in
        try browser.open(
          file, width: layout.width, isPhone: layout.name == "phone", medium: layout.medium)
        let found = try browser.evaluate("(\(Self.script))(\(layout.width))") as? [String]
        guard let found else { throw Browser.Failure(description: "the script gave no list") }
        return found.map { "\(layout.name): \($0)" }
      }
    }
  }

  /// The page as a PDF file on A4; its dictionaries are legible, its streams are not.
  func pdf(of html: String) throws -> String {
    try withFile(html) { file in
      try browser.open(file, width: Self.layouts[2].width, medium: "print")
      let paper = Self.paper
      let data = try browser.print(width: paper.width, height: paper.height, margin: paper.margin)
      return data.map { String(UnicodeScalar($0)) }.joined()
    }
  }

  private func withFile<Value>(_ html: String, _ body: (URL) throws -> Value) throws -> Value {
    let file = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString + ".html")
    try Data(html.utf8).write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    return try body(file)
  }

  /// The script is given the width of the layout and returns a list of texts.
  ///
  /// A table's frame may be narrower than the table on a screen, where it scrolls, but not on paper.
  /// A4 is 1047 CSS pixels high between the margins; what is higher is cut between two sheets.
  /// Letters have some room above and below them, which may overlap.
  private static let script = """
    async (width) => {
      const defects = [], root = document.documentElement;
      const box = (element) => element.getBoundingClientRect();
      const isWider = (element) => element.scrollWidth > element.clientWidth;
      if (root.clientWidth !== width) defects.push(`laid out for ${root.clientWidth} pixels`);
      if (isWider(root)) defects.push(`${root.scrollWidth} pixels wide of ${root.clientWidth}`);
      const isPaper = matchMedia('print').matches;
      if (isPaper)
        for (const frame of document.querySelectorAll('.scroll'))
          if (isWider(frame)) defects.push(`table cut off: ${frame.innerText.split('\\n')[0]}`);
      for (const image of document.images) {
        await image.decode().catch(() => {});
        if (!image.complete || image.naturalWidth === 0) defects.push(`broken picture: ${image.alt}`);
        else if (box(image).width === 0) defects.push(`hidden picture: ${image.alt}`);
        else if (isPaper && box(image).height > 1047)
          defects.push(`picture taller than the paper: ${image.alt}`);
      }
      for (const plot of document.querySelectorAll('svg')) {
        const frame = box(plot), name = plot.getAttribute('aria-label');
        if (frame.width === 0) { defects.push(`hidden plot: ${name}`); continue; }
        const labels = [...plot.querySelectorAll('text')];
        for (const label of labels) {
          const own = box(label);
          if (own.left < frame.left - 1 || own.right > frame.right + 1
            || own.top < frame.top - 1 || own.bottom > frame.bottom + 1)
            defects.push(`label cut off: ${label.textContent} (${name})`);
        }
        const upright = labels.filter((label) => !label.hasAttribute('transform'));
        upright.forEach((label, index) => {
          const a = box(label), gap = a.height / 4;
          for (const other of upright.slice(index + 1)) {
            const b = box(other);
            if (a.left < b.right && b.left < a.right
              && a.top + gap < b.bottom && b.top + gap < a.bottom)
              defects.push(`labels overlap: ${label.textContent}, ${other.textContent} (${name})`);
          }
        });
      }
      return defects;
    }
    """
}
