import Operations
import Reference

private let plainOnly: [KernelFamily] = [.reference]

extension OperationCatalog {
  /// Sums, differences, products and quotients of two inputs, of an input and a constant.
  public static let binary: [CatalogCase] = Binary.Function.allCases.flatMap { function in
    twoInputs(function) + constants(function) + densePictures(function)
  }

  private static func row(
    _ detail: String, _ shapes: [[Int]], batch: Int, dense: Bool = false,
    _ operation: @escaping @Sendable () -> Binary
  ) -> CatalogCase {
    CatalogCase(
      "binary", detail, shapes, batch: batch, dense: dense, families: plainOnly,
      operation: operation)
  }

  private static func twoInputs(_ function: Binary.Function) -> [CatalogCase] {
    let name = function.rawValue
    let equal = [1, 2, 15, 16, 17, 31, 33].map { channels in
      row(name, [[channels, 3, 5], [channels, 3, 5]], batch: channels % 2 == 0 ? 1 : 3) {
        Binary(function)
      }
    }
    let fused = [[37], [3, 17], [2, 3, 2, 5]].map { shape in
      row(name + " then relu", [shape, shape], batch: 2) { Binary(function, activation: .relu) }
    }
    let activated: [CatalogCase] =
      function == .add
      ? [Activation.relu, .clip(-1, 1), .leakyReLU(0.125)].map { activation in
        row("\(name) then \(activation)", [[17, 3, 5], [17, 3, 5]], batch: 2) {
          Binary(.add, activation: activation)
        }
      } : []
    let pairs: [[[Int]]] = [
      [[17, 3, 5], [17, 1, 1]], [[17, 1, 1], [17, 3, 5]], [[17, 3, 5], [1, 3, 5]],
      [[17, 3, 5], [1, 1, 1]], [[17, 1, 5], [1, 3, 1]], [[1, 3, 5], [17, 3, 1]],
      [[33], [1]], [[3, 17], [1, 17]], [[3, 17], [3, 1]], [[1, 17], [3, 1]], [[1, 1], [3, 17]],
      [[2, 3, 4, 3], [1, 1, 1, 1]],
    ]
    return equal + fused + activated
      + pairs.map { shapes in row(name + " repeated", shapes, batch: 2) { Binary(function) } }
  }

  private static func constants(_ function: Binary.Function) -> [CatalogCase] {
    let cases: [(input: [Int], constant: [Int])] = [
      ([17, 3, 5], [17, 1, 1]), ([17, 3, 5], [5]), ([17, 3, 5], [3, 1]), ([17, 3, 5], []),
      ([17, 3, 5], [17, 3, 5]), ([1, 3, 5], [19, 1, 1]), ([33], [33]), ([33], [1]), ([1], [33]),
      ([3, 17], [17]), ([3, 17], [3, 1]), ([33, 1, 1], [33, 1, 1]), ([2, 3, 2, 3], []),
      ([2, 3, 2, 3], [2, 3, 2, 3]),
    ]
    return [false, true].flatMap { isFirst in
      cases.map { input, shape in
        row(
          "\(function.rawValue), constant \(shape) \(isFirst ? "first" : "second")", [input],
          batch: 2
        ) {
          var generator = ValueGenerator(seed: 5)
          return Binary(
            function, constant: generator.tensor(shape, .real(-2...2)), constantIsFirst: isFirst)
        }
      }
    }
  }

  private static func densePictures(_ function: Binary.Function) -> [CatalogCase] {
    let mean = Tensor<Float>(shape: [3, 1, 1], values: [0.485, 0.456, 0.406])
    let name = function.rawValue
    return [
      row(name + " a mean", [[3, 5, 7]], batch: 3, dense: true) {
        Binary(function, constant: mean)
      },
      row(name + " to a mean", [[3, 5, 7]], batch: 3, dense: true) {
        Binary(function, constant: mean, constantIsFirst: true)
      },
      row(name, [[3, 5, 7], [3, 1, 1]], batch: 3, dense: true) { Binary(function) },
      row(name, [[1, 5, 7], [3, 5, 7]], batch: 3, dense: true) { Binary(function) },
    ]
  }

  /// Functions of every element.
  public static let pointwise: [CatalogCase] = {
    let everywhere: [Pointwise.Function] = [
      .sigmoid, .tanh, .exp, .negate, .absolute, .activation(.none), .activation(.relu),
      .activation(.clip(-0.5, 1)), .activation(.leakyReLU(0.125)),
    ]
    let special: [Pointwise.Function] = [
      .activation(.relu), .activation(.clip(-0.5, 1)), .activation(.leakyReLU(0.125)),
      .activation(.none), .sigmoid, .tanh, .exp, .log, .sqrt, .negate, .absolute,
    ]
    return everywhere.flatMap { function($0, .real(-12...12)) }
      + [.log, .sqrt].flatMap { function($0, .real(0...50)) }
      + special.map { special in
        CatalogCase(
          "pointwise", "\(special) of NaN and infinities", [[37, 3, 3]], batch: 3,
          values: .special, families: plainOnly
        ) { Pointwise(special) }
      }
  }()

