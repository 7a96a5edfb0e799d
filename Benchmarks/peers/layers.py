"""Times every distinct convolution of ResNet-50, Blindspot beside oneDNN through PyTorch.

Forward is the convolution with its bias, backward-data the gradient with respect to the input;
neither side fuses a residual or an activation. Blindspot's times are those of the device's clock
(`bench kernels --filter alone`), weights packed before; PyTorch's those of the host's, in NCHW and
in channels_last, the faster one counts. Layers that Winograd's algorithm takes are timed with both of
ours, and the means stand for direct alone and for the faster. Before, each layer's outputs and the
gradient of a loss of four random projections of them are compared with PyTorch's in both layouts.
"""

import argparse
import math
import pathlib
import tempfile
import types

import numpy as np
import onnx
import onnx.helper as helper
import torch
import torch.nn.functional as F

from architectures import random_network
from peer import classify
from speed import (
    ALGORITHMS, REPEATS, GeometricMean, Numbers, Speed, add_speed_options, alternate, fastest, finish,
    prepare, relative_difference, seconds, timed)

LAYOUTS = {"NCHW": torch.contiguous_format, "channels_last": torch.channels_last}
PASSES = ("forward", "backward-data")
# Of the geometric mean, and of each layer.
WANTED_MEAN, WANTED_EACH = 1.15, 0.85


class Layer:
    """A convolution of the network, at one batch."""

    def __init__(self, convolution, shape, batch):
        self.weights, self.stride = convolution.weight.detach(), convolution.stride
        self.padding = convolution.padding
        self.bias = torch.linspace(-1, 1, convolution.out_channels)
        self.shape, self.batch = tuple(shape), batch
        with torch.inference_mode():
            self.output = tuple(self.forward(torch.zeros(1, *shape)).shape[1:])
        kernel = convolution.kernel_size
        self.name = (f"{kernel[0]}x{kernel[1]} stride {self.stride[0]} "
                     f"{'x'.join(map(str, self.shape))} -> {'x'.join(map(str, self.output))}")

    def forward(self, x):
        return F.conv2d(x, self.weights, self.bias, self.stride, self.padding)

    def times(self):
        """PyTorch's seconds by pass and layout."""
        found = {}
        for layout, memory_format in LAYOUTS.items():
            with torch.inference_mode():
                x = torch.rand(self.batch, *self.shape).to(memory_format=memory_format)
                g = torch.rand(self.batch, *self.output).to(memory_format=memory_format)
                w = self.weights.to(memory_format=memory_format)
                found["forward", layout] = seconds(
                    lambda: F.conv2d(x, w, self.bias, self.stride, self.padding))
                found["backward-data", layout] = seconds(
                    lambda: torch.ops.aten.convolution_backward(
                        g, x, w, None, self.stride, self.padding, (1, 1), False, (0, 0), 1,
                        [True, False, False]))
        return found

    def difference(self, command, algorithm):
        """The larger of the relative differences of outputs and gradients."""
        generator = np.random.default_rng(0)
        pictures = generator.random((2, *self.shape), dtype=np.float32)
        projection = generator.standard_normal((4, math.prod(self.output)), np.float32)
        # Small logits: the loss's gradient then hardly depends on how their long sums are rounded.
        projection *= np.float32(0.01 / math.sqrt(projection.shape[1]))
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            labels = np.zeros(2, np.int64)

            def ours(matrix, *more):
                write_layer(folder / "layer.onnx", self, matrix)
                model = types.SimpleNamespace(model=folder / "layer.onnx", preprocessing="unit")
                return classify(
                    command, model, pictures, labels, folder, "--convolution", algorithm, *more)

            outputs = ours(None)
            ours(projection, "--gradients", folder / "gradients.npy")
            gradients = np.load(folder / "gradients.npy")
        found = []
        for memory_format in LAYOUTS.values():
            x = torch.from_numpy(pictures).contiguous(memory_format=memory_format).requires_grad_()
            y = self.forward(x).flatten(1)
            loss = F.cross_entropy(
                y @ torch.from_numpy(projection).t(), torch.from_numpy(labels), reduction="sum")
            found += [relative_difference(outputs, y.detach().numpy()),
                      relative_difference(gradients, torch.autograd.grad(loss, x)[0].numpy())]
        return max(found)


