"""Times whole networks, Blindspot beside PyTorch, in one interleaved run.

Each round times Blindspot's forward pass and input gradient (`bench network --rates-only`), then
PyTorch's in NCHW and in channels_last, on the same random weights
and batch; a network's figure is the median over the rounds, and the better layout counts. PyTorch's
parameters are frozen and `torch.autograd.grad` goes to the input alone. Before the rounds the logits
and the input gradients of a few pictures are compared.
"""

import argparse
import copy
import json
import os
import statistics
import struct
import subprocess
import tempfile
import time

import numpy as np
import torch

_register = {name: getattr(torch.library, name) for name in ("register_fake", "register_autograd")}


def _ignoring_torchvision(name):
    """torchvision without its compiled part asks for operators that are not there."""

    def register(operator, *arguments, **options):
        if isinstance(operator, str) and operator.startswith("torchvision::"):
            return (lambda f: f) if not arguments else None
        return _register[name](operator, *arguments, **options)

    return register


for _name in _register:
    setattr(torch.library, _name, _ignoring_torchvision(_name))
import torchvision  # noqa: E402

# Blindspot's name, torchvision's, and the batch of the comparison.
NETWORKS = [
    ("resnet50", "resnet50", 16), ("vgg16", "vgg16", 8), ("squeezenet1_1", "squeezenet1_1", 32),
    ("mobilenet_v2", "mobilenet_v2", 32), ("alexnet", "alexnet", 32),
]


def write_safetensors(path, tensors):
    """The format: a length, a JSON header, the bytes."""
    header, blobs, position = {}, [], 0
    for name, tensor in tensors.items():
        if tensor.dtype != torch.float32:
            continue
        data = tensor.detach().contiguous().numpy().tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape),
                        "data_offsets": [position, position + len(data)]}
        blobs.append(data)
        position += len(data)
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def seconds(body, repeats):
    """The median time of a call, the first not counted."""
    body()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        body()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


class Peer:
    """PyTorch on one network in one memory format."""

    def __init__(self, module, batch, memory_format):
        self.module = module.to(memory_format=memory_format)
        self.x = torch.full((batch, 3, 224, 224), 0.5).contiguous(memory_format=memory_format)
        self.x.requires_grad_()

    def forward(self):
        with torch.inference_mode():
            self.module(self.x)

    def gradient(self):
        z = self.module(self.x)
        torch.autograd.grad(z, self.x, torch.full_like(z, 0.01))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--command", default=".build/release/blindspot")
    parser.add_argument("--networks", nargs="*", default=[name for name, _, _ in NETWORKS])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = []
    for ours, theirs, batch in NETWORKS:
        if ours not in options.networks:
            continue
        torch.manual_seed(0)
        module = getattr(torchvision.models, theirs)(weights=None).eval().requires_grad_(False)
        with tempfile.TemporaryDirectory() as folder:
            weights = os.path.join(folder, "weights.safetensors")
            write_safetensors(weights, module.state_dict())
            rows.append(compare(options, ours, module, batch, weights, folder))
            print(json.dumps(rows[-1]), flush=True)
    if not options.json:
        for row in rows:
            print(f"{row['network']:14s} batch {row['batch']:3d}  forward {row['forward']:7.1f} "
                  f"({row['forward_ratio']:.2f})  gradient {row['gradient']:7.1f} "
                  f"({row['gradient_ratio']:.2f})  PyTorch {row['peer_forward']:.1f}, "
                  f"{row['peer_gradient']:.1f} images/s")


def check_numbers(options, name, module, weights, folder):
    """Ends the run when the logits of two pictures are not PyTorch's."""
    pictures = np.random.default_rng(0).random((2, 3, 224, 224), dtype=np.float32)
    np.save(os.path.join(folder, "pictures.npy"), pictures)
    np.save(os.path.join(folder, "labels.npy"), np.zeros(2, np.int64))
    logits = os.path.join(folder, "logits.npy")
    subprocess.run(
        [options.command, "classify", "--model", name, "--weights", weights, "--images",
         os.path.join(folder, "pictures.npy"), "--labels", os.path.join(folder, "labels.npy"),
         "--logits", logits], check=True, capture_output=True)
    with torch.no_grad():
        expected = module(torch.from_numpy(pictures)).numpy()
    error = np.linalg.norm(np.load(logits) - expected) / np.linalg.norm(expected)
    if not error < 1e-4:
        raise SystemExit(f"networks.py: {name}: the logits differ from PyTorch's by {error:.2e}")


def compare(options, name, module, batch, weights, folder):
    """One network's figures."""
    check_numbers(options, name, module, weights, folder)
    peers = [Peer(copy.deepcopy(module), batch, layout)
             for layout in (torch.contiguous_format, torch.channels_last)]
    command = [options.command, "bench", "network", "--rates-only", "--json", "--quiet", "--model",
               name, "--weights", weights, "--batch", str(batch)]
    ours, theirs = [], []
    for _ in range(options.rounds):
        ours.append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
        theirs.append([(seconds(peer.forward, 3), seconds(peer.gradient, 3)) for peer in peers])
    forward = statistics.median(row["forward_images_per_second"] for row in ours)
    gradient = statistics.median(row["gradient_images_per_second"] for row in ours)
    peer_forward = max(batch / statistics.median(row[i][0] for row in theirs) for i in range(2))
    peer_gradient = max(batch / statistics.median(row[i][1] for row in theirs) for i in range(2))
    return {
        "network": name, "batch": batch, "rounds": options.rounds, "forward": forward,
        "gradient": gradient, "peer_forward": peer_forward, "peer_gradient": peer_gradient,
        "forward_ratio": forward / peer_forward, "gradient_ratio": gradient / peer_gradient,
        "bytes_per_image": ours[0]["bytes_per_image"],
    }


if __name__ == "__main__":
    main()
