"""What the L-BFGS peers share: the losses, the searches for c and along the last segment.

Objective (Szegedy et al. 2013, with the distance squared and c on the loss):
    phi_c(x) = |x - x0|^2 + c L(x),  0 <= x <= 1.
A larger c gives a larger perturbation; wanted is the smallest c whose minimiser succeeds.
"""

import math

import numpy as np


def log_sum_exp(z):
    top = z.max()
    return top + math.log(np.exp(z - top).sum())


class Criterion:
    """A loss of one sample's logits, and what counts as success.

    kind: "cross-entropy": CE towards `target`; "hinge": max(0, max_{k != target} z_k - z_target);
    "any": -log(1 - p_label), CE towards "any class but the label". Success is arg max = target
    when targeted, else arg max != label. Scalars are computed in double from float32 logits.
    """

    def __init__(self, kind, label, target, targeted):
        self.kind, self.label, self.target, self.targeted = kind, label, target, targeted

    def loss(self, z):
        """(L, dL/dz) at the logits z."""
        z = z.astype(np.float64)
        if self.kind == "cross-entropy":
            total = log_sum_exp(z)
            d = np.exp(z - total)
            d[self.target] -= 1
            return total - z[self.target], d
        if self.kind == "hinge":
            others = z.copy()
            others[self.target] = -np.inf
            rival = int(others.argmax())
            d = np.zeros_like(z)
            if z[rival] <= z[self.target]:
                return 0.0, d
            d[rival], d[self.target] = 1, -1
            return z[rival] - z[self.target], d
        if self.kind == "any":
            others = z.copy()
            others[self.label] = -np.inf
            total, rest = log_sum_exp(z), log_sum_exp(others)
            label = math.exp(z[self.label] - total)
            d = -label * np.exp(others - rest)  # p - q without cancellation
            d[self.label] = label
            return total - rest, d
        raise ValueError(f"no loss is called {self.kind!r}")

    def margin(self, z):
        """Positive: success. The logit of the class wanted less the best of the others."""
        z = z.astype(np.float64)
        others = z.copy()
        if self.targeted:
            others[self.target] = -np.inf
            return float(z[self.target] - others.max())
        others[self.label] = -np.inf
        return float(others.max() - z[self.label])


class BisectionSearch:
    """Brackets c by a factor, then bisects it in log space until hi / lo < ratio.

    With `secant` the bracket is divided where the margin, interpolated in log c, is zero, kept
    a tenth of the bracket away from its ends.
    """

    def __init__(self, c0, factor=10.0, steps=9, ratio=1.1, secant=False, bounds=(1e-10, 1e10)):
        self.c, self.factor, self.left, self.ratio = c0, factor, steps, ratio
        self.secant, self.bounds = secant, bounds
        self.lo, self.hi, self.margin_lo, self.margin_hi = 0.0, math.inf, 0.0, 0.0

    def report(self, success, margin):
        """Takes the outcome at self.c; returns the next c, or None when the search is over."""
        if success:
            self.hi, self.margin_hi = self.c, margin
        else:
            self.lo, self.margin_lo = self.c, margin
        self.left -= 1
        if self.lo == 0:
            self.c = self.hi / self.factor
        elif self.hi == math.inf:
            self.c = self.lo * self.factor
        else:
            share = 0.5
            if self.secant and self.margin_hi > 0 > self.margin_lo:
                share = self.margin_lo / (self.margin_lo - self.margin_hi)
                share = min(max(share, 0.1), 0.9)
            self.c = self.lo * (self.hi / self.lo) ** share
        bracketed = self.lo > 0 and self.hi < math.inf
        over = (self.left <= 0 or (bracketed and self.hi / self.lo < self.ratio)
                or not self.bounds[0] <= self.c <= self.bounds[1])
        return None if over else self.c


