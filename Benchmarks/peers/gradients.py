"""Compares the input gradients of `blindspot classify` with PyTorch's, and explains differences.

The gradient is that of the cross-entropy of one class a picture (the label, or the least likely)
with respect to the picture in [0, 1]; the preprocessing is part of the network. The reference is
PyTorch in float64 with the file's float32 weights. Judged: |ours - reference| < 1e-5 |reference|,
in L2, for every picture, unless rounding took another side of a kink.

A kink is where a ReLU's argument is 0, a clip's is at a bound, or two values tie in a max-pooling
window. Where float64 is nearer to a kink than rounding in float32 can tell, the gradient may lawfully
be that of the other side. For a picture that differs by more than 1e-5 such sites are sought, those
nearest to their kink first, whose other side makes the difference vanish: the reference is computed
again with these decisions turned and all others kept, and must then agree to 1e-5.
"""

import argparse
import pathlib
import sys
import tempfile

import numpy as np
import torch
import torch.nn.functional as F

from onnx_to_torch import PREPROCESSINGS, Graph, Preprocessing, add_model_options, padded
from onnx_to_torch import explicit_pads
from peer import Row, add_comparison_options, classify, layout_of, pictures_from, report

BOUND = 1e-5
NEAR = 64 * 2.0**-23  # of a layer's largest magnitude: beyond it no rounding error reaches
SITES = 256  # candidates at most for one picture
BATCH = 8  # candidates whose effect is computed together


class DecidedGraph(Graph):
    """A graph whose sides of kinks are recorded, or imposed.

    `decisions` maps a node's first output to the sides that it took: for ReLU and Clip a mask of
    what passes, for MaxPool the index of the winner. A node that is in `imposed` takes those.
    """

    def __init__(self, path, dtype):
        super().__init__(path, dtype)
        self.imposed, self.decisions, self.near = {}, {}, None

    def forward(self, x):
        self.decisions = {}
        return super().forward(x)

    def decide(self, node, own):
        name = node.output[0]
        self.decisions[name] = self.imposed.get(name, own)
        return self.decisions[name]

    def note(self, node, distance, other, scale):
        """Remembers sites nearer to their kink than NEAR, with the side not taken."""
        if self.near is None:
            return
        distance = distance.detach() / scale.detach()
        for place in (distance < NEAR).nonzero():
            place = tuple(place.tolist())
            self.near.append((float(distance[place]), node.output[0], place, other[place].item()))

    def op_relu(self, node, a, x):
        passes = self.decide(node, x > 0)
        self.note(node, x.abs(), ~passes, x.abs().max())
        return torch.where(passes, x, torch.zeros_like(x))

    def op_clip(self, node, a, x, low=None, high=None):
        low, high = (-np.inf if v is None else float(v)
                     for v in (a.get("min", low), a.get("max", high)))
        passes = self.decide(node, (x > low) & (x < high))
        self.note(node, torch.minimum((x - low).abs(), (x - high).abs()), ~passes, x.abs().max())
        return torch.where(passes, x, x.detach().clamp(low, high))

    def op_maxpool(self, node, a, x):
        kernel, strides = a["kernel_shape"], a.get("strides", [1, 1])
        if a.get("dilations", [1, 1]) != [1, 1]:
            raise ValueError(f"MaxPool {node.name!r}: dilated")
        x = padded(x, explicit_pads(node, a, len(kernel)), -float("inf"))
        y, winner = F.max_pool2d(
            x, kernel, strides, 0, 1, bool(a.get("ceil_mode", 0)), return_indices=True)
        if self.near is not None:
            self.note_ties(node, x.detach(), y.detach(), winner, kernel, strides)
        winner = self.decide(node, winner)
        return x.flatten(2).gather(2, winner.flatten(2)).view(y.shape)

    def note_ties(self, node, x, y, winner, kernel, strides):
        size = [(y.shape[2 + i] - 1) * strides[i] + kernel[i] for i in (0, 1)]
        index = torch.arange(x.shape[2] * x.shape[3]).view(1, 1, *x.shape[2:]).expand_as(x)
        more = (0, max(0, size[1] - x.shape[3]), 0, max(0, size[0] - x.shape[2]))

        def windows(values, fill):
            values = F.pad(values, more, value=fill)
            values = values.unfold(2, kernel[0], strides[0]).unfold(3, kernel[1], strides[1])
            return values[:, :, : y.shape[2], : y.shape[3]].flatten(4)

        values, indices = windows(x, -float("inf")), windows(index, -1)
        values = values.masked_fill(indices == winner[..., None], -float("inf"))
        second, place = values.max(4)
        # Equal values are no matter of rounding: every arithmetic takes the first.
        distance = torch.where(y > second, y - second, torch.full_like(y, float("inf")))
        other = indices.gather(4, place[..., None])[..., 0]
        self.note(node, distance, other, x[x.isfinite()].abs().max())


