/// Losses of logits `[N, K]`, one number a sample, and their gradients.
///
/// Long sums follow the rule of 256 lanes.
public enum LossReference {
  /// Cross-entropy of softmax: log(s) + (m - z_y), where m is the largest logit and s the sum of
  /// exp(z_k - m).
  ///
  /// Order: m; e_k = exp(z_k - m); s over 256 lanes; log(s); m - z_y; their sum. A sample with a
  /// NaN logit has the loss NaN.
  ///
  /// - Parameters:
  ///   - logits: `[N, K]`.
  ///   - labels: N classes in 0..<K.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func crossEntropy<Scalar: ReferenceScalar>(
    _ logits: Tensor<Scalar>, labels: [Int]
  ) -> [Scalar] {
    samples(logits, labels).map { row, label in
      let (exponentials, maximum) = shifted(row)
      return Scalar.canonicalLog(LongSum.sum(exponentials)) + (maximum - row[label])
    }
  }

  /// The gradient of the cross-entropy: e_k / s, less 1 at the label (two roundings there).
  ///
  /// - Parameters:
  ///   - logits: `[N, K]`.
  ///   - labels: N classes in 0..<K.
  /// - Returns: `[N, K]`.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func crossEntropyGradient<Scalar: ReferenceScalar>(
    _ logits: Tensor<Scalar>, labels: [Int]
  ) -> Tensor<Scalar> {
    var values: [Scalar] = []
    values.reserveCapacity(logits.count)
    for (row, label) in samples(logits, labels) {
      var (gradient, _) = shifted(row)
      let sum = LongSum.sum(gradient)
      for k in gradient.indices { gradient[k] /= sum }
      gradient[label] -= 1
      values += gradient
    }
    return Tensor(shape: logits.shape, values: values)
  }

  /// The margin of Carlini and Wagner (2017), to be minimised.
  ///
  /// Untargeted z_y - max z_k over k != y; targeted max z_k - z_y, where y is the target. Negative
  /// once the attack succeeds.
  ///
  /// - Parameters:
  ///   - logits: `[N, K]`, K at least 2.
  ///   - labels: N classes in 0..<K: the true ones, or the targets.
  ///   - isTargeted: which of the two.
  ///   - kappa: the confidence at which the loss stays: max(margin, -kappa); nil for no bound.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func margin<Scalar: ReferenceScalar>(
    _ logits: Tensor<Scalar>, labels: [Int], isTargeted: Bool, kappa: Scalar? = nil
  ) -> [Scalar] {
    samples(logits, labels).map { row, label in
      let rival = row[largest(row, except: label)]
      let margin = isTargeted ? rival - row[label] : row[label] - rival
      if let kappa, margin <= -kappa { return -kappa }
      return margin
    }
  }

  /// The gradient of the margin: 1 and -1 at the label and its rival (the lowest of equals), or
  /// zeros where margin <= -kappa.
  ///
  /// - Returns: `[N, K]`.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func marginGradient<Scalar: ReferenceScalar>(
    _ logits: Tensor<Scalar>, labels: [Int], isTargeted: Bool, kappa: Scalar? = nil
  ) -> Tensor<Scalar> {
    var gradient = Tensor<Scalar>(shape: logits.shape, repeating: 0)
    for (n, (row, label)) in samples(logits, labels).enumerated() {
      let rival = largest(row, except: label)
      let margin = isTargeted ? row[rival] - row[label] : row[label] - row[rival]
      if let kappa, margin <= -kappa { continue }
      gradient.values[n * row.count + label] = isTargeted ? -1 : 1
      gradient.values[n * row.count + rival] = isTargeted ? 1 : -1
    }
    return gradient
  }

  /// The class of the largest logit of each sample; the lowest of equals, or the first NaN.
  public static func argmax<Scalar: ReferenceScalar>(_ logits: Tensor<Scalar>) -> [Int] {
    precondition(logits.shape.count == 2 && logits.shape[1] > 0, "logits \(logits.shape)")
    return rows(logits).map { largest($0, except: nil) }
  }

  /// The class of the largest logit of each sample other than one class.
  ///
  /// - Parameters:
  ///   - logits: `[N, K]`, K at least 2.
  ///   - labels: the N classes to leave out.
  public static func runnerUp<Scalar: ReferenceScalar>(
    _ logits: Tensor<Scalar>, labels: [Int]
  ) -> [Int] {
    samples(logits, labels).map { row, label in largest(row, except: label) }
  }

  private static func rows<Scalar>(_ logits: Tensor<Scalar>) -> [[Scalar]] {
    let classes = logits.shape[1]
    return (0..<logits.shape[0]).map { Array(logits.values[$0 * classes..<($0 + 1) * classes]) }
  }

  private static func samples<Scalar>(
    _ logits: Tensor<Scalar>, _ labels: [Int]
  ) -> [([Scalar], Int)] {
    precondition(
      logits.shape.count == 2 && logits.shape[0] == labels.count && logits.shape[1] > 0,
      "\(labels.count) labels for the logits \(logits.shape)")
    precondition(
      labels.allSatisfy { (0..<logits.shape[1]).contains($0) },
      "a label outside 0..<\(logits.shape[1])")
    return Array(zip(rows(logits), labels))
  }

  private static func largest<Scalar: ReferenceScalar>(_ row: [Scalar], except: Int?) -> Int {
    let first = except == 0 ? 1 : 0
    precondition(row.count > first, "no rival among \(row.count) classes")
    var best = first
    for k in row.indices where k > first && k != except && row[k].supersedes(row[best]) { best = k }
    return best
  }

  private static func shifted<Scalar: ReferenceScalar>(
    _ row: [Scalar]
  ) -> (exponentials: [Scalar], maximum: Scalar) {
    let maximum = row[largest(row, except: nil)]
    return (row.map { Scalar.canonicalExp($0 - maximum) }, maximum)
  }
}
