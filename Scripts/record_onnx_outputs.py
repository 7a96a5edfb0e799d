"""Writes Tests/ModelFilesTests/RecordedOutputs.swift: what onnxruntime computes for the data's networks.

Usage: python3 Scripts/record_onnx_outputs.py DATA_FOLDER

The input is a formula of the element's index in [C, H, W] order, repeated in the tests; files whose
input is [H, W, C] get it transposed. Needs numpy, onnx and onnxruntime.
"""

import base64
import gzip
import pathlib
import sys

import numpy
import onnx
import onnxruntime

NETWORKS = [
    # path, whether the file's input is [H, W, C]
    ("imagenet/networks/squeezenet1.1_fp32.onnx", False),
    ("imagenet/networks/squeezenet1.1_fp16_opset7.onnx", False),
    ("imagenet/networks/mobilenetv2_1.0_224.onnx", False),
    ("imagenet/networks/mobilenet_v1_0.25_224.onnx", False),
    ("cifar/resnet8_cifar10_fp32.onnx", False),
    ("mnist_networks/mnist_lenet5_clntrained.onnx", False),
    ("mnist_networks/mnist_lenet5_advtrained.onnx", False),
    ("vnncomp/2021/eran/nets/ffnnSIGMOID__Point_6x200.onnx", False),
    ("vnncomp/2021/eran/nets/mnist_relu_9_200.onnx", False),
    ("vnncomp/2021/marabou-cifar10/nets/cifar10_small.onnx", True),
    ("vnncomp/2021/marabou-cifar10/nets/cifar10_medium.onnx", True),
    ("vnncomp/2021/marabou-cifar10/nets/cifar10_large.onnx", True),
    ("vnncomp/2021/mnistfc/mnist-net_256x2.onnx", False),
    ("vnncomp/2021/mnistfc/mnist-net_256x4.onnx", False),
    ("vnncomp/2021/mnistfc/mnist-net_256x6.onnx", False),
    ("vnncomp/2022/sri_resnet_a/onnx/resnet_3b2_bn_mixup_adv_4.0_bs128_lr-1.onnx.gz", False),
]


def numbers(count):
    """Floats in [-1, 1): the same formula as TestModel.numbers."""
    index = numpy.arange(1, count + 1, dtype=numpy.uint64)
    hashed = (index * 2654435761) % 2**32 >> 8
    return (hashed.astype(numpy.float32) / numpy.float32(8388608) - 1).astype(numpy.float32)


def outputs(path, channel_last):
    """The result for one sample in [0, 1]."""
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    graph = onnx.load_model_from_string(data).graph
    weights = {tensor.name for tensor in graph.initializer}
    source = next(value for value in graph.input if value.name not in weights)
    shape = [axis.dim_value for axis in source.type.tensor_type.shape.dim[1:]]
    x = (numbers(int(numpy.prod(shape))) + 1) / 2
    if channel_last:
        x = x.reshape(shape[2], shape[0], shape[1]).transpose(1, 2, 0)
    x = x.reshape([1] + shape)
    is_half = source.type.tensor_type.elem_type == onnx.TensorProto.FLOAT16
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    feed = {source.name: x.astype(numpy.float16 if is_half else numpy.float32)}
    return session.run([graph.output[0].name], feed)[0].astype("<f4").ravel()


def main():
    data = pathlib.Path(sys.argv[1])
    root = pathlib.Path(__file__).resolve().parent.parent
    lines = [
        "// swift-format-ignore-file",
        "// Made by Scripts/record_onnx_outputs.py with onnxruntime "
        + onnxruntime.__version__ + ".",
        "",
        "/// The first output of each network of the data, as little-endian floats in base 64.",
        "let recordedOutputs: [String: String] = [",
    ]
    for path, channel_last in NETWORKS:
        text = base64.b64encode(outputs(data / path, channel_last).tobytes()).decode()
        lines.append(f'  "{path}":\n    "{text}",')
    lines.append("]")
    target = root / "Tests" / "ModelFilesTests" / "RecordedOutputs.swift"
    target.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
