import Networks
import Operations

extension Importer {
  static let shapeHandlers: [String: Handler] = [
    "Flatten": Importer.flatten, "Reshape": Importer.reshape, "Squeeze": Importer.squeeze,
    "Unsqueeze": Importer.unsqueeze, "Transpose": Importer.transpose, "Concat": Importer.concat,
    "Pad": Importer.pad, "Slice": Importer.slice, "Split": Importer.split,
    "Gather": Importer.gather, "ReduceMean": Importer.reduceMean,
  ]

  private func flatten(_ node: Node) throws(ModelFileError) -> [Value] {
    var view = try activation(node)
    let axis = try node.integer("axis", default: 1)
    let rank = view.fileRank
    guard (-rank...rank).contains(axis) else {
      throw node.corrupt("axis \(axis) of a tensor of \(rank) axes")
    }
    let first = axis < 0 ? axis + rank : axis
    // [N, ...] becomes [N x outer, inner]: the outer axes must be of extent 1, or the batch moves.
    let outer = view.shape.prefix(max(first - 1, 0)).reduce(1, *)
    guard outer == 1, first > 0 || fileBatch == 1 else {
      throw node.unsupported("flattening from axis \(axis) mixes samples of the batch")
    }
    view.shape = [view.shape.reduce(1, *)]
    return [.activation(view)]
  }

  private func reshape(_ node: Node) throws(ModelFileError) -> [Value] {
    var view = try activation(node)
    guard let target = try integers(node, attribute: "shape", input: 1), !target.isEmpty,
      target.count <= Self.largestRank
    else { throw node.corrupt("no target shape, or one of too many axes") }
    let batch = target[0]
    guard batch == 0 || batch == -1 || batch == 1 || batch == fileBatch else {
      throw node.unsupported("the target shape \(target) does not begin with the batch axis")
    }
    let copiesZeros = try !node.flag("allowzero", default: false)
    let count = view.shape.reduce(1, *)
    var shape: [Int] = []
    for (axis, extent) in target.dropFirst().enumerated() {
      guard extent == 0 && copiesZeros else {
        shape.append(extent)
        continue
      }
      guard view.shape.indices.contains(axis) else {
        throw node.corrupt("the target shape \(target) copies axis \(axis + 1) of \(view.shape)")
      }
      shape.append(view.shape[axis])
    }
    let unknown = shape.indices.filter { shape[$0] == -1 }
    if let axis = unknown.first, unknown.count == 1, batch != -1 {
      shape[axis] = 1
      let known = try elementCount(shape, of: "the target of \(node.label)")
      shape[axis] = known == 0 ? 0 : count / known
    }
    guard shape.allSatisfy({ $0 > 0 }),
      try elementCount(shape, of: "the target of \(node.label)") == count
    else {
      throw node.unsupported(
        "a sample of shape \(view.shape) does not fit the target shape \(target)")
    }
    view.shape = shape
    return [.activation(view)]
  }

  private func squeeze(_ node: Node) throws(ModelFileError) -> [Value] {
    var view = try activation(node)
    guard let axes = try integers(node, attribute: "axes", input: 1) else {
      view.shape.removeAll { $0 == 1 }
      return [.activation(view)]
    }
    var removed: Set<Int> = []
    for axis in axes {
      let axis = try sampleAxis(axis, rank: view.fileRank, node)
      guard view.shape[axis] == 1 else {
        throw node.corrupt("axis \(axis + 1) has the extent \(view.shape[axis])")
      }
      removed.insert(axis)
    }
    view.shape = view.shape.indices.filter { !removed.contains($0) }.map { view.shape[$0] }
    return [.activation(view)]
  }

  private func unsqueeze(_ node: Node) throws(ModelFileError) -> [Value] {
    var view = try activation(node)
    guard let axes = try integers(node, attribute: "axes", input: 1),
      view.fileRank + axes.count <= Self.largestRank
    else { throw node.corrupt("no axes, or too many") }
    var added: Set<Int> = []
    for axis in axes {
      added.insert(try sampleAxis(axis, rank: view.fileRank + axes.count, node))
    }
    guard added.count == axes.count else { throw node.corrupt("an axis is named twice: \(axes)") }
    for axis in added.sorted() { view.shape.insert(1, at: axis) }
    return [.activation(view)]
  }

  private func transpose(_ node: Node) throws(ModelFileError) -> [Value] {
    let view = try activation(node)
    let permutation =
      try node.integers("perm") ?? Array((0..<view.fileRank).reversed())
    guard permutation.sorted() == Array(0..<view.fileRank) else {
      throw node.corrupt("the permutation \(permutation) of \(view.fileRank) axes")
    }
    guard permutation[0] == 0 else {
      throw node.unsupported("the permutation \(permutation) moves the batch axis")
    }
    return [.activation(try transposed(view, permutation.dropFirst().map { $0 - 1 }, node))]
  }

