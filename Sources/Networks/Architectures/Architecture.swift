import Operations
import Reference

/// The built-in networks.
public enum Architecture: String, CaseIterable, Sendable {
  /// AlexNet in torchvision's form (Krizhevsky 2014), 3x224x224.
  case alexnet
  /// VGG16 without normalisation (Simonyan, Zisserman 2014), 3x224x224.
  case vgg16
  /// ResNet-50, strides in the 3x3 convolutions (He et al. 2015; torchvision's v1.5), 3x224x224.
  case resnet50
  /// SqueezeNet 1.1 (Iandola et al. 2016), 3x224x224.
  case squeezenet = "squeezenet1_1"
  /// MobileNetV2 1.0 (Sandler et al. 2018), 3x224x224.
  case mobilenet = "mobilenet_v2"

  /// The network with parameters from a source, named as in torchvision.
  ///
  /// - Parameter classes: The number of logits.
  /// - Throws: `ArchitectureError` when a parameter is missing or has another shape.
  public func graph(
    parameters: some ParameterSource, classes: Int = 1000
  ) throws(ArchitectureError) -> Graph {
    var builder = GraphBuilder(inputShape: [3, 224, 224], parameters: parameters)
    switch self {
    case .alexnet: try builder.alexNet(classes: classes)
    case .vgg16: try builder.vgg16(classes: classes)
    case .resnet50: try builder.resNet50(classes: classes)
    case .squeezenet: try builder.squeezeNet(classes: classes)
    case .mobilenet: try builder.mobileNet(classes: classes)
    }
    return builder.graph
  }
}

/// Appends layers with parameters named as in torchvision.
struct GraphBuilder<Parameters: ParameterSource> {
  private(set) var graph: Graph
  let parameters: Parameters

  init(inputShape: [Int], parameters: Parameters) {
    graph = Graph(inputShape: inputShape)
    self.parameters = parameters
  }

  /// The latest value.
  var top: ValueID { graph.output }

  /// The shape of the latest value.
  var shape: [Int] { graph.outputShape }

  @discardableResult
  mutating func append(
    _ operation: any Operation, _ name: String, _ inputs: [ValueID]? = nil
  ) throws(ArchitectureError) -> ValueID {
    do throws(ShapeError) {
      return try graph.append(operation, name: name, to: inputs ?? [top])
    } catch {
      throw ArchitectureError(error.description)
    }
  }

  /// A convolution, `NAME.weight` and, unless told otherwise, `NAME.bias`.
  @discardableResult
  mutating func convolution(
    _ name: String, _ channels: Int, kernel: Int, stride: Int = 1, padding: Int = 0,
    groups: Int = 1, bias: Bool = true, from input: ValueID? = nil
  ) throws(ArchitectureError) -> ValueID {
    let inputs = graph.shape(of: input ?? top)[0] / groups
    let weights = try parameters.parameter(
      name + ".weight", shape: [channels, inputs, kernel, kernel], fanIn: inputs * kernel * kernel)
    let offsets =
      bias
      ? try parameters.parameter(name + ".bias", shape: [channels], fanIn: nil).values : nil
    return try append(
      Convolution(
        weights: weights, bias: offsets,
        window: WindowGeometry(
          kernel: Extent(kernel), stride: Extent(stride), padding: Padding(padding)),
        groups: groups), name, [input ?? top])
  }

  /// Batch normalisation, `NAME.weight`, `NAME.bias`, `NAME.running_mean`, `NAME.running_var`.
  mutating func normalization(_ name: String) throws(ArchitectureError) {
    let channels = shape[0]
    let gamma = try parameters.parameter(name + ".weight", shape: [channels], fanIn: nil)
    let beta = try parameters.parameter(name + ".bias", shape: [channels], fanIn: nil)
    let mean = try parameters.parameter(name + ".running_mean", shape: [channels], fanIn: nil)
    let variance = try parameters.parameter(name + ".running_var", shape: [channels], fanIn: nil)
    let folded = BatchNormalizationReference.folded(
      .init(
        gamma: gamma.values, beta: beta.values, mean: mean.values, variance: variance.values))
    try append(ScaleShift(scale: folded.scale, shift: folded.shift), name)
  }

