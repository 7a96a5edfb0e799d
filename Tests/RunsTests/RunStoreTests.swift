import Datasets
import Foundation
import Runs
import Testing

struct RunStoreTests {
  @Test func `reads back what was appended, bit for bit`() throws {
    let scratch = try Scratch()
    defer { scratch.clear() }
    let samples = (0..<6).map { finished($0, seconds: 0.25) }
    let store = try RunStore.create(scratch.run, description())
    try store.append(Array(samples[3..<6]))
    try store.append(Array(samples[0..<2]))
    #expect(store.finishedIDs == [0, 1, 3, 4, 5])
    let results = try store.results()
    #expect(results.map(\.id) == [0, 1, 3, 4, 5])
    for result in results {
      let given = samples[result.id].result
      #expect(result.name == given.name)
      #expect(result.label == 3)
      #expect(result.cleanCorrect == true)
      #expect(result.target == given.target)
      #expect(result.adversarialClass == given.adversarialClass)
      #expect(result.l1?.bitPattern == given.l1?.bitPattern)
      #expect(result.l2?.bitPattern == given.l2?.bitPattern)
      #expect(result.linf?.bitPattern == given.linf?.bitPattern)
      #expect(result.l28Bit?.bitPattern == given.l28Bit?.bitPattern)
      #expect(result.l0 == given.l0)
      #expect(result.rms == given.rms)
      #expect(result.c == .infinity)
      #expect(result.forwardEvaluations == 40 + result.id)
      #expect(result.gradientEvaluations == 39)
      #expect(result.iterations == 38)
      #expect(result.stopReason == given.stopReason)
      #expect(result.seconds == 0.25)
      #expect([result.success, result.success8Bit] == [given.success, given.success8Bit])
      #expect(result.attempted)
    }
    #expect(try store.results(in: 1..<4).map(\.id) == [1, 3])
    let contents = try RunContents(reading: scratch.run)
    #expect(contents.results == results)
    #expect(contents.description == store.description)
    #expect(contents.summary == (try store.summary()))
  }

