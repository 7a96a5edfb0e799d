public import Compute

/// How many sums a work-group of the `gpu` family computes from panels in local memory
/// (`Kernels/common/tile.clh`); no tile changes a bit.
public struct LocalTile: Hashable, Sendable {
  /// Sums below one another: pixels of a convolution.
  public let rows: Int
  /// Sums beside one another: output channels of a convolution.
  public let columns: Int

  /// Every tile there is, the largest first.
  public static let all = [(128, 128), (128, 64), (128, 32), (64, 64), (64, 32)].map {
    LocalTile(rows: $0.0, columns: $0.1)
  }

  /// The tile by rule for so many independent products of the same shape.
  ///
  /// A tile costs the time of its busiest compute unit: four schedulers, each with a warp of 32
  /// work-items of 8 x 8 sums at a time, slower where a tile uses each value that it loads less
  /// often.
  ///
  /// - Parameters:
  ///   - rows: The rows of a product.
  ///   - columns: The columns of a product.
  ///   - products: How many products there are.
  ///   - device: Whose compute units, local memory and work-groups count.
  ///   - arithmetic: How it is computed.
  public init(
    rows: Int, columns: Int, products: Int = 1, device: Device,
    arithmetic: Arithmetic = .canonical
  ) {
    let possible = Self.all.filter {
      $0.items <= device.largestWorkGroup
        && $0.localBytes(arithmetic) <= device.localMemoryBytes
        // One warp's fragments and its share of the panels together exceed the registers.
        && (arithmetic.isCanonical || $0.items > 32)
    }
    var best = (tile: LocalTile(rows: 64, columns: 32), cost: Double.infinity)
    for tile in possible {
      let groups =
        products * ((rows + tile.rows - 1) / tile.rows)
        * ((columns + tile.columns - 1) / tile.columns)
      let perUnit = (groups + device.computeUnits - 1) / max(1, device.computeUnits)
      let warps = Double(perUnit * ((tile.items + 31) / 32))
      let reuse = Double(tile.rows * tile.columns) / Double(tile.rows + tile.columns)
      let cost = max(1, warps / 4) / reuse.squareRoot()
      if cost < best.cost { best = (tile, cost) }
    }
    self = best.tile
  }

  private init(rows: Int, columns: Int) {
    self.rows = rows
    self.columns = columns
  }

  /// Work-items of a group, each with 8 x 8 sums.
  var items: Int { rows / 8 * (columns / 8) }

  /// Panels of sixteen steps for each operand, two or, by tensor cores, three, and what emulated warps
  /// exchange.
  func localBytes(_ arithmetic: Arithmetic) -> Int {
    (arithmetic.isCanonical ? 2 : 3) * 16 * 4 * (rows + columns)
      + (arithmetic.emulatesTensorCores ? 6 * 4 * items : 0)
  }

  /// The tile as build constants.
  var constants: [(String, String)] { [("TILE_M", "\(rows)"), ("TILE_N", "\(columns)")] }

  /// Work-groups for products of a shape: blocks of columns, blocks of rows, products.
  func grid(rows: Int, columns: Int, products: Int = 1) -> Grid {
    grid(
      rowBlocks: (rows + self.rows - 1) / self.rows,
      columnBlocks: (columns + self.columns - 1) / self.columns, products: products)
  }

  /// Work-groups for so many blocks.
  func grid(rowBlocks: Int, columnBlocks: Int, products: Int = 1) -> Grid {
    Grid([columnBlocks * items, rowBlocks, products], groups: [items, 1, 1])
  }

  /// Where a column of a tile stands in a panel: `tile_position` of `tile.clh`.
  func position(_ column: Int) -> Int {
    let warp = min(8, columns / 8)
    let rest = column % (8 * warp)
    return column - rest + rest / 4 % 2 * (4 * warp) + rest / 8 * 4 + rest % 4
  }
}

extension Recorder {
  /// The tile that was asked for, or the one by rule.
  func localTile(rows: Int, columns: Int, products: Int = 1) -> LocalTile {
    fixedLocalTile
      ?? LocalTile(
        rows: rows, columns: columns, products: products, device: context.device,
        arithmetic: arithmetic)
  }

  /// Whether four floats may be loaded at once where places are made of these numbers.
  func aligned(_ name: String, _ numbers: Int...) -> (String, String) {
    (name, numbers.allSatisfy { $0 % 4 == 0 } ? "1" : "0")
  }
}