  /// A view with a sample's axes in another order.
  func transposed(
    _ view: View, _ permutation: [Int], _ node: Node
  ) throws(ModelFileError) -> View {
    let source = try permutationOnly(view, node)
    return View(
      id: source.id, permutation: permutation.map { source.permutation[$0] },
      shape: permutation.map { source.shape[$0] })
  }

  private func concat(_ node: Node) throws(ModelFileError) -> [Value] {
    var views: [View] = []
    for position in node.inputs.indices { views.append(try activation(node, position)) }
    guard let first = views.first, let stated = try node.integer("axis") else {
      throw node.corrupt("no inputs or no axis")
    }
    let axis = try sampleAxis(stated, rank: first.fileRank, node)
    if views.count == 1 { return [.activation(first)] }
    let permutation = first.permutation
    let alike = views.allSatisfy { $0.permutation == permutation && isPermutation($0) }
    if !alike {
      for index in views.indices {
        views[index] = plain(try ordered(views[index], name: node.name))
      }
    }
    let physicalAxis = views[0].permutation[axis]
    let id = try append(Concat(axis: physicalAxis), name: node.name, to: views.map(\.id))
    return [.activation(reordered(id, like: views[0]))]
  }

  /// A value computed from a view that only reorders axes, reordered in the same way.
  private func reordered(_ id: ValueID, like view: View) -> View {
    let physical = graph.shape(of: id)
    return View(id: id, permutation: view.permutation, shape: view.permutation.map { physical[$0] })
  }

  private func reduceMean(_ node: Node) throws(ModelFileError) -> [Value] {
    let input = try activation(node)
    guard let stated = try integers(node, attribute: "axes", input: 1), !stated.isEmpty else {
      if try node.flag("noop_with_empty_axes", default: false) { return [.activation(input)] }
      throw node.unsupported("the mean over all axes mixes samples of the batch")
    }
    var axes: Set<Int> = []
    for axis in stated { axes.insert(try sampleAxis(axis, rank: input.fileRank, node)) }
    let keepsAxes = try node.flag("keepdims", default: true)
    let view = try permutationOnly(input, node)
    let isInOrder = view.permutation == Array(view.shape.indices)
    let operation = ReduceMean(
      axes: axes.map { view.permutation[$0] }, keepsAxes: keepsAxes || !isInOrder)
    let id = try append(operation, name: node.name, to: [view.id])
    if isInOrder { return [.activation(plain(id))] }
    var result = reordered(id, like: view)
    if !keepsAxes {
      result.shape = view.shape.indices.filter { !axes.contains($0) }.map { view.shape[$0] }
    }
    return [.activation(result)]
  }
}

// MARK: - Cutting and padding

extension Importer {
  private func pad(_ node: Node) throws(ModelFileError) -> [Value] {
    let view = try activation(node)
    let rank = view.fileRank
    guard let stated = try integers(node, attribute: "pads", input: 1) else {
      throw node.corrupt("no pads")
    }
    var axes = Array(0..<rank)
    if let named = try optionalIntegers(node, 3) {
      axes = []
      for axis in named { axes.append(try fileAxis(axis, rank: rank, node)) }
    }
    guard stated.count == 2 * axes.count, Set(axes).count == axes.count else {
      throw node.corrupt("pads \(stated) for \(axes.count) axes")
    }
    var before = [Int](repeating: 0, count: rank)
    var after = before
    for (position, axis) in axes.enumerated() {
      before[axis] = stated[position]
      after[axis] = stated[position + axes.count]
    }
    guard before[0] == 0, after[0] == 0 else { throw node.unsupported("it pads the batch axis") }
    let fill = try node.opset < 11 ? node.float("value") : optionalNumber(node, 2)
    let mode: Pad.Mode
    switch try node.string("mode") ?? "constant" {
    case "constant": mode = .constant(fill ?? 0)
    case "reflect": mode = .reflect
    case "edge": mode = .edge
    case let other: throw node.unsupported("the mode \(quoted(other))")
    }
    return [
      .activation(
        try padded(
          view, before: Array(before.dropFirst()), after: Array(after.dropFirst()), mode, node))
    ]
  }

