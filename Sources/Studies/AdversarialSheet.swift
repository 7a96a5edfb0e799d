import Attacks
import Datasets

/// Pictures that were attacked, beside what became of them.
enum AdversarialSheet {
  /// A row a picture, one of each class as long as there are others: the original, then for each
  /// network the change and the distorted picture; nil when nothing fools all networks.
  private static func draw(
    _ attacks: [(name: String, pictures: AttackedPictures)], rows: Int = 6
  ) -> PictureSheet? {
    guard let first = attacks.first?.pictures else { return nil }
    var sheet = PictureSheet(
      shape: first.clean.shape, headings: ["original"] + attacks.flatMap { [ascii($0.name), ""] },
      magnification: max(1, 56 / first.clean.shape.height))
    var shown: Set<Int> = []
    for index in first.results.indices where sheet.rows.count < rows {
      let results = attacks.map { $0.pictures.results[index] }
      let sample = first.results[index].sample
      let adversarials = results.compactMap(\.adversarial)
      guard adversarials.count == results.count, let label = sample.label,
        shown.insert(label).inserted
      else { continue }
      var row = [PictureSheet.Cell(pixels: sample.pixels, lines: ["class \(label)"])]
      for (result, adversarial) in zip(results, adversarials) {
        row.append(
          .init(
            pixels: PictureSheet.perturbation(from: sample.pixels, to: adversarial),
            lines: [decimal(result.distance?.rms)]))
        row.append(.init(pixels: adversarial, lines: ["as \(result.adversarialClass ?? -1)"]))
      }
      sheet.append(row)
    }
    return sheet.rows.isEmpty ? nil : sheet
  }

  /// The sheet as a part of a page; nothing where nothing fools all networks.
  static func blocks(
    _ attacks: [(name: String, pictures: AttackedPictures)]
  ) throws -> [StudyReport.Block] {
    guard let sheet = draw(attacks) else { return [] }
    return [
      .picture(
        try StudyPicture(
          sheet,
          caption: "Originals, changes ten times as strong around grey, and distorted pictures "
            + "with the class they are taken for"))
    ]
  }

  /// The sheet's letters are ASCII.
  private static func ascii(_ text: String) -> String {
    text.replacing("⁻⁴", with: "^-4").replacing("⁻²", with: "^-2").replacing("′", with: "'")
  }
}
