"""Networks as PyTorch modules: their normalisation, their weights as files for the command."""

import json
import struct

import torch

# ImageNet's, the command's `--preprocessing imagenet`.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Normalized(torch.nn.Module):
    """A network of pictures in [0, 1], whose last layer's bias gains something for one class."""

    def __init__(self, network, bias_gain, label):
        super().__init__()
        self.network = network
        self.network.fc.bias[label] += bias_gain
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1))
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(3, 1, 1))

    def forward(self, x):
        return self.network((x - self.mean) / self.deviation)


def damped(network):
    """The network with logits of the size that trained ones have, for random weights."""
    network.fc.weight *= 0.1
    network.fc.bias *= 0.1
    return network


def write_safetensors(path, tensors):
    """The format: a length, a JSON header, the bytes."""
    header, blobs, position = {}, [], 0
    for name, tensor in tensors.items():
        if tensor.dtype != torch.float32:
            continue
        data = tensor.detach().cpu().contiguous().numpy().tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape),
                        "data_offsets": [position, position + len(data)]}
        blobs.append(data)
        position += len(data)
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))
