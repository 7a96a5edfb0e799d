import Foundation

/// A label that is no class is an error wherever it is read.
func checkLabel(_ label: Int, _ subject: String, classCount: Int?) throws(DatasetError) {
  if label < 0 || classCount.map({ label >= $0 }) ?? false {
    let range = classCount.map { "0...\($0 - 1)" } ?? "0 or more"
    throw DatasetError(.invalidLabel, subject, "label \(label) is not in \(range)")
  }
}

/// The labels of pictures that have no names, in order: from a CSV with a column `label` (or the
/// last column where there is no header), an `.npy` of whole numbers, or an IDX label file.
func readOrderedLabels(
  _ url: URL, count: Int, classCount: Int?
) throws(DatasetError) -> [Int] {
  let name = url.lastPathComponent
  let labels =
    switch url.pathExtension.lowercased() {
    case "csv": try CSVTable(url).labels()
    case "npy": try NPYFile(url).readIntegers()
    default: try readIDXLabels(url)
    }
  guard labels.count == count else {
    throw DatasetError(.mismatchedShape, name, "\(labels.count) labels for \(count) pictures")
  }
  for (index, label) in labels.enumerated() {
    try checkLabel(label, "\(name), picture \(index)", classCount: classCount)
  }
  return labels
}

/// The lines of a small CSV file, fields unquoted and trimmed.
struct CSVTable {
  let name: String
  let header: [String]?
  let rows: [(line: Int, fields: [String])]

  /// Reads a file; the first line is a header unless its last field is a whole number.
  init(_ url: URL) throws(DatasetError) {
    name = url.lastPathComponent
    var text = Substring(String(decoding: try readFile(url, limit: 1 << 28), as: UTF8.self))
    if text.first == "\u{FEFF}" { text.removeFirst() }
    var lines: [(line: Int, fields: [String])] = []
    let split = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    for (index, line) in split.enumerated() where !line.allSatisfy(\.isWhitespace) {
      lines.append((index + 1, Self.fields(line)))
    }
    if let first = lines.first, first.fields.last.flatMap({ Int($0) }) == nil {
      header = first.fields
      rows = Array(lines.dropFirst())
    } else {
      header = nil
      rows = lines
    }
  }

  /// Splits at commas outside double quotes; two quotes within quotes stand for one.
  private static func fields(_ line: Substring) -> [String] {
    var fields = [""]
    var isQuoted = false
    var previous: Character = ","
    for character in line {
      if character == "\"" {
        if !isQuoted && previous == "\"" { fields[fields.count - 1].append("\"") }
        isQuoted.toggle()
      } else if character == "," && !isQuoted {
        fields.append("")
      } else {
        fields[fields.count - 1].append(character)
      }
      previous = character
    }
    return fields.map { $0.trimmingCharacters(in: .whitespaces) }
  }

  /// The column `label`, or the last one.
  private var labelColumn: Int? { header?.firstIndex { $0.lowercased() == "label" } }

  /// The label of every row.
  func labels() throws(DatasetError) -> [Int] {
    var labels: [Int] = []
    for row in rows { labels.append(try label(row)) }
    return labels
  }

  /// Name and label of every row: the columns `filename` and `label`, or the first and the last.
  func namedLabels() throws(DatasetError) -> [String: Int] {
    let names: Set<String> = ["filename", "file", "name", "image", "id"]
    let nameColumn = header?.firstIndex { names.contains($0.lowercased()) } ?? 0
    var labels: [String: Int] = [:]
    for row in rows {
      guard row.fields.count >= 2, nameColumn < row.fields.count else {
        throw DatasetError(.corrupt, "\(name), line \(row.line)", "is not `filename,label`")
      }
      let label = try label(row)
      let file = row.fields[nameColumn]
      guard labels.updateValue(label, forKey: file) == nil else {
        throw DatasetError(.corrupt, "\(name), line \(row.line)", "names \(file) a second time")
      }
    }
    return labels
  }

  private func label(_ row: (line: Int, fields: [String])) throws(DatasetError) -> Int {
    let column = labelColumn ?? row.fields.count - 1
    guard column < row.fields.count, let label = Int(row.fields[column]) else {
      let text = column < row.fields.count ? row.fields[column] : ""
      throw DatasetError(
        .invalidLabel, "\(name), line \(row.line)", "label '\(text)' is not a whole number")
    }
    return label
  }
}

/// The class names of a `synset_words.txt`: the first word of each line, label = line.
func readSynsets(_ url: URL) throws(DatasetError) -> [String: Int] {
  let text = String(decoding: try readFile(url, limit: 1 << 24), as: UTF8.self)
  var labels: [String: Int] = [:]
  for line in text.split(whereSeparator: \.isNewline) {
    guard let word = line.split(separator: " ").first else { continue }
    guard labels.updateValue(labels.count, forKey: String(word)) == nil else {
      throw DatasetError(.corrupt, url.lastPathComponent, "names \(word) a second time")
    }
  }
  return labels
}
