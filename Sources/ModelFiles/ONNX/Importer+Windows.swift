import Networks
import Operations
import Reference

extension Importer {
  static let windowHandlers: [String: Handler] = [
    "Conv": Importer.convolution,
    "MaxPool": Importer.maxPooling, "AveragePool": Importer.averagePooling,
    "GlobalMaxPool": Importer.globalPooling(.maximum),
    "GlobalAveragePool": Importer.globalPooling(.average),
    "LRN": Importer.localResponseNormalization,
  ]

  /// The largest stride, dilation or padding that is believed.
  private static let largestStep = 1 << 20

  private func convolution(_ node: Node) throws(ModelFileError) -> [Value] {
    let input = try picture(node)
    let weights = try constant(node, 1)
    guard weights.shape.count == 4, weights.count > 0 else {
      throw node.unsupported("weights of shape \(weights.shape), only two axes of taps will do")
    }
    let groups = try node.integer("group", default: 1)
    let outputs = weights.shape[0]
    guard (1...outputs).contains(groups), outputs % groups == 0,
      input.shape[0] % groups == 0, input.shape[0] / groups == weights.shape[1]
    else {
      throw node.corrupt(
        "weights of shape \(weights.shape) in \(groups) groups do not fit the input \(input.shape)"
          + channelHint(input, weights.shape[1]))
    }
    let kernel = Extent(weights.shape[2], weights.shape[3])
    if let stated = try node.integers("kernel_shape"), stated != [kernel.height, kernel.width] {
      throw node.corrupt("kernel_shape \(stated), but weights of shape \(weights.shape)")
    }
    let bias = try optionalConstant(node, 2)
    guard bias.map({ $0.count == outputs }) ?? true else {
      throw node.corrupt("\(outputs) output channels, bias of shape \(bias?.shape ?? [])")
    }
    let operation = Convolution(
      weights: weights.tensor, bias: bias?.floats,
      window: try window(node, kernel: kernel, input: input), groups: groups)
    return try result(operation, node, [input])
  }

  private func channelHint(_ input: View, _ channels: Int) -> String {
    guard input.shape[2] == channels else { return "" }
    return ": it looks like height, width, channels, but no Transpose puts the channels first"
  }

  private func maxPooling(_ node: Node) throws(ModelFileError) -> [Value] {
    guard try node.integer("storage_order", default: 0) == 0 else {
      throw node.unsupported("storage_order 1")
    }
    return try pooling(.maximum, node)
  }

  private func averagePooling(_ node: Node) throws(ModelFileError) -> [Value] {
    let countsPadding = try node.flag("count_include_pad", default: false)
    return try pooling(.average(countsPadding: countsPadding), node)
  }

  private func pooling(
    _ reduction: Pooling.Reduction, _ node: Node
  ) throws(ModelFileError) -> [Value] {
    let input = try picture(node)
    guard let taps = try node.integers("kernel_shape"), taps.count == 2,
      taps.allSatisfy({ (1...Self.largestStep).contains($0) })
    else { throw node.corrupt("kernel_shape \(try node.integers("kernel_shape") ?? [])") }
    var window = try window(node, kernel: Extent(taps[0], taps[1]), input: input)
    let isPadded = try node.string("auto_pad").map { $0 != "NOTSET" } ?? false
    window.ceilMode = try node.flag("ceil_mode", default: false) && !isPadded
    let reach = Extent(
      (taps[0] - 1) * window.dilation.height + 1, (taps[1] - 1) * window.dilation.width + 1)
    guard max(window.padding.top, window.padding.bottom) < reach.height,
      max(window.padding.left, window.padding.right) < reach.width
    else { throw node.unsupported("windows of \(taps) that lie in the padding alone") }
    return try result(Pooling(reduction, window: window), node, [input])
  }

  private static func globalPooling(_ reduction: GlobalPooling.Reduction) -> Handler {
    { importer in
      { (node) throws(ModelFileError) in
        try importer.result(GlobalPooling(reduction), node, [importer.picture(node)])
      }
    }
  }

  private func localResponseNormalization(_ node: Node) throws(ModelFileError) -> [Value] {
    let input = try picture(node)
    guard let size = try node.integer("size"), (1...Self.largestStep).contains(size) else {
      throw node.corrupt("size \(try node.integer("size") ?? 0)")
    }
    let operation = LocalResponseNormalization(
      size: size, alpha: try node.float("alpha", default: 1e-4),
      beta: try node.float("beta", default: 0.75), bias: try node.float("bias", default: 1))
    return try result(operation, node, [input])
  }

  /// The first input, which must be a batch of pictures.
  private func picture(_ node: Node) throws(ModelFileError) -> View {
    let input = try activation(node)
    guard input.shape.count == 3 else {
      throw node.unsupported("it takes pictures [N, C, H, W], not [N] + \(input.shape)")
    }
    return input
  }

  /// The window that strides, dilations, pads and auto_pad describe.
  private func window(
    _ node: Node, kernel: Extent, input: View
  ) throws(ModelFileError) -> WindowGeometry {
    let strides = try steps("strides", node, 2, default: 1, least: 1)
    let dilations = try steps("dilations", node, 2, default: 1, least: 1)
    let automatic = try node.string("auto_pad") ?? "NOTSET"
    var padding: Padding
    switch automatic {
    case "NOTSET", "":
      let pads = try steps("pads", node, 4, default: 0, least: 0)
      padding = Padding(top: pads[0], left: pads[1], bottom: pads[2], right: pads[3])
    case "VALID":
      padding = .zero
    case "SAME_UPPER", "SAME_LOWER":
      let rows = sameSplit(input.shape[1], kernel.height, strides[0], dilations[0])
      let columns = sameSplit(input.shape[2], kernel.width, strides[1], dilations[1])
      padding = Padding(top: rows.0, left: columns.0, bottom: rows.1, right: columns.1)
      if automatic == "SAME_LOWER" {
        padding = Padding(top: rows.1, left: columns.1, bottom: rows.0, right: columns.0)
      }
    default:
      throw node.corrupt("auto_pad \(quoted(automatic))")
    }
    return WindowGeometry(
      kernel: kernel, stride: Extent(strides[0], strides[1]), padding: padding,
      dilation: Extent(dilations[0], dilations[1]))
  }

  /// The smaller and the larger half of the padding that gives ceil(size / stride) windows.
  private func sameSplit(
    _ size: Int, _ kernel: Int, _ stride: Int, _ dilation: Int
  ) -> (Int, Int) {
    let windows = (size + stride - 1) / stride
    let total = max((windows - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return (total / 2, total - total / 2)
  }

  private func steps(
    _ name: String, _ node: Node, _ count: Int, default value: Int, least: Int
  ) throws(ModelFileError) -> [Int] {
    guard let steps = try node.integers(name) else {
      return Array(repeating: value, count: count)
    }
    guard steps.count == count, steps.allSatisfy({ (least...Self.largestStep).contains($0) })
    else { throw node.corrupt("\(name) \(steps)") }
    return steps
  }
}
