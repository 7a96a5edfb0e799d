import Operations

/// Nodes whose results are known at import: weights made by nodes, chains that compute a shape.
extension Importer {
  static let foldingHandlers: [String: Handler] = [
    "Constant": Importer.foldConstant, "ConstantOfShape": Importer.foldConstantOfShape,
    "Shape": Importer.foldShape, "Size": Importer.foldSize,
    "Identity": Importer.foldIdentity, "Dropout": Importer.foldIdentity,
    "Cast": Importer.foldCast, "Gather": Importer.foldGather, "Concat": Importer.foldConcat,
    "Slice": Importer.foldSlice, "Reshape": Importer.foldReshape,
    "Flatten": Importer.foldFlatten, "Squeeze": Importer.foldSqueeze,
    "Unsqueeze": Importer.foldUnsqueeze, "Transpose": Importer.foldTranspose,
    "Expand": Importer.foldExpand, "Range": Importer.foldRange, "Neg": Importer.foldNegate,
    "Sqrt": Importer.foldSquareRoot,
    "Add": Importer.foldBinary(.add), "Sub": Importer.foldBinary(.subtract),
    "Mul": Importer.foldBinary(.multiply), "Div": Importer.foldBinary(.divide),
  ]

  private func foldConstant(_ node: Node) throws(ModelFileError) -> [Value] {
    if let tensor = try node.tensor("value") {
      return [.constant(try Constant(tensor, external: external))]
    }
    if let number = try node.float("value_float") {
      return [.constant(Constant(shape: [], floats: [number]))]
    }
    if let number = try node.integer("value_int") {
      return [.constant(Constant(shape: [], integers: [number]))]
    }
    if let numbers = try node.floats("value_floats") {
      return [.constant(Constant(shape: [numbers.count], floats: numbers))]
    }
    if let numbers = try node.integers("value_ints") {
      return [.constant(Constant(shape: [numbers.count], integers: numbers))]
    }
    throw node.unsupported("it has no dense value of numbers")
  }

  private func foldConstantOfShape(_ node: Node) throws(ModelFileError) -> [Value] {
    let shape = try integers(node, 0)
    let count = try reserve(shape, node)
    guard let proto = try node.tensor("value") else {
      return [.constant(Constant(shape: shape, floats: Array(repeating: 0, count: count)))]
    }
    let value = try Constant(proto, external: external)
    guard value.count == 1 else { throw node.corrupt("its value has the shape \(value.shape)") }
    switch value.elements {
    case .floats(let number):
      return [.constant(Constant(shape: shape, floats: Array(repeating: number[0], count: count)))]
    case .integers(let number):
      return [
        .constant(Constant(shape: shape, integers: Array(repeating: number[0], count: count)))
      ]
    }
  }

  private func foldShape(_ node: Node) throws(ModelFileError) -> [Value] {
    let shape = try fileShape(node)
    let start = try clampedEnd(node.integer("start", default: 0), shape.count)
    let end = try clampedEnd(node.integer("end", default: shape.count), shape.count)
    let part = start < end ? Array(shape[start..<end]) : []
    return [.constant(Constant(shape: [part.count], integers: part))]
  }

  private func clampedEnd(_ position: Int, _ rank: Int) -> Int {
    min(max(position < 0 ? position + rank : position, 0), rank)
  }

  private func foldSize(_ node: Node) throws(ModelFileError) -> [Value] {
    let count = try elementCount(fileShape(node), of: "the input of \(node.label)")
    return [.constant(Constant(shape: [], integers: [count]))]
  }

  /// The shape in the file's counting; the batch is one sample.
  private func fileShape(_ node: Node) throws(ModelFileError) -> [Int] {
    switch try value(node, 0) {
    case .constant(let constant): constant.shape
    case .activation(let view): [1] + view.shape
    }
  }

  private func foldIdentity(_ node: Node) throws(ModelFileError) -> [Value] {
    [try value(node, 0)]
  }

  private func foldCast(_ node: Node) throws(ModelFileError) -> [Value] {
    let input = try constant(node)
    let number = try node.integer("to", default: 0)
    guard let type = Int32(exactly: number).flatMap({ StoredType(onnx: $0) }) else {
      throw node.unsupported("a cast to the element type \(number)")
    }
    if type.isFloat { return [.constant(Constant(shape: input.shape, floats: input.floats))] }
    if let integers = input.integers, type == .int64 || type == .int32 {
      return [.constant(Constant(shape: input.shape, integers: integers))]
    }
    guard type == .int64 || type == .int32 else {
      throw node.unsupported("a cast to the element type \(number)")
    }
    var integers: [Int] = []
    for value in input.floats {
      guard let integer = Int(exactly: value.rounded(.towardZero)) else {
        throw node.corrupt("\(value) cast to an integer")
      }
      integers.append(integer)
    }
    return [.constant(Constant(shape: input.shape, integers: integers))]
  }

