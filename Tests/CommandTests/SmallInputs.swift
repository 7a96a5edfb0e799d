import Foundation
import ModelFiles
import Support

/// A small network as an ONNX file and a folder of three pictures for it.
struct SmallInputs {
  let model: String
  let pictures: String

  init(in folder: TemporaryFolder) throws {
    model = folder.path("small.onnx")
    pictures = folder.path("pictures")
    try writeONNX(SmallNetwork.graph(), to: URL(fileURLWithPath: model))
    try SmallNetwork.writePictures(3, to: URL(fileURLWithPath: pictures))
  }
}
