// Stands in for the long sum until LongSum.swift is merged.

/// Sums over 256 lanes, folded pairwise.
enum LongSum {
  static func sum<Scalar: ReferenceScalar>(_ values: [Scalar]) -> Scalar {
    var lanes = [Scalar](repeating: 0, count: 256)
    for (index, value) in values.enumerated() { lanes[index & 255] += value }
    return folded(lanes)
  }

  static func dot<Scalar: ReferenceScalar>(_ a: [Scalar], _ b: [Scalar]) -> Scalar {
    var lanes = [Scalar](repeating: 0, count: 256)
    for index in a.indices {
      lanes[index & 255] = lanes[index & 255].addingProduct(a[index], b[index])
    }
    return folded(lanes)
  }

  private static func folded<Scalar: ReferenceScalar>(_ lanes: [Scalar]) -> Scalar {
    var lanes = lanes
    var half = 128
    while half > 0 {
      for index in 0..<half { lanes[index] += lanes[index + half] }
      half /= 2
    }
    return lanes[0]
  }
}
