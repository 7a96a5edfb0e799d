import Datasets
import Foundation
import Support
import Testing

@Suite struct `JPEG and PNG files` {
  @Test(arguments: recordedFiles)
  func `decode as Pillow decodes them`(file: RecordedFile) throws {
    try withFolder { folder in
      let picture = try RGBImage(contentsOf: folder.put("a.jpeg", file.bytes))
      #expect(picture.shape == PictureShape(channels: 3, height: 23, width: 37))
      #expect(crc32(picture.bytes) == file.crc)
    }
  }

  @Test(arguments: ["jpeg420", "jpegProgressive", "jpegGrey", "jpegCMYK"], [2, 3, 10])
  func `a truncated JPEG is an error`(name: String, part: Int) throws {
    let bytes = try recordedFile(name)
    let short = Array(bytes.prefix(bytes.count - bytes.count / part))
    expectError(.truncated, "short.jpg", "truncated") {
      _ = try JPEG.decode(short, file: "short.jpg")
    }
  }

  @Test func `a JPEG cut within its header is an error`() throws {
    let bytes = try recordedFile("jpeg420")
    expectError(.corrupt, "head.jpg", "not a readable JPEG") {
      _ = try JPEG.decode(Array(bytes.prefix(60)), file: "head.jpg")
    }
    expectError(.corrupt, "two.jpg") { _ = try JPEG.decode([0xFF, 0xD8], file: "two.jpg") }
  }

  @Test func `a JPEG with stray bytes before its end decodes, as in Pillow`() throws {
    var bytes = try recordedFile("jpeg420")
    let expected = try JPEG.decode(bytes, file: "a.jpg")
    bytes.insert(contentsOf: [1, 2, 3], at: bytes.count - 2)
    #expect(try JPEG.decode(bytes, file: "a.jpg") == expected)
  }

  @Test func `a JPEG of absurd size is refused before memory is taken`() throws {
    var bytes = try recordedFile("jpeg444")
    let frame = try #require(
      bytes.indices.first { bytes[$0] == 0xFF && bytes[$0 + 1] == 0xC0 })
    bytes.replaceSubrange(frame + 5..<frame + 9, with: [0xEA, 0x60, 0xEA, 0x60])
    expectError(.tooLarge, "big.jpg", "60000x60000") {
      _ = try JPEG.decode(bytes, file: "big.jpg")
    }
  }

  @Test(arguments: ["pngRGB", "pngInterlaced", "pngPalette"], [1, 3, 20, 60])
  func `a truncated PNG is an error`(name: String, missing: Int) throws {
    let bytes = try recordedFile(name)
    expectError(.truncated, "short.png", "truncated") {
      _ = try PNG.decode(Array(bytes.dropLast(missing)), file: "short.png")
    }
  }

  @Test func `a PNG cut within its header is an error`() throws {
    let bytes = try recordedFile("pngRGB")
    expectError(.truncated, "head.png") {
      _ = try PNG.decode(Array(bytes.prefix(20)), file: "head.png")
    }
    expectError(.corrupt, "no.png") { _ = try PNG.decode([1, 2, 3], file: "no.png") }
  }

  @Test func `a damaged PNG is an error`() throws {
    var bytes = try recordedFile("pngRGB")
    bytes[bytes.count / 2] ^= 0x55
    expectError(.corrupt, "bad.png", "damaged") { _ = try PNG.decode(bytes, file: "bad.png") }
  }

  @Test func `a PNG of absurd size is refused before memory is taken`() throws {
    var bytes = try recordedFile("pngRGB")
    bytes.replaceSubrange(16..<24, with: [0x7F, 255, 255, 255, 0x7F, 255, 255, 255])
    expectError(.tooLarge, "big.png") { _ = try PNG.decode(bytes, file: "big.png") }
    bytes.replaceSubrange(16..<20, with: [0, 0, 0, 0])
    expectError(.corrupt, "big.png", "0x") { _ = try PNG.decode(bytes, file: "big.png") }
  }

  @Test func `a file that is neither is an error`() throws {
    try withFolder { folder in
      expectError(.corrupt, "text.png", "neither") {
        _ = try RGBImage(contentsOf: folder.put("text.png", "hello"))
      }
      expectError(.corrupt, "empty.png", "0 bytes") {
        _ = try RGBImage(contentsOf: folder.put("empty.png", ""))
      }
      expectError(.inaccessible, "none.png", "No such file") {
        _ = try RGBImage(contentsOf: folder.appending(path: "none.png"))
      }
      expectError(.inaccessible, "ordinary") { _ = try RGBImage(contentsOf: folder) }
    }
  }

  @Test(arguments: [(1, 1, 1), (1, 1, 3), (37, 23, 1), (37, 23, 3), (700, 3, 3), (3, 700, 1)])
  func `PNG encoding loses nothing`(width: Int, height: Int, channels: Int) throws {
    let picture = pattern(width: width, height: height, channels: channels)
    let bytes = try PNG.encode(picture)
    #expect(bytes[25] == (channels == 3 ? 2 : 0), "the colour type")
    let decoded = try PNG.decode(bytes, file: "a.png")
    let expected =
      channels == 3 ? picture.bytes : picture.bytes.flatMap { [$0, $0, $0] }
    #expect(decoded.bytes == expected)
  }

  @Test func `PNG files replace others and leave nothing else behind`() throws {
    try withFolder { folder in
      let url = try folder.put("a.png", "old")
      let picture = pattern(width: 5, height: 4, channels: 3)
      try PNG.write(picture, to: url)
      #expect(try RGBImage(contentsOf: url) == picture)
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["a.png"])
      expectError(.inaccessible, "b.png") {
        try PNG.write(picture, to: folder.appending(path: "none/b.png"))
      }
    }
  }
}

@Suite struct `Pictures as floats` {
  @Test func `planes are in order and on the 8-bit lattice`() {
    let picture = RGBImage(width: 2, height: 1, channels: 3, bytes: [0, 51, 255, 1, 102, 254])
    let expected: [Float] = [0, 1.0 / 255, 0.2, 0.4, 1, 254.0 / 255]
    #expect(picture.planar() == expected)
    #expect(RGBImage(planar: picture.planar(), shape: picture.shape) == picture)
    #expect(RGBImage(planarBytes: [0, 1, 51, 102, 255, 254], shape: picture.shape) == picture)
  }

  @Test func `floats are cut and rounded to the nearest level`() {
    let values: [Float] = [-1, 2, .nan, .infinity, 0.49 / 255, 0.51 / 255]
    let picture = RGBImage(
      planar: values, shape: PictureShape(channels: 1, height: 2, width: 3))
    #expect(picture.bytes == [0, 255, 0, 255, 0, 1])
  }

  @Test func `grey is Pillow's`() {
    #expect(crc32(pattern(width: 37, height: 23, channels: 3).grey().bytes) == recordedGrey)
  }
}
