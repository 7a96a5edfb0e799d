/// Sentences that set figures beside the paper's.
enum Comparison {
  /// How far a test error may be from the paper's: a point for softmax classifiers, half for others.
  static func tolerance(_ model: StudyModel) -> Double {
    model.kind == .fullyConnected(hidden: []) ? 0.01 : 0.005
  }

  /// Which test errors are near the paper's and which are not.
  static func errors(_ networks: [TrainedNetwork]) -> [String] {
    let compared = networks.compactMap { network in
      network.model.paper.map { (network, network.testError - $0.testError) }
    }
    let far = compared.filter { abs($0.1) > tolerance($0.0.model) + 1e-9 }
    guard !far.isEmpty else {
      return compared.isEmpty
        ? []
        : [
          "Test errors are those of the paper within half a point (softmax classifiers: a point)."
        ]
    }
    return far.map { network, difference in
      "\(network.model.name): test error \(percent(network.testError, 2)), "
        + "\(signed(100 * difference, 2)) points from the paper's."
    }
  }

  /// Which distortions are near the paper's, and whether their order is the same.
  static func distortions(_ figures: [(name: String, ours: Double?, paper: Double?)]) -> [String] {
    let known = figures.compactMap { figure in
      figure.ours.flatMap { ours in figure.paper.map { (figure.name, ours, $0) } }
    }
    guard !known.isEmpty else { return [] }
    let far = known.filter { abs($0.1 / $0.2 - 1) > 0.25 }
    var sentences =
      far.isEmpty
      ? ["Distortions are those of the paper within 25 %."]
      : far.map { name, ours, paper in
        "\(name): distortion \(decimal(ours, 4)), \(signed(100 * (ours / paper - 1), 0)) % from the "
          + "paper's \(decimal(paper))."
      }
    var reversed: [String] = []
    for (index, a) in known.enumerated() {
      for b in known[(index + 1)...] where max(a.2, b.2) / min(a.2, b.2) > 1.15 {
        if (a.1 < b.1) != (a.2 < b.2) { reversed.append("\(a.0) and \(b.0)") }
      }
    }
    sentences.append(
      reversed.isEmpty
        ? "Wherever the paper's distortions differ by more than 15 %, ours have the same order."
        : "In another order than the paper's: \(reversed.joined(separator: ", ")).")
    return sentences
  }

  private static func signed(_ number: Double, _ digits: Int) -> String {
    (number < 0 ? "−" : "+") + decimal(abs(number), digits)
  }
}
