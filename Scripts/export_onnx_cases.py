#!/usr/bin/env python3
"""Exports small node cases of the onnx package for the tests of the CPU path.

Usage: python3 Scripts/export_onnx_cases.py   (needs onnx 1.17; writes
Tests/ReferenceTests/Fixtures/onnx.json in the format of record_torch_cases.py)
"""

import json
import pathlib

import numpy
import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

NODES = pathlib.Path(onnx.__file__).parent / "backend/test/data/node"
OUTPUT = pathlib.Path(__file__).parent.parent / "Tests/ReferenceTests/Fixtures/onnx.json"
NAMES = """
add_bcast averagepool_2d_ceil averagepool_2d_dilations averagepool_2d_precomputed_pads
averagepool_2d_precomputed_pads_count_include_pad averagepool_2d_precomputed_strides
basic_conv_with_padding basic_conv_without_padding batchnorm_epsilon batchnorm_example clip
concat_2d_axis_0 concat_3d_axis_1 concat_3d_axis_negative_1 conv_with_strides_and_asymmetric_padding
conv_with_strides_no_padding conv_with_strides_padding div_bcast edge_pad gemm_all_attributes
gemm_transposeA gemm_transposeB gemm_default_matrix_bias globalaveragepool globalmaxpool leakyrelu
logsoftmax_axis_0 logsoftmax_axis_1 logsoftmax_large_number lrn maxpool_2d_ceil
maxpool_2d_ceil_output_size_reduce_by_one maxpool_2d_dilations maxpool_2d_precomputed_pads
maxpool_2d_precomputed_strides maxpool_with_argmax_2d_precomputed_pads mul_bcast
reduce_mean_do_not_keepdims_random reduce_mean_keepdims_random
reduce_mean_negative_axes_keepdims_random reflect_pad relu
softmax_axis_0 softmax_axis_2 softmax_large_number sub_bcast transpose_all_permutations_1
transpose_all_permutations_4
""".split()
LIMIT = 650


def tensor(file):
    proto = onnx.TensorProto()
    proto.ParseFromString(file.read_bytes())
    return numpy_helper.to_array(proto)


def encoded(array):
    values = [float(f"{v:.9g}") for v in array.astype(numpy.float64).flatten()]
    return {"shape": list(array.shape), "values": [int(v) if v == int(v) else v for v in values]}


def translated(kind, attributes, inputs):
    """Operation, mode, integers, reals and the names of the tensor inputs, in our terms."""
    window = {
        "stride": attributes.get("strides", [1, 1]),
        "padding": attributes.get("pads", [0, 0, 0, 0]),
        "dilation": attributes.get("dilations", [1, 1]),
    }
    pooling = window | {"kernel": attributes.get("kernel_shape"), "ceil": [attributes.get("ceil_mode", 0)]}
    rank = inputs[0].ndim
    match kind:
        case "Conv":
            return "convolution", "none", window | {"groups": [attributes.get("group", 1)]}, {}, "xwb"
        case "MaxPool":
            return "pooling", "maximum", pooling, {}, "x"
        case "AveragePool":
            mode = "average with padding" if attributes.get("count_include_pad") else "average"
            return "pooling", mode, pooling, {}, "x"
        case "GlobalAveragePool":
            return "global pooling", "average", {}, {}, "x"
        case "GlobalMaxPool":
            return "global pooling", "maximum", {}, {}, "x"
        case "LRN":
            reals = {"alpha": attributes.get("alpha", 1e-4), "beta": attributes.get("beta", 0.75),
                     "bias": attributes.get("bias", 1.0)}
            return "lrn", None, {"size": [attributes["size"]]}, reals, "x"
        case "BatchNormalization":
            return ("batch normalisation", None, {}, {"epsilon": attributes.get("epsilon", 1e-5)},
                    ("x", "gamma", "beta", "mean", "variance"))
        case "Gemm":
            transposes = [attributes.get("transA", 0), attributes.get("transB", 0)]
            reals = {"alpha": attributes.get("alpha", 1.0), "beta": attributes.get("beta", 1.0)}
            return "matmul", None, {"transposes": transposes}, reals, "abc"
        case "Add" | "Sub" | "Mul" | "Div":
            mode = {"Add": "add", "Sub": "subtract", "Mul": "multiply", "Div": "divide"}[kind]
            return "binary", mode, {}, {}, "ab"
        case "Softmax" | "LogSoftmax":
            mode = "softmax" if kind == "Softmax" else "log"
            return "softmax", mode, {"axis": [attributes.get("axis", -1)]}, {}, "x"
        case "Concat":
            return "concatenate", None, {"axis": [attributes["axis"]]}, {}, "ab"
        case "Transpose":
            return "transpose", None, {"permutation": attributes["perm"]}, {}, "x"
        case "ReduceMean":
            integers = {"axes": inputs[1].tolist(), "keeps": [attributes.get("keepdims", 1)]}
            return "reduce", "mean", integers, {}, "x"
        case "Pad":
            pads = inputs[1].tolist()
            return ("pad", attributes.get("mode", b"constant").decode(),
                    {"before": pads[:rank], "after": pads[rank:]}, {"value": 0}, "x")
        case "Clip":
            return "pointwise", "clip", {}, {"low": float(inputs[1]), "high": float(inputs[2])}, "x"
        case "LeakyRelu":
            return "pointwise", "leaky", {}, {"slope": attributes.get("alpha", 0.01)}, "x"
        case _:
            modes = {"Abs": "absolute", "Neg": "negate"}
            return "pointwise", modes.get(kind, kind.lower()), {}, {}, "x"