  /// A fully connected layer, `NAME.weight` `[O, K]` and, if it has a bias, `NAME.bias`.
  mutating func linear(
    _ name: String, _ outputs: Int, hasBias: Bool = true
  ) throws(ArchitectureError) {
    let inputs = shape[0]
    let rows = try parameters.parameter(name + ".weight", shape: [outputs, inputs], fanIn: inputs)
    let bias =
      try hasBias
      ? parameters.parameter(name + ".bias", shape: [outputs], fanIn: nil).values : nil
    try append(Linear(weights: rows.transposed(), bias: bias), name)
  }

  mutating func relu() throws(ArchitectureError) {
    try append(Pointwise(.activation(.relu)), "relu")
  }

  mutating func maxPool(
    _ kernel: Int, stride: Int, padding: Int = 0, ceilMode: Bool = false
  ) throws(ArchitectureError) {
    try append(
      Pooling(
        .maximum,
        window: WindowGeometry(
          kernel: Extent(kernel), stride: Extent(stride), padding: Padding(padding),
          ceilMode: ceilMode)), "maxpool")
  }

  mutating func flatten() throws(ArchitectureError) {
    try append(Reshape(shape: [shape.reduce(1, *)]), "flatten")
  }

  mutating func globalAverage() throws(ArchitectureError) {
    try append(GlobalPooling(.average), "avgpool")
    try flatten()
  }
}

extension GraphBuilder {
  mutating func alexNet(classes: Int) throws(ArchitectureError) {
    try convolution("features.0", 64, kernel: 11, stride: 4, padding: 2)
    try relu()
    try maxPool(3, stride: 2)
    try convolution("features.3", 192, kernel: 5, padding: 2)
    try relu()
    try maxPool(3, stride: 2)
    for (name, channels) in [("features.6", 384), ("features.8", 256), ("features.10", 256)] {
      try convolution(name, channels, kernel: 3, padding: 1)
      try relu()
    }
    try maxPool(3, stride: 2)
    try classifier(["classifier.1", "classifier.4", "classifier.6"], classes)
  }

