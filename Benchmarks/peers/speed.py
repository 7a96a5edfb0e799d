"""What the comparisons of speed share: their options, rounds, rows and tables.

A comparison alternates Blindspot and its peers (A B A B ...) for a number of rounds, with the same
number of threads. A round's ratio is the peer's time over Blindspot's, above 1 Blindspot is faster; the
median over the rounds counts, and of several forms of a peer (memory layouts) the fastest. A shared
machine changes its speed by a third for seconds or minutes: both times of a ratio come from the same
seconds, and short cases come in another order each round.

PyTorch asks the C library for the memory of every result, and glibc returns large blocks to the
system at once: their pages are then touched for the first time again in every call, which doubles
many times. That is how PyTorch is installed, and what is measured; with `--memory kept` glibc keeps the
blocks, as allocators that are recommended for PyTorch do and as Blindspot keeps its own buffers.
"""

import ctypes
import dataclasses
import json
import os
import random
import statistics
import subprocess
import sys
import time

import numpy as np
import torch

from peer import Row, print_table

# How often each side times a short case in a round, and the seconds that it works before: a core that
# was idle is slow at first, which milliseconds of work would show as the speed of the case.
REPEATS, WARM_UP = 5, 0.1
# The command's ways of summing 3x3 convolutions of stride 1 (`--convolution`).
ALGORITHMS = ("direct", "winograd")


@dataclasses.dataclass
class Speed:
    """One operation of both sides; times in seconds, one a round."""

    compared: str
    case: str
    peer: str
    ours: list
    theirs: list
    # The least ratio that is wanted; None where a figure is only shown.
    wanted: float | None = None

    @property
    def ratio(self):
        return statistics.median(t / o for o, t in zip(self.ours, self.theirs, strict=True))

    def row(self):
        """The row of a table, with the median times; a slow ratio is no failure."""
        ours, theirs = statistics.median(self.ours), statistics.median(self.theirs)
        return Row(
            f"{self.compared}, {self.peer}", self.case, "",
            f"{self.ratio:.2f} ({ours * 1e3:.2f} / {theirs * 1e3:.2f} ms)",
            f"{self.wanted:.2f}" if self.wanted else "-",
            self.wanted is None or self.ratio >= self.wanted, binds=False)


@dataclasses.dataclass
class GeometricMean:
    """The mean of the ratios of several operations, and the smallest."""

    compared: str
    case: str
    speeds: list
    wanted: float

    @property
    def ratio(self):
        return statistics.geometric_mean(s.ratio for s in self.speeds)

    def object(self):
        return {"compared": self.compared, "case": self.case, "geometric_mean": self.ratio,
                "worst": min(s.ratio for s in self.speeds), "wanted": self.wanted}

    def row(self):
        return Row(
            f"{self.compared}, geometric mean", self.case, str(len(self.speeds)),
            f"{self.ratio:.2f} (worst {min(s.ratio for s in self.speeds):.2f})",
            f"{self.wanted:.2f}", self.ratio >= self.wanted, binds=False)


@dataclasses.dataclass
class Numbers:
    """How far the results of what is timed lie from the peer's, and how far they may."""

    compared: str
    case: str
    difference: float
    allowed: float

    def row(self):
        return Row(
            f"numbers of {self.compared}", self.case, "", f"{self.difference:.1e}",
            f"{self.allowed:.0e}", self.difference <= self.allowed)


def add_speed_options(parser):
    """The options of a comparison of speed that runs alone."""
    parser.add_argument("--command", default=".build/release/blindspot")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2, help="of both sides")
    parser.add_argument("--memory", choices=("default", "kept"), default="default",
                        help="whether glibc keeps PyTorch's freed memory (see speed.py)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def prepare(options):
    """The threads and the memory of this process; before the first tensor."""
    torch.set_num_threads(options.threads)
    if options.memory == "kept":
        # glibc's numbers of M_MMAP_MAX (no blocks of their own) and M_TRIM_THRESHOLD.
        for parameter, value in ((-4, 0), (-1, 2**31 - 1)):
            if ctypes.CDLL(None).mallopt(parameter, value) != 1:
                sys.exit("mallopt failed; --memory kept needs glibc")


def timed(options, *arguments):
    """What the command prints as JSON, run with the comparison's number of threads."""
    threads = str(options.threads)
    # The first name is that of PoCL 5 and later, the second that of those before.
    environment = {**os.environ, "POCL_CPU_MAX_CU_COUNT": threads,
                   "POCL_MAX_PTHREAD_COUNT": threads}
    words = [str(options.command), *map(str, arguments), "--json", "--quiet"]
    done = subprocess.run(words, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)}: {done.stderr.strip() or done.returncode}")
    return json.loads(done.stdout)


def seconds(body, repeats=REPEATS):
    """The median time of a call, after calls that are not counted."""
    end = time.perf_counter() + WARM_UP
    body()
    while time.perf_counter() < end:
        body()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        body()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def alternate(rounds, sides, cases=((),)):
    """Calls the sides in turn with each case's arguments, the cases of a round in random order.

    Each side returns seconds by name; the result has those of all rounds by name.
    """
    found, shuffler = {}, random.Random(0)
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        for case in shuffler.sample(cases, len(cases)):
            for side in sides:
                for name, time_taken in side(*case).items():
                    found.setdefault(name, []).append(time_taken)
    return found


def fastest(times):
    """The name and the rounds' seconds of the fastest of a peer's forms."""
    return min(times.items(), key=lambda item: statistics.median(item[1]))


def relative_difference(ours, theirs):
    """The L2 norm of the difference over that of the peer's."""
    return float(np.linalg.norm((ours - theirs).ravel()) / np.linalg.norm(theirs.ravel()))


def finish(options, speeds, numbers, means=()):
    """Prints the table or the JSON object; the status is 1 when numbers disagree."""
    rows = [item.row() for item in [*numbers, *speeds, *means]]
    if options.json:
        print(json.dumps({
            "rounds": options.rounds, "threads": options.threads, "memory": options.memory,
            "numbers": [dataclasses.asdict(n) for n in numbers],
            "speeds": [{**dataclasses.asdict(s), "ratio": s.ratio} for s in speeds],
            "means": [mean.object() for mean in means],
            "rows": [dataclasses.asdict(row) for row in rows]}))
    else:
        print_table(rows)
    sys.exit(0 if all(row.met or not row.binds for row in rows) else 1)
