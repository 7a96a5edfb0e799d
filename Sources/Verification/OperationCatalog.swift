/// Everything that a device must compute with the reference's bits, in one table that tests,
/// `blindspot verify` and benchmarks share; one file a kind.
public enum OperationCatalog {
  /// All rows, by kind.
  public static let all: [CatalogCase] =
    convolution + winograd + linear + binary + pointwise + scaleShift + softmax + pooling
    + globalPooling
    + localResponseNormalization + pad + concat + reshape + reduceMean + border + elementary
    + longSum + losses + slotLoss + lbfgs + boxStep + matmul + training + networks + tiles
    + tensorCores + localTiles

  /// A few small rows of each kind, for simulators that are thousands of times slower than a device.
  ///
  /// The elementary functions are left out: their rows are grids of a million values, and their
  /// kernel touches no memory but its own element.
  public static let tiny: [CatalogCase] = {
    var rows: [CatalogCase] = []
    let kinds = Dictionary(grouping: all, by: \.kind)
    for kind in kinds.keys.sorted() where kind != "elementary" {
      let sorted = (kinds[kind] ?? []).sorted { $0.size < $1.size }
      guard let first = sorted.first, let last = sorted.last else { continue }
      if first.operation != nil {
        // The smallest row, and one with work for several groups of sixteen channels.
        rows += [first, sorted[sorted.count / 4]]
      } else {
        rows += kind == "network" ? [first] : [first, last]
      }
    }
    return rows + tinyTensorCores
  }()
}

extension CatalogCase {
  /// Elements of all inputs of a row that checks an operation.
  fileprivate var size: Int { batch * shapes.reduce(0) { $0 + $1.reduce(1, *) } }
}
