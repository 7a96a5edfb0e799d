import Datasets
import Testing

@Suite struct `Preprocessing options` {
  @Test func `presets have the published numbers`() throws {
    let imageNet = try Preprocessing(preset: "imagenet")
    #expect(imageNet.resize == .shorterSide(256))
    #expect(imageNet.crop == .init(height: 224, width: 224))
    #expect(
      imageNet.normalization
        == Normalization(
          scale: 1, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225],
          reversesChannels: false))
    let caffe = try Preprocessing(preset: "caffe").normalization
    #expect(caffe.reversesChannels && caffe.scale == 255 && caffe.mean == [104, 117, 123])
    let tf = try Preprocessing(preset: "tf").normalization
    #expect(tf.scale == 255 && tf.mean == tf.std && tf.std == [127.5, 127.5, 127.5])
    #expect(try Preprocessing(preset: "unit").normalization == .identity)
    let raw = try Preprocessing(preset: "raw255")
    #expect(raw.resize == .none && raw.crop == nil && raw.normalization.scale == 255)
  }

  @Test func `texts override parts`() throws {
    var preprocessing = Preprocessing.imageNet
    try preprocessing.override(
      resize: "224x192", crop: "0", interpolation: "bicubic", scale: "255", mean: "1, 2,3",
      std: "0.5", channels: "bgr")
    #expect(
      preprocessing
        == Preprocessing(
          resize: .exact(height: 224, width: 192), interpolation: .bicubic,
          normalization: Normalization(
            scale: 255, mean: [1, 2, 3], std: [0.5], reversesChannels: true)))
    try preprocessing.override(resize: "0", crop: "8x9", channels: "grey")
    #expect(preprocessing.resize == .none && preprocessing.crop == .init(height: 8, width: 9))
    #expect(preprocessing.convertsToGrey && !preprocessing.normalization.reversesChannels)
    try preprocessing.override(resize: "64", channels: "rgb")
    #expect(preprocessing.resize == .shorterSide(64) && !preprocessing.convertsToGrey)
  }

  @Test func `unclear texts are errors and change nothing`() throws {
    expectError(.invalidOption, "--preprocessing", "'resnet'", "imagenet, caffe") {
      _ = try Preprocessing(preset: "resnet")
    }
    var options = Preprocessing.imageNet
    for text in ["", "x", "-1", "12x", "0x5", "1x2x3", "99999999", "2.5"] {
      expectError(.invalidOption, "--resize", "'\(text)'") { try options.override(resize: text) }
      expectError(.invalidOption, "--crop", "'\(text)'") { try options.override(crop: text) }
    }
    for text in ["", "1,,2", "a", "nan", "inf", "1;2;3"] {
      expectError(.invalidOption, "--mean", "'\(text)'") { try options.override(mean: text) }
    }
    expectError(.invalidOption, "--std", "divides by 0") { try options.override(std: "1,0,1") }
    expectError(.invalidOption, "--scale") { try options.override(scale: "0") }
    expectError(.invalidOption, "--channels", "'gbr'") { try options.override(channels: "gbr") }
    expectError(.invalidOption, "--interpolation", "'nearest'") {
      try options.override(interpolation: "nearest")
    }
    expectError(.invalidOption, "--mean, --std", "2 means", "3 deviations") {
      try options.override(crop: "10", mean: "1,2")
    }
    #expect(options == .imageNet)
  }

  @Test func `one value stands for all channels`() throws {
    let raw = try Preprocessing.raw255.normalization.expanded(channels: 3)
    #expect(raw.mean == [0, 0, 0] && raw.std == [1, 1, 1])
    expectError(.mismatchedShape, "mean", "3 values", "1 channel") {
      _ = try Preprocessing.imageNet.normalization.expanded(channels: 1)
    }
  }

  @Test func `a crop larger than the picture is an error`() throws {
    let picture = pattern(width: 30, height: 20, channels: 3)
    let preprocessing = Preprocessing(crop: .init(height: 21, width: 5))
    expectError(.mismatchedShape, "a.png", "21x5", "20x30") {
      _ = try preprocessing.apply(to: picture, file: "a.png")
    }
  }

  @Test func `a strip is not resized to an absurd length`() throws {
    let strip = pattern(width: 100_000, height: 1, channels: 1)
    expectError(.tooLarge, "strip.png") {
      _ = try Preprocessing.imageNet.apply(to: strip, file: "strip.png")
    }
  }

  @Test func `equal preprocessings have equal descriptions, others others`() throws {
    var texts: Set<String> = []
    for (_, preset) in Preprocessing.presets { texts.insert(preset.description) }
    var changed = Preprocessing.imageNet
    try changed.override(interpolation: "bicubic")
    texts.insert(changed.description)
    #expect(texts.count == Preprocessing.presets.count + 1)
  }
}
