#!/usr/bin/env python3
"""Measures Blindspot on a GPU beside PyTorch, on a machine with a driver, Python and PyTorch only.

Runs from the folder that `make device-bundle` makes: nothing is built or installed. In turn, and each
step even where another fails:
- verify: every kernel of the device against the reference path, bit for bit;
- bits: L-BFGS on SqueezeNet 1.1; the SHA-256 of the adversarial pictures must be the one that
  another device left in the folder (expected.json);
- kernels: each kernel's share of the device's measured ceilings; a square matrix product beside
  PyTorch's;
- network: ResNet-50's forward pass and input gradient beside PyTorch's, NCHW and channels_last, and
  the memory of an image; first the numbers of two pictures are compared;
- pgd: PGD beside a plain loop in PyTorch, all pictures through all steps on both sides; lbfgs: the
  time of L-BFGS, without a peer; of both, how much of it the device was at work.
Networks and PGD are computed canonically and in tf32, PyTorch's with TF32 off and on.
Both sides alternate (A B A B ...); the medians over the rounds count, and of PyTorch's forms the
fastest. Everything goes to a JSON file, after each step; the table is printed at the end. The status
is 1 where a bit or a number is wrong or a step failed, not where a speed falls short.
"""

import argparse
import hashlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import traceback

import numpy as np
import torch
import torch.nn.functional as F

HERE = pathlib.Path(__file__).resolve().parent
# In the sources the modules that all comparisons share lie beside this folder, in a bundle here.
sys.path.append(str(HERE.parent / "peers"))
from modules import Normalized, damped, write_safetensors  # noqa: E402
from peer import Row, print_table  # noqa: E402
from resnet50 import random_resnet50  # noqa: E402
from speed import alternate, relative_difference, timed  # noqa: E402

RADIUS, STEP = 4 / 255, 1 / 255
# What the label's bias gains: more than the attack can reach, so that no picture ends early.
OUT_OF_REACH = 3.0
LAYOUTS = {"NCHW": torch.contiguous_format, "channels_last": torch.channels_last}
# The least ratios that the project asks for.
WANTED = {"product": 0.85, "gradient": 1.0, "at work": 0.95}
# Our precisions, and whether PyTorch's like is TF32.
MODES = {"canonical": False, "tf32": True}
STEPS = ("verify", "bits", "kernels", "product", "network", "pgd", "lbfgs")


class Session:
    """The options, the device of PyTorch, what was found."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.device = torch.device(options.torch_device)
        self.rows = []
        self.found = {}

    def run(self, *arguments):
        """What the command prints as JSON, on the device."""
        more = ["--family", self.options.family] if self.options.family else []
        return timed(self.options, *arguments, "--device", self.options.device, *more)

    def settle(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def seconds(self, body):
        """The median time of a call that PyTorch may only have queued, after one not counted."""
        times = []
        for _ in range(1 + self.options.repeats):
            self.settle()
            start = time.perf_counter()
            body()
            self.settle()
            times.append(time.perf_counter() - start)
        return statistics.median(times[1:])

    def peak_bytes(self, body):
        """The most bytes that PyTorch's tensors held during a call; None where nobody counts."""
        if self.device.type != "cuda":
            return None
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(self.device)
        body()
        self.settle()
        return torch.cuda.max_memory_allocated(self.device)

    def judge(self, compared, case, found, wanted, met, binds=True):
        self.rows.append(Row(compared, case, "", found, wanted, met, binds))

    def at_work(self, compared, case, share):
        """How much of an attack's time after its first step the device was at work."""
        self.judge(f"device at work, {compared}", case, f"{share:.3f}", f"{WANTED['at work']:.2f}",
                   share >= WANTED["at work"], binds=False)

    def ratios(self, compared, case, ours, theirs, wanted=None):
        """One row for each of our precisions and each of PyTorch's, beside its fastest layout."""
        for mode, own in ours.items():
            for tf32 in precisions(self):
                times = {form[1]: s for form, s in theirs.items() if form[0] == tf32}
                layout, best = min(times.items(), key=lambda item: item[1])
                ratio = best / own
                # Canonical float is to reach float, tf32 is to reach TF32; the others are shown.
                least = wanted if tf32 == MODES[mode] else None
                self.judge(
                    f"{compared}, {mode}, PyTorch {layout}, TF32 {'on' if tf32 else 'off'}", case,
                    f"{ratio:.2f} ({own * 1e3:.2f} / {best * 1e3:.2f} ms)",
                    f"{least:.2f}" if least else "-", least is None or ratio >= least,
                    binds=False)


