"""Turns an ONNX file into a PyTorch module whose input is a picture batch in [0, 1].

The module's output is the logits: the input of the last Softmax when the graph ends in one, else
the graph's output called "logits", else its first output, flattened to [N, classes]. Run as a
script it compares those logits with onnxruntime's on random or given pictures.

Operators: Add, AveragePool, BatchNormalization, Clip, Concat, Constant, Conv, Dropout, Flatten,
Gemm, GlobalAveragePool, Identity, MatMul, MaxPool, Mul, Relu, Reshape, Sigmoid, Softmax, Sub,
Transpose. Anything else, and any padding mode but explicit zeros, is refused with its name.
"""

import argparse
import sys

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import torch
import torch.nn.functional as F

PREPROCESSINGS = {
    # name: (scale, mean, std, channels). The network sees (scale * x[channels] - mean) / std.
    "unit": (1.0, (0.0,), (1.0,), "rgb"),
    "raw255": (255.0, (0.0,), (1.0,), "rgb"),
    "imagenet": (1.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "rgb"),
    "caffe": (255.0, (104.0, 117.0, 123.0), (1.0,), "bgr"),
    "tf": (255.0, (127.5,), (127.5,), "rgb"),
}


class Preprocessing(torch.nn.Module):
    """Maps pictures [N, C, H, W] in [0, 1] to what the network was trained on."""

    def __init__(self, scale, mean, std, channels="rgb", layout="nchw", dtype=torch.float32):
        super().__init__()
        self.scale, self.channels, self.layout = scale, channels, layout
        self.register_buffer("mean", torch.tensor(mean, dtype=dtype).reshape(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=dtype).reshape(1, -1, 1, 1))

    def forward(self, x):
        if self.channels == "bgr":
            x = x.flip(1)
        x = (x * self.scale - self.mean) / self.std
        return x.permute(0, 2, 3, 1) if self.layout == "nhwc" else x


def explicit_pads(node, attributes, spatial):
    """The node's padding as [begin..., end...]; automatic padding is refused."""
    if attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise ValueError(f"{node.op_type} {node.name!r}: auto_pad {attributes['auto_pad']!r}")
    return list(attributes.get("pads", [0] * (2 * spatial)))


def padded(x, pads, value=0.0):
    """x with ONNX pads [top, left, bottom, right] (or [left, right]) applied."""
    half = len(pads) // 2
    order = [p for axis in reversed(range(half)) for p in (pads[axis], pads[axis + half])]
    return F.pad(x, order, value=value) if any(order) else x


class Graph(torch.nn.Module):
    """Evaluates an ONNX graph up to its logits."""

    def __init__(self, path, dtype=torch.float32):
        super().__init__()
        graph = onnx.load(path).graph
        self.constants = {}
        for tensor in graph.initializer:
            value = torch.from_numpy(np.array(onnx.numpy_helper.to_array(tensor)))
            self.constants[tensor.name] = value.to(dtype) if value.is_floating_point() else value
        names = [i.name for i in graph.input if i.name not in self.constants]
        if len(names) != 1:
            raise ValueError(f"{path}: expected one input, found {names}")
        self.input = names[0]
        outputs = [o.name for o in graph.output]
        self.output = "logits" if "logits" in outputs else outputs[0]
        producers = {name: node for node in graph.node for name in node.output}
        if producers[self.output].op_type == "Softmax":
            self.output = producers[self.output].input[0]
        # Only what the logits depend on is evaluated.
        needed, wanted = [], {self.output}
        for node in reversed(graph.node):
            if wanted.intersection(node.output):
                wanted.update(node.input)
                attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
                needed.append((node, attributes))
                if not hasattr(self, "op_" + node.op_type.lower()):
                    raise ValueError(f"{path}: operator {node.op_type} is not supported")
        self.nodes = needed[::-1]

    def forward(self, x):
        values = dict(self.constants)
        values[self.input] = x
        for node, attributes in self.nodes:
            inputs = [values[name] if name else None for name in node.input]
            values[node.output[0]] = getattr(self, "op_" + node.op_type.lower())(
                node, attributes, *inputs
            )
        return values[self.output].flatten(1)

    def op_conv(self, node, a, x, w, b=None):
        spatial = w.dim() - 2
        pads = explicit_pads(node, a, spatial)
        strides, dilations = a.get("strides", [1] * spatial), a.get("dilations", [1] * spatial)
        if spatial != 2:
            raise ValueError(f"Conv {node.name!r}: {spatial} spatial dimensions")
        if pads[:2] == pads[2:]:
            return F.conv2d(x, w, b, strides, pads[:2], dilations, a.get("group", 1))
        return F.conv2d(padded(x, pads), w, b, strides, 0, dilations, a.get("group", 1))

    def op_maxpool(self, node, a, x):
        kernel = a["kernel_shape"]
        x = padded(x, explicit_pads(node, a, len(kernel)), -float("inf"))
        return F.max_pool2d(
            x, kernel, a.get("strides", [1, 1]), 0, a.get("dilations", [1, 1]),
            bool(a.get("ceil_mode", 0)),
        )

    def op_averagepool(self, node, a, x):
        pads = explicit_pads(node, a, 2)
        if any(pads) and not a.get("count_include_pad", 0):
            raise ValueError(f"AveragePool {node.name!r}: padding excluded from the mean")
        strides = a.get("strides", [1, 1])
        return F.avg_pool2d(padded(x, pads), a["kernel_shape"], strides, 0,
                            bool(a.get("ceil_mode", 0)))

    def op_batchnormalization(self, node, a, x, scale, bias, mean, variance):
        return F.batch_norm(x, mean, variance, scale, bias, False, 0.0, a.get("epsilon", 1e-5))

    def op_clip(self, node, a, x, low=None, high=None):
        low, high = a.get("min", low), a.get("max", high)
        # At a bound hardtanh passes no gradient, as ReLU6 by definition; clamp's rule is its own.
        low, high = (bound if v is None else float(v)
                     for v, bound in ((low, -float("inf")), (high, float("inf"))))
        return F.hardtanh(x, low, high)

    def op_gemm(self, node, a, x, w, c=None):
        x = x.t() if a.get("transA", 0) else x
        w = w.t() if a.get("transB", 0) else w
        y = a.get("alpha", 1.0) * (x @ w)
        return y if c is None else y + a.get("beta", 1.0) * c

    def op_globalaveragepool(self, node, a, x):
        return x.mean((2, 3), keepdim=True)

    def op_flatten(self, node, a, x):
        axis = a.get("axis", 1)
        return x.flatten(1) if axis == 1 else x.reshape(int(np.prod(x.shape[:axis])), -1)

    def op_concat(self, node, a, *x):
        return torch.cat(x, a["axis"])

    def op_reshape(self, node, a, x, shape=None):
        shape = [int(v) for v in (a["shape"] if shape is None else shape)]
        shape = [x.shape[i] if v == 0 else v for i, v in enumerate(shape)]
        if shape[0] == 1:  # a file written for a batch of one
            shape[0] = x.shape[0]
        return x.reshape(shape)

    def op_constant(self, node, a):
        value = torch.from_numpy(np.array(onnx.numpy_helper.to_array(a["value"])))
        parameter = next(v for v in self.constants.values() if v.is_floating_point())
        return value.to(parameter.dtype) if value.is_floating_point() else value

    def op_softmax(self, node, a, x):
        return x.softmax(a.get("axis", 1))

    def op_transpose(self, node, a, x):
        return x.permute(a.get("perm", list(reversed(range(x.dim())))))

    def op_add(self, node, a, x, y):
        return x + y

    def op_sub(self, node, a, x, y):
        return x - y

    def op_mul(self, node, a, x, y):
        return x * y

    def op_matmul(self, node, a, x, y):
        return x @ y

    def op_relu(self, node, a, x):
        return x.relu()

    def op_sigmoid(self, node, a, x):
        return x.sigmoid()

    def op_identity(self, node, a, x):
        return x

    def op_dropout(self, node, a, x, *unused):
        return x


