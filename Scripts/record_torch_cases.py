#!/usr/bin/env python3
"""Records results and gradients of PyTorch, in double precision, for the tests of the CPU path.

Usage: python3 Scripts/record_torch_cases.py   (writes Tests/ReferenceTests/Fixtures/torch.json)
Inputs are multiples of 1/16, exact in every precision; results are kept to 9 digits.
"""

import json
import pathlib

import torch
import torch.nn.functional as F

OUTPUT = pathlib.Path(__file__).parent.parent / "Tests/ReferenceTests/Fixtures/torch.json"
torch.manual_seed(20131221)
cases = []


def random(*shape, low=-32, high=32, unit=16):
    return (torch.randint(low, high + 1, shape, dtype=torch.float64) / unit).requires_grad_()


def encoded(tensor):
    values = tensor.detach().to(torch.float64).flatten().tolist()
    return {
        "shape": list(tensor.shape),
        "values": [int(v) if v == int(v) else float(f"{v:.9g}") for v in values],
    }


def record(operation, inputs, y, integers=None, reals=None, mode=None, gradients=None):
    """Adds a case; `gradients` maps the gradients' names to the inputs they belong to."""
    inputs, outputs = dict(inputs), {"y": y}
    if gradients is None:
        gradients = {"dx": "x"}
    if gradients:
        inputs["dy"] = random(*y.shape, low=-8, high=8, unit=4)
        values = torch.autograd.grad(y, [inputs[name] for name in gradients.values()], inputs["dy"])
        outputs.update(zip(gradients, values))
    cases.append({
        "name": f"{operation} {len(cases)}",
        "operation": operation,
        "mode": mode,
        "integers": integers or {},
        "reals": reals or {},
        "inputs": {k: encoded(v) for k, v in inputs.items()},
        "outputs": {k: encoded(v) for k, v in outputs.items()},
    })


def convolution(x, w, stride=(1, 1), padding=(0, 0, 0, 0), dilation=(1, 1), groups=1,
                mode="none", residual=False):
    """Padding is top, left, bottom, right."""
    x, w, b = (random(*shape, low=-8, high=8, unit=4) for shape in (x, w, w[:1]))
    top, left, bottom, right = padding
    inputs, gradients = {"x": x, "w": w, "b": b}, {"dx": "x", "dw": "w", "db": "b"}
    y = F.conv2d(F.pad(x, (left, right, top, bottom)), w, b, stride, 0, dilation, groups)
    if residual:
        inputs["residual"] = random(*y.shape)
        y = y + inputs["residual"]
    reals = {}
    if mode == "relu":
        y = F.relu(y)
    elif mode == "clip":
        y, reals = y.clamp(-1, 2), {"low": -1, "high": 2}
    elif mode == "leaky":
        y, reals = F.leaky_relu(y, 0.125), {"slope": 0.125}
    record("convolution", inputs, y, mode=mode, gradients=gradients, reals=reals,
           integers={"stride": stride, "padding": padding, "dilation": dilation, "groups": [groups]})


convolution((1, 1, 1, 1), (1, 1, 1, 1))
convolution((2, 3, 4, 3), (3, 3, 3, 3), padding=(1, 1, 1, 1), mode="relu")
convolution((1, 2, 9, 8), (3, 2, 3, 2), stride=(2, 3), padding=(1, 0, 1, 0), residual=True)
convolution((2, 4, 3, 4), (4, 2, 3, 3), padding=(1, 1, 1, 1), groups=2, mode="clip")
convolution((1, 5, 6, 6), (5, 1, 3, 3), stride=(2, 2), padding=(1, 1, 1, 1), groups=5)
convolution((1, 3, 5, 5), (6, 1, 3, 3), groups=3, mode="leaky", residual=True)
convolution((1, 2, 9, 9), (2, 2, 3, 3), padding=(2, 2, 2, 2), dilation=(2, 3))
convolution((1, 2, 6, 5), (2, 2, 4, 2), stride=(3, 1), padding=(0, 1, 2, 3), dilation=(1, 2))
convolution((1, 2, 11, 9), (1, 2, 7, 7), stride=(4, 4), padding=(3, 3, 3, 3))
convolution((3, 2, 3, 3), (3, 2, 1, 1), stride=(2, 2))
convolution((1, 1, 2, 2), (2, 1, 5, 5), padding=(4, 4, 4, 4), stride=(3, 2))

for ta, tb, alpha, beta in [(0, 0, 1, 0), (1, 0, 0.5, 1), (0, 1, 1, 0.25), (1, 1, -2, 3)]:
    a, b, c = random(*((5, 3) if ta else (3, 5))), random(*((4, 5) if tb else (5, 4))), random(3, 4)
    y = alpha * ((a.T if ta else a) @ (b.T if tb else b)) + beta * c
    record("matmul", {"a": a, "b": b, "c": c}, y, integers={"transposes": [ta, tb]},
           reals={"alpha": alpha, "beta": beta}, gradients={"da": "a", "db": "b"})
