"""Times matrix products, Blindspot beside MKL through PyTorch and CLBlast on the same device.

The square products of 1024 and 2048 and the fully connected layers of AlexNet and VGG16 at batch 64.
Blindspot's operation is a network's: a matrix of weights that was packed before, as its bench and its
networks have it; its times are those of the device's clock, forward and the gradient with respect to
the rows. MKL is `torch.mm` or, for the gradient, `torch.mm` with the transpose. Shown beside it but
not judged: MKL with weights packed before (PyTorch's `_mkl_linear`), and CLBlast's sgemm, called
through its C interface, where Debian's libclblast1 is installed. The numbers of one product, 64 rows
of each matrix, are compared before.
"""

import argparse
import ctypes
import ctypes.util
import json
import pathlib
import subprocess
import tempfile
import types

import numpy as np
import onnx
import onnx.helper as helper
import torch
import torch.nn.functional as F

from peer import classify
from speed import (
    REPEATS, Numbers, Speed, add_speed_options, alternate, fastest, finish, prepare, relative_difference,
    seconds, timed)

# Name, rows, columns of the input, columns of the output.
PRODUCTS = [
    ("square", 1024, 1024, 1024), ("square", 2048, 2048, 2048),
    ("AlexNet fc6", 64, 9216, 4096), ("AlexNet fc7, VGG16 fc7", 64, 4096, 4096),
    ("AlexNet fc8, VGG16 fc8", 64, 4096, 1000), ("VGG16 fc6", 64, 25088, 4096),
]
WANTED = 0.95


def matrices(rows, inputs, outputs):
    """The rows, the weights [inputs, outputs] and a gradient of the output."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(rows, inputs, generator=generator)
    w = torch.randn(inputs, outputs, generator=generator) / inputs**0.5
    return x, w, torch.rand(rows, outputs, generator=generator)


class CLBlast:
    """CLBlast's sgemm on a device of OpenCL."""

    def __init__(self, library, device):
        import pyopencl

        self.cl, self.library = pyopencl, library
        self.context = pyopencl.Context([device])
        self.queue = pyopencl.CommandQueue(self.context)

    @staticmethod
    def on(device_name):
        """On the device of this name; nil if the library, its binding or the device is missing."""
        name = ctypes.util.find_library("clblast")
        try:
            import pyopencl
        except ImportError:
            return None
        if name is None:
            return None
        devices = [device for platform in pyopencl.get_platforms()
                   for device in platform.get_devices() if device.name.strip() == device_name]
        return CLBlast(ctypes.CDLL(name), devices[0]) if devices else None

    def buffer(self, array):
        flags = self.cl.mem_flags.READ_WRITE | self.cl.mem_flags.COPY_HOST_PTR
        return self.cl.Buffer(self.context, flags, hostbuf=np.ascontiguousarray(array))

    def product(self, a, b):
        """A call that computes a b into a buffer, and that buffer; row-major, not transposed."""
        (m, k), n = a.shape, b.shape[1]
        c = self.buffer(np.zeros((m, n), np.float32))
        buffers = [self.buffer(a.numpy()), self.buffer(b.numpy()), c]
        handles = [ctypes.c_void_p(buffer.int_ptr) for buffer in buffers]
        queue = ctypes.c_void_p(self.queue.int_ptr)
        size, one, zero = ctypes.c_size_t, ctypes.c_float(1), ctypes.c_float(0)

        def call(_=buffers):
            # Row-major is 101, not transposed 111, as in CBLAS.
            status = self.library.CLBlastSgemm(
                101, 111, 111, size(m), size(n), size(k), one, handles[0], size(0), size(k),
                handles[1], size(0), size(n), zero, handles[2], size(0), size(n),
                ctypes.byref(queue), None)
            if status != 0:
                raise SystemExit(f"matmul.py: CLBlastSgemm: status {status}")
            self.queue.finish()

        return call, c

    def read(self, buffer, shape):
        array = np.empty(shape, np.float32)
        self.cl.enqueue_copy(self.queue, array, buffer)
        return array


