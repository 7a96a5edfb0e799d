/// The figures of a run that a command prints.
///
/// The keys of its JSON form are the properties' names in snake case; a figure that does not exist
/// (a mean over no success, an infinite median) is null.
///
/// Distances are in units of [0, 1] pixels and, unless said otherwise, over successes only; the
/// successes are the attempted samples whose picture fools the network in float. The order of
/// results does not matter: sums are taken by ascending id.
public struct RunSummary: Hashable, Sendable {
  /// The number of results.
  public let samples: Int
  /// The samples whose unchanged picture is classified as labelled.
  public let cleanCorrect: Int
  /// The samples that were attacked.
  public let attempted: Int
  /// The attacked samples whose adversarial picture fools the network in float.
  public let succeeded: Int
  /// The attacked samples whose adversarial picture fools the network once rounded to 8 bits.
  public let succeeded8Bit: Int
  /// `succeeded / attempted`.
  public let successRate: Double?
  /// The lower end of Wilson's 95 % interval of the success rate.
  public let successRateLow: Double?
  /// The upper end of Wilson's 95 % interval of the success rate.
  public let successRateHigh: Double?
  /// The mean L2 distance over successes.
  public let meanL2: Double?
  /// The median L2 distance over successes; of an even number, the mean of the middle two.
  public let medianL2: Double?
  /// The median L2 distance over all attempted samples, failures counted as infinite; nil where it is
  /// infinite itself, which half of the samples failing brings about.
  public let medianL2All: Double?
  /// The mean L2 distance of the rounded pictures over those that fool the network.
  public let meanL28Bit: Double?
  /// The mean of the root mean squared differences over successes.
  public let meanRMS: Double?
  /// The mean of the largest differences over successes.
  public let meanLinf: Double?
  /// The forward passes of all samples together.
  public let forwardEvaluations: Int
  /// The gradients of all samples together.
  public let gradientEvaluations: Int
  /// The mean number of forward passes of an attempted sample.
  public let meanForwardEvaluations: Double?
  /// The mean number of gradients of an attempted sample.
  public let meanGradientEvaluations: Double?

  /// Summarises results, whether stored or not.
  public init(results: some Sequence<SampleResult>) {
    let results = results.sorted { $0.id < $1.id }
    let attacked = results.filter(\.attempted)
    let successes = attacked.filter(\.success)
    let rounded = attacked.filter(\.success8Bit)
    samples = results.count
    cleanCorrect = results.count { $0.cleanCorrect == true }
    attempted = attacked.count
    succeeded = successes.count
    succeeded8Bit = rounded.count
    let interval = wilsonInterval(successes: successes.count, trials: attacked.count)
    successRate = attacked.isEmpty ? nil : Double(successes.count) / Double(attacked.count)
    successRateLow = interval?.lowerBound
    successRateHigh = interval?.upperBound
    let distances = successes.compactMap(\.l2)
    meanL2 = mean(distances)
    medianL2 = median(distances)
    medianL2All = median(attacked.map { $0.success ? $0.l2 ?? .infinity : .infinity })
    meanL28Bit = mean(rounded.compactMap(\.l28Bit))
    meanRMS = mean(successes.compactMap(\.rms))
    meanLinf = mean(successes.compactMap(\.linf))
    forwardEvaluations = results.reduce(0) { $0 + $1.forwardEvaluations }
    gradientEvaluations = results.reduce(0) { $0 + $1.gradientEvaluations }
    meanForwardEvaluations = mean(attacked.map { Double($0.forwardEvaluations) })
    meanGradientEvaluations = mean(attacked.map { Double($0.gradientEvaluations) })
  }
}

extension RunSummary: Codable {
  private enum CodingKeys: String, CodingKey {
    case samples
    case cleanCorrect = "clean_correct"
    case attempted, succeeded
    case succeeded8Bit = "succeeded_8bit"
    case successRate = "success_rate"
    case successRateLow = "success_rate_low"
    case successRateHigh = "success_rate_high"
    case meanL2 = "mean_l2"
    case medianL2 = "median_l2"
    case medianL2All = "median_l2_all"
    case meanL28Bit = "mean_l2_8bit"
    case meanRMS = "mean_rms"
    case meanLinf = "mean_linf"
    case forwardEvaluations = "forward_evaluations"
    case gradientEvaluations = "gradient_evaluations"
    case meanForwardEvaluations = "mean_forward_evaluations"
    case meanGradientEvaluations = "mean_gradient_evaluations"
  }

  /// Encodes every key, null where there is no figure, so that readers find what they look for.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(samples, forKey: .samples)
    try container.encode(cleanCorrect, forKey: .cleanCorrect)
    try container.encode(attempted, forKey: .attempted)
    try container.encode(succeeded, forKey: .succeeded)
    try container.encode(succeeded8Bit, forKey: .succeeded8Bit)
    try container.encode(successRate, forKey: .successRate)
    try container.encode(successRateLow, forKey: .successRateLow)
    try container.encode(successRateHigh, forKey: .successRateHigh)
    try container.encode(meanL2, forKey: .meanL2)
    try container.encode(medianL2, forKey: .medianL2)
    try container.encode(medianL2All, forKey: .medianL2All)
    try container.encode(meanL28Bit, forKey: .meanL28Bit)
    try container.encode(meanRMS, forKey: .meanRMS)
    try container.encode(meanLinf, forKey: .meanLinf)
    try container.encode(forwardEvaluations, forKey: .forwardEvaluations)
    try container.encode(gradientEvaluations, forKey: .gradientEvaluations)
    try container.encode(meanForwardEvaluations, forKey: .meanForwardEvaluations)
    try container.encode(meanGradientEvaluations, forKey: .meanGradientEvaluations)
  }
}