class MarginSearch:
    """The search of `blindspot attack lbfgs`, step for step (Sources/Attacks/ConstantSearch.swift).

    A secant on the margin as a function of log c inside a bracket, in two stages: the second begins
    when the minimiser lies within `near` of the boundary, relative to its distance, and ends when
    it lies at most `gain` beyond. `report` takes the point where the minimiser for `c` ended.
    """

    def __init__(self, margin, squared_slope, gain=0.003, near=0.03, steps=14):
        self.scale = abs(margin)
        self.c = 4 * self.scale / squared_slope
        self.slope = 0.25 * self.scale
        self.gain, self.near, self.left = gain, near, steps
        self.tight, self.lo, self.hi, self.previous = False, 0.0, math.inf, None

    def report(self, margin, loss, squared_distance, squared_slope):
        """The next c, or None when the search is over."""
        distance = math.sqrt(squared_distance)
        probability = max(1 - math.exp(-loss), 1e-3)
        slope = math.sqrt(max(squared_slope, 1e-30)) / probability
        beyond = margin / (slope * max(distance, 1e-30))
        if self.tight and 0 <= beyond <= self.gain:
            return None
        self.learn(margin)
        if margin > 0:
            self.hi = min(self.hi, self.c)
            self.lo = self.lo if self.lo < self.hi else 0.0
        else:
            self.lo = max(self.lo, self.c)
            self.hi = self.hi if self.hi > self.lo else math.inf
        if self.tight and self.lo > 0 and self.hi / self.lo < 1.01:
            return None
        self.left -= 1
        if self.left <= 0:
            return None
        if not self.tight and abs(beyond) <= self.near:
            self.tight, self.lo, self.hi = True, 0.0, math.inf
            return self.c
        if not self.tight and self.lo > 0 and self.hi / self.lo < 1.15:
            self.tight, self.lo, self.hi = True, 0.0, math.inf
        return self.step(margin, 0.3 * self.gain * distance * slope)

    def learn(self, margin):
        if self.previous is not None:
            c, last, tight = self.previous
            if tight == self.tight and abs(math.log(self.c / c)) > 0.01:
                secant = (margin - last) / math.log(self.c / c)
                self.slope = min(max(secant, 0.05 * self.scale), self.scale)
        self.previous = (self.c, margin, self.tight)

    def step(self, margin, wanted):
        most = math.log(1.25 if self.tight else 3)
        move = -(margin - wanted) / self.slope
        c = self.c * math.exp(min(max(move, -most), most))
        if self.lo > 0 and self.hi < math.inf:
            ratio = self.hi / self.lo
            if not self.lo * ratio**0.1 <= c <= self.lo * ratio**0.9:
                c = math.sqrt(self.lo * self.hi)
        if not 1e-10 < c < 1e10:
            return None
        self.c = c
        return c


class SegmentSearch:
    """The Illinois rule on the margin along the segment from the clean picture to the best point.

    As `blindspot attack lbfgs` does at the end (the same file). `part` is the
    share of the whole segment to try next, or None; then `report` takes the margin there.
    """

    def __init__(self, near_margin, far_margin, steps):
        self.near, self.far, self.near_margin, self.far_margin = 0.0, 1.0, near_margin, far_margin
        self.side, self.left, self.part = 0, steps, None
        self.advance()

    def report(self, margin):
        if margin > 0:
            self.far, self.far_margin = self.part, margin
            self.near_margin /= 2 if self.side > 0 else 1
            self.side = 1
        else:
            self.near, self.near_margin = self.part, margin
            self.far_margin /= 2 if self.side < 0 else 1
            self.side = -1
        self.advance()

    def advance(self):
        if self.left <= 0 or self.far - self.near < 5e-4:
            self.part = None
            return
        self.left -= 1
        share = self.near_margin / (self.near_margin - self.far_margin)
        part = self.near + (self.far - self.near) * min(max(share, 0.05), 0.98)
        self.part = part + 0.05 * (self.far - part)