def load(path, preprocessing, dtype=torch.float32):
    """The preprocessing followed by the network, frozen, in evaluation mode."""
    module = torch.nn.Sequential(Preprocessing(*preprocessing, dtype=dtype), Graph(path, dtype))
    return module.eval().requires_grad_(False)


def add_model_options(parser):
    """The options that say which network is attacked and how pictures are fed to it."""
    parser.add_argument("--model", required=True, help="an ONNX file")
    parser.add_argument("--preprocessing", choices=PREPROCESSINGS, default="unit",
                        help="the network sees (scale * x[channels] - mean) / std")
    parser.add_argument("--scale", type=float)
    parser.add_argument("--mean", type=float, nargs="+")
    parser.add_argument("--std", type=float, nargs="+")
    parser.add_argument("--channels", choices=("rgb", "bgr"))
    parser.add_argument("--layout", choices=("nchw", "nhwc"), default="nchw",
                        help="what the network's input expects; pictures are always NCHW")
    parser.add_argument("--threads", type=int, default=1)


def model_from(arguments, dtype=torch.float32):
    """The module that the options of add_model_options describe."""
    torch.set_num_threads(arguments.threads)
    scale, mean, std, channels = PREPROCESSINGS[arguments.preprocessing]
    scale = scale if arguments.scale is None else arguments.scale
    return load(
        arguments.model,
        (scale, arguments.mean or mean, arguments.std or std, arguments.channels or channels,
         arguments.layout),
        dtype,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_model_options(parser)
    parser.add_argument("--images", help="[N, C, H, W] .npy in [0, 1]; default: random pictures")
    parser.add_argument("--limit", type=int, default=4)
    parser.add_argument("--tolerance", type=float, default=1e-4,
                        help="largest difference allowed, relative to the largest logit")
    arguments = parser.parse_args()
    import onnxruntime

    module = model_from(arguments)
    proto = onnx.load(arguments.model)
    graph_module = module[1]
    known = {o.name for o in proto.graph.output}
    if graph_module.output not in known:
        proto.graph.output.append(onnx.helper.make_empty_tensor_value_info(graph_module.output))
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"])
    wanted = session.get_inputs()[0]
    shape = [d if isinstance(d, int) else 1 for d in wanted.shape]
    if arguments.images:
        x = np.load(arguments.images)[: arguments.limit].astype(np.float32)
    else:
        c, h, w = (shape[3], shape[1], shape[2]) if arguments.layout == "nhwc" else shape[1:]
        x = np.random.default_rng(0).random((arguments.limit, c, h, w), dtype=np.float32)
    mine = module(torch.from_numpy(x)).numpy()
    fed = module[0](torch.from_numpy(x)).numpy()
    if wanted.type == "tensor(float16)":
        fed = fed.astype(np.float16)
    theirs = np.concatenate([
        session.run([graph_module.output], {wanted.name: fed[i : i + 1]})[0].reshape(1, -1)
        for i in range(len(fed))
    ])
    difference, largest = np.abs(mine - theirs).max(), np.abs(theirs).max()
    same = int((mine.argmax(1) == theirs.argmax(1)).sum())
    print(f"{arguments.model}: largest difference {difference:.3g}, largest logit {largest:.4g}, "
          f"same class {same} of {len(x)}")
    sys.exit(0 if difference <= arguments.tolerance * largest else 1)


if __name__ == "__main__":
    main()