  private func foldGather(_ node: Node) throws(ModelFileError) -> [Value] {
    let input = try constant(node)
    let indices = try constant(node, 1)
    guard let list = indices.integers else { throw node.corrupt("its indices are no integers") }
    let axis = try fileAxis(node.integer("axis", default: 0), rank: input.shape.count, node)
    let extent = input.shape[axis]
    let shape = input.shape[..<axis] + indices.shape + input.shape[(axis + 1)...]
    _ = try reserve(Array(shape), node)
    var positions: [Int] = []
    for index in list {
      guard (-extent..<extent).contains(index) else {
        throw node.corrupt("index \(index) of an axis of extent \(extent)")
      }
      positions.append(index < 0 ? index + extent : index)
    }
    return [.constant(input.picking(axis: axis, positions, shape: Array(shape)))]
  }

  private func foldConcat(_ node: Node) throws(ModelFileError) -> [Value] {
    var parts: [Constant] = []
    for position in node.inputs.indices { parts.append(try constant(node, position)) }
    guard let first = parts.first, let stated = try node.integer("axis") else {
      throw node.corrupt("no inputs or no axis")
    }
    let axis = try fileAxis(stated, rank: first.shape.count, node)
    var shape = first.shape
    shape[axis] = 0
    for part in parts {
      var expected = shape
      guard part.shape.count == shape.count else { throw node.corrupt("inputs of unlike shapes") }
      expected[axis] = part.shape[axis]
      guard part.shape == expected else { throw node.corrupt("inputs of unlike shapes") }
      shape[axis] += part.shape[axis]
    }
    _ = try reserve(shape, node)
    let outer = shape[..<axis].reduce(1, *)
    if parts.allSatisfy({ $0.integers != nil }) {
      let lists = parts.compactMap(\.integers)
      return [.constant(Constant(shape: shape, integers: interleaved(lists, outer)))]
    }
    return [.constant(Constant(shape: shape, floats: interleaved(parts.map(\.floats), outer)))]
  }

  private func interleaved<Element>(_ lists: [[Element]], _ outer: Int) -> [Element] {
    (0..<outer).flatMap { row in
      lists.flatMap { list in
        let length = list.count / outer
        return list[row * length..<(row + 1) * length]
      }
    }
  }

  private func foldSlice(_ node: Node) throws(ModelFileError) -> [Value] {
    var result = try constant(node)
    for part in try sliceParts(node, rank: result.shape.count) {
      let indices = part.indices(extent: result.shape[part.axis])
      var shape = result.shape
      shape[part.axis] = indices.count
      _ = try reserve(shape, node)
      result = result.picking(axis: part.axis, indices, shape: shape)
    }
    return [.constant(result)]
  }

  private func foldReshape(_ node: Node) throws(ModelFileError) -> [Value] {
    let input = try constant(node)
    guard var shape = try self.integers(node, attribute: "shape", input: 1) else {
      throw node.corrupt("no target shape")
    }
    let copiesZeros = try !node.flag("allowzero", default: false)
    for (axis, extent) in shape.enumerated() where extent == 0 && copiesZeros {
      guard input.shape.indices.contains(axis) else {
        throw node.corrupt("the target shape \(shape) copies axis \(axis) of \(input.shape)")
      }
      shape[axis] = input.shape[axis]
    }
    if let axis = shape.firstIndex(of: -1) {
      shape[axis] = 1
      let known = try elementCount(shape, of: "the target of \(node.label)")
      shape[axis] = known == 0 ? 0 : input.count / known
    }
    return [.constant(try reshaped(input, shape, node))]
  }

  private func reshaped(
    _ input: Constant, _ shape: [Int], _ node: Node
  ) throws(ModelFileError) -> Constant {
    guard try elementCount(shape, of: "the target of \(node.label)") == input.count else {
      throw node.corrupt("\(input.shape) does not fit the target shape \(shape)")
    }
    return input.reshaped(shape)
  }

  private func foldFlatten(_ node: Node) throws(ModelFileError) -> [Value] {
    let input = try constant(node)
    let axis = try node.integer("axis", default: 1)
    let rank = input.shape.count
    guard (-rank...rank).contains(axis) else { throw node.corrupt("axis \(axis)") }
    let first = axis < 0 ? axis + rank : axis
    let outer = input.shape[..<first].reduce(1, *)
    return [
      .constant(try reshaped(input, [outer, input.shape[first...].reduce(1, *)], node))
    ]
  }

