"""Writes pictures as [N, C, H, W] float32 .npy in [0, 1], and their labels as int64 .npy.

Sources: a folder of photographs with a CSV of filename,label (shorter side to --resize with
Pillow's bilinear filter, centre crop), or IDX files (gzip or not).
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", help="a folder of photographs")
    parser.add_argument("--labels", help="CSV of filename,label, or an IDX file of labels")
    parser.add_argument("--idx", help="an IDX file of pictures")
    parser.add_argument("--resize", type=int, default=256)
    parser.add_argument("--crop", type=int, default=224)
    parser.add_argument("--offset", type=int, default=0)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--output", required=True,
                        help="stem: STEM.npy and STEM_labels.npy are written")
    arguments = parser.parse_args()
    chosen = slice(arguments.offset,
                   None if arguments.limit is None else arguments.offset + arguments.limit)
    if arguments.idx:
        pictures = idx(arguments.idx)[chosen].astype(np.float32)[:, None] / np.float32(255)
        labels = idx(arguments.labels)[chosen].astype(np.int64)
    else:
        with open(arguments.labels, newline="") as file:
            rows = list(csv.DictReader(file))[chosen]
        folder = pathlib.Path(arguments.photos)
        pictures = np.stack([
            photograph(folder / row["filename"], arguments.resize, arguments.crop)
            for row in rows
        ])
        labels = np.array([int(row["label"]) for row in rows], np.int64)
    np.save(arguments.output + ".npy", pictures)
    np.save(arguments.output + "_labels.npy", labels)
    print(f"{len(pictures)} pictures {pictures.shape[1:]} in {arguments.output}.npy")


if __name__ == "__main__":
    main()
