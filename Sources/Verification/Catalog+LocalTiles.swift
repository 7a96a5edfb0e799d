import Compute
import Operations

extension OperationCatalog {
  /// Every tile of the `gpu` family on every device: sums that fill a tile and leave a rest in each
  /// direction, over whole chunks of the contraction and over parts of one.
  public static let localTiles: [CatalogCase] = LocalTile.all.flatMap { tile in
    let configure: @Sendable (Recorder) -> Void = { $0.fixedLocalTile = tile }
    let name = "in local tiles of \(tile.rows)x\(tile.columns)"
    return [
      CatalogCase("convolution", name, families: [.gpu]) { (context, family) throws(ComputeError) in
        try tiledConvolution(context, family, seed: 11, configure)
      },
      CatalogCase("convolution", "\(name), two groups", families: [.gpu]) {
        (context, family) throws(ComputeError) in
        try tiledConvolution(
          context, family, seed: 12, inputs: 40, outputs: 96, groups: 2, configure)
      },
    ]
      + [false, true].map { transposes in
        let product = MatrixProduct(
          transposesA: transposes, transposesB: transposes, alpha: 0.7, beta: -0.3)
        return CatalogCase(
          "matmul", "\(name)\(transposes ? ", transposed" : "")", families: [.gpu]
        ) { (context, family) throws(ComputeError) in
          try multiply(context, family, product, 140, 152, 53, configure)
            + multiply(context, family, product, 131, 33, 18, aligned: true, configure)
        }
      }
      + [
        CatalogCase("parameter-gradients", name, families: [.gpu]) {
          (context, family) throws(ComputeError) in
          try parameterGradients(
            context, family, tiledOperation(seed: 13, inputs: 67, outputs: 133, groups: 1),
            [67, 3, 7], batch: 2, dense: false, .real(-2...2), configure)
        }
      ]
  }
}