def precisions(session):
    """TF32 off, and on where there is such a thing."""
    return (False, True) if session.device.type == "cuda" else (False,)


def modes(session):
    """Our precisions where there are tensor cores, else the one."""
    return list(MODES) if session.device.type == "cuda" else ["canonical"]


def use_tf32(on):
    torch.backends.cuda.matmul.allow_tf32 = on
    torch.backends.cudnn.allow_tf32 = on


def verify(session):
    found = session.run("verify")
    session.judge("verify", f"{found['cases']} cases", f"{found['failed']} failed", "0 failed",
                  found["bit_identical"])
    return found


def bits(session):
    bundle = session.options.bundle
    expected = json.loads((bundle / "expected.json").read_text())
    run = session.folder / "bits"
    found = session.run(
        *expected["arguments"], "--images", bundle / "images.npy", "--output", run)
    digest = hashlib.sha256((run / "adversarial.npy").read_bytes()).hexdigest()
    session.judge("L-BFGS, SqueezeNet 1.1", f"{found['succeeded']} pictures", digest[:12],
                  f"{expected['sha256'][:12]} of {expected['device']}",
                  digest == expected["sha256"] and found["succeeded"] > 0)
    return {"sha256": digest, "expected": expected, "summary": found}


def kernels(session):
    return session.run("bench", "kernels", "--batch", session.options.kernel_batch)


def product(session):
    """A square product, the weights packed before, beside torch.mm."""
    size = session.options.product
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.rand(size, size, generator=generator).to(session.device) for _ in range(2))

    def ours():
        kernel, = (k for k in session.run(
            "bench", "kernels", "--batch", size, "--filter", f"linear {size} -> {size} "
        )["kernels"] if k["operation"] == "linear")
        return {"ours": kernel["seconds_median"]}

    def theirs():
        times = {}
        for tf32 in precisions(session):
            use_tf32(tf32)
            times[tf32, "mm"] = session.seconds(lambda: torch.mm(a, b))
        return times

    medians = median_times(session, ours, theirs)
    own = medians.pop("ours")
    session.ratios("matrix product", f"{size}", {"canonical": own}, medians, WANTED["product"])
    return {"seconds": own, "peer_seconds": named(medians)}


def median_times(session, *sides):
    """The medians over the rounds, by name."""
    rounds = alternate(session.options.rounds, sides)
    return {name: statistics.median(times) for name, times in rounds.items()}


def named(times):
    """Times by a form's name instead of its parts."""
    return {" ".join(("TF32" if form[0] else "float", *form[1:])): s for form, s in times.items()}


def check_numbers(session, network, weights, mode):
    """Logits and input gradients of two pictures beside PyTorch's in float."""
    use_tf32(False)
    pictures = np.random.default_rng(0).random((2, 3, 224, 224), dtype=np.float32)
    files = {key: session.folder / f"{key}.npy"
             for key in ("images", "labels", "logits", "gradients")}
    np.save(files["images"], pictures)
    np.save(files["labels"], np.zeros(2, np.int64))
    session.run("classify", "--model", "resnet50", "--weights", weights, "--precision", mode,
                "--preprocessing", "imagenet", *(w for key, path in files.items() for w in (f"--{key}", path)))
    x = torch.from_numpy(pictures).to(session.device).requires_grad_()
    z = network(x)
    loss = F.cross_entropy(z, torch.zeros(2, dtype=torch.int64, device=session.device),
                           reduction="sum")
    gradient, = torch.autograd.grad(loss, x)
    differences = {}
    # A value on the other side of a kink changes a part of a gradient, wrong arithmetic all of it.
    # tf32 has eleven bits.
    logits, gradients = (1e-4, 5e-2) if mode == "canonical" else (2e-2, 5e-1)
    for key, theirs, allowed in (("logits", z, logits), ("gradients", gradient, gradients)):
        difference = relative_difference(np.load(files[key]), theirs.detach().cpu().numpy())
        differences[key] = difference
        session.judge(f"numbers of {key}, {mode}", "ResNet-50", f"{difference:.1e}", f"{allowed:.0e}",
                      difference <= allowed)
    return differences


