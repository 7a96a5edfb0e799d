import Compute
import Foundation
import Networks
import Operations
import Reference
import Spectrum
import Testing

/// Norms beside those of whole matrices that NumPy (LAPACK's gesdd) made and decomposed: weights are
/// sin(1.3 i + 0.1 i^2) for the i-th, as floats.
@Suite struct SpectrumTests {
  private static func weights(_ shape: [Int]) -> Tensor<Float> {
    Tensor(
      shape: shape,
      values: (0..<shape.reduce(1, *)).map {
        Float(sin(1.3 * Double($0) + 0.1 * Double($0) * Double($0)))
      })
  }

  private func near(_ a: Double, _ b: Double, _ tolerance: Double = 1e-5) -> Bool {
    abs(a - b) <= tolerance * abs(b)
  }

  @Test(arguments: [
    (3, 1, 6.62224177155307), (3, 2, 4.385727903213301), (3, 3, 3.6580357515491677),
    (3, 4, 3.6580357515491677), (5, 1, 10.800303862854852), (5, 2, 7.511834982274292),
    (5, 3, 6.567635165768042), (5, 4, 6.244639325795306),
  ])
  func `a convolution on a circle has the norm of its matrix`(
    _ kernel: Int, _ stride: Int, _ norm: Double
  ) {
    let convolution = CircularConvolution(
      weights: Self.weights([3, 2, kernel, kernel]), stride: Extent(stride), size: Extent(12))
    #expect(near(convolution.norm(), norm), "\(convolution.norm())")
  }

  @Test func `axes may have strides and sizes of their own`() {
    let convolution = CircularConvolution(
      weights: Self.weights([5, 7, 2, 3]), stride: Extent(2, 3), size: Extent(8, 12))
    #expect(near(convolution.norm(), 6.293306253126816), "\(convolution.norm())")
  }

  @Test(arguments: [
    ([60, 47], 9.601742393121274), ([1, 9], 2.2386609367955583), ([300, 200], 24.945710816213055),
  ])
  func `a matrix has LAPACK's norm`(_ shape: [Int], _ norm: Double) throws {
    var map = DenseOperator(inputsByOutputs: Self.weights(shape))
    let found = try LargestSingularValue().of(&map)
    #expect(near(found, norm), "\(found)")
  }

  @Test(arguments: [(1, 7.844314996683719), (2, 5.023782347765963)], KernelFamily.allCases)
  func `a convolution with zeros around has the norm of its matrix`(
    _ example: (stride: Int, norm: Double), _ family: KernelFamily
  ) throws {
    var graph = Graph(inputShape: [3, 6, 7])
    let window = WindowGeometry(
      kernel: Extent(3), stride: Extent(example.stride), padding: Padding(1))
    try graph.append(
      Convolution(
        weights: Self.weights([4, 3, 3, 3]), bias: [1, 2, 3, 4], window: window, activation: .relu)
    )
    let device = try #require(try Device.all().first)
    let norms = LayerNorms(context: try Context(device: device), family: family)
    let found = try norms.norm(of: graph.nodes[0], in: graph)
    #expect(near(try #require(found.operatorNorm), example.norm), "\(found)")
    // The circle's norm bounds it, and nearly reaches it.
    let circular = try #require(found.circularNorm)
    #expect(circular >= example.norm && circular < 1.2 * example.norm && found.bound == circular)
    #expect(near(try #require(found.printedNorm), circular / Double(example.stride)))
  }

