public import Foundation

/// A sheet of pictures in rows and columns with a short text under each, for looking at attacks.
public struct PictureSheet: Sendable {
  /// A picture of the sheet and its text.
  public struct Cell: Sendable {
    /// Values in [0, 1], planes `[C, H, W]`; what lies outside is cut.
    public var pixels: [Float]

    /// The text, one line each; printable ASCII.
    public var lines: [String]

    /// A cell.
    public init(pixels: [Float], lines: [String] = []) {
      self.pixels = pixels
      self.lines = lines
    }
  }

  /// The sizes of every picture; 1 or 3 channels.
  public let shape: PictureShape

  /// The rows, from the top; they may be of different lengths.
  public private(set) var rows: [[Cell]] = []

  /// The text above each column, if any.
  public var headings: [String]

  /// The side of one picture's pixel on the sheet, in pixels.
  public let magnification: Int

  private static let margin = 6
  private static let lineHeight = BitmapFont.height + 3
  private static let background: UInt8 = 255
  private static let ink: UInt8 = 0

  /// An empty sheet.
  ///
  /// - Parameters:
  ///   - shape: the sizes of every picture.
  ///   - headings: the text above each column.
  ///   - magnification: the side of one pixel; by default such that the shorter side of a tiny
  ///     picture has 96 pixels or a little less.
  /// - Precondition: `shape` has 1 or 3 channels and pixels.
  public init(shape: PictureShape, headings: [String] = [], magnification: Int? = nil) {
    precondition([1, 3].contains(shape.channels) && shape.count > 0, "\(shape) cannot be drawn")
    self.shape = shape
    self.headings = headings
    self.magnification = max(1, magnification ?? 96 / min(shape.height, shape.width))
  }

  /// Appends a row.
  ///
  /// - Precondition: every picture has the sheet's shape.
  public mutating func append(_ row: [Cell]) {
    for cell in row {
      precondition(cell.pixels.count == shape.count, "\(shape) has not \(cell.pixels.count) values")
    }
    rows.append(row)
  }

  /// Appends the row "original, perturbation times `gain` about 0.5, adversarial".
  ///
  /// - Precondition: both pictures have the sheet's shape.
  public mutating func append(
    original: [Float], adversarial: [Float], gain: Float = 10, lines: [[String]] = []
  ) {
    let difference = Self.perturbation(from: original, to: adversarial, gain: gain)
    let pictures = [original, difference, adversarial]
    append(
      pictures.enumerated().map { column, pixels in
        Cell(pixels: pixels, lines: column < lines.count ? lines[column] : [])
      })
  }

  /// The difference of two pictures as a picture: `0.5 + gain * (to - from)`, cut to [0, 1].
  ///
  /// - Precondition: both have the same number of values.
  public static func perturbation(
    from original: [Float], to adversarial: [Float], gain: Float = 10
  ) -> [Float] {
    precondition(original.count == adversarial.count, "pictures of different sizes")
    return zip(original, adversarial).map { min(1, max(0, 0.5 + gain * ($1 - $0))) }
  }

  /// Draws the sheet in RGB: a column is as wide as its widest picture or text.
  ///
  /// - Throws: `DatasetError` when there is no row or the sheet exceeds `RGBImage.maximumPixels`.
  public func draw() throws(DatasetError) -> RGBImage {
    let columns = rows.map(\.count).max() ?? 0
    guard columns > 0 else { throw DatasetError(.empty, "picture sheet", "has no picture") }
    let pictureWidth = shape.width * magnification
    let pictureHeight = shape.height * magnification
    let widths = (0..<columns).map { column in
      let texts =
        rows.flatMap { column < $0.count ? $0[column].lines : [] }
        + (column < headings.count ? [headings[column]] : [])
      return texts.map { $0.count * BitmapFont.advance }.reduce(pictureWidth, max)
    }
    let heights = rows.map { row in
      pictureHeight + Self.margin + (row.map(\.lines.count).max() ?? 0) * Self.lineHeight
    }
    let top = Self.margin + (headings.isEmpty ? 0 : Self.lineHeight)
    let width = widths.reduce(Self.margin) { $0 + $1 + Self.margin }
    let height = heights.reduce(top, +)
    try RGBImage.checkSize(width: width, height: height, file: "picture sheet")

    var canvas = Canvas(width: width, height: height, background: Self.background)
    var left = Self.margin
    for column in 0..<columns {
      if column < headings.count {
        canvas.write(headings[column], left: left, top: Self.margin / 2, ink: Self.ink)
      }
      var upper = top
      for (row, height) in zip(rows, heights) {
        if column < row.count {
          let picture = RGBImage(planar: row[column].pixels, shape: shape)
          canvas.draw(picture, left: left, top: upper, magnification: magnification)
          for (index, line) in row[column].lines.enumerated() {
            canvas.write(
              line, left: left, top: upper + pictureHeight + 3 + index * Self.lineHeight,
              ink: Self.ink)
          }
        }
        upper += height
      }
      left += widths[column] + Self.margin
    }
    return RGBImage(width: width, height: height, channels: 3, bytes: canvas.bytes)
  }

  /// Draws the sheet and writes it as PNG, under a temporary name that is then renamed.
  ///
  /// - Throws: `DatasetError` when there is nothing to draw or the file cannot be written.
  public func write(to url: URL) throws(DatasetError) {
    try PNG.write(try draw(), to: url)
  }
}

/// An RGB picture that is being drawn.
private struct Canvas {
  let width: Int
  var bytes: [UInt8]

  init(width: Int, height: Int, background: UInt8) {
    self.width = width
    bytes = [UInt8](repeating: background, count: width * height * 3)
  }

  mutating func draw(_ picture: RGBImage, left: Int, top: Int, magnification: Int) {
    for row in 0..<picture.height * magnification {
      for column in 0..<picture.width * magnification {
        let source =
          (row / magnification * picture.width + column / magnification) * picture.channels
        let target = ((top + row) * width + left + column) * 3
        for channel in 0..<3 {
          bytes[target + channel] = picture.bytes[source + min(channel, picture.channels - 1)]
        }
      }
    }
  }

  mutating func write(_ text: String, left: Int, top: Int, ink: UInt8) {
    for (index, character) in text.enumerated() {
      for row in 0..<BitmapFont.height {
        for column in 0..<BitmapFont.width
        where BitmapFont.isInk(character, row: row, column: column) {
          let x = left + index * BitmapFont.advance + column
          let target = ((top + row) * width + x) * 3
          for channel in 0..<3 { bytes[target + channel] = ink }
        }
      }
    }
  }
}
