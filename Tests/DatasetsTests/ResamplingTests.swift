import Datasets
import Testing

@Suite struct Resampling {
  @Test(arguments: recordedResizes)
  func `resizes as Pillow does, bit for bit`(resize: RecordedResize) {
    let (width, height, channels) = resize.from
    let picture = pattern(width: width, height: height, channels: channels)
    let resized = picture.resized(
      width: resize.to.width, height: resize.to.height, interpolation: resize.interpolation)
    #expect(crc32(resized.bytes) == resize.crc)
  }

  @Test(
    // torchvision.transforms.Resize(size) on PIL pictures.
    arguments: [
      (500, 375, 256, 341, 256), (375, 500, 256, 256, 341), (333, 500, 256, 256, 384),
      (256, 100, 100, 256, 100), (7, 7, 3, 3, 3), (1000, 3, 5, 1666, 5),
    ])
  func `the longer side is cut to a whole number`(
    width: Int, height: Int, size: Int, newWidth: Int, newHeight: Int
  ) {
    let picture = pattern(width: width, height: height, channels: 1)
    let resized = picture.resized(shorterSide: size)
    #expect(resized.width == newWidth && resized.height == newHeight)
  }

  @Test(
    // int(round((size - crop) / 2.0)) in Python: 0.5 -> 0, 1.5 -> 2, 2.5 -> 2, 58.5 -> 58.
    arguments: [(5, 4, 0), (5, 2, 2), (7, 2, 2), (341, 224, 58), (6, 6, 0)])
  func `the middle is found with halves rounded to even`(size: Int, crop: Int, start: Int) {
    let picture = pattern(width: size, height: 3, channels: 1)
    let cropped = picture.centreCropped(width: crop, height: 1)
    #expect(cropped.bytes == Array(picture.bytes[size + start..<size + start + crop]))
  }

  @Test func `a constant stays constant`() {
    let picture = RGBImage(
      width: 9, height: 7, channels: 3, bytes: [UInt8](repeating: 255, count: 189))
    for interpolation in Interpolation.allCases {
      let resized = picture.resized(width: 4, height: 31, interpolation: interpolation)
      #expect(resized.bytes.allSatisfy { $0 == 255 })
    }
  }
}
