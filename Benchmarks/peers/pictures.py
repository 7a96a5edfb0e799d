"""Writes pictures as [N, C, H, W] float32 .npy in [0, 1], and their labels as int64 .npy.

Sources: a folder of photographs with a CSV of filename,label (shorter side to --resize with
Pillow's bilinear filter, centre crop), IDX files (gzip or not), or CIFAR-10's binary records. With
--right only pictures whose largest logit is their label's are counted by --offset and --limit.
"""

import argparse
import csv
import gzip
import pathlib

import numpy as np


def photograph(path, resize, crop):
    """One photograph as [3, crop, crop] in [0, 1], RGB."""
    from PIL import Image

    with Image.open(path) as picture:
        picture = picture.convert("RGB")
        w, h = picture.size
        short = min(w, h)
        size = (round(w * resize / short), round(h * resize / short))
        picture = picture.resize(size, Image.Resampling.BILINEAR)
        left, top = (size[0] - crop) // 2, (size[1] - crop) // 2
        picture = picture.crop((left, top, left + crop, top + crop))
        return np.asarray(picture, np.float32).transpose(2, 0, 1) / np.float32(255)


def idx(path):
    """The array in an IDX file of unsigned bytes."""
    path = pathlib.Path(path)
    data = gzip.open(path).read() if path.suffix == ".gz" else path.read_bytes()
    if data[:3] != b"\0\0\x08":
        raise ValueError(f"{path}: not an IDX file of unsigned bytes")
    shape = np.frombuffer(data, ">i4", data[3], 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


def digits(folder):
    """MNIST's test pictures [N, 1, 28, 28] in [0, 1], and labels."""
    folder = pathlib.Path(folder)
    pictures = idx(folder / "t10k-images-idx3-ubyte.gz")
    labels = idx(folder / "t10k-labels-idx1-ubyte.gz")
    return scaled(pictures[:, None]), labels.astype(np.int64)


def cifar(path):
    """The pictures [N, 3, 32, 32] in [0, 1] and labels of CIFAR-10's records."""
    records = np.fromfile(path, np.uint8).reshape(-1, 3073)
    return scaled(records[:, 1:].reshape(-1, 3, 32, 32)), records[:, 0].astype(np.int64)


def photographs(folder, labels, resize=256, crop=224, limit=None):
    """The pictures [N, 3, crop, crop] in [0, 1] that a CSV of filename,label names, and labels."""
    with open(labels, newline="") as file:
        rows = list(csv.DictReader(file))[:limit]
    folder = pathlib.Path(folder)
    pictures = np.stack([photograph(folder / row["filename"], resize, crop) for row in rows])
    return pictures, np.array([int(row["label"]) for row in rows], np.int64)


def scaled(levels):
    return levels.astype(np.float32) / np.float32(255)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", help="a folder of photographs")
    parser.add_argument("--labels", help="CSV of filename,label")
    parser.add_argument("--mnist", help="a folder with MNIST's test files")
    parser.add_argument("--cifar", help="a file of CIFAR-10's records")
    parser.add_argument("--resize", type=int, default=256)
    parser.add_argument("--crop", type=int, default=224)
    parser.add_argument("--right", help="logits of all these pictures, [N, classes] .npy")
    parser.add_argument("--offset", type=int, default=0)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--output", required=True,
                        help="stem: STEM.npy and STEM_labels.npy are written")
    arguments = parser.parse_args()
    if arguments.mnist:
        pictures, labels = digits(arguments.mnist)
    elif arguments.cifar:
        pictures, labels = cifar(arguments.cifar)
    else:
        pictures, labels = photographs(
            arguments.photos, arguments.labels, arguments.resize, arguments.crop)
    chosen = np.arange(len(labels))
    if arguments.right:
        chosen = np.flatnonzero(np.load(arguments.right).argmax(1) == labels)
    chosen = chosen[arguments.offset :][: arguments.limit]
    np.save(arguments.output + ".npy", pictures[chosen])
    np.save(arguments.output + "_labels.npy", labels[chosen])
    print(f"{len(chosen)} pictures {pictures.shape[1:]} in {arguments.output}.npy")


if __name__ == "__main__":
    main()
