import Foundation

// Stands in for the canonical functions until Elementary.swift and LongSum.swift are merged.

extension ReferenceScalar {
  static func canonicalExp(_ x: Self) -> Self { Self(Foundation.exp(Double(x))) }
  static func canonicalLog(_ x: Self) -> Self { Self(Foundation.log(Double(x))) }
  static func canonicalTanh(_ x: Self) -> Self { Self(Foundation.tanh(Double(x))) }
  static func canonicalErf(_ x: Self) -> Self { Self(Foundation.erf(Double(x))) }
  static func canonicalSigmoid(_ x: Self) -> Self { Self(1 / (1 + Foundation.exp(-Double(x)))) }
  static func canonicalPower(_ base: Self, _ exponent: Self) -> Self {
    Self(Foundation.pow(Double(base), Double(exponent)))
  }
}

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
