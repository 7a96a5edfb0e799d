import Reference
import Testing

/// Computes everything that a fixture of an operation can hold.
struct FixtureRunner<Scalar: ReferenceScalar> {
  let fixture: Fixture

  private typealias Results = [String: Tensor<Scalar>]

  func results() throws -> [String: Tensor<Scalar>] {
    switch fixture.operation {
    case "convolution": try convolution()
    case "folded convolution": try foldedConvolution()
    case "matmul": try matmul()
    case "linear": try linear()
    case "pointwise": try pointwise()
    case "softmax": try softmax()
    case "pooling": try pooling()
    case "global pooling": try globalPooling()
    case "lrn": try normalisation()
    case "batch normalisation": try batchNormalisation()
    case "binary": try binary()
    case "pad": try pad()
    case "reduce": try reduce()
    case "transpose": try transpose()
    case "concatenate": try concatenate()
    case "cross-entropy", "margin": try loss()
    case "box step": try boxStep()
    default: throw UnknownOperation(name: fixture.operation)
    }
  }

  struct UnknownOperation: Error { let name: String }

  private func tensor(_ name: String) throws -> Tensor<Scalar> { try fixture.required(name) }
  private func optional(_ name: String) -> Tensor<Scalar>? { fixture.input(name) }
  private func list(_ name: String) -> [Scalar]? { optional(name)?.values }
  private func real(_ name: String) throws -> Scalar { Scalar(try fixture.real(name)) }
  private func vector(_ values: [Scalar]) -> Tensor<Scalar> {
    Tensor(shape: [values.count], values: values)
  }

  private func convolution() throws -> Results {
    let (x, w) = (try tensor("x"), try tensor("w"))
    let geometry = ConvolutionGeometry(
      kernel: Extent(w.shape[2], w.shape[3]), stride: try fixture.extent("stride"),
      padding: try fixture.padding(), dilation: try fixture.extent("dilation"),
      groups: try fixture.integer("groups"))
    let activation = try fixture.activation()
    let y = ConvolutionReference.forward(
      x, weights: w, bias: list("b"), residual: optional("residual"), activation: activation,
      geometry: geometry)
    guard let dy = optional("dy") else { return ["y": y] }
    let ds = ActivationReference.gradient(dy, output: y, activation)
    return [
      "y": y,
      "dx": ConvolutionReference.inputGradient(
        ds, weights: w, inputShape: x.shape, geometry: geometry),
      "dw": ConvolutionReference.weightGradient(ds, input: x, geometry: geometry),
      "db": vector(ConvolutionReference.biasGradient(ds)),
    ]
  }

  private func statistics() throws -> BatchNormalizationReference.Parameters<Scalar> {
    BatchNormalizationReference.Parameters(
      gamma: try tensor("gamma").values, beta: try tensor("beta").values,
      mean: try tensor("mean").values, variance: try tensor("variance").values,
      epsilon: try fixture.real("epsilon"))
  }

  private func foldedConvolution() throws -> Results {
    let folded = BatchNormalizationReference.folded(
      try statistics(), into: try tensor("w"), bias: list("b"))
    let geometry = ConvolutionGeometry(kernel: Extent(3))
    return [
      "y": ConvolutionReference.forward(
        try tensor("x"), weights: folded.weights, bias: folded.bias, geometry: geometry)
    ]
  }

  private func batchNormalisation() throws -> Results {
    let (scale, shift) = BatchNormalizationReference.folded(try statistics())
    let x = try tensor("x")
    var results = [
      "y": BatchNormalizationReference.scaleShift(x, scale: scale, shift: shift)
    ]
    results["dx"] = optional("dy").map {
      BatchNormalizationReference.scaleShiftGradient($0, scale: scale)
    }
    return results
  }

  private func matmul() throws -> Results {
    let (a, b) = (try tensor("a"), try tensor("b"))
    let transposes = try fixture.integers("transposes").map { $0 != 0 }
    let alpha = try real("alpha")
    let y = MatmulReference.forward(
      a, b, c: optional("c"), transposesA: transposes[0], transposesB: transposes[1],
      alpha: alpha, beta: optional("c") == nil ? 0 : try real("beta"))
    guard let dy = optional("dy") else { return ["y": y] }
    let gradient = MatmulReference.gradient(
      dy, a: a, b: b, transposesA: transposes[0], transposesB: transposes[1], alpha: alpha)
    return ["y": y, "da": gradient.a, "db": gradient.b]
  }

  private func linear() throws -> Results {
    let (x, w, dy) = (try tensor("x"), try tensor("w"), try tensor("dy"))
    let activation = try fixture.activation()
    let y = MatmulReference.linear(x, weights: w, bias: list("b"), activation: activation)
    let ds = ActivationReference.gradient(dy, output: y, activation)
    let gradient = MatmulReference.linearWeightGradient(ds, input: x)
    return [
      "y": y, "dx": MatmulReference.linearInputGradient(ds, weights: w), "dw": gradient.weights,
      "db": vector(gradient.bias),
    ]
  }

