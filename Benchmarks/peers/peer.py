"""What the comparisons share: running the command, the rows of the table."""

import dataclasses
import json
import pathlib
import subprocess
import sys

import numpy as np


@dataclasses.dataclass
class Row:
    """One judged comparison."""

    compared: str
    network: str
    pictures: str
    found: str
    wanted: str
    met: bool
    # Whether the program fails when the row is not met: not so for a speed.
    binds: bool = True


def print_table(rows):
    """All rows in columns; returns whether every one that binds is met."""
    lines = [("compared", "network", "pictures", "found", "wanted", "met")]
    lines += [(r.compared, r.network, r.pictures, r.found, r.wanted,
               "-" if r.wanted == "-" else "yes" if r.met else "NO")
              for r in rows]
    widths = [max(map(len, column)) for column in zip(*lines)]
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip())
    return all(r.met or not r.binds for r in rows)


def report(rows):
    """Prints the rows and ends the program: 0 when all are met, else 1."""
    sys.exit(0 if print_table(rows) else 1)


def blindspot(command, *arguments):
    """Runs the command with --json and returns what it printed."""
    words = [str(command), *map(str, arguments), "--json", "--quiet"]
    print("+ " + " ".join(words), file=sys.stderr, flush=True)
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr.strip() or f"{words[0]}: exit status {done.returncode}")
    return json.loads(done.stdout)


def classify(command, options, images, labels, folder, *more):
    """The command's logits of pictures that are given as arrays."""
    folder = pathlib.Path(folder)
    for name, array in (("images", images), ("labels", labels)):
        np.save(folder / f"{name}.npy", array)
    blindspot(
        command, "classify", "--model", options.model, "--preprocessing", options.preprocessing,
        "--images", folder / "images.npy", "--labels", folder / "labels.npy",
        "--logits", folder / "logits.npy", *more)
    return np.load(folder / "logits.npy")


def add_comparison_options(parser):
    """The options of a comparison that runs alone."""
    parser.add_argument("--command", default=".build/release/blindspot")
    parser.add_argument("--images", required=True, help="[N, C, H, W] .npy in [0, 1]")
    parser.add_argument("--labels", required=True, help="[N] .npy of integers")
    parser.add_argument("--limit", type=int)


def pictures_from(arguments):
    """The images and labels that the options name."""
    images = np.load(arguments.images)[: arguments.limit].astype(np.float32)
    return images, np.load(arguments.labels)[: arguments.limit].astype(np.int64)


def layout_of(path):
    """The order of the axes that a file's input expects."""
    import onnx

    graph = onnx.load(path).graph
    constants = {t.name for t in graph.initializer}
    tensor = next(i for i in graph.input if i.name not in constants).type.tensor_type
    sizes = [d.dim_value for d in tensor.shape.dim]
    return "nhwc" if len(sizes) == 4 and sizes[3] in (1, 3) and sizes[1] not in (1, 3) else "nchw"