cases, left_out = [], []
for name in NAMES:
    folder = NODES / f"test_{name}"
    model = onnx.load(folder / "model.onnx")
    [node] = model.graph.node
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    data = folder / "test_data_set_0"
    inputs = [tensor(data / f"input_{i}.pb") for i in range(len(model.graph.input))]
    outputs = [tensor(data / f"output_{i}.pb") for i in range(len(model.graph.output))]
    if max(array.size for array in inputs + outputs) > LIMIT:
        left_out.append(name)
        continue
    if node.op_type == "Gemm" and len(inputs) > 2:
        inputs[2] = numpy.broadcast_to(inputs[2], outputs[0].shape)
    operation, mode, integers, reals, names = translated(node.op_type, attributes, inputs)
    cases.append({
        "name": name, "operation": operation, "mode": mode,
        "integers": {k: list(v) for k, v in integers.items()}, "reals": reals,
        "inputs": {k: encoded(v) for k, v in zip(names, inputs)},
        "outputs": {k: encoded(v) for k, v in zip(("y", "indices"), outputs)},
    })

# No node case has an even window, where the definition is not symmetric: the package's evaluator.
# In onnx 1.17 that evaluator loops over as many channels as there are samples: 6 of both.
x = numpy.random.default_rng(7).integers(-32, 33, (6, 6, 1, 1)).astype(numpy.float32) / 16
for size in (2, 4):
    node = onnx.helper.make_node("LRN", ["x"], ["y"], size=size, alpha=0.5, beta=0.75, bias=1.5)
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph([node], "lrn", [value("x", onnx.TensorProto.FLOAT, x.shape)],
                                   [value("y", onnx.TensorProto.FLOAT, x.shape)])
    [y] = ReferenceEvaluator(onnx.helper.make_model(graph)).run(None, {"x": x})
    cases.append({
        "name": f"lrn of {size} channels", "operation": "lrn", "mode": None,
        "integers": {"size": [size]}, "reals": {"alpha": 0.5, "beta": 0.75, "bias": 1.5},
        "inputs": {"x": encoded(x)}, "outputs": {"y": encoded(y)},
    })

lines = [json.dumps(case, separators=(",", ":")) for case in cases]
OUTPUT.write_text("[\n" + ",\n".join(lines) + "\n]\n")
print(f"{len(cases)} cases, {OUTPUT.stat().st_size} bytes; too large: {left_out}")