x, w, b = random(3, 7), random(7, 5), random(5)
record("linear", {"x": x, "w": w, "b": b}, F.relu(x @ w + b), mode="relu",
       gradients={"dx": "x", "dw": "w", "db": "b"})

FUNCTIONS = {
    "relu": F.relu, "sigmoid": torch.sigmoid, "tanh": torch.tanh, "exp": torch.exp,
    "erf": torch.erf, "softplus": F.softplus, "negate": torch.neg, "absolute": torch.abs,
    "leaky": lambda x: F.leaky_relu(x, 0.125), "clip": lambda x: x.clamp(-1, 1.5),
    "log": torch.log, "sqrt": torch.sqrt,
}
for name, function in FUNCTIONS.items():
    x = random(2, 13, low=1, high=100) if name in ("log", "sqrt") else random(2, 13, low=-80, high=80)
    with torch.no_grad():
        x[x == 1.5] = 1.25  # the derivative at the bound is a convention
        x[x == -1] = -1.25
    record("pointwise", {"x": x}, function(x), mode=name,
           reals={"slope": 0.125, "low": -1, "high": 1.5})

for shape, axis in [((3, 7), 1), ((2, 5, 3, 2), 1), ((2, 3, 6), -1), ((2, 1, 2, 2), 1), ((3, 4), 0)]:
    for mode, function in [("softmax", F.softmax), ("log", F.log_softmax)]:
        x = random(*shape, low=-125, high=125)
        record("softmax", {"x": x}, function(x, axis), integers={"axis": [axis]}, mode=mode)

for shape, kernel, stride, padding, dilation, ceil in [
    ((2, 1, 6, 7), (3, 2), (2, 2), (1, 1), (1, 1), False),
    ((1, 1, 7, 7), (3, 3), (2, 2), (1, 1), (1, 1), True),
    ((1, 1, 8, 7), (3, 3), (2, 3), (0, 1), (1, 1), True),
    ((1, 1, 9, 8), (3, 3), (1, 2), (1, 1), (2, 2), True),
    ((1, 1, 5, 4), (2, 2), (1, 1), (0, 0), (1, 1), False),
    ((1, 2, 5, 5), (2, 2), (3, 3), (1, 1), (1, 1), True),
    ((2, 1, 5, 6), (4, 4), (2, 2), (2, 2), (1, 1), True),
]:
    integers = {"kernel": kernel, "stride": stride, "padding": padding * 2, "dilation": dilation,
                "ceil": [int(ceil)]}
    x = random(*shape, low=-3, high=3, unit=1)  # many ties
    y, indices = F.max_pool2d(x, kernel, stride, padding, dilation, ceil, return_indices=True)
    record("pooling", {"x": x}, y, integers=integers, mode="maximum")
    cases[-1]["outputs"]["indices"] = encoded(indices)
    if dilation == (1, 1):
        for include in (False, True):
            x = random(*shape, low=-8, high=8, unit=4)
            y = F.avg_pool2d(x, kernel, stride, padding, ceil, include)
            record("pooling", {"x": x}, y, integers=integers,
                   mode="average with padding" if include else "average")
for mode, function in [("maximum", F.adaptive_max_pool2d), ("average", F.adaptive_avg_pool2d)]:
    x = random(2, 3, 5, 4)
    record("global pooling", {"x": x}, function(x, 1), mode=mode)

for size, channels, alpha, beta, k in [(5, 7, 1e-2, 0.75, 1), (3, 2, 0.5, 0.5, 2), (1, 3, 1, 1, 1),
                                       (9, 4, 0.25, 0.75, 1.5)]:
    x = random(2, channels, 1, 2)
    record("lrn", {"x": x}, F.local_response_norm(x, size, alpha, beta, k),
           integers={"size": [size]}, reals={"alpha": alpha, "beta": beta, "bias": k})

x, gamma, beta = random(2, 3, 2, 2), random(3), random(3)
mean, variance = random(3).detach(), random(3, low=1, high=50).detach()
statistics = {"gamma": gamma, "beta": beta, "mean": mean, "variance": variance}
record("batch normalisation", {"x": x, **statistics},
       F.batch_norm(x, mean, variance, gamma, beta, eps=0.0078125), reals={"epsilon": 0.0078125})
x, w, b = random(2, 2, 4, 4), random(3, 2, 3, 3), random(3)
record("folded convolution", {"x": x, "w": w, "b": b, **statistics},
       F.batch_norm(F.conv2d(x, w, b), mean, variance, gamma, beta, eps=0.0078125),
       reals={"epsilon": 0.0078125}, gradients={})