  private func pointwise() throws -> Results {
    typealias Functions = PointwiseReference
    let x = try tensor("x")
    let function: (Tensor<Scalar>) throws -> Tensor<Scalar>
    let gradient: (Tensor<Scalar>, Tensor<Scalar>) throws -> Tensor<Scalar>
    switch try #require(fixture.mode) {
    case "sigmoid":
      (function, gradient) = (Functions.sigmoid, { Functions.sigmoidGradient($0, output: $1) })
    case "tanh":
      (function, gradient) = (Functions.tanh, { Functions.tanhGradient($0, output: $1) })
    case "exp":
      (function, gradient) = (Functions.exp, { Functions.expGradient($0, output: $1) })
    case "sqrt":
      (function, gradient) = (Functions.sqrt, { Functions.sqrtGradient($0, output: $1) })
    case "log":
      (function, gradient) = (Functions.log, { dy, _ in Functions.logGradient(dy, input: x) })
    case "erf":
      (function, gradient) = (Functions.erf, { dy, _ in Functions.erfGradient(dy, input: x) })
    case "softplus":
      (function, gradient) = (
        Functions.softplus, { dy, _ in Functions.softplusGradient(dy, input: x) }
      )
    case "absolute":
      (function, gradient) = (
        Functions.absolute, { dy, _ in Functions.absoluteGradient(dy, input: x) }
      )
    case "negate":
      (function, gradient) = (Functions.negate, { dy, _ in Functions.negate(dy) })
    default:
      let activation = try fixture.activation()
      try #require(activation != .none, "\(fixture.name) has an unknown function")
      function = { ActivationReference.forward($0, activation) }
      gradient = { ActivationReference.gradient($0, output: $1, activation) }
    }
    let y = try function(x)
    var results = ["y": y]
    results["dx"] = try optional("dy").map { try gradient($0, y) }
    return results
  }

  private func softmax() throws -> Results {
    let (x, axis) = (try tensor("x"), try fixture.integer("axis"))
    let isLogarithmic = fixture.mode == "log"
    let y =
      isLogarithmic
      ? SoftmaxReference.logSoftmax(x, axis: axis) : SoftmaxReference.softmax(x, axis: axis)
    var results = ["y": y]
    results["dx"] = optional("dy").map {
      isLogarithmic
        ? SoftmaxReference.logSoftmaxGradient($0, output: y, axis: axis)
        : SoftmaxReference.softmaxGradient($0, output: y, axis: axis)
    }
    return results
  }

  private func pooling() throws -> Results {
    let x = try tensor("x")
    let window = WindowGeometry(
      kernel: try fixture.extent("kernel"), stride: try fixture.extent("stride"),
      padding: try fixture.padding(), dilation: try fixture.extent("dilation"),
      ceilMode: try fixture.integer("ceil") != 0)
    var results: Results = [:]
    if fixture.mode == "maximum" {
      let pooled = MaximumPoolingReference.forward(x, window: window)
      results["y"] = pooled.output
      results["indices"] = flatIndices(pooled.taps, x.shape, window)
      results["dx"] = optional("dy").map {
        MaximumPoolingReference.gradient(
          $0, taps: pooled.taps, inputShape: x.shape, window: window)
      }
    } else {
      let countsPadding = fixture.mode == "average with padding"
      results["y"] = AveragePoolingReference.forward(
        x, window: window, countsPadding: countsPadding)
      results["dx"] = optional("dy").map {
        AveragePoolingReference.gradient(
          $0, inputShape: x.shape, window: window, countsPadding: countsPadding)
      }
    }
    return results
  }

  /// The index h * W + w of each maximum, as PyTorch gives it, from its tap.
  private func flatIndices(
    _ taps: Tensor<UInt8>, _ input: [Int], _ window: WindowGeometry
  ) -> Tensor<Scalar> {
    let (height, width) = (taps.shape[2], taps.shape[3])
    let values = taps.values.enumerated().map { index, tap in
      let (kh, kw) = Int(tap).quotientAndRemainder(dividingBy: window.kernel.width)
      let (oh, ow) = (index / width % height, index % width)
      let row = oh * window.stride.height + kh * window.dilation.height - window.padding.top
      let column = ow * window.stride.width + kw * window.dilation.width - window.padding.left
      return Scalar(row * input[3] + column)
    }
    return Tensor(shape: taps.shape, values: values)
  }

  private func globalPooling() throws -> Results {
    let x = try tensor("x")
    var results: Results = [:]
    if fixture.mode == "maximum" {
      let (y, indices) = MaximumPoolingReference.global(x)
      results["y"] = y
      results["dx"] = optional("dy").map {
        MaximumPoolingReference.globalGradient($0, indices: indices, inputShape: x.shape)
      }
    } else {
      results["y"] = AveragePoolingReference.global(x)
      results["dx"] = optional("dy").map {
        AveragePoolingReference.globalGradient($0, inputShape: x.shape)
      }
    }
    return results
  }

  private func normalisation() throws -> Results {
    let x = try tensor("x")
    let parameters = LocalResponseNormalizationReference.Parameters(
      size: try fixture.integer("size"), alpha: Float(try fixture.real("alpha")),
      beta: Float(try fixture.real("beta")), bias: Float(try fixture.real("bias")))
    var results = ["y": LocalResponseNormalizationReference.forward(x, parameters)]
    results["dx"] = optional("dy").map {
      LocalResponseNormalizationReference.gradient($0, input: x, parameters)
    }
    return results
  }

  private func binary() throws -> Results {
    let (a, b) = (try tensor("a"), try tensor("b"))
    let mode = try #require(fixture.mode)
    let function = try #require(BroadcastingReference.Function(rawValue: mode))
    var results = ["y": BroadcastingReference.forward(function, a, b)]
    if let dy = optional("dy") {
      let gradient = BroadcastingReference.gradient(function, dy, a, b)
      (results["da"], results["db"]) = (gradient.a, gradient.b)
    }
    return results
  }

  private func pad() throws -> Results {
    let x = try tensor("x")
    let (before, after) = (try fixture.integers("before"), try fixture.integers("after"))
    let mode: PaddingReference.Mode =
      switch fixture.mode {
      case "reflect": .reflect
      case "edge": .edge
      default: .constant(Float(try fixture.real("value")))
      }
    var results = ["y": PaddingReference.forward(x, before: before, after: after, mode: mode)]
    results["dx"] = optional("dy").map {
      PaddingReference.gradient(
        $0, inputShape: x.shape, before: before, after: after, mode: mode)
    }
    return results
  }

  private func reduce() throws -> Results {
    let (x, axes) = (try tensor("x"), try fixture.integers("axes"))
    let keepsAxes = try fixture.integer("keeps") != 0
    let isMean = fixture.mode == "mean"
    var results = [
      "y": isMean
        ? ReductionReference.mean(x, axes: axes, keepsAxes: keepsAxes)
        : ReductionReference.sum(x, axes: axes, keepsAxes: keepsAxes)
    ]
    results["dx"] = optional("dy").map {
      isMean
        ? ReductionReference.meanGradient($0, inputShape: x.shape, axes: axes)
        : ReductionReference.sumGradient($0, inputShape: x.shape, axes: axes)
    }
    return results
  }

  private func transpose() throws -> Results {
    let permutation = try fixture.integers("permutation")
    var results = [
      "y": ArrangementReference.transpose(try tensor("x"), permutation: permutation)
    ]
    results["dx"] = optional("dy").map {
      ArrangementReference.transposeGradient($0, permutation: permutation)
    }
    return results
  }

  private func concatenate() throws -> Results {
    let (a, b, axis) = (try tensor("a"), try tensor("b"), try fixture.integer("axis"))
    var results = ["y": ArrangementReference.concatenate([a, b], axis: axis)]
    if let dy = optional("dy") {
      let extents = [a, b].map { $0.shape[axis < 0 ? axis + $0.shape.count : axis] }
      let pieces = ArrangementReference.split(dy, extents: extents, axis: axis)
      (results["da"], results["db"]) = (pieces[0], pieces[1])
    }
    return results
  }

  private func loss() throws -> Results {
    let (x, labels) = (try tensor("x"), try fixture.integers("labels"))
    if fixture.operation == "cross-entropy" {
      return [
        "y": vector(LossReference.crossEntropy(x, labels: labels)),
        "dx": LossReference.crossEntropyGradient(x, labels: labels),
      ]
    }
    let kappa = fixture.reals["kappa"].map { Scalar($0) }
    let isTargeted = fixture.mode == "targeted"
    return [
      "y": vector(
        LossReference.margin(x, labels: labels, isTargeted: isTargeted, kappa: kappa)),
      "dx": LossReference.marginGradient(
        x, labels: labels, isTargeted: isTargeted, kappa: kappa),
    ]
  }

  private func boxStep() throws -> Results {
    let radii = try (0..<3).map { try real("radius\($0)") }
    let ball: BoxStepReference.Ball<Scalar> =
      switch fixture.mode {
      case "infinity": .infinity(radii)
      case "euclidean": .euclidean(radii)
      default: .unbounded
      }
    return [
      "y": BoxStepReference.step(
        try tensor("x"), direction: try tensor("direction"),
        alpha: try (0..<3).map { try real("alpha\($0)") }, origin: try tensor("origin"),
        ball: ball, box: 0...1)
    ]
  }
}
