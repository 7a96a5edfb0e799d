#!/usr/bin/env python3
"""Makes the folder that measures a GPU on a machine with a driver, Python and PyTorch only.

The folder holds the command, linked statically with Swift's libraries and stripped; lib/, the shared
libraries it needs besides the C library, the ICD loader among them; vendors/, an .icd file for
NVIDIA's driver; measure.py and its modules; images.npy and expected.json, the SHA-256 of what an
attack on them gives on this machine's device. Copy it and run `python3 measure.py` in it.

Needs the Swift toolchain, an OpenCL device of this machine and Python's own modules.
"""

import argparse
import array
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
MODULES = [HERE / "measure.py", HERE / "resnet50.py", *(
    HERE.parent / "peers" / f"{name}.py" for name in ("modules", "peer", "speed"))]
# Parts of the C library: they must be those of the machine that runs the folder.
SYSTEM = re.compile(r"(ld-linux.*|lib(c|m|dl|rt|pthread|resolv))\.so")
ATTACK = ["attack", "lbfgs", "--model", "squeezenet1_1", "--target", "runner-up"]
SHAPE = (4, 3, 224, 224)


def build(swift, scratch):
    """The linked command."""
    words = [swift, "build", "-c", "release", "--static-swift-stdlib", "--product", "blindspot",
             "--scratch-path", scratch]
    subprocess.run(words, check=True)
    place = subprocess.run([*words, "--show-bin-path"], check=True, capture_output=True, text=True)
    return pathlib.Path(place.stdout.strip()) / "blindspot"


def needed_libraries(program):
    """The shared libraries of a program, those of the C library left out."""
    listed = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    paths = re.findall(r"=> (/\S+)", listed)
    return [path for path in paths if not SYSTEM.match(pathlib.Path(path).name)]


def newest_symbol(files):
    """The newest version of the C library that files ask for."""
    versions = [tuple(map(int, found.split(b".")))
                for file in files for found in re.findall(rb"GLIBC_(2\.[0-9]+)", file.read_bytes())]
    return ".".join(map(str, max(versions)))


def write_pictures(path):
    """Seeded random pictures in NumPy's format."""
    count = 1
    for size in SHAPE:
        count *= size
    generator = random.Random(0)
    values = array.array("f", (generator.random() for _ in range(count)))
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {SHAPE}, }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
                     + values.tobytes())


def expected(folder):
    """What the attack gives on this machine."""
    environment = {**os.environ, "LD_LIBRARY_PATH": str(folder / "lib")}
    with tempfile.TemporaryDirectory() as place:
        run = pathlib.Path(place) / "run"
        done = subprocess.run(
            [folder / "blindspot", *ATTACK, "--images", folder / "images.npy", "--output", run,
             "--json", "--quiet"], check=True, capture_output=True, text=True, env=environment)
        pictures = (run / "adversarial.npy").read_bytes()
    found = json.loads(done.stdout)
    if found["succeeded"] == 0:
        sys.exit("bundle.py: the attack found nothing whose bits could be compared")
    return {"arguments": ATTACK, "sha256": hashlib.sha256(pictures).hexdigest(),
            "device": found["device"], "succeeded": found["succeeded"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path(".build/device-bundle"))
    parser.add_argument("--scratch", default=".build/device", help="of the static build")
    parser.add_argument("--swift", default="swift")
    parser.add_argument("--program", help="a command that was linked before; nothing is built")
    options = parser.parse_args()
    program = options.program or build(options.swift, options.scratch)
    folder = options.output.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "lib").mkdir(parents=True)
    (folder / "vendors").mkdir()
    subprocess.run(["strip", "-o", folder / "blindspot", program], check=True)
    for path in needed_libraries(program):
        shutil.copy(path, folder / "lib")
    (folder / "vendors" / "nvidia.icd").write_text("libnvidia-opencl.so.1\n")
    for module in MODULES:
        shutil.copy(module, folder)
    write_pictures(folder / "images.npy")
    (folder / "expected.json").write_text(json.dumps(expected(folder), indent=1) + "\n")
    files = [folder / "blindspot", *(folder / "lib").iterdir()]
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    print(f"{folder}: {size >> 20} MiB, for a C library of {newest_symbol(files)} or later")


if __name__ == "__main__":
    main()
