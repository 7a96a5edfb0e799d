public import Attacks
public import Datasets

extension PictureAttack {
  /// Attacks the pictures of a source.
  ///
  /// Nothing happens before the first result is asked for. Pictures are decoded ahead on threads of
  /// their own; results come as pictures are done, not in the source's order. They depend neither on
  /// the batch nor on the other pictures. Two attacks on one network wait for each other.
  ///
  /// - Parameters:
  ///   - network: what is attacked.
  ///   - pictures: of the network's input size; without a label, the network's own answer counts as
  ///     the true class.
  ///   - target: the class to reach for each picture, for attacks on given targets.
  /// - Returns: results whose iteration throws `DatasetError` when a picture cannot be used,
  ///   `ComputeError` when the device fails, `CancellationError` when the task is cancelled.
  public func run(
    on network: PreparedNetwork, pictures: any PictureSource,
    target: (@Sendable (PictureSample) -> Int?)? = nil
  ) -> AttackedSamples { run(on: [network], pictures: pictures, target: target) }

  /// Attacks the pictures of a source with several devices at once.
  ///
  /// Each device takes the next picture when it has a place for one. A result does not depend on the
  /// device that it was found on.
  ///
  /// - Parameters:
  ///   - networks: the same network on each device, prepared in the same way but for the batch; at
  ///     least one, none of them twice.
  ///   - pictures: as for one network.
  ///   - target: as for one network.
  /// - Returns: results as of one network, in any order.
  public func run(
    on networks: [PreparedNetwork], pictures: any PictureSource,
    target: (@Sendable (PictureSample) -> Int?)? = nil
  ) -> AttackedSamples {
    guard let network = networks.first else { preconditionFailure("an attack on no network") }
    let lookAhead = 2 * networks.reduce(0) { $0 + $1.batch }
    return AttackedSamples(lookAhead: lookAhead) { [self] emit, shouldStop in
      let shape = pictures.shape
      guard [shape.channels, shape.height, shape.width] == network.inputShape else {
        throw DatasetError(
          .mismatchedShape, "pictures",
          "are \(shape), the network takes "
            + network.inputShape.map(String.init).joined(separator: "x")
            + "; the source's preprocessing decides their size")
      }
      let classes = network.classCount
      try PreparedNetwork.withNetworks(networks) { networks in
        let prefetcher = PicturePrefetcher(pictures, lookAhead: lookAhead)
        try SlotEngine.run(
          try networks.map { try engine(for: $0) },
          next: {
            guard let picture = try prefetcher.waitForNext()?.get() else { return nil }
            let wanted = target?(picture)
            for label in [picture.label, wanted].compactMap(\.self)
            where !(0..<classes).contains(label) {
              throw DatasetError(
                .invalidLabel, picture.id, "class \(label), the network has \(classes)")
            }
            return AttackSample(
              id: picture.index, name: picture.id, pixels: picture.pixels, label: picture.label,
              target: wanted)
          }, emit: { emit($0) }, shouldStop: { shouldStop() })
      }
    }
  }
}
