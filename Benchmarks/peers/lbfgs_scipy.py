"""Szegedy et al.'s box-constrained L-BFGS attack with scipy's L-BFGS-B and PyTorch's gradients.

One picture at a time, each evaluation one forward and one backward pass in PyTorch. Minimises
phi_c(x) = |x - x0|^2 + c L(x) in [0, 1]^n for each c of a search in constant_search.py and keeps
the closest success among all points evaluated. `--search margin` (the default) is the command's own
search for c, warm starts and last segment, so that only the minimiser for one c differs; it runs to
scipy's own convergence. Prints each picture's L2 norm, evaluations (gradients; forward passes alone
are counted apart) and success, then the means. Pictures that the network misclassifies already
count as L2 = 0, success.
"""

import argparse
import json
import math
import sys
import time

import numpy as np
import torch
from scipy.optimize import fmin_l_bfgs_b

from constant_search import BisectionSearch, Criterion, MarginSearch, SegmentSearch
from onnx_to_torch import add_model_options, model_from


class Picture:
    """One picture's evaluations, counted, and its closest success."""

    def __init__(self, module, x0, label, target, kind, dtype):
        self.module, self.dtype, self.shape = module, dtype, x0.shape
        self.x0 = x0.astype(np.float64).ravel()
        self.gradients = self.forwards = 0
        self.best, self.best_l2, self.best_margin = None, math.inf, 0.0
        self.endings = [0, 0, 0]  # of L-BFGS-B: see `attack`
        self.seen = {}  # what the evaluations since `forget` gave
        z = self.logits(self.x0)
        targeted = target is not None
        if not targeted:
            others = z.copy()
            others[label] = -np.inf
            target = int(others.argmax())
        self.criterion = Criterion(kind, label, target, targeted)
        self.record(self.x0, self.criterion.margin(z))

    def tensor(self, x):
        return torch.from_numpy(x.reshape((1,) + self.shape)).to(self.dtype)

    def logits(self, x):
        self.forwards += 1
        return self.module(self.tensor(x)).numpy()[0]

    def record(self, x, margin):
        l2 = float(np.linalg.norm(x - self.x0))
        if margin > 0 and l2 < self.best_l2:
            self.best, self.best_l2, self.best_margin = x.copy(), l2, margin

    def loss(self, x):
        """L(x), its gradient in x as float64, and the margin at x."""
        self.gradients += 1
        tensor = self.tensor(x).requires_grad_()
        z = self.module(tensor)
        values = z.detach().numpy()[0]
        loss, d = self.criterion.loss(values)
        z.backward(torch.from_numpy(d).to(self.dtype)[None])
        margin = self.criterion.margin(values)
        self.record(x, margin)
        gradient = tensor.grad.numpy().ravel().astype(np.float64)
        self.seen[hash(x.tobytes())] = (margin, loss, float(gradient @ gradient))
        return loss, gradient, margin

    def forget(self):
        self.seen = {}

    def point(self, x):
        """Margin, loss, squared distance and squared slope at x; evaluated if it has not been."""
        if hash(x.tobytes()) not in self.seen:
            self.loss(x)
        margin, loss, slope = self.seen[hash(x.tobytes())]
        return margin, loss, float((x - self.x0) @ (x - self.x0)), slope

    def segment(self, first_margin, probes):
        """Moves the closest success towards x0, forward passes only."""
        far = self.best
        if far is None or self.best_l2 == 0:
            return
        search = SegmentSearch(first_margin, self.best_margin, probes)
        while search.part is not None:
            x = self.x0 + search.part * (far - self.x0)
            margin = self.criterion.margin(self.logits(x))
            self.record(x, margin)
            search.report(margin)


def squared_free_slope(gradient, x0):
    """|g|^2 over the variables that a step along -g does not drive out of the box."""
    free = ~(((x0 <= 0) & (gradient > 0)) | ((x0 >= 1) & (gradient < 0)))
    return max(float((gradient[free] ** 2).sum()), 1e-30)