def network(session):
    batch = session.options.batch
    weights = session.folder / "weights.safetensors"
    plain = damped(random_resnet50())
    write_safetensors(weights, plain.state_dict())
    module = Normalized(plain, 0, 0).to(session.device)
    found = {"numbers": {mode: check_numbers(session, module, weights, mode)
                         for mode in modes(session)}}
    forms = {}
    for layout, form in LAYOUTS.items():
        x = torch.full((batch, 3, 224, 224), 0.5, device=session.device)
        forms[layout] = x.contiguous(memory_format=form).requires_grad_()

    def forward(x):
        with torch.inference_mode():
            module(x)

    def gradient(x):
        z = module(x)
        torch.autograd.grad(z, x, torch.full_like(z, 0.01))

    memory = {}

    def ours():
        times = {}
        for mode in modes(session):
            rates = session.run("bench", "network", "--rates-only", "--model", "resnet50",
                                "--weights", weights, "--batch", batch, "--precision", mode)
            memory[mode] = rates["bytes_per_image"]
            for key in ("forward", "gradient"):
                times["ours", mode, key] = batch / rates[f"{key}_images_per_second"]
        return times

    def theirs():
        times = {}
        for layout, x in forms.items():
            module.to(memory_format=LAYOUTS[layout])
            for tf32 in precisions(session):
                use_tf32(tf32)
                times["forward", tf32, layout] = session.seconds(lambda: forward(x))
                times["gradient", tf32, layout] = session.seconds(lambda: gradient(x))
            memory[layout] = session.peak_bytes(lambda: gradient(x))
        return times

    medians = median_times(session, ours, theirs)
    for key in ("forward", "gradient"):
        times = {form[1:]: s for form, s in medians.items() if form[0] == key}
        own = {mode: medians["ours", mode, key] for mode in modes(session)}
        session.ratios(f"ResNet-50, {key}", f"batch {batch}", own, times, WANTED.get(key))
        found[key] = {"seconds": own, "peer_seconds": named(times)}
    theirs_bytes = [memory[layout] for layout in LAYOUTS if memory[layout] is not None]
    found["bytes_per_image"] = memory["canonical"]
    if theirs_bytes:
        share = memory["canonical"] * batch / min(theirs_bytes)
        found["peer_bytes_per_image"] = min(theirs_bytes) / batch
        session.judge("ResNet-50, memory of a gradient", f"batch {batch}", f"{share:.2f}", "0.20",
                      share <= 0.2, binds=False)
    return found


def descend(session, module, x, labels, steps):
    """Untargeted PGD in L-infinity with a random start, as Madry et al. 2017 have it."""
    low, high = (x - RADIUS).clamp(min=0), (x + RADIUS).clamp(max=1)
    y = (x + torch.empty_like(x).uniform_(-RADIUS, RADIUS)).clamp(0, 1)
    for _ in range(steps):
        y.requires_grad_()
        gradient, = torch.autograd.grad(
            F.cross_entropy(module(y), labels, reduction="sum"), y)
        y = torch.minimum(torch.maximum(y.detach() + STEP * gradient.sign(), low), high)
    return y