def write_layer(path, layer, matrix):
    """A network of the convolution and, if there is one, a matrix to the logits."""
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["a"], kernel_shape=layer.weights.shape[2:],
                         strides=layer.stride, pads=[*layer.padding, *layer.padding]),
        helper.make_node("Flatten", ["a"], ["y" if matrix is None else "f"]),
    ]
    tensors = {"w": layer.weights.numpy(), "b": layer.bias.numpy()}
    if matrix is not None:
        nodes.append(helper.make_node("Gemm", ["f", "m"], ["y"], transB=1))
        tensors["m"] = matrix
    classes = math.prod(layer.output) if matrix is None else len(matrix)
    graph = helper.make_graph(
        nodes, "layer",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, *layer.shape])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, classes])],
        [onnx.numpy_helper.from_array(array, name) for name, array in tensors.items()])
    onnx.save(helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7), path)


def layers_of_resnet50(batch):
    """Each distinct convolution, in the order of the network."""
    network = random_network("resnet50")
    found = {}

    def note(module, inputs, _):
        layer = Layer(module, inputs[0].shape[1:], batch)
        found.setdefault(layer.name, layer)

    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(note)
    with torch.no_grad():
        network(torch.zeros(1, 3, 224, 224))
    return list(found.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_speed_options(parser)
    parser.add_argument("--batch", type=int, default=16)
    options = parser.parse_args()
    prepare(options)
    layers = layers_of_resnet50(options.batch)

    def ours(layer):
        shape = f"{layer.name} batch {options.batch}"
        kernels = timed(options, "bench", "kernels", "--filter", f"alone {shape}", "--repeats",
                        REPEATS, "--batch", options.batch)["kernels"]
        times = {(k["operation"], k["shape"]): k["seconds_median"] for k in kernels}
        return {
            (layer.name, name, algorithm): times[kind, f"{prefix} {shape}"]
            for name, kind in zip(PASSES, ("convolution", "gradient of convolution"))
            for algorithm, prefix in zip(ALGORITHMS, ("alone", "winograd alone"))
            if (kind, f"{prefix} {shape}") in times}

    def theirs(layer):
        return {(layer.name, *key): time for key, time in layer.times().items()}

    rounds = alternate(options.rounds, (ours, theirs), [(layer,) for layer in layers])
    numbers, speeds = [], {algorithm: [] for algorithm in ALGORITHMS}
    for algorithm in ALGORITHMS:
        for layer in layers:
            if (layer.name, PASSES[0], algorithm) in rounds:
                numbers.append(Numbers(
                    f"convolution, {algorithm}", layer.name,
                    layer.difference(options.command, algorithm), 1e-5))
    for name in PASSES:
        for layer in layers:
            layout, time = fastest({key: rounds[layer.name, name, key] for key in LAYOUTS})
            for algorithm in ALGORITHMS:
                if (layer.name, name, algorithm) in rounds:
                    speeds[algorithm].append(Speed(
                        f"convolution {name}, {algorithm}", layer.name, f"PyTorch {layout}",
                        rounds[layer.name, name, algorithm], time, WANTED_EACH))
    # Where Winograd's algorithm does not fit, or is slower, direct stands for it.
    quicker = {(s.compared.split(",")[0], s.case): s for s in speeds["direct"]}
    for speed in speeds["winograd"]:
        key = speed.compared.split(",")[0], speed.case
        quicker[key] = max(quicker[key], speed, key=lambda s: s.ratio)
    finish(options, speeds["direct"] + speeds["winograd"], numbers, [
        GeometricMean("convolutions", f"{name or 'both passes'}, {algorithms}",
                      [s for s in of if name in s.compared], WANTED_MEAN)
        for algorithms, of in (("direct", speeds["direct"]), ("the faster", quicker.values()))
        for name in ("", *PASSES)])


if __name__ == "__main__":
    main()
