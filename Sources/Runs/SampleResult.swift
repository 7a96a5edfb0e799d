/// What an attack did to one sample: a row of the run.
///
/// Two results are equal when all but `seconds` is equal: time is no property of a result.
public struct SampleResult: Sendable {
  /// The position in the list of pictures, from 0.
  public let id: Int
  /// The picture's name.
  public let name: String
  /// The picture's class, if it is known.
  public let label: Int?
  /// The class the network gives to the unchanged picture.
  public let cleanClass: Int
  /// The class the attack aimed at; nil for any class but the right one.
  public let target: Int?
  /// The class the network gives to the adversarial picture, in float; nil where there is none.
  public let adversarialClass: Int?
  /// Whether `cleanClass` is `label`; nil without a label.
  public let cleanCorrect: Bool?
  /// Whether the sample was attacked; those that the network has wrong already may be left out.
  public let attempted: Bool
  /// Whether the adversarial picture fools the network in float.
  public let success: Bool
  /// Whether the adversarial picture fools the network after rounding to 8 bits.
  public let success8Bit: Bool
  /// The number of values that differ from the unchanged picture's.
  public let l0: Int?
  /// The sum of the differences' magnitudes, in units of [0, 1] pixels; nil where there is none.
  public let l1: Double?
  /// The square root of the sum of the squared differences.
  public let l2: Double?
  /// The largest magnitude of a difference.
  public let linf: Double?
  /// The root of the mean squared difference: `l2 / sqrt(C * H * W)`.
  public let rms: Double?
  /// `l2` of the picture rounded to 8 bits.
  public let l28Bit: Double?
  /// The constant that weighs loss against distance, where the attack has one.
  public let c: Double?
  /// The number of forward passes of this sample, those of gradients included.
  public let forwardEvaluations: Int
  /// The number of gradients.
  public let gradientEvaluations: Int
  /// The number of iterations.
  public let iterations: Int
  /// Why the attack on this sample stopped.
  public let stopReason: String
  /// The sample's share of the time, in seconds; nil where it was not measured.
  public let seconds: Double?
  /// The path of the 8-bit picture within the run's folder; set by the run store.
  public package(set) var picture: String?
  /// Whether the 8-bit picture fools the network as it is; set by the run store.
  public package(set) var pictureFools: Bool?

  /// A result from its parts; numbers that are NaN become nil, and a zero byte in the name, at which
  /// SQLite would end it, U+FFFD.
  public init(
    id: Int, name: String, label: Int?, cleanClass: Int, target: Int? = nil,
    adversarialClass: Int? = nil, attempted: Bool, success: Bool = false,
    success8Bit: Bool = false, l0: Int? = nil, l1: Double? = nil, l2: Double? = nil,
    linf: Double? = nil, rms: Double? = nil, l28Bit: Double? = nil, c: Double? = nil,
    forwardEvaluations: Int = 0, gradientEvaluations: Int = 0, iterations: Int = 0,
    stopReason: String, seconds: Double? = nil
  ) {
    self.id = id
    self.name = name.replacing("\0", with: "\u{FFFD}")
    self.label = label
    self.cleanClass = cleanClass
    self.target = target
    self.adversarialClass = adversarialClass
    self.cleanCorrect = label.map { $0 == cleanClass }
    self.attempted = attempted
    self.success = success
    self.success8Bit = success8Bit
    self.l0 = l0
    self.l1 = l1.number
    self.l2 = l2.number
    self.linf = linf.number
    self.rms = rms.number
    self.l28Bit = l28Bit.number
    self.c = c.number
    self.forwardEvaluations = forwardEvaluations
    self.gradientEvaluations = gradientEvaluations
    self.iterations = iterations
    self.stopReason = stopReason
    self.seconds = seconds.number
  }
}

extension Double? {
  /// The number; nil for NaN.
  fileprivate var number: Double? { flatMap { $0.isNaN ? nil : $0 } }
}

extension SampleResult: Hashable {
  /// Whether all but `seconds` is equal.
  public static func == (a: SampleResult, b: SampleResult) -> Bool {
    a.fields == b.fields
  }

  /// Hashes what determines equality.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(id)
    hasher.combine(name)
    hasher.combine(stopReason)
  }

  private var fields: [Field] {
    Self.columns.filter { $0.name != "seconds" }.map { $0.value(self) }
  }
}

/// The value of one column of one row.
enum Field: Hashable {
  case none
  case flag(Bool)
  case integer(Int)
  case real(Double)
  case text(String)

  init(_ value: Bool?) { self = value.map(Field.flag) ?? .none }
  init(_ value: Int?) { self = value.map(Field.integer) ?? .none }
  init(_ value: Double?) { self = value.map(Field.real) ?? .none }
  init(_ value: String?) { self = value.map(Field.text) ?? .none }
}

extension SampleResult {
  /// A column of the table and of the exported text: the one place where rows get their order.
  struct Column: Sendable {
    let name: String
    let value: @Sendable (SampleResult) -> Field
  }

  /// All columns, in order.
  static let columns: [Column] = [
    Column(name: "id") { Field($0.id) },
    Column(name: "name") { Field($0.name) },
    Column(name: "label") { Field($0.label) },
    Column(name: "clean_class") { Field($0.cleanClass) },
    Column(name: "target") { Field($0.target) },
    Column(name: "adversarial_class") { Field($0.adversarialClass) },
    Column(name: "clean_correct") { Field($0.cleanCorrect) },
    Column(name: "attempted") { Field($0.attempted) },
    Column(name: "success") { Field($0.success) },
    Column(name: "success_8bit") { Field($0.success8Bit) },
    Column(name: "l0") { Field($0.l0) },
    Column(name: "l1") { Field($0.l1) },
    Column(name: "l2") { Field($0.l2) },
    Column(name: "linf") { Field($0.linf) },
    Column(name: "rms") { Field($0.rms) },
    Column(name: "l2_8bit") { Field($0.l28Bit) },
    Column(name: "c") { Field($0.c) },
    Column(name: "forward_evaluations") { Field($0.forwardEvaluations) },
    Column(name: "gradient_evaluations") { Field($0.gradientEvaluations) },
    Column(name: "iterations") { Field($0.iterations) },
    Column(name: "stop_reason") { Field($0.stopReason) },
    Column(name: "seconds") { Field($0.seconds) },
    Column(name: "picture") { Field($0.picture) },
    Column(name: "picture_fools") { Field($0.pictureFools) },
  ]

  /// The names of the columns, in order.
  public static let columnNames = columns.map(\.name)
}
