import Datasets
import Foundation
import Testing

@Suite struct `Arrays of pictures` {
  /// `numpy.save` of `(arange(24, dtype=float32) / 32).reshape(2, 3, 2, 2)`, NumPy 2.4.
  private static let saved = """
    k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDMsIDIs
    IDIpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAAAPQAA
    gD0AAMA9AAAAPgAAID4AAEA+AABgPgAAgD4AAJA+AACgPgAAsD4AAMA+AADQPgAA4D4AAPA+AAAAPwAACD8AABA/AAAY
    PwAAID8AACg/AAAwPwAAOD8=
    """

  /// `numpy.save` of `asfortranarray(arange(8.0).reshape(2, 1, 2, 2) / 8)`, NumPy 2.4.
  private static let fortran = """
    k05VTVBZAQB2AHsnZGVzY3InOiAnPGY4JywgJ2ZvcnRyYW5fb3JkZXInOiBUcnVlLCAnc2hhcGUnOiAoMiwgMSwgMiwg
    MiksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAAAAAAA
    AAAAAOA/AAAAAAAA0D8AAAAAAADoPwAAAAAAAMA/AAAAAAAA5D8AAAAAAADYPwAAAAAAAOw/
    """

  private static let values = (0..<24).map { Float($0) / 32 }

  @Test func `read what numpy wrote`() throws {
    try withFolder { folder in
      let url = try folder.put("a.npy", decode(Self.saved))
      let source = try NPYPictures(url, labels: folder.put("l.csv", "label\n4\n0\n"), classCount: 5)
      #expect(source.count == 2)
      #expect(source.shape == PictureShape(channels: 3, height: 2, width: 2))
      let second = try source.sample(at: 1)
      #expect(second.pixels == Array(Self.values[12...]))
      #expect(second.label == 0 && second.id == "1" && second.index == 1)
      #expect(source.provenance == ["npy a.npy 2x3x2x2 <f4", "0,4", "1,0"])
      #expect(try NPYPictures(url, limit: 1).count == 1)
    }
  }

  @Test func `write what numpy writes`() throws {
    try withFolder { folder in
      let url = folder.appending(path: "a.npy")
      try NPY.write(Self.values, shape: [2, 3, 2, 2], to: url)
      #expect([UInt8](try Data(contentsOf: url)) == decode(Self.saved))
      try NPY.write([3, 1, -2] as [Int64], shape: [3], to: url)
      #expect(try NPYFile(url).readIntegers() == [3, 1, -2])
      try NPY.write([1, 2] as [UInt8], shape: [2], to: url)
      let bytes = try NPYFile(url)
      #expect(try bytes.elementType == .uint8 && bytes.readFloats(0..<2) == [1, 2])
    }
  }

