import Compute
import Operations

extension OperationCatalog {
  /// Every looser mode in every tile, on whole numbers that it holds exactly.
  ///
  /// So the bits are the reference's. Devices without tensor cores emulate them.
  public static let tensorCores: [CatalogCase] =
    tinyTensorCores
    + Precision.allCases.filter { $0 != .canonical }
    .flatMap { precision in
      LocalTile.all.flatMap { tile in
        let name = "by \(precision.rawValue) in local tiles of \(tile.rows)x\(tile.columns)"
        return tensorCoreRows(name, groups: precision == .bf16x3, configuration(precision, tile))
      }
    }

  /// The same modes in the smallest tile with little work, for simulators.
  static let tinyTensorCores: [CatalogCase] = Precision.allCases.filter { $0 != .canonical }
    .flatMap { precision -> [CatalogCase] in
      let configure = configuration(precision, LocalTile.all[LocalTile.all.count - 1])
      let values = OperationCheck.Values.integers(-9...9)
      let name = "by \(precision.rawValue), little work"
      return [
        CatalogCase("convolution", name, families: [.gpu]) {
          (context, family) throws(ComputeError) in
          try tiledConvolution(
            context, family, seed: 16, inputs: 3, outputs: 20, values: values, configure)
        },
        CatalogCase("matmul", name, families: [.gpu]) { (context, family) throws(ComputeError) in
          try multiply(
            context, family,
            MatrixProduct(transposesA: false, transposesB: true, alpha: 1, beta: 0),
            65, 33, 50, values: values, configure)
        },
      ]
    }

  private static func configuration(
    _ precision: Precision, _ tile: LocalTile
  ) -> @Sendable (Recorder) -> Void {
    { recorder in
      recorder.fixedLocalTile = tile
      recorder.arithmetic = Arithmetic(
        precision, emulatesTensorCores: !Arithmetic.hasTensorCores(recorder.context.device))
    }
  }

  private static func tensorCoreRows(
    _ name: String, groups: Bool, _ configure: @escaping @Sendable (Recorder) -> Void
  ) -> [CatalogCase] {
    let values = OperationCheck.Values.integers(-9...9)
    let convolution = CatalogCase("convolution", name, families: [.gpu]) {
      (context, family) throws(ComputeError) in
      try tiledConvolution(context, family, seed: 14, values: values, configure)
    }
    let grouped = CatalogCase("convolution", "\(name), two groups", families: [.gpu]) {
      (context, family) throws(ComputeError) in
      try tiledConvolution(
        context, family, seed: 15, inputs: 40, outputs: 96, groups: 2, values: values, configure)
    }
    let products = [false, true].map { transposes in
      let product = MatrixProduct(
        transposesA: transposes, transposesB: transposes, alpha: 2, beta: -1)
      return CatalogCase(
        "matmul", "\(name)\(transposes ? ", transposed" : "")", families: [.gpu]
      ) { (context, family) throws(ComputeError) in
        try multiply(context, family, product, 140, 152, 53, values: values, configure)
          + multiply(
            context, family, product, 131, 33, 18, aligned: true, values: values, configure)
      }
    }
    return [convolution] + (groups ? [grouped] : []) + products
  }
}
