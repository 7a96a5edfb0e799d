import Compute
import Reference

/// How many channels of a pixel one work-item takes (`Kernels/common/vector.clh`).
struct ItemVector {
  /// 16, or on a GPU fewer, so that neighbouring work-items touch neighbouring memory.
  let channels: Int
  /// Whether four floats may be loaded at once.
  let isAligned: Bool

  /// The build constants; none where they are the kernels' own.
  var constants: [(String, String)] {
    channels == Layout.channelAlignment
      ? [] : [("ITEM_CHANNELS", "\(channels)"), ("ALIGNED", isAligned ? "1" : "0")]
  }

  /// The work-items for so many groups of sixteen channels.
  func items(_ channelGroups: Int) -> Int {
    channelGroups * (Layout.channelAlignment / channels)
  }

  /// The work-items of a pixel.
  func items(_ layout: Layout) -> Int { items(layout.channelGroups) }

  /// For work that also touches places made of other numbers.
  func alignedBy(_ numbers: [Int]) -> ItemVector {
    ItemVector(
      channels: channels, isAligned: isAligned && numbers.allSatisfy { $0.isMultiple(of: 4) })
  }
}

extension Recorder {
  /// The channels of a work-item that reads and writes tensors, all of them by whole vectors.
  ///
  /// - Parameter mask: A mask that is written or read; a byte of it is the least that a work-item
  ///   may write.
  func vector(_ tensors: DeviceTensor..., mask: DeviceBytes? = nil) -> ItemVector {
    ItemVector(
      channels: family != .gpu ? Layout.channelAlignment : mask == nil ? 4 : 8,
      isAligned: tensors.allSatisfy(\.isAligned))
  }

  /// One work-item for a vector of channels of each pixel of each sample.
  func items(_ layout: Layout, _ vector: ItemVector) -> Grid {
    Grid([layout.pixels * vector.items(layout), batch], groups: [groupSize, 1])
  }
}

extension DeviceTensor {
  /// Whether every pixel of every sample begins at a multiple of four floats.
  fileprivate var isAligned: Bool {
    [Int(start), layout.imageStride, layout.rowStride, layout.channelStride]
      .allSatisfy { $0.isMultiple(of: 4) }
  }
}