def attack(picture, options):
    """Runs the search for c on one picture; returns the c of its last success, or None."""
    if picture.best_l2 == 0:
        return None
    x = picture.x0.copy()
    _, gradient, first_margin = picture.loss(x)
    slope = squared_free_slope(gradient, x)
    if options.search == "margin":
        search = MarginSearch(first_margin, slope, steps=options.steps)
    else:
        search = BisectionSearch(4 * abs(first_margin) / slope, options.factor, options.steps,
                                 options.ratio, options.secant)
    c, last = search.c, None
    while c is not None:
        def phi(x, c=c):
            loss, gradient, _ = picture.loss(x)
            r = x - picture.x0
            return float(r @ r) + c * loss, 2 * r + c * gradient

        if options.warm == "cold":
            x = picture.x0.copy()
        elif options.warm == "success" and picture.best is not None:
            x = picture.best.copy()
        picture.forget()
        x, _, information = fmin_l_bfgs_b(
            phi, x, bounds=[(0.0, 1.0)] * x.size, m=options.history, factr=options.factr,
            pgtol=options.pgtol, maxiter=options.maxiter, maxfun=20 * options.maxiter,
        )
        # 0: converged; 1: at an iteration limit; 2: rounding stopped the line search.
        picture.endings[information["warnflag"]] += 1
        point = picture.point(x)
        if point[0] > 0:
            last = c
        c = search.report(*point) if options.search == "margin" else search.report(
            point[0] > 0, point[0])
    picture.segment(first_margin, options.segment)
    return last


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_model_options(parser)
    parser.add_argument("--images", required=True, help="[N, C, H, W] .npy in [0, 1]")
    parser.add_argument("--labels", required=True, help="[N] .npy of integers")
    parser.add_argument("--targets", help="[N] .npy; default: untargeted, towards the runner-up")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--offset", type=int, default=0)
    parser.add_argument("--loss", choices=("cross-entropy", "hinge", "any"),
                        default="cross-entropy")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32",
                        help="of the network; scipy's own arithmetic is float64")
    parser.add_argument("--search", choices=("margin", "bisection"), default="margin",
                        help="for c: the command's own, or the textbook's")
    parser.add_argument("--steps", type=int, default=14, help="values of c at most")
    parser.add_argument("--factor", type=float, default=10.0, help="bisection: while bracketing")
    parser.add_argument("--ratio", type=float, default=1.1,
                        help="bisection: stop when hi / lo is below")
    parser.add_argument("--secant", action="store_true",
                        help="bisection: divide the bracket by the margin")
    parser.add_argument("--warm", choices=("cold", "success", "current"), default="current",
                        help="where the next c starts; the command goes on from the current point")
    parser.add_argument("--history", type=int, default=5, help="m; 5 is the command's")
    parser.add_argument("--factr", type=float, default=1e7, help="scipy's default")
    parser.add_argument("--pgtol", type=float, default=1e-5, help="scipy's default")
    parser.add_argument("--maxiter", type=int, default=200, help="L-BFGS-B iterations for each c")
    parser.add_argument("--segment", type=int, default=3,
                        help="forward-only probes between x0 and the best point; 3 is the command's")
    parser.add_argument("--output", help="write the adversarial pictures as .npy (float32)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    dtype = getattr(torch, options.dtype)
    module = model_from(options, dtype)
    stop = None if options.limit is None else options.offset + options.limit
    chosen = slice(options.offset, stop)
    images = np.load(options.images)[chosen]
    labels = np.load(options.labels)[chosen]
    targets = np.load(options.targets)[chosen] if options.targets else [None] * len(images)
    samples, adversarial, began = [], images.astype(np.float32), time.perf_counter()
    for index, (x0, label, target) in enumerate(zip(images, labels, targets)):
        target = None if target is None else int(target)
        picture = Picture(module, x0, int(label), target, options.loss, dtype)
        c = attack(picture, options)
        success = picture.best is not None
        if success:
            adversarial[index] = picture.best.reshape(picture.shape)
        samples.append({
            "index": options.offset + index, "label": int(label),
            "target": picture.criterion.target, "success": success,
            "l2": picture.best_l2 if success else None, "c": c,
            "evaluations": picture.gradients, "forwards": picture.forwards,
            "endings": picture.endings,
        })
        shown = f"{picture.best_l2:.5f}" if success else "none"
        print(f"{samples[-1]['index']:5d} l2 {shown} evaluations {picture.gradients} "
              f"success {int(success)}", flush=True,
              file=sys.stderr if options.json else sys.stdout)
    if options.output:
        np.save(options.output, adversarial)
    found = [s["l2"] for s in samples if s["success"]]
    summary = {
        "model": options.model, "images": len(samples), "loss": options.loss,
        "success_share": len(found) / len(samples),
        "l2_mean": float(np.mean(found)) if found else None,
        "l2_median": float(np.median(found)) if found else None,
        "evaluations_mean": float(np.mean([s["evaluations"] for s in samples])),
        "forwards_mean": float(np.mean([s["forwards"] for s in samples])),
        "endings": np.sum([s["endings"] for s in samples], axis=0).tolist(),
        "elapsed_s": time.perf_counter() - began,
    }
    if options.json:
        settings = {k: v for k, v in vars(options).items() if k not in ("json", "model")}
        print(json.dumps({**summary, "settings": settings, "samples": samples}))
    else:
        print(" ".join(f"{k} {v:.5f}" if isinstance(v, float) else f"{k} {v}"
                       for k, v in summary.items()))


if __name__ == "__main__":
    main()
