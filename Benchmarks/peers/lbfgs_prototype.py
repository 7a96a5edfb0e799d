"""A prototype of the box-constrained L-BFGS attack as a state machine for each sample.

Minimises phi_c(x) = |x - x0|^2 + c L(x) in [0, 1]^n by projected L-BFGS while c moves towards the
smallest value whose minimiser succeeds. `sample` is a generator: it yields the point to evaluate
next and whether its gradient is wanted, and is sent (logits, gradient of L). `drive` serves many
at once in one dense batch, a finished sample's slot going to the next. Vectors are float32, scalars
double. The history holds differences of the loss's gradient, yL, so that y = 2 s + c yL can be
formed for every c: a new c costs no evaluation.
"""

import argparse
import dataclasses
import json
import math
import time

import numpy as np
import torch

from constant_search import Criterion
from onnx_to_torch import add_model_options, model_from


@dataclasses.dataclass
class Constants:
    history: int = 5
    iterations_loose: int = 12  # for each c, before and after c is nearly right
    iterations_tight: int = 8
    decrease_loose: float = 1e-2  # relative decrease of phi that ends the iterations at one c
    decrease_tight: float = 1e-3
    near: float = 0.03  # |relative distance from the boundary| that begins the tight stage
    gain: float = 3e-3  # relative distance beyond the boundary that ends the search
    aim: float = 0.3  # the share of `gain` that c is aimed at
    constant_scale: float = 4.0  # first c = scale * margin / |g|^2
    slope: float = 0.25  # first guess of d margin / d log c, as a share of the margin at x0
    slope_bounds: tuple = (0.05, 1.0)
    factor_loose: float = 3.0  # largest change of c
    factor_tight: float = 1.25
    ratio: float = 1.01  # a tight bracket hi / lo narrower than this ends the search
    constants: int = 14  # values of c at most
    backtracks: int = 10
    stalls: int = 2  # values of c in a row without progress before a rescue
    rescue_steps: int = 20
    rescue_length: float = 0.25  # of a rescue step, relative to the distance covered so far
    probes: int = 3  # forward-only probes of the segment from x0 to the best
    evaluations: int = 100


class Sample:
    """One sample's inputs, counters and closest success."""

    def __init__(self, x0, label, target, kind):
        self.x0, self.label, self.target, self.kind = x0, label, target, kind
        self.criterion = None
        self.best, self.best2, self.best_margin = None, math.inf, 0.0
        self.gradients = self.forwards = 0

    def criterion_at(self, z):
        """The criterion; untargeted, towards the runner-up of the first logits seen."""
        if self.criterion is None:
            targeted = self.target is not None
            if not targeted:
                others = z.copy()
                others[self.label] = -np.inf
                self.target = int(others.argmax())
            self.criterion = Criterion(self.kind, self.label, self.target, targeted)
        return self.criterion

    def record(self, x, r2, margin):
        if margin > 0 and r2 < self.best2:
            self.best, self.best2, self.best_margin = x, r2, margin


def dot(a, b):
    return float(torch.dot(a, b))


def free_set(x, g):
    """Where a step along -g does not leave the box at once."""
    return ~(((x <= 0) & (g > 0)) | ((x >= 1) & (g < 0)))


def direction(g, free, pairs, c, first):
    """The projected L-BFGS direction and g.d; without usable pairs it is -first * g."""
    zero = torch.zeros_like(g)
    q = torch.where(free, g, zero)
    used, gamma = [], None
    for s, y_loss in reversed(pairs):
        s = torch.where(free, s, zero)
        y = torch.where(free, 2 * s + c * y_loss, zero)
        ss, sy = dot(s, s), dot(s, y)
        if sy <= 0.02 * ss:  # the distance alone gives sy = 2 ss
            continue
        if gamma is None:
            gamma = min(0.5, ss / sy)  # 1/2 is exact where the loss is not curved
        a = dot(s, q) / sy
        q = q - a * y
        used.append((a, s, y, sy))
    q = q * (first if gamma is None else gamma)
    for a, s, y, sy in reversed(used):
        q = q + (a - dot(y, q) / sy) * s
    d = torch.where(free, -q, zero)
    return d, dot(g, d)


