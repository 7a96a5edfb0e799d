"""Compares derivatives exactly at their kinks with PyTorch's: ReLU at 0, ReLU6 at 0 and 6, ties.

Small networks are written as ONNX files whose arguments hit the kinks exactly for a picture of whole
numbers. Judged: the gradients of `blindspot classify` and of PyTorch (relu, relu6 and hardtanh,
max_pool2d) are zero at the same places and agree to 1e-6.
"""

import argparse
import pathlib
import tempfile
import types

import numpy as np
import onnx
import onnx.helper as helper
import torch
import torch.nn.functional as F

from peer import Row, classify, report

SIZE = 6


def pool(mode):
    return helper.make_node("MaxPool", ["a"], ["b"], kernel_shape=[3, 3], strides=[mode, mode])


# name: (the node from "a" to "b", PyTorch's function); "a" holds whole numbers from -2 to 7.
KINKS = {
    "ReLU at 0": (helper.make_node("Relu", ["a"], ["b"]), F.relu),
    "ReLU6 at 0 and 6": (helper.make_node("Clip", ["a"], ["b"], min=0.0, max=6.0), F.relu6),
    "clip at -1 and 1": (helper.make_node("Clip", ["a"], ["b"], min=-1.0, max=1.0), F.hardtanh),
    "max-pooling ties": (pool(3), lambda a: F.max_pool2d(a, 3, 3)),
    "overlapping ties": (pool(1), lambda a: F.max_pool2d(a, 3, 1)),
}


def values():
    """A picture of multiples of 1/16 with many equals, and the generator of the weights."""
    random = np.random.default_rng(1)
    picture = random.integers(0, 10, (1, 1, SIZE, SIZE)).astype(np.float32) / 16
    return picture, random


def write(path, node, weights):
    """The network: 16 x - 2, the node, a matrix to the logits; one channel throughout."""
    def tensor(name, array):
        return onnx.numpy_helper.from_array(np.asarray(array, np.float32), name)

    nodes = [
        helper.make_node("Conv", ["x", "w", "o"], ["a"], kernel_shape=[1, 1]), node,
        helper.make_node("Flatten", ["b"], ["f"]),
        helper.make_node("Gemm", ["f", "m", "n"], ["y"], transB=1),
    ]
    graph = helper.make_graph(
        nodes, "kinks",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 1, SIZE, SIZE])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, len(weights)])],
        [tensor("w", [[[[16]]]]), tensor("o", [-2]), tensor("m", weights),
         tensor("n", np.zeros(len(weights)))])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 9)], ir_version=7)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def compare(options):
    """A row for each kink."""
    rows = []
    for name, (node, function) in KINKS.items():
        picture, random = values()
        x = torch.from_numpy(picture).double().requires_grad_()
        b = function(16 * x - 2).flatten(1)
        weights = random.integers(1, 9, (3, b.shape[1])).astype(np.float32) / 64
        z = b @ torch.from_numpy(weights).double().t()
        label = int(z.argmin())
        F.cross_entropy(z, torch.tensor([label])).backward()
        theirs = x.grad.numpy()
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "kinks.onnx"
            write(path, node, weights)
            model = types.SimpleNamespace(model=path, preprocessing="unit")
            classify(options.command, model, picture, np.array([label]), folder, "--gradients",
                     pathlib.Path(folder) / "gradients.npy")
            ours = np.load(pathlib.Path(folder) / "gradients.npy")
        difference = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
        same = bool(((ours == 0) == (theirs == 0)).all())
        rows.append(Row(
            f"derivative of {name}, PyTorch", "one layer", "1",
            f"{difference:.0e} of the largest; {int((theirs == 0).sum())} zeros, "
            f"{'the same' if same else 'others'}", "1e-06, the same zeros",
            same and difference <= 1e-6))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--command", default=".build/release/blindspot")
    report(compare(parser.parse_args()))


if __name__ == "__main__":
    main()