for a, b in [((2, 3), (2, 3)), ((2, 3, 2, 2), (3, 1, 1)), ((2, 1, 3), (1, 4, 1)), ((5,), (2, 5)),
             ((2, 3), ())]:
    for mode in ("add", "subtract", "multiply", "divide"):
        p, q = random(*a), random(*b, low=4, high=32)
        function = {"add": torch.add, "subtract": torch.sub, "multiply": torch.mul, "divide": torch.div}
        record("binary", {"a": p, "b": q}, function[mode](p, q), mode=mode,
               gradients={"da": "a", "db": "b"})

for mode, name in [("constant", "constant"), ("reflect", "reflect"), ("replicate", "edge")]:
    for left, right, top, bottom in [(1, 2, 2, 1), (0, 1, 3, 0), (2, 2, 0, 0)]:
        x = random(1, 2, 4, 3)
        y = F.pad(x, (left, right, top, bottom), mode, *([0.5] if mode == "constant" else []))
        record("pad", {"x": x}, y, integers={"before": (0, 0, top, left), "after": (0, 0, bottom, right)},
               mode=name, reals={"value": 0.5})
x = random(2, 3, 4)
record("pad", {"x": x}, F.pad(x, (-1, 2, 1, -2)), mode="constant", reals={"value": 0},
       integers={"before": (0, 1, -1), "after": (0, -2, 2)})

for axes, keeps in [((1,), 0), ((-1,), 1), ((0, 2), 0), ((0, 1, 2), 1), ((2, 3), 0)]:
    x = random(*((2, 3, 2, 2) if 3 in axes else (2, 3, 4)))
    for mode, function in [("mean", torch.mean), ("sum", torch.sum)]:
        record("reduce", {"x": x}, function(x, axes, bool(keeps)), mode=mode,
               integers={"axes": axes, "keeps": [keeps]})
for permutation in [(0, 2, 3, 1), (3, 1, 0, 2), (0, 1, 3, 2)]:
    x = random(2, 3, 1, 4)
    record("transpose", {"x": x}, x.permute(permutation), integers={"permutation": permutation})
for axis in (0, 1, 2, -1):
    shapes = [[2, 3, 2], [2, 3, 2]]
    shapes[1][axis] = 4
    a, b = random(*shapes[0]), random(*shapes[1])
    record("concatenate", {"a": a, "b": b}, torch.cat([a, b], axis), integers={"axis": [axis]},
           gradients={"da": "a", "db": "b"})

for samples, classes in [(4, 5), (2, 2), (1, 270)]:
    z = random(samples, classes, low=-160, high=160)
    labels = torch.randint(0, classes, (samples,))
    integers = {"labels": labels.tolist()}
    record("cross-entropy", {"x": z}, F.cross_entropy(z, labels, reduction="none"), integers=integers,
           gradients={})
    cases[-1]["outputs"]["dx"] = encoded(
        torch.autograd.grad(F.cross_entropy(z, labels, reduction="sum"), z)[0])
    rivals = z.masked_fill(F.one_hot(labels, classes).bool(), -torch.inf).amax(1)
    own = z.gather(1, labels[:, None])[:, 0]
    if classes > 100:
        continue
    for mode, margin in [("untargeted", own - rivals), ("targeted", rivals - own)]:
        for kappa in (None, 2.0):
            y = margin if kappa is None else margin.clamp(min=-kappa)
            record("margin", {"x": z}, y, integers=integers, mode=mode, gradients={},
                   reals={} if kappa is None else {"kappa": kappa})
            cases[-1]["outputs"]["dx"] = encoded(torch.autograd.grad(y.sum(), z, retain_graph=True)[0])

x0 = random(3, 2, 4, low=0, high=16)
x = (x0 + random(3, 2, 4, low=-2, high=2)).clamp(0, 1)
d, alpha, radius = random(3, 2, 4), torch.tensor([0.125, -0.25, 0.5]), torch.tensor([0.125, 0.5, 4])
per_sample = alpha.double()[:, None, None], radius.double()[:, None, None]
for mode in ("unbounded", "infinity", "euclidean"):
    moved = x + per_sample[0] * d
    if mode == "infinity":
        moved = torch.minimum(torch.maximum(moved, x0 - per_sample[1]), x0 + per_sample[1])
    elif mode == "euclidean":
        delta = moved - x0
        norm = torch.linalg.vector_norm(delta, dim=(1, 2), keepdim=True)
        moved = x0 + delta * torch.clamp(per_sample[1] / norm, max=1)
    record("box step", {"x": x, "origin": x0, "direction": d}, moved.clamp(0, 1), mode=mode,
           gradients={}, reals={f"alpha{n}": float(alpha[n]) for n in range(3)}
           | {f"radius{n}": float(radius[n]) for n in range(3)})

lines = [json.dumps(case, separators=(",", ":")) for case in cases]
OUTPUT.write_text("[\n" + ",\n".join(lines) + "\n]\n")
print(f"{len(cases)} cases, {OUTPUT.stat().st_size} bytes")
