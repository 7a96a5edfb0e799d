public import Compute
public import Datasets
public import Foundation
public import Operations

/// One experiment of the literature, repeated on the user's machine.
///
/// A study is a value without state; everything it is told comes with the environment. It writes no
/// file but trained networks: the report goes back to the caller.
public protocol Study: Sendable {
  /// The name on the command line: lower case, words joined by hyphens.
  var name: String { get }
  /// What it shows, on one line without a full stop.
  var summary: String { get }

  /// Runs the experiment.
  ///
  /// - Throws: `StudyError` when the data or the options do not suit it, and the errors of the parts
  ///   it uses: `DatasetError`, `ComputeError`, `ModelFileError`, `RunError`.
  func run(_ environment: StudyEnvironment) throws -> StudyReport
}

/// What every study is told.
public struct StudyEnvironment {
  /// The folder with the data set: MNIST's IDX files, or others of that form.
  public var data: URL?
  /// Networks to look at (ONNX files or built-in architectures), for studies of any network.
  public var models: [String] = []
  /// Layers of networks, by their nodes' names, for studies of layers; empty for the study's own.
  public var layers: [String] = []
  /// Pictures for those networks, and their labels.
  public var images: (path: URL, labels: URL?)?
  /// What the networks of `models` expect; nil for ImageNet's usual form of pictures with three
  /// channels, and plain [0, 1] for others.
  public var preprocessing: Preprocessing?
  /// Whether figures may be rough, for the sake of time.
  public var isQuick = false
  /// How many pictures are used, where a study chooses pictures; nil for the study's own number.
  public var limit: Int?
  /// The seed of everything that is drawn.
  public var seed: UInt64 = 0
  /// The folder where trained networks are kept for the next study.
  public var networks: URL
  /// Where to compute.
  public var context: Context
  /// The kernels to prefer; nil for those that suit the device.
  public var family: KernelFamily?
  /// Pictures computed together; nil for what suits the study.
  public var batch: Int?
  /// Told what is going on, often.
  public var progress: (String) -> Void = { _ in }

  /// An environment without data.
  public init(networks: URL, context: Context) {
    self.networks = networks
    self.context = context
  }

  /// The data folder; throws when there is none.
  public func requiredData() throws(StudyError) -> URL {
    guard let data else { throw StudyError("--data names the folder with MNIST's IDX files") }
    return data
  }
}

/// Why a study cannot be run.
public struct StudyError: Error, Sendable, Equatable, CustomStringConvertible {
  /// One line with the file or option and what is wrong with it.
  public let description: String

  /// An error with its line.
  public init(_ description: String) { self.description = description }
}

/// The studies there are, in the order in which `study all` runs them.
public enum StudyCatalog {
  /// Every study.
  public static let all: [any Study] = [
    DistortionStudy(), TransferStudy(), SubsetsStudy(), ArchitecturesStudy(),
    UnitsStudy(), AdversarialTrainingStudy(), SpectrumStudy(), FoolingStudy(),
  ]

  /// The study of a name; throws with the names there are.
  public static func study(named name: String) throws(StudyError) -> any Study {
    guard let study = all.first(where: { $0.name == name }) else {
      let names = all.map(\.name).joined(separator: ", ")
      throw StudyError("there is no study '\(name)': \(names), all")
    }
    return study
  }
}