  private static func function(
    _ function: Pointwise.Function, _ values: OperationCheck.Values
  ) -> [CatalogCase] {
    let shapes: [([Int], batch: Int, dense: Bool)] = [
      ([1], 3, false), ([15], 3, false), ([33], 3, false), ([2, 17], 3, false),
      ([1, 1, 1], 3, false), ([3, 5, 7], 3, false), ([16, 3, 2], 1, false), ([31, 2, 3], 3, false),
      ([2, 3, 2, 5], 3, false), ([3, 5, 7], 1, true), ([19, 2, 3], 2, true),
    ]
    return shapes.map { shape, batch, dense in
      CatalogCase(
        "pointwise", "\(function)", [shape], batch: batch, values: values, dense: dense,
        families: plainOnly
      ) { Pointwise(function) }
    }
  }

  /// A factor and a summand for each channel.
  public static let scaleShift: [CatalogCase] = {
    @Sendable func operation(_ channels: Int, _ reverses: Bool, _ activation: Activation)
      -> ScaleShift
    {
      var generator = ValueGenerator(seed: UInt64(channels))
      return ScaleShift(
        scale: generator.tensor([channels], .real(-2...2)).values,
        shift: generator.tensor([channels], .real(-2...2)).values, reversesChannels: reverses,
        activation: activation)
    }
    func row(
      _ shape: [Int], _ batch: Int, _ reverses: Bool, _ activation: Activation = .none,
      dense: Bool = false, denseOutput: Bool = false
    ) -> CatalogCase {
      CatalogCase(
        "scale-shift", "\(reverses ? "channels reversed, " : "")then \(activation)", [shape],
        batch: batch, dense: dense, denseOutput: denseOutput, families: plainOnly
      ) { operation(shape[0], reverses, activation) }
    }
    return [false, true].flatMap { reverses in
      [1, 2, 3, 15, 16, 17, 31, 33].flatMap {
        [row([$0, 5, 3], 3, reverses), row([$0], 1, reverses, .relu)]
      } + [1, 3, 17].map { row([$0, 7, 5], 3, reverses, dense: true) }
        + [[1, 3, 5], [2, 2, 8], [3, 4, 11], [4, 2, 9], [3, 3, 16]].flatMap { shape in
          [1, 3].map { row(shape, $0, reverses, dense: true, denseOutput: true) }
        }
    }
      + [Activation.relu, .clip(-0.5, 1), .leakyReLU(0.125)].map { row([17, 3, 5], 2, false, $0) }
  }()

  /// Softmax and its logarithm along each axis.
  public static let softmax: [CatalogCase] = [false, true].flatMap { isLogarithmic in
    func row(
      _ axis: Int, _ shape: [Int], _ batch: Int, dense: Bool = false,
      values: OperationCheck.Values = .real(-9...9)
    ) -> CatalogCase {
      CatalogCase(
        isLogarithmic ? "log-softmax" : "softmax", "axis \(axis)", [shape], batch: batch,
        values: values, dense: dense, families: plainOnly
      ) { Softmax(axis: axis, isLogarithmic: isLogarithmic) }
    }
    return [1, 2, 15, 16, 17, 31, 33, 1000].map { row(0, [$0], 3) }
      + (0..<3).flatMap { axis in
        [[17, 3, 5], [33, 1, 2], [1, 7, 3], [16, 2, 2]].map { row(axis, $0, 2) }
      }
      + [
        row(0, [3, 17], 1), row(1, [3, 17], 1), row(0, [3, 5, 2], 2, dense: true),
        row(0, [3, 11, 3], 2, values: .special),
      ]
  }

  /// Local response normalisation across channels.
  public static let localResponseNormalization: [CatalogCase] =
    [1, 2, 3, 4, 5, 20, 33].flatMap { size in
      let shapes: [([Int], batch: Int, dense: Bool)] =
        [1, 2, 3, 15, 16, 17, 31, 33, 49].map { ([$0, 3, 2], $0 % 2 == 0 ? 1 : 3, false) }
        + [([3, 3, 2], 2, true), ([19, 2, 2], 1, true)]
      return shapes.map { shape, batch, dense in
        CatalogCase(
          "local-response-normalization", "size \(size)", [shape], batch: batch, dense: dense
        ) { LocalResponseNormalization(size: size, alpha: 0.3, beta: 0.75, bias: 1.5) }
      }
    } + [
      CatalogCase(
        "local-response-normalization", "alexnet's, of large values", [[96, 5, 5]],
        values: .real(-500...500)
      ) { LocalResponseNormalization(size: 5) },
      // Products below the least float make sums of -0.
      CatalogCase(
        "local-response-normalization", "of tiny values", [[21, 5, 5]], batch: 1,
        values: .real(-1e-30...1e-30), gradientValues: .real(-1e-20...1e-20)
      ) { LocalResponseNormalization(size: 5, alpha: 0.3) },
    ]
}