  @Test func `doubles are rounded and bytes divided by 255`() throws {
    try withFolder { folder in
      let doubles = [0.1, 1.0].flatMap { value in
        (0..<8).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) }
      }
      let first = try NPYPictures(folder.put("d.npy", npy("<f8", "(1, 1, 1, 2)", doubles)))
      #expect(try first.sample(at: 0).pixels == [0.1, 1])
      let second = try NPYPictures(
        folder.put("u.npy", npy("|u1", "(2, 1, 1, 2)", [0, 51, 255, 1])))
      #expect(try second.sample(at: 0).pixels == [0, 0.2])
      #expect(try second.sample(at: 1).pixels == [1, 1.0 / 255])
    }
  }

  @Test func `refuse other layouts`() throws {
    try withFolder { folder in
      func open(_ bytes: [UInt8]) throws { _ = try NPYPictures(folder.put("a.npy", bytes)) }
      expectError(.unsupported, "a.npy", "Fortran") { try open(decode(Self.fortran)) }
      expectError(.unsupported, "a.npy", "'>f4'") {
        try open(npy(">f4", "(1, 1, 1, 1)", [0, 0, 0, 0]))
      }
      expectError(.unsupported, "a.npy", "'<f2'") { try open(npy("<f2", "(1, 1, 1, 1)", [0, 0])) }
      expectError(.unsupported, "a.npy", "'<i4'") {
        try open(npy("<i4", "(1, 1, 1, 1)", [0, 0, 0, 0]))
      }
      expectError(.mismatchedShape, "a.npy", "2x2") {
        try open(npy("|u1", "(2, 2)", [1, 2, 3, 4]))
      }
      expectError(.empty, "a.npy") { try open(npy("|u1", "(0, 1, 2, 2)", [])) }
      expectError(.truncated, "a.npy", "1x1x2x2") {
        try open(npy("|u1", "(1, 1, 2, 2)", [1, 2, 3]))
      }
      expectError(.corrupt, "a.npy") { try open(npy("|u1", "(1, 1, 2, 1)", [1, 2, 3])) }
      expectError(.truncated, "a.npy") {
        try open(npy("<f4", "(9223372036854775807, 3, 224, 224)", []))
      }
      expectError(.corrupt, "a.npy", "shape") { try open(npy("|u1", "(1, -1, 2, 2)", [1])) }
      expectError(.corrupt, "a.npy", "shape") { try open(npy("|u1", "7", [1])) }
      expectError(.corrupt, "a.npy", "order") {
        try open(npy("|u1", "(1, 1, 1, 1)", fortran: "Maybe", [1]))
      }
      expectError(.corrupt, "a.npy", "not an .npy") { try open(Array("hello, world".utf8)) }
      expectError(.truncated, "a.npy", "header") { try open(Array(decode(Self.saved).prefix(60))) }
      var future = decode(Self.saved)
      future[6] = 9
      expectError(.unsupported, "version 9") { try open(future) }
    }
  }

  @Test(
    arguments: [
      (Float.nan, DatasetError.Code.notFinite, "nan"), (.infinity, .notFinite, "inf"),
      (-0.25, .valueOutOfRange, "-0.25"), (1.5, .valueOutOfRange, "1.5"),
    ])
  func `refuse a value with its place`(value: Float, code: DatasetError.Code, text: String) throws {
    try withFolder { folder in
      var values = Self.values
      values[12 + 7] = value
      let url = folder.appending(path: "a.npy")
      try NPY.write(values, shape: [2, 3, 2, 2], to: url)
      let source = try NPYPictures(url)
      #expect(try source.sample(at: 0).pixels == Array(values[..<12]))
      expectError(code, "a.npy", "[1, 1, 1, 1]", text) { _ = try source.sample(at: 1) }
    }
  }

  @Test func `labels must be as many as pictures, and classes`() throws {
    try withFolder { folder in
      let url = try folder.put("a.npy", npy("|u1", "(2, 1, 1, 1)", [1, 2]))
      func open(_ name: String, _ contents: [UInt8]) throws -> [Int?] {
        let source = try NPYPictures(url, labels: folder.put(name, contents), classCount: 3)
        return try (0..<source.count).map { try source.sample(at: $0).label }
      }
      #expect(try open("l.npy", npy("<i4", "(2,)", [2, 0, 0, 0, 1, 0, 0, 0])) == [2, 1])
      #expect(try open("l.csv", Array("0\n2\n".utf8)) == [0, 2])
      #expect(try open("l.csv", Array("index,label\n0,1\n1,2\n".utf8)) == [1, 2])
      expectError(.mismatchedShape, "l.csv", "1 labels", "2 pictures") {
        _ = try open("l.csv", Array("1\n".utf8))
      }
      expectError(.mismatchedShape, "l.npy", "3 labels") {
        _ = try open("l.npy", npy("|u1", "(3,)", [0, 1, 2]))
      }
      expectError(.invalidLabel, "l.npy, picture 1", "label 3") {
        _ = try open("l.npy", npy("|u1", "(2,)", [0, 3]))
      }
      expectError(.invalidLabel, "l.npy, picture 0", "label -1") {
        _ = try open("l.npy", npy("|i1", "(2,)", [255, 2]))
      }
      expectError(.unsupported, "l.npy", "whole numbers") {
        _ = try open("l.npy", npy("<f4", "(2,)", [UInt8](repeating: 0, count: 8)))
      }
    }
  }

  @Test func `are not resized`() throws {
    try withFolder { folder in
      let url = try folder.put("a.npy", npy("|u1", "(1, 3, 2, 2)", [UInt8](0..<12)))
      expectError(.mismatchedShape, "a.npy", "2x2", "224x224") {
        _ = try NPYPictures(url, preprocessing: .imageNet)
      }
      expectError(.mismatchedShape, "a.npy", "shorter side of 3") {
        _ = try NPYPictures(url, preprocessing: Preprocessing(resize: .shorterSide(3)))
      }
      expectError(.mismatchedShape, "a.npy", "grey") {
        _ = try NPYPictures(url, preprocessing: Preprocessing(convertsToGrey: true))
      }
      let fitting = Preprocessing(resize: .shorterSide(3), crop: .init(height: 2, width: 2))
      #expect(try NPYPictures(url, preprocessing: fitting).count == 1)
    }
  }

  @Test func `are written picture by picture and resumed`() throws {
    try withFolder { folder in
      let url = folder.appending(path: "a.npy")
      let shape = PictureShape(channels: 3, height: 2, width: 2)
      do {
        let writer = try NPYPictureWriter(creating: url, count: 3, shape: shape)
        try writer.write(Array(Self.values[12...]), at: 2)
        try writer.synchronize()
      }
      let partial = try NPYPictures(url)
      #expect(partial.count == 3)
      #expect(try partial.sample(at: 0).pixels == [Float](repeating: 0, count: 12))
      #expect(try partial.sample(at: 2).pixels == Array(Self.values[12...]))
      let writer = try NPYPictureWriter(resuming: url, count: 3, shape: shape)
      try writer.write(Array(Self.values[..<12]), at: 0)
      #expect(try partial.sample(at: 0).pixels == Array(Self.values[..<12]))
      #expect(try partial.sample(at: 2).pixels == Array(Self.values[12...]))
      expectError(.exists, "a.npy") {
        _ = try NPYPictureWriter(creating: url, count: 3, shape: shape)
      }
      expectError(.mismatchedShape, "a.npy", "3x3x2x2", "4x3x2x2") {
        _ = try NPYPictureWriter(resuming: url, count: 4, shape: shape)
      }
      expectError(.inaccessible, "none.npy") {
        _ = try NPYPictureWriter(
          resuming: folder.appending(path: "none.npy"), count: 3, shape: shape)
      }
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["a.npy"])
    }
  }
}