def minimize(sample, k):
    """The generator up to the segment search; see the module's text."""
    x0 = x = sample.x0
    z, g_loss = yield x0, True
    criterion = sample.criterion_at(z)
    loss, margin = criterion.loss(z)[0], criterion.margin(z)
    sample.first_margin = first_margin = margin
    sample.record(x0, 0.0, margin)
    free = torch.where(free_set(x0, g_loss), g_loss, torch.zeros_like(x0))
    g2 = dot(free, free)
    if margin > 0 or g2 == 0:
        return
    scale = abs(first_margin)
    c, first_step, slope = k.constant_scale * scale / g2, scale / g2, k.slope * scale
    lo, hi, previous, tight, r2, pairs = 0.0, math.inf, None, False, 0.0, []
    g_loss2, stalls = g2, 0
    for _ in range(k.constants):
        f, iteration = r2 + c * loss, 0
        while iteration < (k.iterations_tight if tight else k.iterations_loose):
            g = 2 * (x - x0) + c * g_loss
            free = free_set(x, g)
            g_free = torch.where(free, g, torch.zeros_like(g))
            norm2 = dot(g_free, g_free)
            if norm2 == 0:
                break
            first = min(0.5, first_step / c)
            d, slope_d = direction(g, free, pairs, c, first)
            if slope_d > -1e-6 * math.sqrt(norm2 * dot(d, d)):
                pairs, d = [], -first * g_free
            alpha, accepted = 1.0, False
            for _ in range(k.backtracks + 1):
                trial = torch.clamp(x + alpha * d, 0, 1)
                z, g_trial = yield trial, True
                loss_trial, margin_trial = criterion.loss(z)[0], criterion.margin(z)
                r = trial - x0
                r2_trial = dot(r, r)
                f_trial = r2_trial + c * loss_trial
                sample.record(trial, r2_trial, margin_trial)
                descent = dot(g, trial - x)
                accepted = f_trial <= f + 1e-4 * descent
                if accepted or sample.gradients >= k.evaluations:
                    break
                curvature = 2 * (f_trial - f - descent)
                guess = -descent / curvature if curvature > 0 else 0.5
                alpha *= min(max(guess, 0.1), 0.5)
            if sample.gradients >= k.evaluations:
                return
            if not accepted:
                if not pairs:
                    return
                pairs = []
                break
            pairs = (pairs + [(trial - x, g_trial - g_loss)])[-k.history :]
            drop = f - f_trial
            x, g_loss, r2, f = trial, g_trial, r2_trial, f_trial
            loss, margin = loss_trial, margin_trial
            g_loss2 = dot(g_loss, g_loss)
            iteration += 1
            if drop <= (k.decrease_tight if tight else k.decrease_loose) * abs(f):
                break
        # How far beyond the boundary x lies, relative to |x - x0|, by the loss's gradient.
        p = 1.0 if sample.kind == "hinge" else max(1 - math.exp(-loss), 1e-3)
        length = math.sqrt(r2) * math.sqrt(g_loss2) / p
        over = margin / length if length > 0 else -math.inf
        if tight and 0 <= over <= k.gain:
            return
        if sample.best is None and previous and margin - previous[1] < 0.05 * scale:
            stalls += 1
            if stalls >= k.stalls:
                # A plateau: go over it by steps of a fixed length until the class changes.
                stalls, eta = 0, k.rescue_length * max(math.sqrt(r2), first_step * math.sqrt(g2))
                for _ in range(k.rescue_steps):
                    g_free = torch.where(free_set(x, g_loss), g_loss, torch.zeros_like(x))
                    norm = math.sqrt(dot(g_free, g_free))
                    if norm == 0 or sample.gradients >= k.evaluations:
                        return
                    x = torch.clamp(x - (eta / norm) * g_free, 0, 1)
                    z, g_loss = yield x, True
                    loss, margin = criterion.loss(z)[0], criterion.margin(z)
                    r = x - x0
                    r2, g_loss2 = dot(r, r), dot(g_loss, g_loss)
                    sample.record(x, r2, margin)
                    if margin > 0:
                        break
                p = max(1 - math.exp(-loss), 1e-3)
                c = 4 * math.sqrt(r2) * p / max(math.sqrt(g_loss2), 1e-20)
                pairs, lo, hi, previous = [], 0.0, math.inf, None
                first_step = 0.5 * c
                continue
        else:
            stalls = 0
        if previous and previous[2] == tight and abs(math.log(c / previous[0])) > 0.01:
            slope = (margin - previous[1]) / math.log(c / previous[0])
            slope = min(max(slope, k.slope_bounds[0] * scale), k.slope_bounds[1] * scale)
        previous = (c, margin, tight)
        if margin > 0:
            hi = min(hi, c)
            lo = lo if lo < hi else 0.0
        else:
            lo = max(lo, c)
            hi = hi if hi > lo else math.inf
        if tight and lo > 0 and hi / lo < k.ratio:
            return
        if not tight and (abs(over) <= k.near or (lo > 0 and hi / lo < 1.15)):
            # A bracket found at the loose tolerance may be wrong: it is dropped.
            near, tight, lo, hi = abs(over) <= k.near, True, 0.0, math.inf
            if near:
                continue
        most = math.log(k.factor_tight if tight else k.factor_loose)
        step = -(margin - k.aim * k.gain * length) / slope
        c *= math.exp(min(max(step, -most), most))
        if lo > 0 and hi < math.inf and not lo * (hi / lo) ** 0.1 <= c <= lo * (hi / lo) ** 0.9:
            c = math.sqrt(lo * hi)
        if not 1e-10 <= c <= 1e10:
            return