def pgd(session):
    batch, steps = session.options.batch, session.options.steps
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(batch, 3, 224, 224, generator=generator)
    module = Normalized(damped(random_resnet50()), OUT_OF_REACH, 0)
    files = {key: session.folder / f"pgd_{key}.npy" for key in ("images", "labels")}
    np.save(files["images"], pictures.numpy())
    np.save(files["labels"], np.zeros(batch, np.int64))
    weights = session.folder / "pgd.safetensors"
    write_safetensors(weights, module.network.state_dict())
    module = module.to(session.device)
    labels = torch.zeros(batch, dtype=torch.int64, device=session.device)

    shares = {}

    def ours():
        times = {}
        for mode in modes(session):
            found = session.run(
                "bench", "attack", "pgd", "--model", "resnet50", "--weights", weights, "--images",
                files["images"], "--labels", files["labels"], "--preprocessing", "imagenet",
                "--step-size", "1/255", "--steps", steps, "--batch", batch, "--repeats", 1,
                "--precision", mode)
            if found["mean_gradient_evaluations"] != steps or found["success_rate"] != 0:
                raise RuntimeError(f"not {steps} gradients a picture: {found}")
            times["ours", mode] = found["seconds"]
            shares.setdefault(mode, []).append(found["device_busy_share"])
        return times

    def theirs():
        times = {}
        for layout, form in LAYOUTS.items():
            module.to(memory_format=form)
            x = pictures.to(session.device).contiguous(memory_format=form)
            for tf32 in precisions(session):
                use_tf32(tf32)
                descend(session, module, x, labels, 1)
                session.settle()
                start = time.perf_counter()
                descend(session, module, x, labels, steps)
                session.settle()
                times[tf32, layout] = time.perf_counter() - start
        return times

    medians = median_times(session, ours, theirs)
    own = {mode: medians.pop(("ours", mode)) for mode in modes(session)}
    session.ratios(f"PGD-{steps}, ResNet-50", f"batch {batch}", own, medians)
    for mode, found in shares.items():
        session.at_work(f"PGD-{steps}, {mode}", f"batch {batch}", statistics.median(found))
    return {"seconds": own, "peer_seconds": named(medians), "device_busy_share": shares}


def lbfgs(session):
    batch = session.options.batch
    found = session.run(
        "bench", "attack", "lbfgs", "--model", "resnet50", "--batch", batch, "--limit", batch,
        "--repeats", 1)
    session.at_work("L-BFGS, canonical", f"batch {batch}", found["device_busy_share"])
    return found


def environment(options):
    """What the figures were taken on."""
    devices = subprocess.run([options.command, "devices", "--json"], capture_output=True, text=True)
    if devices.returncode != 0:
        sys.exit(devices.stderr.strip())
    query = ["nvidia-smi", "--query-gpu=name,driver_version,clocks.max.sm", "--format=csv"]
    try:
        gpu = subprocess.run(query, capture_output=True, text=True).stdout
    except OSError:
        gpu = None
    return {"torch": torch.__version__, "batch": options.batch, "rounds": options.rounds,
            "devices": json.loads(devices.stdout), "nvidia_smi": gpu}


def parsed():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=pathlib.Path, default=HERE)
    parser.add_argument("--vendors", help="a folder of .icd files instead of the bundle's own")
    parser.add_argument("--device", default="gpu", help="as the command's")
    parser.add_argument("--family", help="as the command's")
    parser.add_argument("--torch-device", default="cuda")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of both sides")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--kernel-batch", type=int, default=64)
    parser.add_argument("--product", type=int, default=4096)
    parser.add_argument("--steps", type=int, default=20, help="of PGD")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--repeats", type=int, default=5, help="of PyTorch's passes in a round")
    parser.add_argument("--only", nargs="*", choices=STEPS, default=STEPS)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("measured.json"))
    return parser.parse_args()


def main():
    options = parsed()
    options.command = options.bundle / "blindspot"
    os.environ["LD_LIBRARY_PATH"] = ":".join(
        [str(options.bundle / "lib"), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])])
    os.environ["OCL_ICD_VENDORS"] = options.vendors or str(options.bundle / "vendors")
    torch.set_num_threads(options.threads)
    torch.backends.cudnn.benchmark = True
    with tempfile.TemporaryDirectory() as folder:
        session = Session(options, pathlib.Path(folder))
        os.environ.setdefault("BLINDSPOT_CACHE", str(session.folder / "programs"))
        session.found["environment"] = environment(options)
        for step in options.only:
            print(f"== {step}", file=sys.stderr, flush=True)
            start = time.perf_counter()
            try:
                session.found[step] = globals()[step](session)
            # A command that fails ends the program by SystemExit; the other steps are still wanted.
            except (Exception, SystemExit) as error:
                traceback.print_exc()
                session.found[step] = {"error": str(error)}
                session.judge(step, "", "failed", "done", False)
            session.found[step]["step_seconds"] = time.perf_counter() - start
            session.found["rows"] = [vars(row) for row in session.rows]
            options.output.write_text(json.dumps(session.found, indent=1))
    sys.exit(0 if print_table(session.rows) else 1)


if __name__ == "__main__":
    main()
