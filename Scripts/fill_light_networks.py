"""Fills the onnx package's light networks with random weights and records what onnxruntime computes.

Usage: python3 Scripts/fill_light_networks.py FOLDER [NAME ...]

The light networks (resnet50, densenet121, ...) have the architectures, but every weight is 0.02 and
every output the same. Writes NAME.onnx and NAME.bin, the output for one picture as little-endian
floats; tests read the folder that BLINDSPOT_LIGHT_NETWORKS names. Needs numpy, onnx and onnxruntime.
"""

import pathlib
import sys

import numpy
import onnx
import onnxruntime
from onnx import numpy_helper

NAMES = [
    "bvlc_alexnet", "densenet121", "inception_v1", "inception_v2", "resnet50", "shufflenet",
    "squeezenet", "vgg19", "zfnet512",
]
SOURCE = pathlib.Path(onnx.__file__).parent / "backend/test/data/light"


def roles(graph):
    """What each one-dimensional weight is for: a variance must not be negative."""
    result = {}
    for node in graph.node:
        if node.op_type == "BatchNormalization":
            result.update(zip(node.input[1:], ["scale", "shift", "shift", "scale"]))
        elif node.op_type in ("Conv", "Gemm") and len(node.input) > 2:
            result[node.input[2]] = "shift"
    return result


def draw(generator, shape, role):
    """Weights that keep the activations' size from layer to layer (He et al. 2015)."""
    if role == "shift":
        values = generator.normal(0, 0.1, shape)
    elif role == "scale" or len(shape) < 2:
        values = generator.uniform(0.5, 1.5, shape)
    else:
        values = generator.normal(0, (2 / numpy.prod(shape[1:])) ** 0.5, shape)
    return values.astype(numpy.float32)


def filled(name):
    """A light network with weights from a seed, all of them stored in the file."""
    model = onnx.load(SOURCE / f"light_{name}.onnx")
    graph = model.graph
    generator = numpy.random.default_rng(7)
    role = roles(graph)
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    nodes = []
    for node in graph.node:
        if node.op_type != "ConstantOfShape":
            nodes.append(node)
            continue
        shape = numpy_helper.to_array(tensors.pop(node.input[0])).tolist()
        weight = draw(generator, shape, role.get(node.output[0]))
        tensors[node.output[0]] = numpy_helper.from_array(weight, node.output[0])
    for tensor_name, tensor in tensors.items():
        is_weight = tensor_name in role or len(tensor.dims) > 1
        if tensor.data_type == onnx.TensorProto.FLOAT and is_weight:
            weight = draw(generator, list(tensor.dims), role.get(tensor_name))
            tensors[tensor_name] = numpy_helper.from_array(weight, tensor_name)
    if nodes[-1].op_type == "Softmax":
        # Logits tell more than probabilities.
        graph.output[0].name = nodes.pop().input[0]
    inputs = [value for value in graph.input if not value.name.endswith("__SHAPE")]
    del graph.node[:], graph.initializer[:], graph.input[:]
    graph.node.extend(nodes)
    graph.initializer.extend(tensors.values())
    graph.input.extend(inputs)
    return model


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    index = numpy.arange(1, 3 * 224 * 224 + 1, dtype=numpy.uint64)
    hashed = ((index * 2654435761) % 2**32 >> 8).astype(numpy.float32)
    picture = (hashed / numpy.float32(8388608) - 1).reshape(1, 3, 224, 224)
    for name in sys.argv[2:] or NAMES:
        model = filled(name)
        path = folder / f"{name}.onnx"
        onnx.save(model, path)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        weights = {tensor.name for tensor in model.graph.initializer}
        source = next(v.name for v in model.graph.input if v.name not in weights)
        output = session.run(None, {source: picture.astype(numpy.float32)})[0]
        path.with_suffix(".bin").write_bytes(output.astype("<f4").tobytes())


if __name__ == "__main__":
    main()