def check(command, name, inputs, outputs):
    """How far the products of 64 rows and the gradients of a loss of them are from PyTorch's."""
    x, w, _ = matrices(64, inputs, outputs)
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("Gemm", ["f", "w"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 1, 1, inputs])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, outputs])],
        [onnx.numpy_helper.from_array(w.numpy(), "w")])
    labels = np.zeros(64, np.int64)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        onnx.save(helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7),
            folder / "product.onnx")
        model = types.SimpleNamespace(model=folder / "product.onnx", preprocessing="unit")
        ours = classify(command, model, x.view(64, 1, 1, inputs).numpy(), labels, folder,
                        "--gradients", folder / "gradients.npy")
        gradients = np.load(folder / "gradients.npy").reshape(64, inputs)
    x.requires_grad_()
    y = x @ w
    loss = F.cross_entropy(y, torch.from_numpy(labels), reduction="sum")
    theirs, = torch.autograd.grad(loss, x)
    difference = max(relative_difference(ours, y.detach().numpy()),
                     relative_difference(gradients, theirs.numpy()))
    return Numbers("matrix product", f"{name} {inputs} -> {outputs}", difference, 1e-5)


def our_times(options, product):
    """Blindspot's seconds of a product by pass."""
    _, rows, inputs, outputs = product
    # A product of M rows is a batch of M vectors.
    shape = f"{inputs} -> {outputs} batch {rows}"
    kernels = timed(options, "bench", "kernels", "--filter", f"linear {shape}", "--repeats", REPEATS,
                    "--batch", rows)["kernels"]
    times = {(k["operation"], k["shape"]): k["seconds_median"] for k in kernels}
    return {("forward", product, "ours"): times["linear", shape],
            ("gradient", product, "ours"): times["gradient of linear", shape]}


def calls_of(product, clblast):
    """A product's calls by pass and form."""
    _, rows, inputs, outputs = product
    x, w, g = matrices(rows, inputs, outputs)
    # Weights as they are and as PyTorch's own layers hold them.
    transposed = w.t().contiguous()
    packed = torch.ops.mkl._mkl_reorder_linear_weight(transposed, rows)
    calls = {
        ("forward", "torch.mm"): lambda: torch.mm(x, w),
        ("forward", "F.linear"): lambda: F.linear(x, transposed),
        ("gradient", "torch.mm"): lambda: torch.mm(g, w.t()),
        ("gradient", "torch.mm, transposed"): lambda: torch.mm(g, transposed),
        ("forward", "packed"): lambda: torch.ops.mkl._mkl_linear(x, packed, transposed, None, rows),
    }
    if clblast:
        calls["forward", "CLBlast"] = clblast.product(x, w)[0]
    return calls


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_speed_options(parser)
    options = parser.parse_args()
    prepare(options)
    devices = json.loads(subprocess.check_output([options.command, "devices", "--json"]))
    # The command's own choice: a GPU before a CPU.
    clblast = CLBlast.on(min(devices, key=lambda device: device["kind"] != "gpu")["name"])
    numbers = [check(options.command, name, inputs, outputs)
               for name, _, inputs, outputs in PRODUCTS]
    if clblast:
        x, w, _ = matrices(64, 1024, 1024)
        call, c = clblast.product(x, w)
        call()
        numbers.append(Numbers("matrix product", "CLBlast 1024 -> 1024", relative_difference(
            clblast.read(c, (64, 1024)), (x @ w).numpy()), 1e-5))
    calls = {product: calls_of(product, clblast) for product in PRODUCTS}

    def theirs(product):
        with torch.inference_mode():
            # CLBlast is only shown and takes ten times as long: one call of it a round.
            return {(name, product, form): seconds(call, 1 if form == "CLBlast" else REPEATS)
                    for (name, form), call in calls[product].items()}

    rounds = alternate(
        options.rounds, (lambda product: our_times(options, product), theirs),
        [(product,) for product in PRODUCTS])
    speeds = []
    for name in ("forward", "gradient"):
        for product in PRODUCTS:
            text = f"{product[0]} {product[1]}x{product[2]} by {product[2]}x{product[3]}"
            forms = {form: time for (n, p, form), time in rounds.items()
                     if (n, p) == (name, product)}
            ours = forms.pop("ours")
            shown = {form: forms.pop(form) for form in ("packed", "CLBlast") if form in forms}
            form, theirs = fastest(forms)
            speeds.append(
                Speed(f"product, {name}", text, f"MKL ({form})", ours, theirs, WANTED))
            speeds += [Speed(f"product, {name}", text, {"packed": "MKL, packed"}.get(form, form),
                             ours, theirs) for form, theirs in shown.items()]
    finish(options, speeds, numbers)


if __name__ == "__main__":
    main()
