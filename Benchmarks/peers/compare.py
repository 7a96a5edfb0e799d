"""Runs every comparison of Blindspot with a peer and prints the table; the status is 0 if all are met.

Sizes: quick takes minutes; full is what Benchmarks/Results.md records and takes hours, most of it
scipy's. --only takes some kinds of comparison alone. A comparison of speed is a program of its own,
so that it has its own number of threads; a slow one is shown, and only its numbers must be met.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import types

import numpy as np

import attacks
import gradients
import kinks
import logits
import pictures
from peer import Row, classify, print_table

HERE = pathlib.Path(__file__).parent
PHOTOGRAPH_NETWORKS = [
    ("squeezenet1.1_fp32", "caffe"), ("squeezenet1.1_fp16_opset7", "caffe"),
    ("mobilenetv2_1.0_224", "tf"), ("mobilenet_v1_0.25_224", "tf"),
]
# Pictures: for logits, for gradients (photographs, digits, CIFAR-10), classes of the gradients;
# attacked: (first right picture, count) of the digits and of the photographs; for each comparison of
# speed its rounds and further options.
SIZES = {
    "quick": types.SimpleNamespace(
        logits=16, photographs=4, digits=32, cifar=16, classes=["least-likely"],
        attacked_digits=[(600, 8)], attacked_photographs=[], speeds={
            "layers": (3,), "matmul": (3,), "networks": (1, "--networks", "resnet50"),
            "speed_attacks": (1,)}),
    "full": types.SimpleNamespace(
        logits=200, photographs=32, digits=200, cifar=100, classes=["least-likely", "label"],
        attacked_digits=[(600, 32)], attacked_photographs=[(0, 16), (16, 16)],
        speeds={"layers": (7,), "matmul": (7,), "networks": (7,), "speed_attacks": (7,)}),
}
SPEEDS = ("layers", "matmul", "networks", "speed_attacks")
KINDS = ("kinks", "logits", "gradients", "attacks", *SPEEDS)


class Data:
    """Where the networks and pictures are, and how each network wants its pictures."""

    def __init__(self, folder, command, threads):
        self.folder, self.command, self.threads = pathlib.Path(folder), command, threads
        self.loaded = {}

    def options(self, model, preprocessing, **more):
        """What a comparison of one network is told."""
        options = dict(
            command=self.command, threads=self.threads, model=str(self.folder / model),
            preprocessing=preprocessing, scale=None, mean=None, std=None, channels=None,
            layout="nchw", scipy=None, called="")
        return types.SimpleNamespace(**{**options, **more})

    def photograph_network(self, name, preprocessing, **more):
        return self.options(f"imagenet/networks/{name}.onnx", preprocessing, **more)

    def lenet(self, training, **more):
        return self.options(f"mnist_networks/mnist_lenet5_{training}trained.onnx", "unit", **more)

    def pictures(self, kind):
        """All pictures of a kind in [0, 1], and their labels."""
        if kind not in self.loaded:
            print(f"reading the {kind}", flush=True)
            self.loaded[kind] = {
                "photographs": lambda: pictures.photographs(
                    self.folder / "imagenet/photos", self.folder / "imagenet/labels.csv"),
                "digits": lambda: pictures.digits(self.folder / "mnist"),
                "cifar": lambda: pictures.cifar(self.folder / "cifar/test_first100_exact.bin"),
            }[kind]()
        return self.loaded[kind]

    def first(self, kind, count):
        images, labels = self.pictures(kind)
        return images[:count], labels[:count]

    def right(self, options, kind, first, count):
        """Those that the network has right, counted from `first`."""
        images, labels = self.first(kind, 2 * (first + count) + 16)
        with tempfile.TemporaryDirectory() as folder:
            found = classify(self.command, options, images, labels, folder).argmax(1)
        chosen = np.flatnonzero(found == labels)[first : first + count]
        return images[chosen], labels[chosen]


def rows(data, size, kinds):
    """The rows of all comparisons of these kinds, one after another."""
    if "kinks" in kinds:
        yield from kinks.compare(data)
    if "logits" in kinds:
        for name, preprocessing in PHOTOGRAPH_NETWORKS:
            options = data.photograph_network(name, preprocessing)
            yield from logits.compare(options, *data.first("photographs", size.logits))
    if "gradients" in kinds:
        for chosen in size.classes:
            for training in ("cln", "adv"):
                options = data.lenet(training, gradient_class=chosen)
                yield gradients.compare(options, *data.first("digits", size.digits))
            options = data.options("cifar/resnet8_cifar10_fp32.onnx", "raw255",
                                   gradient_class=chosen)
            yield gradients.compare(options, *data.first("cifar", size.cifar))
            for name, preprocessing in PHOTOGRAPH_NETWORKS:
                if "fp16" not in name:
                    options = data.photograph_network(name, preprocessing, gradient_class=chosen)
                    yield gradients.compare(options, *data.first("photographs", size.photographs))
    if "attacks" in kinds:
        for first, count in size.attacked_digits:
            options = data.lenet("cln", called=f"digits from right {first}")
            yield attacks.compare(options, *data.right(options, "digits", first, count))
        for first, count in size.attacked_photographs:
            options = data.photograph_network(
                *PHOTOGRAPH_NETWORKS[0], called=f"photographs from right {first}")
            yield attacks.compare(options, *data.right(options, "photographs", first, count))
    for kind in SPEEDS:
        if kind in kinds:
            yield from speed_rows(kind, data.command, *size.speeds[kind])


def speed_rows(kind, command, rounds, *more):
    """The rows that a comparison of speed prints as JSON, whether or not its numbers are met."""
    words = [sys.executable, str(HERE / f"{kind}.py"), "--command", command, "--rounds", rounds,
             "--json", *more]
    # It sets its own number of threads.
    environment = {name: value for name, value in os.environ.items()
                   if not name.endswith("_NUM_THREADS")}
    done = subprocess.run(list(map(str, words)), stdout=subprocess.PIPE, text=True, env=environment)
    if not done.stdout.startswith("{"):
        sys.exit(f"{kind}.py: exit status {done.returncode}")
    for row in json.loads(done.stdout)["rows"]:
        yield Row(**row)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--command", default=".build/release/blindspot")
    parser.add_argument("--data", required=True, help="the folder with imagenet/, mnist/, cifar/")
    parser.add_argument("--size", choices=SIZES, default="quick")
    parser.add_argument("--only", choices=KINDS, action="append")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    data = Data(arguments.data, arguments.command, arguments.threads)
    found = []
    for row in rows(data, SIZES[arguments.size], arguments.only or KINDS):
        found.append(row)
        print(f"{row.compared}, {row.network}: {row.found}", flush=True)
    print()
    raise SystemExit(0 if print_table(found) else 1)


if __name__ == "__main__":
    main()