def sample_machine(sample, k):
    """The whole attack on one sample."""
    yield from minimize(sample, k)
    if sample.best is None or sample.best2 == 0:
        return
    # Regula falsi (Illinois) on the margin along x0 + t (best - x0).
    a, b, margin_a, margin_b, side = 0.0, 1.0, sample.first_margin, sample.best_margin, 0
    ray = sample.best - sample.x0
    for _ in range(k.probes):
        t = a + (b - a) * min(max(margin_a / (margin_a - margin_b), 0.05), 0.98)
        t += 0.05 * (b - t)
        x = sample.x0 + t * ray
        z, _ = yield x, False
        margin, r = sample.criterion.margin(z), x - sample.x0
        sample.record(x, dot(r, r), margin)
        if margin > 0:
            b, margin_b = t, margin
            margin_a, side = (margin_a / 2 if side > 0 else margin_a), 1
        else:
            a, margin_a = t, margin
            margin_b, side = (margin_b / 2 if side < 0 else margin_b), -1
        if b - a < 5e-4:
            return


def drive(module, samples, shape, constants, slots):
    """Runs all samples, `slots` at a time."""
    waiting, live = list(samples), []
    while waiting or live:
        while waiting and len(live) < slots:
            sample = waiting.pop(0)
            machine = sample_machine(sample, constants)
            live.append([sample, machine, next(machine)])
        x = torch.stack([request[0] for _, _, request in live]).reshape((-1, *shape))
        x.requires_grad_()
        logits = module(x)
        values = logits.detach().numpy()
        d = np.zeros_like(values)
        for row, (sample, _, request) in enumerate(live):
            if request[1]:
                d[row] = sample.criterion_at(values[row]).loss(values[row])[1]
        logits.backward(torch.from_numpy(d))
        gradients = x.grad.reshape(len(live), -1)
        still = []
        for row, entry in enumerate(live):
            sample, machine, (_, wanted) = entry
            sample.gradients += wanted
            sample.forwards += not wanted
            try:
                entry[2] = machine.send((values[row], gradients[row].clone() if wanted else None))
                still.append(entry)
            except StopIteration:
                pass
        live = still


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_model_options(parser)
    parser.add_argument("--images", required=True, help="[N, C, H, W] .npy in [0, 1]")
    parser.add_argument("--labels", required=True, help="[N] .npy of integers")
    parser.add_argument("--targets", help="[N] .npy; default: untargeted")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--loss", choices=("cross-entropy", "hinge", "any"),
                        default="cross-entropy")
    for field in dataclasses.fields(Constants):
        if field.type is not tuple:
            parser.add_argument("--" + field.name.replace("_", "-"), type=field.type,
                                default=field.default)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    constants = Constants(**{
        f.name: getattr(options, f.name)
        for f in dataclasses.fields(Constants) if f.type is not tuple
    })
    module = model_from(options)
    images = np.load(options.images)[: options.limit].astype(np.float32)
    labels = np.load(options.labels)[: options.limit]
    targets = np.load(options.targets) if options.targets else [None] * len(images)
    samples = [
        Sample(torch.from_numpy(x.ravel()), int(label), None if t is None else int(t), options.loss)
        for x, label, t in zip(images, labels, targets)
    ]
    began = time.perf_counter()
    drive(module, samples, images.shape[1:], constants, options.slots)
    rows = [{
        "index": index, "label": s.label, "success": s.best is not None,
        "l2": math.sqrt(s.best2) if s.best is not None else None,
        "evaluations": s.gradients, "forwards": s.forwards,
    } for index, s in enumerate(samples)]
    found = [row["l2"] for row in rows if row["success"]]
    summary = {
        "model": options.model, "images": len(rows), "loss": options.loss,
        "success_share": len(found) / len(rows),
        "l2_mean": float(np.mean(found)) if found else None,
        "l2_median": float(np.median(found)) if found else None,
        "evaluations_mean": float(np.mean([row["evaluations"] for row in rows])),
        "evaluations_largest": max(row["evaluations"] for row in rows),
        "forwards_mean": float(np.mean([row["forwards"] for row in rows])),
        "elapsed_s": time.perf_counter() - began,
    }
    if options.json:
        print(json.dumps({**summary, "constants": dataclasses.asdict(constants),
                          "samples": rows}))
    else:
        for row in rows:
            shown = f"{row['l2']:.5f}" if row["success"] else "none"
            print(f"{row['index']:5d} l2 {shown} evaluations {row['evaluations']} "
                  f"success {int(row['success'])}")
        print(" ".join(f"{key} {v:.5f}" if isinstance(v, float) else f"{key} {v}"
                       for key, v in summary.items()))


if __name__ == "__main__":
    main()