  @Test func `keeps float pictures in the array and 8-bit ones as PNG`() throws {
    let scratch = try Scratch()
    defer { scratch.clear() }
    let store = try RunStore.create(scratch.run, description())
    try store.append([0, 1, 2, 3].map { finished($0) })
    let pictures = try store.results()
    #expect(
      pictures.map(\.picture) == [
        "adversarial/n00/picture 0.png", "adversarial/n01/picture 1.png",
        "adversarial_float_only/n00/picture 2.png", nil,
      ])
    #expect(pictures.map(\.pictureFools) == [true, true, false, nil])
    for id in [0, 1] {
      let path = try #require(pictures[id].picture)
      #expect(
        try picture(scratch.run, path) == RGBImage(planarBytes: bytes(id), shape: shape))
    }
    let rounded = try picture(scratch.run, "adversarial_float_only/n00/picture 2.png")
    #expect(rounded == RGBImage(planar: pixels(2), shape: shape))
    let array = try array(scratch.run)
    #expect(array.count == 6)
    for id in 0..<3 { #expect(array[id] == pixels(id)) }
    for id in 3..<6 { #expect(array[id].allSatisfy { $0.isNaN }) }
  }

  @Test func `keeps only the forms that are asked for`() throws {
    let scratch = try Scratch()
    defer { scratch.clear() }
    let bare = try RunStore.create(scratch.url.appending(path: "bare"), description(keeps: []))
    try bare.append([finished(0)])
    #expect(paths(bare.folder) == ["run.json", "run.lock", "run.sqlite"])
    // PNG has no pictures of 2 channels.
    let odd = PictureShape(channels: 2, height: 3, width: 3)
    let store = try RunStore.create(scratch.run, description(shape: odd))
    try store.append([finished(0, shape: odd)])
    #expect(paths(scratch.run) == ["adversarial.npy", "run.json", "run.lock", "run.sqlite"])
    #expect(try array(scratch.run, shape: odd)[0] == pixels(0, shape: odd))
    #expect(try store.results()[0].picture == nil)
  }

  @Test func `goes on after the last finished sample, on another device`() throws {
    let scratch = try Scratch()
    defer { scratch.clear() }
    do {
      let store = try RunStore.create(scratch.run, description())
      try store.append([finished(4), finished(0)])
    }
    var here = description()
    here.device = "B"
    here.driver = "2"
    here.platform = "Q"
    here.kernelFamily = "gpu"
    here.batch = 64
    here.modelPath = "elsewhere/a.onnx"
    here.createdAt = Date(timeIntervalSince1970: 0)
    let store = try RunStore.resume(scratch.run, expecting: here)
    #expect(store.finishedIDs == [0, 4])
    #expect(store.description.device == "A")
    try store.append([1, 2, 3, 5].map { finished($0) })
    let whole = try RunStore.create(scratch.url.appending(path: "whole"), description())
    try whole.append((0..<6).map { finished($0, seconds: 3) })
    #expect(try store.results() == whole.results())
    let (a, b) = (try array(scratch.run), try array(whole.folder))
    #expect(a.map { $0.map(\.bitPattern) } == b.map { $0.map(\.bitPattern) })
    #expect(paths(scratch.run) == paths(whole.folder))
  }

  @Test func `equality leaves time out and nothing else`() {
    let a = finished(1, seconds: 1).result
    #expect(a == finished(1, seconds: 2).result)
    #expect(a != finished(1, name: "other").result)
    #expect(a != finished(5).result)
  }

  @Test func `stores NaN as nothing`() throws {
    let scratch = try Scratch()
    defer { scratch.clear() }
    let store = try RunStore.create(scratch.run, description())
    let result = SampleResult(
      id: 2, name: "x", label: nil, cleanClass: 0, attempted: true, l1: .nan, l2: .nan,
      linf: .nan, rms: .nan, l28Bit: .nan, c: .nan, stopReason: "invalid", seconds: .nan)
    try store.append([FinishedSample(result: result)])
    let row = try #require(try store.results().first)
    #expect(
      [row.l1, row.l2, row.linf, row.rms, row.l28Bit, row.c, row.seconds]
        == Array(repeating: nil, count: 7))
    #expect(row.label == nil)
    #expect(row.cleanCorrect == nil)
    #expect(row == result)
  }

  @Test(arguments: [
    ("../../etc/passwd", "adversarial/_./_./etc/passwd.png"), ("a.jpg", "adversarial/a.png"),
    ("", "adversarial/0.png"), (".hidden", "adversarial/_hidden.png"),
    ("/x//y\u{0}\n.png", "adversarial/x/y__.png"), (".png", "adversarial/_png.png"),
  ])
  func `makes names safe`(name: String, path: String) throws {
    let scratch = try Scratch()
    defer { scratch.clear() }
    let store = try RunStore.create(scratch.run, description())
    try store.append([finished(0, name: name)])
    let written = try #require(try store.results().first?.picture)
    #expect(written == path)
    #expect(!written.split(separator: "/").contains(".."))
    #expect(FileManager.default.fileExists(atPath: scratch.run.appending(path: written).path))
    #expect(try store.results()[0].name == name.replacing("\0", with: "\u{FFFD}"))
  }

  @Test func `gives pictures of one name paths of their own`() throws {
    let scratch = try Scratch()
    defer { scratch.clear() }
    let store = try RunStore.create(scratch.run, description())
    try store.append([finished(0, name: "cat.png"), finished(1, name: "Cat.jpg")])
    let long = String(repeating: "é", count: 400)
    try store.append([finished(4, name: long + "1"), finished(5, name: long + "2")])
    let written = try store.results().compactMap(\.picture)
    #expect(written.prefix(2) == ["adversarial/cat.png", "adversarial/Cat-1.png"])
    #expect(Set(written).count == 4)
    for (id, path) in zip([0, 1, 4, 5], written) {
      #expect(try picture(scratch.run, path) == RGBImage(planarBytes: bytes(id), shape: shape))
    }
  }
}
