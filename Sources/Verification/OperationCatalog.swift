/// Everything that a device must compute with the reference's bits, in one table that tests,
/// `blindspot verify` and benchmarks share; one file a kind.
public enum OperationCatalog {
  /// All rows, by kind.
  public static let all: [CatalogCase] =
    convolution + linear + binary + pointwise + scaleShift + softmax + pooling + globalPooling
    + localResponseNormalization + pad + concat + reshape + reduceMean + border + elementary
    + longSum + losses + slotLoss + lbfgs + boxStep + networks
}
