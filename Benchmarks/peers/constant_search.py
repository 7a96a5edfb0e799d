"""What the L-BFGS peers share: the losses, the search for c.

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


class ConstantSearch:
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
