/// Products of matrices and their derivatives.
public enum MatmulReference {
  /// C' = alpha op(A) op(B) + beta C, where op is the identity or the transpose (BLAS gemm).
  ///
  /// Order: `s = fma(a, b, s)` over k ascending; then `alpha * s` unless alpha is 1; then, unless
  /// beta is 0, `+ c` if beta is 1 and `+ beta * c` (two roundings) if not.
  ///
  /// - Parameters:
  ///   - a: `[M, K]`, or `[K, M]` if transposed.
  ///   - b: `[K, N]`, or `[N, K]` if transposed.
  ///   - c: `[M, N]`; needed unless beta is 0.
  /// - Returns: `[M, N]`.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func forward<Scalar: ReferenceScalar>(
    _ a: Tensor<Scalar>, _ b: Tensor<Scalar>, c: Tensor<Scalar>? = nil,
    transposesA: Bool = false, transposesB: Bool = false, alpha: Scalar = 1, beta: Scalar = 0
  ) -> Tensor<Scalar> {
    var y = products(a, b, transposesA: transposesA, transposesB: transposesB)
    if alpha != 1 { for i in y.values.indices { y.values[i] = alpha * y.values[i] } }
    if beta != 0 {
      guard let c else { preconditionFailure("beta is \(beta) and there is no C") }
      precondition(c.shape == y.shape, "C of shape \(c.shape), not \(y.shape)")
      for i in y.values.indices { y.values[i] += beta == 1 ? c.values[i] : beta * c.values[i] }
    }
    return y
  }

  /// The gradients of A and B for the gradient dc of the result.
  ///
  /// Each is itself a product of the form above with beta 0: dA sums over n, dB over m, ascending,
  /// and alpha multiplies the sum.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func gradient<Scalar: ReferenceScalar>(
    _ dc: Tensor<Scalar>, a: Tensor<Scalar>, b: Tensor<Scalar>,
    transposesA: Bool = false, transposesB: Bool = false, alpha: Scalar = 1
  ) -> (a: Tensor<Scalar>, b: Tensor<Scalar>) {
    let da =
      transposesA
      ? forward(b, dc, transposesA: transposesB, transposesB: true, alpha: alpha)
      : forward(dc, b, transposesB: !transposesB, alpha: alpha)
    let db =
      transposesB
      ? forward(dc, a, transposesA: true, transposesB: transposesA, alpha: alpha)
      : forward(a, dc, transposesA: !transposesA, alpha: alpha)
    return (da, db)
  }

  /// A fully connected layer, y = activation(x W + bias).
  ///
  /// - Parameters:
  ///   - x: `[rows, K]`.
  ///   - weights: `[K, O]`.
  ///   - bias: O numbers.
  /// - Returns: `[rows, O]`.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func linear<Scalar: ReferenceScalar>(
    _ x: Tensor<Scalar>, weights: Tensor<Scalar>, bias: [Scalar]? = nil,
    activation: Activation = .none
  ) -> Tensor<Scalar> {
    var y = products(x, weights, transposesA: false, transposesB: false)
    let outputs = y.shape[1]
    precondition(bias.map { $0.count == outputs } ?? true, "linear bias")
    for i in y.values.indices {
      var sum = y.values[i]
      if let bias { sum += bias[i % outputs] }
      y.values[i] = ActivationReference.value(sum, activation)
    }
    return y
  }

  /// The gradient of a fully connected layer's input: dy W^T, summed over outputs ascending.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func linearInputGradient<Scalar: ReferenceScalar>(
    _ dy: Tensor<Scalar>, weights: Tensor<Scalar>
  ) -> Tensor<Scalar> {
    products(dy, weights, transposesA: false, transposesB: true)
  }

  /// The gradients of a fully connected layer's weights, x^T dy by fma, and bias, by plain adds;
  /// both over rows ascending.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  public static func linearWeightGradient<Scalar: ReferenceScalar>(
    _ dy: Tensor<Scalar>, input: Tensor<Scalar>
  ) -> (weights: Tensor<Scalar>, bias: [Scalar]) {
    let weights = products(input, dy, transposesA: true, transposesB: false)
    var bias = [Scalar](repeating: 0, count: dy.shape[1])
    for i in dy.values.indices { bias[i % bias.count] += dy.values[i] }
    return (weights, bias)
  }

  /// The sums over k alone.
  @inline(__always)
  private static func products<Scalar: ReferenceScalar>(
    _ a: Tensor<Scalar>, _ b: Tensor<Scalar>, transposesA: Bool, transposesB: Bool
  ) -> Tensor<Scalar> {
    precondition(a.shape.count == 2 && b.shape.count == 2, "product of \(a.shape), \(b.shape)")
    let (m, k) = transposesA ? (a.shape[1], a.shape[0]) : (a.shape[0], a.shape[1])
    let (inner, n) = transposesB ? (b.shape[1], b.shape[0]) : (b.shape[0], b.shape[1])
    precondition(k == inner, "product of \(a.shape) and \(b.shape)")
    let (aRow, aColumn) = transposesA ? (1, m) : (k, 1)
    let (bRow, bColumn) = transposesB ? (1, k) : (n, 1)
    var y = Tensor<Scalar>(shape: [m, n], repeating: 0)
    unsafe y.values.withUnsafeMutableBufferPointer { y in
      unsafe a.values.withUnsafeBufferPointer { a in
        unsafe b.values.withUnsafeBufferPointer { b in
          concurrently(m, work: m * n * k) { i in
            for p in 0..<k {
              let factor = unsafe a[i * aRow + p * aColumn]
              for j in 0..<n {
                unsafe y[i * n + j].addProduct(factor, b[p * bRow + j * bColumn])
              }
            }
          }
        }
      }
    }
    return y
  }
}