  private func foldSqueeze(_ node: Node) throws(ModelFileError) -> [Value] {
    let input = try constant(node)
    var removed = Set(input.shape.indices.filter { input.shape[$0] == 1 })
    if let stated = try self.integers(node, attribute: "axes", input: 1) {
      var axes: Set<Int> = []
      for axis in stated { axes.insert(try fileAxis(axis, rank: input.shape.count, node)) }
      guard axes.isSubset(of: removed) else {
        throw node.corrupt("axes \(stated) of \(input.shape) are not all of extent 1")
      }
      removed = axes
    }
    let shape = input.shape.indices.filter { !removed.contains($0) }.map { input.shape[$0] }
    return [.constant(input.reshaped(shape))]
  }

  private func foldUnsqueeze(_ node: Node) throws(ModelFileError) -> [Value] {
    let input = try constant(node)
    guard let stated = try self.integers(node, attribute: "axes", input: 1) else {
      throw node.corrupt("no axes")
    }
    let rank = input.shape.count + stated.count
    guard rank <= 32 else { throw node.corrupt("a tensor of \(rank) axes") }
    var axes: Set<Int> = []
    for axis in stated { axes.insert(try fileAxis(axis, rank: rank, node)) }
    guard axes.count == stated.count else { throw node.corrupt("axes \(stated)") }
    var shape = input.shape
    for axis in axes.sorted() { shape.insert(1, at: axis) }
    return [.constant(input.reshaped(shape))]
  }

  private func foldTranspose(_ node: Node) throws(ModelFileError) -> [Value] {
    let input = try constant(node)
    let axes = Array(input.shape.indices)
    let permutation = try node.integers("perm") ?? axes.reversed()
    guard permutation.sorted() == axes else { throw node.corrupt("the permutation \(permutation)") }
    _ = try reserve(input.shape, node)
    return [.constant(input.transposed(permutation))]
  }

  private func foldExpand(_ node: Node) throws(ModelFileError) -> [Value] {
    let input = try constant(node)
    let shape = try broadcastShape(input.shape, integers(node, 1), node)
    _ = try reserve(shape, node)
    return [.constant(input.expanded(to: shape))]
  }

  private func foldRange(_ node: Node) throws(ModelFileError) -> [Value] {
    var ends: [Int] = []
    for position in 0..<3 {
      guard let numbers = try constant(node, position).integers, numbers.count == 1,
        abs(numbers[0].clamped) == abs(numbers[0])
      else { throw node.unsupported("input \(position) is not a small integer") }
      ends.append(numbers[0])
    }
    let (start, end, step) = (ends[0], ends[1], ends[2])
    guard step != 0 else { throw node.corrupt("a step of 0") }
    let distance = step > 0 ? end - start : start - end
    let count = max(0, (distance + abs(step) - 1) / abs(step))
    _ = try reserve([count], node)
    let values = (0..<count).map { start + $0 * step }
    return [.constant(Constant(shape: [count], integers: values))]
  }

  private func foldNegate(_ node: Node) throws(ModelFileError) -> [Value] {
    let input = try constant(node)
    guard let integers = input.integers else {
      return [.constant(Constant(shape: input.shape, floats: input.floats.map { -$0 }))]
    }
    return [.constant(Constant(shape: input.shape, integers: integers.map { 0 &- $0 }))]
  }

  private func foldSquareRoot(_ node: Node) throws(ModelFileError) -> [Value] {
    let input = try constant(node)
    return [
      .constant(Constant(shape: input.shape, floats: input.floats.map { $0.squareRoot() }))
    ]
  }

  private static func foldBinary(_ function: Binary.Function) -> Handler {
    { importer in
      { (node) throws(ModelFileError) in
        let result = try importer.fold(
          function, importer.constant(node, 0), importer.constant(node, 1), node)
        return [.constant(result)]
      }
    }
  }

