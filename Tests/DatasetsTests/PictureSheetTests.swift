import Datasets
import Foundation
import Testing

@Suite struct `Picture sheets` {
  @Test func `show pictures in their places, magnified`() throws {
    let shape = PictureShape(channels: 1, height: 2, width: 2)
    var sheet = PictureSheet(shape: shape, magnification: 3)
    sheet.append([.init(pixels: [0, 1, 0.2, 0.4]), .init(pixels: [1, 1, 1, 0])])
    let drawn = try sheet.draw()
    // Margins of 6 around and between pictures of 2 x 3 pixels.
    #expect(drawn.width == 6 + 6 + 6 + 6 + 6 && drawn.height == 6 + 6 + 6)
    func grey(_ x: Int, _ y: Int) -> UInt8 { drawn.bytes[(y * drawn.width + x) * 3] }
    for (x, y, expected) in [(6, 6, 0), (8, 8, 0), (9, 6, 255), (6, 9, 51), (11, 11, 102)] {
      #expect(Int(grey(x, y)) == expected)
    }
    #expect(grey(21, 9) == 0 && grey(20, 9) == 255 && grey(0, 0) == 255 && grey(12, 6) == 255)
  }

  @Test func `write readable text`() throws {
    let shape = PictureShape(channels: 3, height: 1, width: 1)
    var sheet = PictureSheet(shape: shape, magnification: 1)
    sheet.append([.init(pixels: [1, 1, 1], lines: ["T"])])
    let drawn = try sheet.draw()
    let top = 6 + 1 + 3
    let rows = (0..<7).map { row in
      String(
        (0..<5).map { column -> Character in
          drawn.bytes[((top + row) * drawn.width + 6 + column) * 3] == 0 ? "#" : "."
        })
    }
    #expect(rows == ["#####", "..#..", "..#..", "..#..", "..#..", "..#..", "..#.."])
  }

  @Test func `a column is as wide as its longest text`() throws {
    let shape = PictureShape(channels: 3, height: 1, width: 1)
    var sheet = PictureSheet(shape: shape, headings: ["original"], magnification: 1)
    sheet.append([.init(pixels: [1, 0, 0], lines: ["tench 0.99", "é"])])
    #expect(try sheet.draw().width == 6 + 10 * 6 + 6)
    #expect(try sheet.draw().height == 6 + 10 + 1 + 6 + 2 * 10)
  }

  @Test func `tiny pictures are magnified by default`() {
    #expect(PictureSheet(shape: Digits.shape).magnification == 12)
    let large = PictureShape(channels: 3, height: 224, width: 224)
    #expect(PictureSheet(shape: large).magnification == 1)
  }

  @Test func `perturbations are centred at one half`() throws {
    let perturbation = PictureSheet.perturbation(
      from: [0.5, 0.5, 0.5, 0.5], to: [0.5, 0.51, 0.49, 0.9])
    let expected: [Float] = [0.5, 0.6, 0.4, 1]
    for (value, wanted) in zip(perturbation, expected) { #expect(abs(value - wanted) < 1e-5) }
    var sheet = PictureSheet(shape: Digits.shape)
    sheet.append(
      original: Digits.samples[0].pixels, adversarial: Digits.samples[1].pixels,
      lines: [["zero"], [], ["one"]])
    #expect(sheet.rows[0].map(\.lines) == [["zero"], [], ["one"]])
    #expect(sheet.rows[0][2].pixels == Digits.samples[1].pixels)
    try withFolder { folder in
      let url = folder.appending(path: "sheet.png")
      try sheet.write(to: url)
      #expect(try RGBImage(contentsOf: url) == sheet.draw())
    }
  }

  @Test func `without pictures there is nothing to draw`() {
    expectError(.empty, "picture sheet") { _ = try PictureSheet(shape: Digits.shape).draw() }
  }
}
