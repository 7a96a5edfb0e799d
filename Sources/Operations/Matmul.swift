public import Compute
public import Reference

/// A matrix in device memory, row-major.
public struct DeviceMatrix: Sendable {
  /// The memory.
  public let buffer: Buffer<Float>
  /// Floats from the buffer's start to the first element.
  public let offset: Int
  /// The rows.
  public let rows: Int
  /// The columns.
  public let columns: Int
  /// Floats from one row to the next, at least `columns`.
  public let rowStride: Int

  /// A part of a buffer.
  ///
  /// - Parameter rowStride: `columns` unless told otherwise.
  public init(
    buffer: Buffer<Float>, offset: Int = 0, rows: Int, columns: Int, rowStride: Int? = nil
  ) {
    let rowStride = rowStride ?? columns
    precondition(
      rows > 0 && columns > 0 && rowStride >= columns && offset >= 0
        && offset + (rows - 1) * rowStride + columns <= buffer.count,
      "a matrix of \(rows)x\(columns) at \(offset) in a buffer of \(buffer.count)")
    self.buffer = buffer
    self.offset = offset
    self.rows = rows
    self.columns = columns
    self.rowStride = rowStride
  }
}

/// A product of two matrices, C = alpha op(A) op(B) + beta C, op the identity or the transpose
/// (BLAS's gemm).
///
/// Order of summation: k ascending by fma; then `alpha * s`; then, unless beta is 0, `+ beta * c` in
/// two roundings. One launch, 2 M N K flops.
public struct MatrixProduct: Hashable, Sendable {
  /// Whether A is stored `[K, M]`.
  public var transposesA: Bool
  /// Whether B is stored `[N, K]`.
  public var transposesB: Bool
  /// The factor of the product.
  public var alpha: Float
  /// The factor of what C held; at 0, C is not read.
  public var beta: Float

  /// A product.
  public init(
    transposesA: Bool = false, transposesB: Bool = false, alpha: Float = 1, beta: Float = 0
  ) {
    self.transposesA = transposesA
    self.transposesB = transposesB
    self.alpha = alpha
    self.beta = beta
  }

  /// Records the launch; C may share no element with A or B.
  public func record(
    _ recorder: Recorder, _ a: DeviceMatrix, _ b: DeviceMatrix, to c: DeviceMatrix
  ) throws(ComputeError) {
    let (m, k) = transposesA ? (a.columns, a.rows) : (a.rows, a.columns)
    let (inner, n) = transposesB ? (b.columns, b.rows) : (b.rows, b.columns)
    precondition(
      k == inner && c.rows == m && c.columns == n,
      "a product of \(m)x\(k) and \(inner)x\(n) to \(c.rows)x\(c.columns)")
    let extents = Extents(m, n, k, 0)
    if recorder.family == .gpu {
      let tile = recorder.localTile(rows: m, columns: n)
      let program = try recorder.program(
        "gpu/matmul",
        tile.constants + recorder.arithmetic.constants + [
          ("TRANSPOSES_A", transposesA ? "1" : "0"), ("TRANSPOSES_B", transposesB ? "1" : "0"),
          recorder.aligned("ALIGNED_A", a.offset, a.rowStride),
          recorder.aligned("ALIGNED_B", b.offset, b.rowStride), ("READS_C", beta == 0 ? "0" : "1"),
        ])
      return try recorder.launch(
        program, "matmul", tile.grid(rows: m, columns: n), a.buffer, a.rowPlace, b.buffer,
        b.rowPlace, c.buffer, c.rowPlace, extents, alpha, beta)
    }
    let program = try recorder.program(
      "reference/matmul", [recorder.groupConstant, ("READS_C", beta == 0 ? "0" : "1")])
    try recorder.launch(
      program, "matmul", Grid([n, m], groups: [recorder.groupSize, 1]), a.buffer,
      a.place(transposed: transposesA), b.buffer, b.place(transposed: transposesB), c.buffer,
      c.place(transposed: false), extents, alpha, beta)
  }

  /// The CPU reference path.
  ///
  /// - Parameters:
  ///   - a: `[M, K]`, or `[K, M]` if transposed.
  ///   - b: `[K, N]`, or `[N, K]` if transposed.
  ///   - c: `[M, N]`; needed unless beta is 0.
  /// - Returns: `[M, N]`.
  public func evaluate<Scalar: ReferenceScalar>(
    _ a: Tensor<Scalar>, _ b: Tensor<Scalar>, c: Tensor<Scalar>? = nil
  ) -> Tensor<Scalar> {
    MatmulReference.forward(
      a, b, c: c, transposesA: transposesA, transposesB: transposesB, alpha: Scalar(alpha),
      beta: Scalar(beta))
  }
}

extension DeviceMatrix {
  /// The first element, then the strides of rows and columns of the matrix or its transpose.
  fileprivate func place(transposed: Bool) -> Place {
    Place(
      UInt64(offset), sample: transposed ? 1 : rowStride, row: transposed ? rowStride : 1, pixel: 0)
  }

  /// The first element, then the stride of rows as they are stored.
  fileprivate var rowPlace: KernelVector<SIMD2<UInt64>> {
    KernelVector(SIMD2(UInt64(offset), UInt64(rowStride)))
  }
}
