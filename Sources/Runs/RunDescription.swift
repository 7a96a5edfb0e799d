import Digests
public import Datasets
public import Foundation

/// Everything that a run was made with: the contents of its `run.json`.
///
/// A run may be resumed on another device, by another driver, with another batch size and from
/// other paths, since none of these changes a result in canonical arithmetic; everything else must
/// be equal (see `firstDifference(from:)`).
public struct RunDescription: Codable, Hashable, Sendable {
  /// The version of the folder's layout that this code writes.
  public static let currentFormatVersion = 1

  /// The precision mode in which devices and kernel families agree bit for bit.
  public static let canonicalPrecision = "canonical"

  /// The version of the folder's layout.
  public var formatVersion = Self.currentFormatVersion
  /// The attack's name.
  public var attack: String
  /// The attack's settings by name, all of them, defaults too.
  public var settings: [String: JSONValue]
  /// Where the model was read, or the name of a built-in architecture.
  public var modelPath: String
  /// The SHA-256 of the model's file, or of what determines its weights, in hexadecimal digits.
  public var modelSHA256: String
  /// The SHA-256 over the ordered names and labels of the pictures; see `listSHA256(of:)`.
  public var listSHA256: String
  /// The number of samples.
  public var sampleCount: Int
  /// The sizes of every picture, `[C, H, W]`.
  public var inputShape: [Int]
  /// How pictures were cut, scaled and normalised, in words that determine it.
  public var preprocessing: String
  /// The seed of all random numbers.
  public var seed: UInt64
  /// The device's name.
  public var device: String
  /// The driver's version.
  public var driver: String
  /// The platform's name and version.
  public var platform: String
  /// The version of the code.
  public var codeVersion: String
  /// The precision mode's name; `canonicalPrecision` or a looser one.
  public var precision: String
  /// The kernel family's name.
  public var kernelFamily: String
  /// How convolutions are summed; nil in runs from before there was a choice, which are direct.
  public var convolution: String?
  /// The number of slots, where it is known.
  public var batch: Int?
  /// Which of the adversarial pictures are kept, and how.
  public var keeps: KeptPictures
  /// When the run was begun, to the second.
  public var createdAt: Date

  /// A description from its parts; `createdAt` is cut to whole seconds.
  public init(
    attack: String, settings: [String: JSONValue], modelPath: String, modelSHA256: String,
    listSHA256: String, sampleCount: Int, inputShape: PictureShape, preprocessing: String,
    seed: UInt64, device: String, driver: String, platform: String, codeVersion: String,
    precision: String = Self.canonicalPrecision, kernelFamily: String, batch: Int? = nil,
    convolution: String? = nil,
    keeps: KeptPictures = .all, createdAt: Date = Date()
  ) {
    self.attack = attack
    self.settings = settings
    self.modelPath = modelPath
    self.modelSHA256 = modelSHA256
    self.listSHA256 = listSHA256
    self.sampleCount = sampleCount
    self.inputShape = [inputShape.channels, inputShape.height, inputShape.width]
    self.preprocessing = preprocessing
    self.seed = seed
    self.device = device
    self.driver = driver
    self.platform = platform
    self.codeVersion = codeVersion
    self.precision = precision
    self.kernelFamily = kernelFamily
    self.batch = batch
    self.convolution = convolution
    self.keeps = keeps
    self.createdAt = Date(timeIntervalSince1970: createdAt.timeIntervalSince1970.rounded(.down))
  }

  /// The SHA-256 over the lines that identify a source's pictures, in order: names and labels, and
  /// how the files were treated.
  public static func listSHA256(of pictures: some PictureSource) -> String {
    listSHA256(of: pictures.provenance)
  }

  /// The SHA-256 over lines of text, each ended by a line feed.
  public static func listSHA256(of lines: [String]) -> String {
    let hash = SHA256()
    for line in lines { hash.update(Array("\(line)\n".utf8)) }
    return hash.hexDigest()
  }

  /// A setting that differs between two descriptions, with both values as text.
  public struct Difference: Hashable, Sendable {
    /// The setting's name, as in `run.json`.
    public let name: String
    /// The value in this description.
    public let value: String
    /// The value in the other.
    public let other: String
  }

  /// The first setting that determines results and differs from another description's, in the
  /// order in which people ask: attack, its settings by name, model, pictures, the rest.
  ///
  /// In looser precision modes the device, its driver and the kernel family determine results too.
  public func firstDifference(from other: RunDescription) -> Difference? {
    let mine = determinants
    let others = Dictionary(uniqueKeysWithValues: other.determinants.map { ($0.0, $0.1) })
    for (name, value) in mine where others[name] != value {
      return Difference(name: name, value: value, other: others[name] ?? "absent")
    }
    let names = Set(mine.map(\.0))
    return other.determinants.first { !names.contains($0.0) }.map {
      Difference(name: $0.0, value: "absent", other: $0.1)
    }
  }

  private var determinants: [(String, String)] {
    var list = [("attack", attack)]
    list += settings.sorted { $0.key < $1.key }.map { ("settings.\($0.key)", "\($0.value)") }
    list += [
      ("model_sha256", modelSHA256), ("sample_count", "\(sampleCount)"),
      ("list_sha256", listSHA256), ("input_shape", "\(inputShape)"),
      ("preprocessing", preprocessing), ("seed", "\(seed)"), ("precision", precision),
      ("convolution", convolution ?? "direct"),
      ("code_version", codeVersion), ("keeps", keeps.names.joined(separator: ", ")),
    ]
    if precision != Self.canonicalPrecision {
      list += [("kernel_family", kernelFamily), ("device", device), ("driver", driver)]
    }
    return list
  }

  private enum CodingKeys: String, CodingKey {
    case formatVersion = "format_version"
    case attack, settings
    case modelPath = "model_path"
    case modelSHA256 = "model_sha256"
    case listSHA256 = "list_sha256"
    case sampleCount = "sample_count"
    case inputShape = "input_shape"
    case preprocessing, seed, device, driver, platform
    case codeVersion = "code_version"
    case precision
    case kernelFamily = "kernel_family"
    case batch, convolution, keeps
    case createdAt = "created_at"
  }
}

/// The forms in which a run keeps the adversarial pictures.
public struct KeptPictures: OptionSet, Codable, Hashable, Sendable {
  /// One bit a form.
  public let rawValue: Int

  /// The forms whose bits are set.
  public init(rawValue: Int) { self.rawValue = rawValue }

  /// 8-bit PNG pictures, one a success; for pictures of 1 or 3 channels.
  public static let pictures = KeptPictures(rawValue: 1)
  /// One array `[N, C, H, W]` of float32 with all of them; it takes its full space at once.
  public static let array = KeptPictures(rawValue: 2)
  /// Both.
  public static let all: KeptPictures = [.pictures, .array]

  /// The names of the forms, as in `run.json`.
  public var names: [String] {
    (contains(.pictures) ? ["pictures"] : []) + (contains(.array) ? ["array"] : [])
  }

  /// Decodes a list of names.
  public init(from decoder: any Decoder) throws {
    var container = try decoder.unkeyedContainer()
    var forms: KeptPictures = []
    while !container.isAtEnd {
      switch try container.decode(String.self) {
      case "pictures": forms.insert(.pictures)
      case "array": forms.insert(.array)
      case let name:
        throw DecodingError.dataCorruptedError(
          in: container, debugDescription: "unknown form \"\(name)\" of pictures")
      }
    }
    self = forms
  }

  /// Encodes a list of names.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.unkeyedContainer()
    for name in names { try container.encode(name) }
  }
}