def load(options, dtype):
    """The preprocessing and the network, frozen."""
    scale, mean, std, channels = PREPROCESSINGS[options.preprocessing]
    layout = layout_of(options.model)
    module = torch.nn.Sequential(
        Preprocessing(scale, mean, std, channels, layout, dtype), DecidedGraph(options.model, dtype))
    return module.eval().requires_grad_(False)


def gradient(module, images, classes):
    """The gradients of the cross-entropies, one a row, in the module's type."""
    dtype = module[0].mean.dtype
    x = torch.from_numpy(images).to(dtype).requires_grad_()
    z = module(x)
    d = z.detach().double().softmax(1)
    rows = torch.arange(len(classes))
    # p - 1 of the class is minus the sum of the others, which loses no digits.
    d[rows, classes] = 0
    d[rows, classes] = -d.sum(1)
    z.backward(d.to(dtype))
    return x.grad.flatten(1).numpy()


def relative(a, reference):
    return float(np.linalg.norm(a - reference) / np.linalg.norm(reference))


def explain(module, image, label, ours):
    """Turns decisions near their kinks until the gradient is ours.

    Returns the relative difference that is left, how many were turned and the furthest of them from
    its kink, relative to its layer.
    """
    graph = module[1]
    graph.imposed, graph.near = {}, []
    reference = gradient(module, image[None], [label])[0]
    own, near, graph.near = graph.decisions, sorted(graph.near)[:SITES], None

    def turned(groups):
        """The gradients with each group of decisions turned."""
        graph.imposed = {
            name: side.expand(len(groups), *side.shape[1:]).clone() for name, side in own.items()
        }
        for row, group in enumerate(groups):
            for _, name, place, other in group:
                graph.imposed[name][(row, *place[1:])] = other
        return gradient(module, np.repeat(image[None], len(groups), 0), [label] * len(groups))

    steps, chosen, left = [], [], relative(ours, reference)
    for first in range(0, len(near), BATCH):
        steps += [row - reference
                  for row in turned([[site] for site in near[first : first + BATCH]])]
        chosen, rest, left = [], ours - reference, relative(ours, reference)
        while left >= BOUND:
            gains = [
                np.inf if index in chosen else np.linalg.norm(rest - step)
                for index, step in enumerate(steps)
            ]
            best = int(np.argmin(gains))
            if gains[best] >= np.linalg.norm(rest):
                break
            chosen.append(best)
            joint = turned([[near[index] for index in chosen]])[0]
            rest, left = ours - joint, relative(ours, joint)
        if left < BOUND:
            break
    graph.imposed = {}
    return left, len(chosen), max((near[index][0] for index in chosen), default=0.0)


def compare(options, images, labels):
    """The row of one network and one choice of the class."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "gradients.npy"
        logits = classify(options.command, options, images, labels, folder, "--gradients", path,
                          "--gradient-class", options.gradient_class)
        ours = np.load(path).reshape(len(images), -1).astype(np.float64)
    classes = labels if options.gradient_class == "label" else logits.argmin(1)
    torch.set_num_threads(options.threads)
    single, double = load(options, torch.float32), load(options, torch.float64)
    errors, peers, ends, most = [], [], [], 0
    for image, label, found in zip(images, classes, ours):
        reference = gradient(double, image[None], [label])[0]
        errors.append(relative(found, reference))
        peers.append(relative(gradient(single, image[None], [label])[0], reference))
        if errors[-1] >= BOUND:
            ends.append(explain(double, image, label, found))
            most = max(most, ends[-1][1])
        print(f"{len(errors) - 1:5d} ours {errors[-1]:.1e} PyTorch float32 {peers[-1]:.1e}"
              + (" left {:.1e} turned {} distance {:.0e}".format(*ends[-1])
                 if errors[-1] >= BOUND else ""), file=sys.stderr, flush=True)
    errors, peers = np.array(errors), np.array(peers)
    smooth, left = errors < BOUND, sum(end[0] >= BOUND for end in ends)
    found = f"{smooth.sum()} below 1e-05 (largest {errors[smooth].max(initial=0):.1e})"
    if ends:
        found += (f"; {len(ends)} up to {errors.max():.0e}, {len(ends) - left} of them by kinks: with "
                  f"at most {most} turned, {max(e[2] for e in ends):.0e} from theirs, "
                  f"{max(e[0] for e in ends):.1e} is left")
    found += f"; PyTorch float32: {(peers < BOUND).sum()} below, largest {peers.max():.0e}"
    return Row(f"gradient of {options.gradient_class}, PyTorch float64",
               pathlib.Path(options.model).stem, str(len(images)), found, "1e-05 or kinks",
               left == 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_model_options(parser)
    add_comparison_options(parser)
    parser.add_argument("--gradient-class", choices=("label", "least-likely"),
                        default="least-likely")
    arguments = parser.parse_args()
    report([compare(arguments, *pictures_from(arguments))])


if __name__ == "__main__":
    main()
