"""Writes a network's logits, losses and input gradients on given pictures, in float32 and float64.

The gradient is that of the cross-entropy of the given labels, summed over the batch, with respect
to the pictures in [0, 1] (the preprocessing is part of the network). Files: STEM_{logits,loss,
gradient}_{float32,float64}.npy, shapes [N, classes], [N] and [N, C, H, W]. The float64 run holds
the file's float32 weights exactly, so it is the reference for rounding errors in either.
"""

import argparse
import json

import numpy as np
import torch
import torch.nn.functional as F

from onnx_to_torch import add_model_options, model_from


def evaluate(module, images, labels, batch, dtype):
    """Logits, cross-entropies and input gradients as arrays of dtype."""
    logits, losses, gradients = [], [], []
    for first in range(0, len(images), batch):
        x = torch.from_numpy(images[first : first + batch]).to(dtype).requires_grad_()
        z = module(x)
        loss = F.cross_entropy(z, torch.from_numpy(labels[first : first + batch]),
                               reduction="none")
        loss.sum().backward()
        logits.append(z.detach().numpy())
        losses.append(loss.detach().numpy())
        gradients.append(x.grad.numpy())
    return [np.concatenate(v) for v in (logits, losses, gradients)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_model_options(parser)
    parser.add_argument("--images", required=True, help="[N, C, H, W] .npy in [0, 1]")
    parser.add_argument("--labels", required=True, help="[N] .npy of integers")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--output", required=True, help="stem of the files written")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    images = np.load(arguments.images)[: arguments.limit]
    labels = np.load(arguments.labels)[: arguments.limit].astype(np.int64)
    results = {}
    for name in ("float32", "float64"):
        dtype = getattr(torch, name)
        results[name] = evaluate(model_from(arguments, dtype), images, labels, arguments.batch,
                                 dtype)
        for what, array in zip(("logits", "loss", "gradient"), results[name]):
            np.save(f"{arguments.output}_{what}_{name}.npy", array)
    differences = [np.abs(a - b) for a, b in zip(results["float32"], results["float64"])]
    norms = np.linalg.norm(results["float64"][2].reshape(len(images), -1), axis=1)
    errors = np.linalg.norm(differences[2].reshape(len(images), -1), axis=1)
    summary = {
        "model": arguments.model, "images": len(images),
        "accuracy": float((results["float64"][0].argmax(1) == labels).mean()),
        "logits_largest_difference": float(differences[0].max()),
        "loss_largest_difference": float(differences[1].max()),
        "gradient_largest_difference": float(differences[2].max()),
        "gradient_relative_l2_error_median": float(np.median(errors / norms)),
        "gradient_relative_l2_error_largest": float((errors / norms).max()),
    }
    if arguments.json:
        print(json.dumps(summary))
    else:
        for key, value in summary.items():
            print(f"{key} {value}")


if __name__ == "__main__":
    main()
