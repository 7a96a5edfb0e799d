"""Compares `blindspot attack lbfgs` with scipy's L-BFGS-B on the same network and pictures.

Both minimise |x - x0|^2 - c log(1 - p_label) for the same sequence of rules for c, from the current
point each time, keep the closest success and end with the same search along the segment; only the
minimiser for one c differs, and scipy's runs to its own convergence (lbfgs_scipy.py). Judged: the
command fools every picture that scipy fools, its mean L2 over those is at most 1 % above scipy's,
and it takes no more gradient evaluations. Pictures that the network has wrong are not for here.
"""

import argparse
import json
import pathlib
import sqlite3
import subprocess
import sys
import tempfile

import numpy as np
import torch

from onnx_to_torch import add_model_options, model_from
from peer import Row, add_comparison_options, blindspot, pictures_from, report

HERE = pathlib.Path(__file__).parent


def scipy_samples(options, folder):
    """What scipy found for each picture."""
    words = [
        sys.executable, HERE / "lbfgs_scipy.py", "--json", "--loss", "any", "--model",
        options.model, "--preprocessing", options.preprocessing, "--threads", options.threads,
        "--images", folder / "images.npy", "--labels", folder / "labels.npy"]
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"lbfgs_scipy.py: exit status {done.returncode}")
    return json.loads(done.stdout)["samples"]


def compare(options, images, labels):
    """The row of one network and one set of pictures, all classified rightly."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        np.save(folder / "images.npy", images)
        np.save(folder / "labels.npy", labels)
        blindspot(
            options.command, "attack", "lbfgs", "--model", options.model, "--preprocessing",
            options.preprocessing, "--images", folder / "images.npy", "--labels",
            folder / "labels.npy", "--output", folder / "run")
        fooled = np.load(folder / "run/adversarial.npy")
        with sqlite3.connect(folder / "run/run.sqlite") as run:
            ours = run.execute(
                "SELECT success, gradient_evaluations FROM samples ORDER BY id").fetchall()
        if options.scipy:
            peers = json.loads(pathlib.Path(options.scipy).read_text())["samples"]
        else:
            peers = scipy_samples(options, folder)
    if len(peers) != len(images):
        sys.exit(f"scipy attacked {len(peers)} pictures, the command {len(images)}")
    won = np.array([row[0] for row in ours], bool)
    theirs = np.array([peer["success"] for peer in peers], bool)
    both = won & theirs
    lengths = np.linalg.norm((fooled.astype(np.float64) - images).reshape(len(images), -1), axis=1)
    lengths = (lengths[both], np.array([peer["l2"] or np.nan for peer in peers])[both])
    ratio = lengths[0].mean() / lengths[1].mean()
    counts = (np.mean([row[1] for row in ours]),
              np.mean([peer["evaluations"] for peer in peers]))
    # That a picture fools is for PyTorch to say too; rounding may put it back over the boundary.
    classes = model_from(options, torch.float64)(
        torch.from_numpy(fooled[won]).double()).argmax(1).numpy()
    return Row(
        "attack lbfgs, scipy L-BFGS-B", pathlib.Path(options.model).stem,
        f"{len(images)} {options.called}".strip(),
        f"mean L2 {lengths[0].mean():.5f} against {lengths[1].mean():.5f}: {100 * (ratio - 1):+.2f} %"
        f" (each {100 * (lengths[0] / lengths[1] - 1).min():+.1f} to "
        f"{100 * (lengths[0] / lengths[1] - 1).max():+.1f} %); gradients {counts[0]:.1f} against "
        f"{counts[1]:.1f}; fooled {won.sum()} ({(classes != labels[won]).sum()} in PyTorch float64) "
        f"against {theirs.sum()}",
        "+1 %, no more gradients", bool(
            (won >= theirs).all() and ratio <= 1.01 and counts[0] <= counts[1]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_model_options(parser)
    add_comparison_options(parser)
    parser.add_argument("--scipy", help="what lbfgs_scipy.py --json printed for these pictures; "
                        "default: run it")
    parser.add_argument("--called", default="", help="what the table calls the pictures")
    arguments = parser.parse_args()
    report([compare(arguments, *pictures_from(arguments))])


if __name__ == "__main__":
    main()