  mutating func vgg16(classes: Int) throws(ArchitectureError) {
    var index = 0
    for (channels, depth) in [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)] {
      for _ in 0..<depth {
        try convolution("features.\(index)", channels, kernel: 3, padding: 1)
        try relu()
        index += 2
      }
      try maxPool(2, stride: 2)
      index += 1
    }
    try classifier(["classifier.0", "classifier.3", "classifier.6"], classes)
  }

  /// Two hidden layers of 4096 and the logits.
  private mutating func classifier(
    _ names: [String], _ classes: Int
  ) throws(ArchitectureError) {
    try flatten()
    for (name, outputs) in zip(names, [4096, 4096, classes]) {
      try linear(name, outputs)
      if outputs != classes || name != names.last { try relu() }
    }
  }

  mutating func resNet50(classes: Int) throws(ArchitectureError) {
    try convolution("conv1", 64, kernel: 7, stride: 2, padding: 3, bias: false)
    try normalization("bn1")
    try relu()
    try maxPool(3, stride: 2, padding: 1)
    for (stage, (width, depth)) in [(64, 3), (128, 4), (256, 6), (512, 3)].enumerated() {
      for block in 0..<depth {
        try bottleneck(
          "layer\(stage + 1).\(block)", width, stride: block == 0 && stage > 0 ? 2 : 1,
          projects: block == 0)
      }
    }
    try globalAverage()
    try linear("fc", classes)
  }

  private mutating func bottleneck(
    _ name: String, _ width: Int, stride: Int, projects: Bool
  ) throws(ArchitectureError) {
    var shortcut = top
    try convolution(name + ".conv1", width, kernel: 1, bias: false)
    try normalization(name + ".bn1")
    try relu()
    try convolution(name + ".conv2", width, kernel: 3, stride: stride, padding: 1, bias: false)
    try normalization(name + ".bn2")
    try relu()
    try convolution(name + ".conv3", 4 * width, kernel: 1, bias: false)
    try normalization(name + ".bn3")
    let main = top
    if projects {
      try convolution(
        name + ".downsample.0", 4 * width, kernel: 1, stride: stride, bias: false, from: shortcut)
      try normalization(name + ".downsample.1")
      shortcut = top
    }
    try append(Binary(.add), name + ".add", [main, shortcut])
    try relu()
  }

  mutating func squeezeNet(classes: Int) throws(ArchitectureError) {
    try convolution("features.0", 64, kernel: 3, stride: 2)
    try relu()
    try maxPool(3, stride: 2, ceilMode: true)
    let fires = [
      (3, 16, 64), (4, 16, 64), (0, 0, 0), (6, 32, 128), (7, 32, 128), (0, 0, 0), (9, 48, 192),
      (10, 48, 192), (11, 64, 256), (12, 64, 256),
    ]
    for (index, squeeze, expand) in fires {
      if squeeze == 0 {
        try maxPool(3, stride: 2, ceilMode: true)
      } else {
        try fire("features.\(index)", squeeze, expand)
      }
    }
    try convolution("classifier.1", classes, kernel: 1)
    try relu()
    try globalAverage()
  }

  private mutating func fire(
    _ name: String, _ squeeze: Int, _ expand: Int
  ) throws(ArchitectureError) {
    try convolution(name + ".squeeze", squeeze, kernel: 1)
    try relu()
    let squeezed = top
    try convolution(name + ".expand1x1", expand, kernel: 1)
    try relu()
    let small = top
    try convolution(name + ".expand3x3", expand, kernel: 3, padding: 1, from: squeezed)
    try relu()
    try append(Concat(axis: 0), name + ".concat", [small, top])
  }

  mutating func mobileNet(classes: Int) throws(ArchitectureError) {
    try convolution("features.0.0", 32, kernel: 3, stride: 2, padding: 1, bias: false)
    try normalization("features.0.1")
    try clip()
    let settings = [
      (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
      (6, 320, 1, 1),
    ]
    var index = 1
    for (expansion, channels, depth, firstStride) in settings {
      for block in 0..<depth {
        try invertedResidual(
          "features.\(index).conv", expansion, channels, stride: block == 0 ? firstStride : 1)
        index += 1
      }
    }
    try convolution("features.18.0", 1280, kernel: 1, bias: false)
    try normalization("features.18.1")
    try clip()
    try globalAverage()
    try linear("classifier.1", classes)
  }

  private mutating func clip() throws(ArchitectureError) {
    try append(Pointwise(.activation(.clip(0, 6))), "relu6")
  }

  private mutating func invertedResidual(
    _ name: String, _ expansion: Int, _ channels: Int, stride: Int
  ) throws(ArchitectureError) {
    let start = top
    let inputs = shape[0]
    var part = 0
    if expansion != 1 {
      try convolution("\(name).0.0", inputs * expansion, kernel: 1, bias: false)
      try normalization("\(name).0.1")
      try clip()
      part = 1
    }
    let width = inputs * expansion
    try convolution(
      "\(name).\(part).0", width, kernel: 3, stride: stride, padding: 1, groups: width, bias: false)
    try normalization("\(name).\(part).1")
    try clip()
    try convolution("\(name).\(part + 1)", channels, kernel: 1, bias: false)
    try normalization("\(name).\(part + 2)")
    if stride == 1, inputs == channels {
      try append(Binary(.add), name + ".add", [start, top])
    }
  }
}