  /// Adds or cuts elements at both ends of a sample's axes.
  private func padded(
    _ view: View, before: [Int], after: [Int], _ mode: Pad.Mode, _ node: Node
  ) throws(ModelFileError) -> View {
    if before.allSatisfy({ $0 == 0 }), after.allSatisfy({ $0 == 0 }) { return view }
    let source = try permutationOnly(view, node)
    var (first, last) = (before, after)
    for (axis, physical) in source.permutation.enumerated() {
      let extent = view.shape[axis]
      let ends = [before[axis], after[axis]]
      guard ends.allSatisfy({ (-extent...1 << 20).contains($0) }),
        -min(ends[0], 0) - min(ends[1], 0) < extent,
        mode != .reflect || ends.allSatisfy({ (0..<extent).contains($0) })
      else { throw node.unsupported("pads \(ends) for an axis of extent \(extent)") }
      first[physical] = ends[0]
      last[physical] = ends[1]
    }
    let id = try append(
      Pad(before: first, after: last, mode: mode), name: node.name, to: [source.id])
    return reordered(id, like: source)
  }

  /// The elements `range` of one axis.
  private func cut(
    _ view: View, axis: Int, _ range: Range<Int>, _ node: Node
  ) throws(ModelFileError) -> View {
    let extent = view.shape[axis]
    guard range.lowerBound >= 0, range.upperBound <= extent, !range.isEmpty else {
      throw node.corrupt("elements \(range) of an axis of extent \(extent)")
    }
    var before = [Int](repeating: 0, count: view.shape.count)
    var after = before
    before[axis] = -range.lowerBound
    after[axis] = range.upperBound - extent
    return try padded(view, before: before, after: after, .constant(0), node)
  }

  private func slice(_ node: Node) throws(ModelFileError) -> [Value] {
    var view = try activation(node)
    for part in try sliceParts(node, rank: view.fileRank) {
      if part.axis == 0 {
        guard part.start == 0, part.step > 0, part.end >= fileBatch ?? Int(Int32.max) else {
          throw node.unsupported("it cuts the batch axis")
        }
        continue
      }
      let indices = part.indices(extent: view.shape[part.axis - 1])
      view = try picked(view, axis: part.axis - 1, indices, node)
    }
    return [.activation(view)]
  }

  private func split(_ node: Node) throws(ModelFileError) -> [Value] {
    let view = try activation(node)
    let axis = try sampleAxis(node.integer("axis", default: 0), rank: view.fileRank, node)
    let extent = view.shape[axis]
    let parts = node.outputs.count
    guard (1...extent).contains(parts) else { throw node.corrupt("\(parts) outputs") }
    let size = (extent + parts - 1) / parts
    let stated = try integers(node, attribute: "split", input: 1)
    var sizes = Array(repeating: size, count: parts - 1)
    sizes.append(extent - size * (parts - 1))
    if let stated { sizes = stated }
    guard sizes.count == parts, sizes.allSatisfy({ (1...extent).contains($0) }),
      sizes.reduce(0, +) == extent
    else { throw node.corrupt("parts \(sizes) of an axis of extent \(extent)") }
    var results: [Value] = []
    var start = 0
    for size in sizes {
      results.append(.activation(try cut(view, axis: axis, start..<start + size, node)))
      start += size
    }
    return results
  }

  private func gather(_ node: Node) throws(ModelFileError) -> [Value] {
    let view = try activation(node)
    let indices = try constant(node, 1)
    let axis = try sampleAxis(node.integer("axis", default: 0), rank: view.fileRank, node)
    guard let list = indices.integers, indices.shape.count <= 1 else {
      throw node.unsupported("indices of shape \(indices.shape)")
    }
    let extent = view.shape[axis]
    var positions: [Int] = []
    for index in list {
      guard (-extent..<extent).contains(index) else {
        throw node.corrupt("index \(index) of an axis of extent \(extent)")
      }
      positions.append(index < 0 ? index + extent : index)
    }
    var result = try picked(view, axis: axis, positions, node)
    if indices.shape.isEmpty { result.shape.remove(at: axis) }
    return [.activation(result)]
  }

  /// The elements of one axis at given positions: neighbours, or channels in reverse order.
  private func picked(
    _ view: View, axis: Int, _ positions: [Int], _ node: Node
  ) throws(ModelFileError) -> View {
    let extent = view.shape[axis]
    guard let first = positions.first else { throw node.corrupt("its result is empty") }
    if positions == Array(first..<first + positions.count) {
      return try cut(view, axis: axis, first..<first + positions.count, node)
    }
    guard positions == Array((0..<extent).reversed()), axis == 0, view.shape.count == 3 else {
      throw node.unsupported("it picks elements that are not neighbours")
    }
    let operation = ScaleShift(
      scale: Array(repeating: 1, count: extent), shift: Array(repeating: 0, count: extent),
      reversesChannels: true)
    let id = try append(operation, name: node.name, to: [ordered(view, name: node.name)])
    return plain(id)
  }
}
