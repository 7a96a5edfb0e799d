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
    let transposes = [
      ("TRANSPOSES_A", transposesA ? "1" : "0"), ("TRANSPOSES_B", transposesB ? "1" : "0"),
    ]
    let readsC = ("READS_C", beta == 0 ? "0" : "1")
    if recorder.family == .gpu {
      let tile = recorder.localTile(rows: m, columns: n)
      let program = try recorder.program(
        "gpu/matmul",
        tile.constants + recorder.arithmetic.constants + transposes + [
          recorder.aligned("ALIGNED_A", a.offset, a.rowStride),
          recorder.aligned("ALIGNED_B", b.offset, b.rowStride), readsC,
        ])
      return try recorder.launch(
        program, "matmul", tile.grid(rows: m, columns: n), a.buffer, a.rowPlace, b.buffer,
        b.rowPlace, c.buffer, c.rowPlace, extents, alpha, beta)
    }
    if recorder.family == .cpu,
      let tiles = ProductTiles(rows: m, columns: n, device: recorder.context.device)
    {
      let program = try recorder.program("cpu/matmul", transposes + [readsC] + tiles.constants)
      return try recorder.launch(
        program, "matmul", tiles.grid, a.buffer, a.rowPlace, b.buffer, b.rowPlace, c.buffer,
        c.rowPlace, extents, alpha, beta, Int32(tiles.tilesPerItem), Int32(tiles.blocksPerItem))
    }
    let program = try recorder.program(
      "reference/matmul", [recorder.groupConstant, readsC])
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

/// How the `cpu` family cuts a product (`Kernels/cpu/matmul.cl`); no way changes a bit.
private struct ProductTiles {
  /// The rows of a register tile; its columns are 32.
  let height: Int
  /// The most tiles below one another and blocks of 32 columns beside one another of a work-item.
  let most: (tiles: Int, blocks: Int)
  /// How many it computes.
  let tilesPerItem: Int
  let blocksPerItem: Int
  /// A work-item for each of those parts.
  let grid: Grid

  /// Nil if the local memory is too small for copies of any part.
  init?(rows: Int, columns: Int, device: Device) {
    let registers = VectorRegisters(device)
    // Two vectors of weights and a value stay in registers beside the sums. A step over the
    // weights costs about 1.5 products.
    let heights = [14, 8, 2, 1].filter { (2 * $0 + 2) * registers.perVector < registers.count }
    let cost = { (height: Int) in Double((rows + height - 1) / height) * (Double(height) + 1.5) }
    guard let height = heights.min(by: { cost($0) < cost($1) }),
      // Many tiles use each copy often.
      let most = [(37, 16), (18, 8), (9, 4), (4, 2)].first(where: { tiles, blocks in
        let sums = tiles * blocks * height * 32
        return 4 * (sums + Self.part * (4 * 16 + 32 * blocks)) <= device.localMemoryBytes
      })
    else { return nil }
    let tiles = (rows + height - 1) / height
    let blocks = (columns + 31) / 32
    var groups = (tiles: (tiles + most.0 - 1) / most.0, blocks: (blocks + most.1 - 1) / most.1)
    // With two or four items a core, a core that begins late leaves the other three of four.
    while groups.tiles * groups.blocks < 6 * device.computeUnits,
      groups.tiles < tiles || groups.blocks < blocks
    {
      let isHigh = tiles * height * groups.blocks > blocks * 32 * groups.tiles
      if groups.blocks == blocks || isHigh && groups.tiles < tiles {
        groups.tiles += 1
      } else {
        groups.blocks += 1
      }
    }
    self.height = height
    self.most = most
    tilesPerItem = (tiles + groups.tiles - 1) / groups.tiles
    blocksPerItem = (blocks + groups.blocks - 1) / groups.blocks
    grid = Grid(
      [(blocks + blocksPerItem - 1) / blocksPerItem, (tiles + tilesPerItem - 1) / tilesPerItem],
      groups: [1, 1])
  }

  /// Steps of a sum that are copied together, for four tiles: the kernel's PART and TOGETHER.
  private static let part = 192

  /// The kernel's variant.
  var constants: [(String, String)] {
    [("TILE", "\(height)"), ("TILES", "\(most.tiles)"), ("BLOCKS", "\(most.blocks)")]
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
