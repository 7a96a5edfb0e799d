import ArgumentParser
import Attacks
import Compute
import Datasets
import Foundation
import Networks
import Operations
import Runs

/// `blindspot attack`: one subcommand an attack.
struct Attack: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Attack a network on pictures.",
    subcommands: [LBFGSAttack.self, FGSMAttack.self, PGDAttack.self])
}

/// What all attacks are told.
struct AttackOptions: ParsableArguments {
  @OptionGroup var model: ModelOptions
  @OptionGroup var pictures: PictureOptions
  @OptionGroup var place: DeviceOptions

  @OptionGroup var rounding: PrecisionOptions

  @Option(help: "untargeted, runner-up, least-likely, random, given (--targets) or a class.")
  var target = "untargeted"

  @Option(help: "CSV (filename,label) with the class to reach for each picture.")
  var targets: String?

  @Option(help: "The folder that takes the results.")
  var output: String?

  @Flag(help: "Go on with the run in --output.")
  var resume = false

  @Flag(help: "Replace the run in --output.")
  var overwrite = false

  @Flag(help: "Print one JSON object.") var json = false
  @Flag(help: "Show no progress.") var quiet = false

  func attackTarget(classes: Int) throws -> AttackTarget {
    switch target {
    case "untargeted": return targets == nil ? .untargeted : .given
    case "runner-up": return .runnerUp
    case "least-likely": return .leastLikely
    case "random": return .random
    case "given":
      guard targets != nil else { throw ValidationError("--target given needs --targets FILE") }
      return .given
    default:
      guard let fixed = Int(target), (0..<classes).contains(fixed) else {
        throw ValidationError(
          "--target is untargeted, runner-up, least-likely, random, given or a class below "
            + "\(classes), not '\(target)'")
      }
      return .fixed(fixed)
    }
  }

  func validate() throws {
    if resume, output == nil { throw ValidationError("--resume needs --output") }
    if resume, overwrite { throw ValidationError("--resume and --overwrite exclude each other") }
  }
}

/// `blindspot attack lbfgs`: minimal perturbations by box-constrained L-BFGS.
struct LBFGSAttack: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lbfgs",
    abstract: "The smallest perturbation in L2, by box-constrained L-BFGS (Szegedy et al. 2013).")

  @OptionGroup var options: AttackOptions
  @Option(help: "Pairs of the L-BFGS history.") var history = 5
  @Option(help: "At most so many gradient evaluations a picture.") var maxEvaluations = 300

  func validate() throws {
    guard (1...32).contains(history) else { throw ValidationError("--history is 1 to 32") }
    guard maxEvaluations > 1 else { throw ValidationError("--max-evaluations is 2 or more") }
  }

  func run() throws {
    var settings = BoxConstrainedLBFGS()
    settings.history = history
    settings.maximumEvaluations = maxEvaluations
    settings.seed = options.model.seed
    let configured = settings
    try AttackRun(
      name: "lbfgs", options: options,
      settings: [
        "history": .integer(Int64(history)), "max_evaluations": .integer(Int64(maxEvaluations)),
      ], extraPictures: configured.picturesPerSlot
    ) { network, target in
      var attack = configured
      attack.target = target
      return try attack.engine(for: network)
    }.run()
  }
}

/// `blindspot attack fgsm`: one step as long as the radius.
struct FGSMAttack: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fgsm",
    abstract: "One step along the gradient's sign or unit vector (Goodfellow et al. 2014).")

  @OptionGroup var options: AttackOptions
  @Option(help: "The radius of the ball, as 4/255 or 0.0157.") var epsilon = "4/255"
  @Option(help: "linf or l2.") var norm = "linf"

  func run() throws {
    let radius = try number(epsilon, "--epsilon")
    let norm = try perturbationNorm(norm)
    try AttackRun(
      name: "fgsm", options: options,
      settings: ["epsilon": .number(Double(radius)), "norm": .string(norm.rawValue)],
      extraPictures: ProjectedGradientDescent().picturesPerSlot
    ) { network, target in
      try ProjectedGradientDescent.fastGradient(norm: norm, radius: radius, target: target)
        .engine(for: network)
    }.run()
  }
}

/// `blindspot attack pgd`: projected gradient descent in a ball.
struct PGDAttack: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pgd", abstract: "Projected gradient descent in a ball (Madry et al. 2017).")

  @OptionGroup var options: AttackOptions
  @Option(help: "The radius of the ball, as 4/255 or 0.0157.") var epsilon = "4/255"
  @Option(help: "The length of a step; 2.5 epsilon / steps by default.") var stepSize: String?
  @Option(help: "The number of steps.") var steps = 20
  @Option(help: "linf or l2.") var norm = "linf"
  @Flag(inversion: .prefixedNo, help: "Start at a random point of the ball.") var randomStart = true

  func validate() throws {
    guard (1...100_000).contains(steps) else { throw ValidationError("--steps is 1 to 100000") }
  }

  func run() throws {
    let radius = try number(epsilon, "--epsilon")
    let length = try stepSize.map { try number($0, "--step-size") }
    let norm = try perturbationNorm(norm)
    try AttackRun(
      name: "pgd", options: options,
      settings: [
        "epsilon": .number(Double(radius)), "norm": .string(norm.rawValue),
        "steps": .integer(Int64(steps)), "random_start": .boolean(randomStart),
        "step_size": .number(Double(length ?? 2.5 * radius / Float(steps))),
      ], extraPictures: ProjectedGradientDescent().picturesPerSlot
    ) { network, target in
      try ProjectedGradientDescent(
        norm: norm, radius: radius, stepSize: length, steps: steps, startsRandomly: randomStart,
        seed: options.model.seed, target: target
      ).engine(for: network)
    }.run()
  }
}

/// A length like `4/255` or `0.5`.
func number(_ text: String, _ option: String) throws -> Float {
  let parts = text.split(separator: "/", omittingEmptySubsequences: false).map { Float($0) }
  if let first = parts.first ?? nil, parts.count <= 2,
    let second = parts.count == 2 ? parts[1] : 1, first.isFinite, first >= 0, second > 0
  {
    return first / second
  }
  throw ValidationError("\(option) is a length like 4/255 or 0.0157, not '\(text)'")
}

private func perturbationNorm(_ text: String) throws -> PerturbationNorm {
  guard let norm = PerturbationNorm(rawValue: text) else {
    throw ValidationError("--norm is linf or l2, not '\(text)'")
  }
  return norm
}
