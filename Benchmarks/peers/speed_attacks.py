"""Times PGD-20 on ResNet-50, Blindspot beside torchattacks, on the same weights and pictures.

L-infinity, radius 4/255, steps of 1/255, random start, cross-entropy of the label; the normalisation
is part of the network on both sides, and PyTorch's network is in channels_last. What is timed is the
attack alone: neither the start of the process nor compilation. Ours runs with direct convolutions and
with Winograd's algorithm (`--convolution`). Blindspot stops a picture that is
fooled; so the last layer's bias holds the label up by more than the attack can reach, and every
picture takes its 20 gradients on both sides, which the command's report must confirm. Blindspot also
computes the logits of the clean pictures and of the last points, which say what was fooled: 22 forward
passes beside 20. Judged is torchattacks' attack alone; shown beside it is the attack with the same two
passes.

Before, on a network whose label is held up less, both attack without a random start: every picture
that Blindspot fools at step k is compared with torchattacks' after k steps, by the loss in PyTorch.
"""

import argparse
import pathlib
import sqlite3
import tempfile
import time

import numpy as np
import torch
import torch.nn.functional as F

from architectures import random_network
import torchattacks  # noqa: E402, after architectures, which makes torchvision importable
from modules import Normalized, damped, write_safetensors
from speed import (
    ALGORITHMS, Numbers, Speed, add_speed_options, alternate, finish, prepare, timed)

RADIUS, STEP, STEPS = 4 / 255, 1 / 255, 20
WANTED = 1.6
# What the label's bias gains: 3 is out of the attack's reach, 0.8 takes it a few steps.
OUT_OF_REACH, IN_REACH = 3.0, 0.8


def write(folder, network, pictures, labels):
    """The files that the command reads, and the options that name them."""
    write_safetensors(folder / "weights.safetensors", network.network.state_dict())
    np.save(folder / "images.npy", pictures.numpy())
    np.save(folder / "labels.npy", labels.numpy())
    return ["--model", "resnet50", "--weights", folder / "weights.safetensors", "--images",
            folder / "images.npy", "--labels", folder / "labels.npy", "--preprocessing",
            "imagenet", "--step-size", "1/255", "--steps", STEPS]


def same_points(options, label, pictures):
    """How far the losses at the ends of both attacks differ, for pictures that Blindspot fools."""
    network = Normalized(damped(random_network("resnet50")), IN_REACH, label)
    labels = torch.full((len(pictures),), label)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        timed(options, "attack", "pgd", *write(folder, network, pictures, labels),
              "--no-random-start", "--output", folder / "run")
        ours = torch.from_numpy(np.load(folder / "run/adversarial.npy"))
        with sqlite3.connect(folder / "run/run.sqlite") as run:
            steps = [row[0] for row in run.execute("SELECT iterations FROM samples ORDER BY id")]
    if ours.isnan().any():
        raise SystemExit("speed_attacks.py: a picture that was to be fooled was not")
    theirs = torch.cat([
        torchattacks.PGD(network, RADIUS, STEP, count, random_start=False)(
            pictures[i : i + 1], labels[i : i + 1]) for i, count in enumerate(steps)])
    with torch.no_grad():
        losses = [F.cross_entropy(network(x), labels, reduction="none") for x in (ours, theirs)]
    distance = (ours - pictures).abs().max().item()
    return (
        Numbers("PGD", "loss at the end, torchattacks", float(
            ((losses[0] - losses[1]).abs() / losses[1]).max()), 1e-2),
        Numbers("PGD", "distance beyond the radius", max(0.0, distance - RADIUS), 1e-6))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_speed_options(parser)
    parser.add_argument("--batch", type=int, default=16)
    options = parser.parse_args()
    prepare(options)
    pictures = torch.from_numpy(
        np.random.default_rng(0).random((options.batch, 3, 224, 224), dtype=np.float32))
    network = Normalized(damped(random_network("resnet50")), 0, 0)
    with torch.inference_mode():
        classes = network(pictures).argmax(1)
    label = int(classes[0])
    pictures = pictures[classes == label]
    if len(pictures) < options.batch:
        raise SystemExit("speed_attacks.py: the network sees several classes in random pictures")
    numbers = same_points(options, label, pictures[:2])
    network.network.fc.bias[label] += OUT_OF_REACH
    labels = torch.full((options.batch,), label)
    with tempfile.TemporaryDirectory() as folder:
        command = ["bench", "attack", "pgd", *write(pathlib.Path(folder), network, pictures, labels),
                   "--batch", options.batch, "--repeats", 1]

        def ours():
            times = {}
            for algorithm in ALGORITHMS:
                found = timed(options, *command, "--convolution", algorithm)
                if found["mean_gradient_evaluations"] != STEPS or found["success_rate"] != 0:
                    raise SystemExit(f"speed_attacks.py: not {STEPS} gradients a picture: {found}")
                times[algorithm] = found["seconds"]
            return times

        network.to(memory_format=torch.channels_last)
        x = pictures.contiguous(memory_format=torch.channels_last)
        torchattacks.PGD(network, RADIUS, STEP, 1)(x, labels)

        def theirs():
            attack = torchattacks.PGD(network, RADIUS, STEP, STEPS)
            start = time.perf_counter()
            found = attack(x, labels)
            alone = time.perf_counter() - start
            with torch.inference_mode():
                network(x)
                network(found)
            return {"alone": alone, "with logits": time.perf_counter() - start}

        rounds = alternate(options.rounds, (ours, theirs))
    finish(options, [
        Speed(f"PGD-{STEPS}, {algorithm}", f"ResNet-50, batch {options.batch}",
              f"torchattacks channels_last {work}", rounds[algorithm], rounds[work], wanted)
        for work, wanted in (("alone", WANTED), ("with logits", None))
        for algorithm in ALGORITHMS], numbers)


if __name__ == "__main__":
    main()