  @Test(arguments: [
    (true, 7, 0.7003343298718195), (true, 8, 0.709623443668695), (false, 7, 0.8007420608809303),
    (false, 8, 0.786504336845548),
  ])
  func `averages are bounded by their norm, maxima by their overlap`(
    _ countsPadding: Bool, _ size: Int, _ norm: Double
  ) throws {
    let window = WindowGeometry(kernel: Extent(3), stride: Extent(2), padding: Padding(1))
    #expect(
      near(
        try bound(
          Pooling(.average(countsPadding: countsPadding), window: window), [5, size, size]),
        norm * norm))
    // An odd pixel between two windows belongs to both, on both axes.
    #expect(near(try bound(Pooling(.maximum, window: window), [5, size, size]), 2))
    let apart = WindowGeometry(kernel: Extent(2), stride: Extent(2))
    #expect(try bound(Pooling(.maximum, window: apart), [5, size, size]) == 1)
  }

  @Test func `other layers have the bounds of their derivatives`() throws {
    #expect(try bound(ScaleShift(scale: [0.5, -3, 2], shift: [1, 1, 1]), [3, 2, 2]) == 3)
    #expect(try bound(Pointwise(.sigmoid), [4]) == 0.25)
    #expect(try bound(Pointwise(.activation(.leakyReLU(0.1))), [4]) == 1)
    #expect(try bound(Pointwise(.exp), [4]) == .infinity)
    #expect(try bound(GlobalPooling(.average), [3, 4, 4]) == 0.25)
    #expect(try bound(Softmax(axis: 0), [4]) == 0.5)
    #expect(
      try bound(Binary(.multiply, constant: Tensor(shape: [1], values: [-7])), [4]) == 7)
    // The largest norm of 3000 Jacobians, drawn where the bound is tight (NumPy), lies below.
    let normalization = LocalResponseNormalization(size: 5, alpha: 0.1, beta: 0.75, bias: 2)
    let limit = try bound(normalization, [9, 1, 1])
    #expect(limit > 0.5946 && limit < 2.1 * 0.5946)
  }

  @Test func `bounds go through sums and joints`() throws {
    var graph = Graph(inputShape: [3])
    let two = try graph.append(ScaleShift(scale: [2, 2, 2], shift: [0, 0, 0]), to: graph.input)
    let three = try graph.append(ScaleShift(scale: [3, 3, 3], shift: [0, 0, 0]), to: graph.input)
    let sum = try graph.append(Binary(.add), to: [two, three])
    let joint = try graph.append(Concat(axis: 0), to: [two, three])
    let device = try #require(try Device.all().first)
    let norms = try graph.nodes.map {
      try LayerNorms(context: try Context(device: device)).norm(of: $0, in: graph)
    }
    graph.setOutput(sum)
    #expect(NetworkBound.lipschitz(of: graph, norms) == 5)
    graph.setOutput(joint)
    #expect(near(NetworkBound.lipschitz(of: graph, norms), 13.0.squareRoot()))
  }

  private func bound(_ operation: any Operations.Operation, _ shape: [Int]) throws -> Double {
    var graph = Graph(inputShape: shape)
    try graph.append(operation)
    let device = try #require(try Device.all().first)
    return try LayerNorms(context: try Context(device: device))
      .norm(of: graph.nodes[0], in: graph).bound
  }

  @Test func `a linear network's score is the distance to the other class, or the radius`() throws {
    let weights = Self.weights([12, 3])
    var graph = Graph(inputShape: [12])
    try graph.append(Linear(weights: weights))
    let device = try #require(try Device.all().first)
    let network = try CompiledNetwork(graph, context: Context(device: device), batch: 6)
    var clever = Clever()
    (clever.maxima, clever.samples, clever.radius) = (4, 3, 0.5)
    let slopes = (0..<12).map {
      Double(weights.values[3 * $0 + 2]) - Double(weights.values[3 * $0])
    }
    let slope = slopes.reduce(0) { $0 + $1 * $1 }.squareRoot()
    let pixels = (0..<12).map { Float($0) / 12 }
    for (margin, radius) in [(0.25, 0.25 / slope), (1e3, 0.5)] {
      let score = try clever.score(
        network, pixels: pixels, id: 3, classes: (right: 2, other: 0), margin: margin)
      #expect(near(score.largestGradient, slope, 1e-5) && near(score.radius, radius, 1e-5))
    }
  }

  /// scipy.stats.weibull_max.rvs and .fit (maximum likelihood), version 1.16.
  @Test func `the law of maxima is fitted as by scipy`() throws {
    let found = try #require(ReverseWeibull(fitting: Self.maxima))
    #expect(near(found.shape, 1.9973750708188014, 1e-3), "\(found)")
    #expect(near(found.location, 4.5099816589307515, 1e-3), "\(found)")
    #expect(near(found.scale, 1.603317029819666, 1e-3), "\(found)")
    #expect(ReverseWeibull(fitting: [1, 1, 1, 1]) == nil)
    #expect(ReverseWeibull(fitting: [1, .nan, 2, 3]) == nil)
  }

  private static let maxima = [
    3.08734848, 3.62063814, 0.82815052, 2.87691228, 2.51465224, 2.32886979, 2.62214321,
    2.95911682, 3.05172284, 3.29608306, 3.09114367, 3.55389417, 2.66693223, 3.9869057, 1.93542508,
    3.52665757, 3.08784277, 3.33002108, 2.49564372, 2.65157453, 3.78860253, 4.36337055,
    2.89844541, 3.56716623, 3.98181265, 4.03775082, 2.29846123, 2.03969631, 2.57936548,
    3.98697988, 2.35264108, 3.09448191, 4.29919646, 3.28645306, 3.56633062, 2.90246878,
    3.55628057, 3.86914477, 1.82480242, 3.68000969,
  ]
}
