import Foundation
import ModelFiles
import Support

/// A small network as an ONNX file and a folder of pictures for it.
struct SmallInputs {
  let model: String
  let pictures: String

  init(in folder: TemporaryFolder, pictures count: Int = 3) throws {
    model = folder.path("small.onnx")
    pictures = folder.path("pictures")
    try writeONNX(SmallNetwork.graph(), to: URL(fileURLWithPath: model))
    try SmallNetwork.writePictures(count, to: URL(fileURLWithPath: pictures))
  }
}
