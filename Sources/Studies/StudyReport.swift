public import Datasets
public import Runs

/// What a study found: figures for programs, and a page for people.
public struct StudyReport: Sendable, Encodable {
  /// The study's name.
  public var study: String
  /// The headline of the page.
  public var title: String
  /// What the figures depend on, by snake_case names: data, seed, sizes, versions.
  public var settings: [String: JSONValue] = [:]
  /// The figures, an object a row, with snake_case names; a paper's figure is `paper_` + name.
  public var rows: [[String: JSONValue]] = []
  /// What follows from the figures, a sentence or two each; differences from the paper too.
  public var findings: [String] = []
  /// How long the study took, in seconds.
  public var seconds = 0.0
  /// The page, from the top; the findings come before it.
  public var blocks: [Block] = []

  /// A part of the page.
  public enum Block: Sendable {
    /// The headline of a section.
    case heading(String)
    /// Some sentences.
    case text(String)
    /// A table.
    case table(StudyTable)
    /// A picture.
    case picture(StudyPicture)
    /// A plot.
    case plot(StudyPlot)
  }

  private enum CodingKeys: String, CodingKey {
    case study, title, settings, rows, findings, seconds
  }

  /// An empty report.
  public init(study: String, title: String) {
    self.study = study
    self.title = title
  }
}

/// A table of texts: the first column to the left, the others to the right.
public struct StudyTable: Sendable {
  /// What the table shows, one line.
  public var caption: String
  /// The headings.
  public var columns: [String]
  /// The cells, as many a row as there are headings.
  public var rows: [[String]]

  /// A table.
  ///
  /// - Precondition: every row is as long as the headings.
  public init(caption: String, columns: [String], rows: [[String]]) {
    precondition(rows.allSatisfy { $0.count == columns.count }, "rows unlike the headings")
    self.caption = caption
    self.columns = columns
    self.rows = rows
  }
}

/// A picture of the page, as PNG.
public struct StudyPicture: Sendable {
  /// What is to be seen, one line; also what is read aloud.
  public var caption: String
  /// The bytes of a PNG file.
  public var png: [UInt8]
  /// The width in pixels.
  public var width: Int
  /// The height in pixels.
  public var height: Int

  /// A picture.
  ///
  /// - Throws: `DatasetError` when it cannot be encoded.
  public init(_ picture: RGBImage, caption: String) throws(DatasetError) {
    self.caption = caption
    png = try PNG.encode(picture)
    (width, height) = (picture.width, picture.height)
  }

  /// A sheet of pictures.
  ///
  /// - Throws: `DatasetError` when there is nothing on the sheet or it cannot be encoded.
  public init(_ sheet: PictureSheet, caption: String) throws(DatasetError) {
    try self.init(try sheet.draw(), caption: caption)
  }
}