  /// A function of two constants with broadcasting.
  func fold(
    _ function: Binary.Function, _ a: Constant, _ b: Constant, _ node: Node
  ) throws(ModelFileError) -> Constant {
    let shape = try broadcastShape(a.shape, b.shape, node)
    _ = try reserve(shape, node)
    let (left, right) = (a.expanded(to: shape), b.expanded(to: shape))
    guard let first = left.integers, let second = right.integers else {
      let values = zip(left.floats, right.floats).map { x, y in
        switch function {
        case .add: x + y
        case .subtract: x - y
        case .multiply: x * y
        case .divide: x / y
        }
      }
      return Constant(shape: shape, floats: values)
    }
    var values: [Int] = []
    for (x, y) in zip(first, second) {
      let (value, overflow) =
        switch function {
        case .add: x.addingReportingOverflow(y)
        case .subtract: x.subtractingReportingOverflow(y)
        case .multiply: x.multipliedReportingOverflow(by: y)
        case .divide: x.dividedReportingOverflow(by: y)
        }
      guard !overflow else { throw node.corrupt("\(x) \(function.rawValue) \(y) overflows") }
      values.append(value)
    }
    return Constant(shape: shape, integers: values)
  }

  private func broadcastShape(
    _ a: [Int], _ b: [Int], _ node: Node
  ) throws(ModelFileError) -> [Int] {
    let rank = max(a.count, b.count)
    guard rank <= 32 else { throw node.corrupt("a tensor of \(rank) axes") }
    let left = Array(repeating: 1, count: rank - a.count) + a
    let right = Array(repeating: 1, count: rank - b.count) + b
    var shape: [Int] = []
    for (x, y) in zip(left, right) {
      guard x == y || x == 1 || y == 1 else {
        throw node.corrupt("shapes \(a) and \(b) do not broadcast")
      }
      shape.append(x == 1 ? y : x)
    }
    return shape
  }

  private func integers(_ node: Node, _ position: Int) throws(ModelFileError) -> [Int] {
    guard let integers = try optionalIntegers(node, position) else {
      throw node.corrupt("input \(position) is missing")
    }
    return integers
  }
}

extension Constant {
  /// The elements at given positions of one axis.
  func picking(axis: Int, _ positions: [Int], shape: [Int]) -> Constant {
    let strides = rowMajorStrides(self.shape)
    let inner = offsets(
      shape: Array(self.shape[(axis + 1)...]), strides: Array(strides[(axis + 1)...]))
    let outer = offsets(shape: Array(self.shape[..<axis]), strides: Array(strides[..<axis]))
    let all = outer.flatMap { base in
      positions.flatMap { position in inner.map { base + position * strides[axis] + $0 } }
    }
    return picking(all, shape: shape)
  }

  /// Repeated along axes of extent 1 until the shape is reached.
  func expanded(to target: [Int]) -> Constant {
    if shape == target { return self }
    let padded = Array(repeating: 1, count: target.count - shape.count) + shape
    let strides = zip(padded, rowMajorStrides(padded)).map { $0 == 1 ? 0 : $1 }
    return picking(offsets(shape: target, strides: strides), shape: target)
  }
}

extension Int {
  /// The nearest number of at most 2^31 in magnitude, so that sums and products fit.
  fileprivate var clamped: Int { Swift.min(Swift.max(self, -(1 << 31)), 1 << 31) }
}

/// What Slice takes along one axis.
struct SlicePart {
  let axis: Int
  let start: Int
  let end: Int
  let step: Int

  /// The positions along an axis of a given extent; ends outside it are moved inside.
  func indices(extent: Int) -> [Int] {
    // A step beyond the extent takes one element, whatever its size.
    let step = min(max(step, -extent - 1), extent + 1)
    let first = start < 0 ? start + extent : start
    let last = end < 0 ? end + extent : end
    if step > 0 {
      return Array(stride(from: max(first, 0), to: min(last, extent), by: step))
    }
    return Array(stride(from: min(first, extent - 1), to: max(last, -1), by: step))
  }
}

extension Importer {
  /// The parts of a Slice node, from attributes before version 10 and from inputs since.
  func sliceParts(_ node: Node, rank: Int) throws(ModelFileError) -> [SlicePart] {
    guard let starts = try integers(node, attribute: "starts", input: 1),
      let ends = try integers(node, attribute: "ends", input: 2)
    else { throw node.corrupt("no starts or no ends") }
    let axes = try integers(node, attribute: "axes", input: 3) ?? Array(starts.indices)
    let steps = try optionalIntegers(node, 4) ?? Array(repeating: 1, count: starts.count)
    guard ends.count == starts.count, axes.count == starts.count, steps.count == starts.count,
      !steps.contains(0)
    else { throw node.corrupt("starts \(starts), ends \(ends), axes \(axes), steps \(steps)") }
    var parts: [SlicePart] = []
    for index in starts.indices {
      let axis = try fileAxis(axes[index], rank: rank, node)
      parts.append(
        SlicePart(axis: axis, start: starts[index], end: ends[index], step: steps[index]))
    }
    return parts
  }
}
