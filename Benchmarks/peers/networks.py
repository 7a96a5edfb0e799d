"""Times whole networks, Blindspot beside PyTorch and onnxruntime, in one interleaved run.

Each round times Blindspot's forward pass and input gradient (`bench network --rates-only`), with direct
convolutions and with Winograd's algorithm where a network has 3x3 ones for it, then PyTorch's in NCHW
and in channels_last, and onnxruntime's forward pass, on the same random weights and batch; the faster
layout counts. PyTorch's parameters are frozen and `torch.autograd.grad` goes to the input alone.
Before the rounds the logits and the input gradients of two pictures are compared with PyTorch's, and
onnxruntime's logits too. onnxruntime runs what `torch.onnx.export` wrote, with all its optimisations.
What `WANTED` names is judged, the rest shown.
"""

import argparse
import copy
import pathlib
import tempfile

import numpy as np
import torch
import torch.nn.functional as F

from architectures import random_network
from modules import write_safetensors
from speed import (
    ALGORITHMS, Numbers, Speed, add_speed_options, alternate, fastest, finish, prepare, relative_difference,
    seconds, timed)

# The name, which is also torchvision's, and the batch of the comparison.
NETWORKS = {
    "resnet50": 16, "vgg16": 8, "squeezenet1_1": 32, "mobilenet_v2": 32, "alexnet": 32}
WITHOUT_WINOGRAD = {"mobilenet_v2"}
# The least ratio by network, algorithm, pass and peer.
WANTED = {
    ("resnet50", "direct", "forward", "onnxruntime"): 0.95,
    ("resnet50", "direct", "gradient", "PyTorch"): 1.6,
    ("vgg16", "direct", "gradient", "PyTorch"): 1.0,
    ("vgg16", "winograd", "gradient", "PyTorch"): 1.4,
    ("squeezenet1_1", "direct", "gradient", "PyTorch"): 1.6,
    ("mobilenet_v2", "direct", "gradient", "PyTorch"): 2.5,
    ("alexnet", "direct", "gradient", "PyTorch"): 1.3}
LAYOUTS = {"NCHW": torch.contiguous_format, "channels_last": torch.channels_last}


class PyTorch:
    """PyTorch on one network in one memory format."""

    def __init__(self, module, batch, memory_format):
        self.module = copy.deepcopy(module).to(memory_format=memory_format)
        self.x = torch.full((batch, 3, 224, 224), 0.5).contiguous(memory_format=memory_format)
        self.x.requires_grad_()

    def forward(self):
        with torch.inference_mode():
            self.module(self.x)

    def gradient(self):
        z = self.module(self.x)
        torch.autograd.grad(z, self.x, torch.full_like(z, 0.01))


class ONNXRuntime:
    """onnxruntime's session of a network of torchvision."""

    def __init__(self, module, batch, folder, threads):
        # Imported here: the other networks and peers need neither.
        import onnxruntime

        path = str(folder / "network.onnx")
        torch.onnx.export(
            module, (torch.zeros(batch, 3, 224, 224),), path, dynamo=False, input_names=["x"],
            dynamic_axes={"x": {0: "batch"}}, opset_version=17)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"])
        self.x = np.full((batch, 3, 224, 224), 0.5, np.float32)

    def logits(self, pictures):
        return self.session.run(None, {"x": pictures})[0]

    def forward(self):
        self.logits(self.x)


def check(options, name, algorithm, module, runtime, weights, folder):
    """How far logits and input gradients of two pictures are from PyTorch's and onnxruntime's."""
    pictures = np.random.default_rng(0).random((2, 3, 224, 224), dtype=np.float32)
    labels = np.zeros(2, np.int64)
    files = {key: folder / f"{key}.npy" for key in ("images", "labels", "logits", "gradients")}
    np.save(files["images"], pictures)
    np.save(files["labels"], labels)
    timed(options, "classify", "--model", name, "--weights", weights, "--convolution", algorithm,
          *(word for key, path in files.items() for word in (f"--{key}", path)))
    x = torch.from_numpy(pictures).requires_grad_()
    z = module(x)
    loss = F.cross_entropy(z, torch.from_numpy(labels), reduction="sum")
    gradients, = torch.autograd.grad(loss, x)
    ours = np.load(files["logits"])
    return [
        Numbers(f"{name}, {algorithm}", "logits, PyTorch", relative_difference(ours, z.detach().numpy()), 1e-4),
        Numbers(f"{name}, {algorithm}", "logits, onnxruntime",
                relative_difference(ours, runtime.logits(pictures)), 1e-4),
        # A value on the other side of a kink changes a part of a gradient (gradients.py seeks them).
        Numbers(f"{name}, {algorithm}", "input gradient, PyTorch",
                relative_difference(np.load(files["gradients"]), gradients.numpy()), 1e-2)]


def compare(options, name, batch, folder):
    """One network's numbers and speeds."""
    module = random_network(name)
    weights = folder / "weights.safetensors"
    write_safetensors(weights, module.state_dict())
    runtime = ONNXRuntime(module, batch, folder, options.threads)
    algorithms = [a for a in ALGORITHMS if a == "direct" or name not in WITHOUT_WINOGRAD]
    numbers = [
        number for algorithm in algorithms
        for number in check(options, name, algorithm, module, runtime, weights, folder)]
    peers = {layout: PyTorch(module, batch, form) for layout, form in LAYOUTS.items()}

    def ours():
        found = {}
        for algorithm in algorithms:
            rates = timed(options, "bench", "network", "--rates-only", "--model", name, "--weights",
                          weights, "--batch", batch, "--convolution", algorithm)
            for key in ("forward", "gradient"):
                found[algorithm, key] = batch / rates[f"{key}_images_per_second"]
        return found

    def theirs():
        found = {("onnxruntime", "forward"): seconds(runtime.forward)}
        for layout, peer in peers.items():
            found[layout, "forward"] = seconds(peer.forward)
            found[layout, "gradient"] = seconds(peer.gradient)
        return found

    rounds = alternate(options.rounds, (ours, theirs))
    speeds = []
    for key in ("forward", "gradient"):
        layout, time = fastest({layout: rounds[layout, key] for layout in LAYOUTS})
        times = {("PyTorch", layout): time}
        if key == "forward":
            times["onnxruntime", "its own layout"] = rounds["onnxruntime", key]
        speeds += [
            Speed(f"network, {key}, {algorithm}", f"{name}, batch {batch}", f"{peer} ({layout})",
                  rounds[algorithm, key], time, WANTED.get((name, algorithm, key, peer)))
            for (peer, layout), time in times.items() for algorithm in algorithms]
    return numbers, speeds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_speed_options(parser)
    parser.add_argument("--networks", nargs="*", choices=NETWORKS, default=list(NETWORKS))
    options = parser.parse_args()
    prepare(options)
    numbers, speeds = [], []
    for name in options.networks:
        with tempfile.TemporaryDirectory() as folder:
            found = compare(options, name, NETWORKS[name], pathlib.Path(folder))
        numbers += found[0]
        speeds += found[1]
    finish(options, speeds, numbers)


if __name__ == "__main__":
    main()
