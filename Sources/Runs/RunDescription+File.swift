import Datasets
import Foundation

extension RunDescription {
  /// The picture's sizes; nil unless there are three, all positive, of sensible size.
  var pictureShape: PictureShape? {
    guard inputShape.count == 3, inputShape.allSatisfy({ (1...1 << 20).contains($0) }),
      inputShape[0] <= (1 << 30) / inputShape[1] / inputShape[2]
    else { return nil }
    return PictureShape(channels: inputShape[0], height: inputShape[1], width: inputShape[2])
  }

  /// Writes the description as JSON, names in ascending order.
  func write(to url: URL) throws(RunError) {
    let encoder = JSONEncoder()
    encoder.dateEncodingStrategy = .iso8601
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let data: Data
    do {
      data = try encoder.encode(self)
    } catch {
      throw RunError(.unwritable, url.path, "cannot be encoded (\(error))")
    }
    try RunFile.write(data + [0x0A], to: url)
  }

  /// Reads a description.
  ///
  /// - Throws: `missing`, `unreadable`, `corrupt` or `newerVersion`.
  init(reading url: URL) throws(RunError) {
    guard FileManager.default.fileExists(atPath: url.path) else {
      throw RunError(
        .missing, url.deletingLastPathComponent().path,
        "holds no run (there is no \(url.lastPathComponent))")
    }
    let data = try RunFile.read(url)
    let decoder = JSONDecoder()
    decoder.dateDecodingStrategy = .iso8601
    do {
      // The version comes first: a newer layout may lack what this one needs.
      let version = try decoder.decode(Version.self, from: data).format_version
      guard version <= Self.currentFormatVersion else {
        throw RunError(
          .newerVersion, url.path,
          "has format version \(version), this program reads \(Self.currentFormatVersion)")
      }
      self = try decoder.decode(RunDescription.self, from: data)
    } catch let error as RunError {
      throw error
    } catch let error as DecodingError {
      throw RunError(.corrupt, url.path, "is damaged (\(Self.text(error)))")
    } catch {
      throw RunError(.corrupt, url.path, "is damaged (\(error))")
    }
    guard formatVersion >= 1, sampleCount >= 0, sampleCount <= 1 << 40, pictureShape != nil else {
      throw RunError(
        .corrupt, url.path,
        "is damaged (version \(formatVersion), \(sampleCount) samples of \(inputShape))")
    }
  }

  private struct Version: Decodable {
    let format_version: Int
  }

  private static func text(_ error: DecodingError) -> String {
    switch error {
    case .keyNotFound(let key, _): "\"\(key.stringValue)\" is missing"
    case .typeMismatch(_, let context), .valueNotFound(_, let context),
      .dataCorrupted(let context):
      context.codingPath.isEmpty
        ? context.debugDescription
        : context.codingPath.map(\.stringValue).joined(separator: ".") + ": "
          + context.debugDescription
    @unknown default: "it cannot be decoded"
    }
  }
}
