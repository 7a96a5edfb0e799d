"""Compares the logits of `blindspot classify` with onnxruntime's, both fed the same picture array.

Judged: the largest difference is at most 2e-4 of the largest logit. A file in half precision is
widened to single precision first, as the command does (its weights are exact there); onnxruntime's
run of the file as it is, with every activation rounded to half precision, is shown beside it.
"""

import argparse
import pathlib
import tempfile

import numpy as np
import onnx
import onnxruntime
import torch

from onnx_to_torch import Graph, add_model_options, PREPROCESSINGS, Preprocessing
from peer import Row, add_comparison_options, classify, layout_of, pictures_from, report

BOUND = 2e-4


def widened(model):
    """A copy of a model with float32 wherever it has float16."""
    half, single = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    for tensor in graph.initializer:
        if tensor.data_type == half:
            values = onnx.numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.tensor_type.elem_type == half:
            value.type.tensor_type.elem_type = single
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == half:
                attribute.i = single
            if attribute.type == onnx.AttributeProto.TENSOR and attribute.t.data_type == half:
                values = onnx.numpy_helper.to_array(attribute.t).astype(np.float32)
                attribute.t.CopyFrom(onnx.numpy_helper.from_array(values, attribute.t.name))
    return copy


def run(model, output, inputs, threads):
    """onnxruntime's values of `output`, one picture at a time."""
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    if output not in {o.name for o in model.graph.output}:
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(output))
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), settings, providers=["CPUExecutionProvider"])
    wanted = session.get_inputs()[0]
    inputs = inputs.astype(np.float16 if wanted.type == "tensor(float16)" else np.float32)
    return np.concatenate([
        session.run([output], {wanted.name: inputs[i : i + 1]})[0].reshape(1, -1)
        for i in range(len(inputs))
    ]).astype(np.float32)


def top(logits, count):
    """The classes of the largest logits, the lowest class first among equals."""
    return np.argsort(-logits, axis=1, kind="stable")[:, :count]


def compare(options, images, labels):
    """The rows of one network."""
    with tempfile.TemporaryDirectory() as folder:
        ours = classify(options.command, options, images, labels, folder)
    model, output = onnx.load(options.model), Graph(options.model).output
    scale, mean, std, channels = PREPROCESSINGS[options.preprocessing]
    preprocess = Preprocessing(scale, mean, std, channels, layout_of(options.model))
    inputs = preprocess(torch.from_numpy(images)).numpy()
    is_half = any(t.data_type == onnx.TensorProto.FLOAT16 for t in model.graph.initializer)
    rows, network = [], pathlib.Path(options.model).stem
    for name, judged in [("onnxruntime", widened(model))] + (
            [("onnxruntime in half precision", model)] if is_half else []):
        theirs = run(judged, output, inputs, options.threads)
        difference = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
        same1 = int((top(ours, 1) == top(theirs, 1)).sum())
        same5 = sum(set(a) == set(b) for a, b in zip(top(ours, 5), top(theirs, 5)))
        right = [
            [float((top(z, k) == labels[:, None]).any(1).mean()) for k in (1, 5)]
            for z in (ours, theirs)
        ]
        is_judged = judged is not model
        rows.append(Row(
            f"logits, {name}", network, str(len(images)),
            f"{difference:.1e} of the largest; same top-1 {same1}, top-5 {same5}; right "
            + " against ".join(f"{a:.3f} / {b:.3f}" for a, b in right),
            f"{BOUND:.0e}" if is_judged else "not judged",
            not is_judged or difference <= BOUND))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_model_options(parser)
    add_comparison_options(parser)
    arguments = parser.parse_args()
    report(compare(arguments, *pictures_from(arguments)))


if __name__ == "__main__":
    main()
