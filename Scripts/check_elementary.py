#!/usr/bin/env python3
"""Checks the canonical functions on every OpenCL device here.

Elementary functions (Kernels/common/elementary.clh), the random streams (philox.clh) and the long
sums (lanes.clh, Kernels/reference/longsum.cl) are run on each device and compared
  - with double precision (numpy, scipy): the largest error in units in the last place of a float;
  - with the same header compiled as C by the system's compiler: bit for bit;
  - with the checksums in Tests/ReferenceTests, which the Swift twins must meet: bit for bit;
  - float16 with float, and both styles of the long sums with the rule written out in numpy.

usage: check_elementary.py [--stride N] [--device PART_OF_NAME]
Needs pyopencl, numpy, scipy and a C compiler called cc. Exits 1 when anything differs.
"""
import argparse
import ctypes
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np
import pyopencl as cl
import scipy.special

ROOT = pathlib.Path(__file__).resolve().parent.parent
COMMON = ROOT / "Kernels" / "common"
TESTS = ROOT / "Tests" / "ReferenceTests"
OPTIONS = ["-cl-std=CL1.2", f"-I{COMMON}"]
GRID_STRIDE = 4099
EXPONENTS = np.array([0.75, -0.75, -1.75, 0.5, 2, -4, 4, -1 / 3], np.float32)

# name, reference in double precision, domain of the argument, largest error documented
UNARY = [
    ("exp", np.exp, (-np.inf, np.inf), 1.1),
    ("log", np.log, (-np.inf, np.inf), 1.0),
    ("softplus", lambda x: np.logaddexp(0, x), (-np.inf, np.inf), 2.0),
    ("tanh", np.tanh, (-np.inf, np.inf), 1.4),
    ("sigmoid", lambda x: np.where(x < 0, np.exp(-np.abs(x)), 1) / (1 + np.exp(-np.abs(x))),
     (-np.inf, np.inf), 1.5),
    ("erf", scipy.special.erf, (-np.inf, np.inf), 1.1),
    ("sinpi", lambda x: sine_of_half_turns(exact_remainder(x)), (-2.0**20, 2.0**20), 1.1),
    ("cospi", lambda x: sine_of_half_turns(0.5 - np.abs(exact_remainder(x))),
     (-2.0**20, 2.0**20), 1.1),
]
POWR_ULPS = 1.0

KERNELS = """
#include "elementary.clh"
#define UNARY(name) \\
  __kernel void scalar_##name(__global const float* x, __global float* y) { \\
    size_t i = get_global_id(0); \\
    y[i] = canonical_##name(x[i]); \\
  } \\
  __kernel void vector_##name(__global const float16* x, __global float16* y) { \\
    size_t i = get_global_id(0); \\
    y[i] = canonical_##name(x[i]); \\
  }
%s
__kernel void scalar_powr(__global const float* x, __global const float* e, __global float* y) {
  size_t i = get_global_id(0);
  y[i] = canonical_powr(x[i], e[i]);
}
__kernel void vector_powr(
    __global const float16* x, __global const float16* e, __global float16* y) {
  size_t i = get_global_id(0);
  y[i] = canonical_powr(x[i], e[i]);
}
""" % "\n".join(f"UNARY({name})" for name, *_ in UNARY)

STREAMS = """
#include "philox.clh"
__kernel void known(__global const uint4* counter, __global const uint2* key, __global uint4* out) {
  size_t i = get_global_id(0);
  out[i] = philox(counter[i], key[i]);
}
__kernel void draw(
    ulong seed, ulong sample, uint attack, uint restart, uint step, uint draw,
    __global uint4* words, __global float4* uniform, __global float4* symmetric,
    __global float4* gaussian) {
  uint block = get_global_id(0);
  uint4 w = philox_words(philox_key(seed, sample, attack, restart), step, draw, block);
  words[block] = w;
  uniform[block] = philox_uniform(w);
  symmetric[block] = philox_symmetric(w);
  gaussian[block] = philox_gaussian(w);
}
"""

# Counter, key and result, published with Random123.
KNOWN_ANSWERS = [
    ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    ([0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], [0xA4093822, 0x299F31D0],
     [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]),
]
LENGTHS = [1, 2, 3, 15, 16, 17, 255, 256, 257, 511, 512, 513, 1000, 4099, 150528]

C_SHIM = """
#include <math.h>
#include <stdint.h>
#include <string.h>
typedef uint32_t uint;
static inline float as_float(uint32_t v) { float r; memcpy(&r, &v, 4); return r; }
static inline int as_int_bits(const void* p) { int r; memcpy(&r, p, 4); return r; }
#define as_int(v) ({ __typeof__(v) copy = (v); as_int_bits(&copy); })
#define as_uint(v) ((uint32_t)as_int(v))
#define convert_float(v) ((float)(v))
#define fma fmaf
#define fabs fabsf
#define CANONICAL_FUNCTION static inline
#define CANONICAL_SCALAR_ONLY
#include "elementary.clh"
#define UNARY(name) void host_##name(const float* x, float* y, long n) { \\
  for (long i = 0; i < n; i++) y[i] = canonical_##name(x[i]); }
%s
void host_powr(const float* x, const float* e, float* y, long n) {
  for (long i = 0; i < n; i++) y[i] = canonical_powr(x[i], e[i]);
}
void host_fma(const float* a, const float* b, float* s, long n) {
  for (long i = 0; i < n; i++) s[i] = fmaf(a[i], b[i], s[i]);
}
""" % "\n".join(f"UNARY({name})" for name, *_ in UNARY)

failures = 0


def verdict(good, text):
    """Prints a line and remembers a failure."""
    global failures
    failures += not good
    print(("ok    " if good else "FAIL  ") + text, flush=True)


def exact_remainder(x):
    """x - 2 round(x / 2), exact in double precision."""
    return x - 2 * np.rint(x / 2)


def sine_of_half_turns(r):
    """sin(pi r) for -1 <= r <= 1, accurate near -1 and 1 too."""
    near = np.where(np.abs(r) > 0.5, np.copysign(1 - np.abs(r), r), r)
    return np.sin(np.pi * near)


def checksum(values):
    """FNV-1a, 64 bits, over the 32-bit words of the results, one word a step."""
    state = 0xCBF29CE484222325
    for word in values.view(np.uint32).tolist():
        state = ((state ^ word) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return state


def recorded(stem):
    """The checksums recorded in a Swift test file: lines of `"name": 0x...`."""
    text = (TESTS / f"{stem}Tests.swift").read_text()
    pairs = re.findall(r'"([A-Za-z0-9 ]+)": 0x([0-9a-f_]+)', text)
    return {name: int(value.replace("_", ""), 16) for name, value in pairs}


def host_library(folder):
    source = pathlib.Path(folder) / "twin.c"
    source.write_text(C_SHIM)
    library = pathlib.Path(folder) / "twin.so"
    subprocess.run(
        ["cc", "-O2", "-mfma", "-ffp-contract=off", "-Wno-unknown-pragmas", "-shared", "-fPIC",
         f"-I{COMMON}", str(source), "-o", str(library), "-lm"], check=True)
    return ctypes.CDLL(str(library))


def on_host(library, name, *arrays):
    result = np.empty_like(arrays[0])
    pointers = [a.ctypes.data_as(ctypes.c_void_p) for a in (*arrays, result)]
    getattr(library, f"host_{name}")(*pointers, ctypes.c_long(result.size))
    return result


def on_device(queue, program, name, *arrays):
    flags = cl.mem_flags
    buffers = [
        cl.Buffer(queue.context, flags.READ_ONLY | flags.COPY_HOST_PTR, hostbuf=a) for a in arrays]
    result = np.full_like(arrays[0], np.nan)
    output = cl.Buffer(
        queue.context, flags.READ_WRITE | flags.COPY_HOST_PTR, hostbuf=result)
    items = result.size // (16 if name.startswith("vector") else 1)
    cl.Kernel(program, name)(queue, (items,), None, *buffers, output)
    cl.enqueue_copy(queue, result, output)
    return result


def ulps(result, exact):
    """Errors in units in the last place of a float; NaN against NaN and inf against inf are 0."""
    result = result.astype(np.float64)
    limit = 2.0**128
    got = np.where(np.isinf(result), np.copysign(limit, result), result)
    want = np.clip(exact, -limit, limit)
    with np.errstate(all="ignore"):
        exponent = np.frexp(want)[1] - 1
        unit = np.ldexp(1.0, np.clip(exponent, -126, 127) - 23)
        error = np.abs(got - want) / unit
    error = np.where(np.isnan(result) & np.isnan(exact), 0, error)
    return np.where(np.isnan(error), np.inf, error)


def patterns(stride):
    """Every stride-th float by bit pattern, and the special values, a multiple of 16 of them."""
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 0.5, -0.5, 1e-45, -1e-45]
    bits = np.arange(0, 2**32, stride, dtype=np.uint64).astype(np.uint32).view(np.float32)
    values = np.concatenate([np.array(special, np.float32), bits])
    return np.concatenate([values, np.ones(-values.size % 16, np.float32)])


def grid():
    """The grid of the recorded checksums: bit patterns 0, 4099, 2 * 4099, ..."""
    return np.arange(0, 2**32, GRID_STRIDE, dtype=np.uint64).astype(np.uint32).view(np.float32)


def check_elementary(queue, library, stride):
    program = cl.Program(queue.context, KERNELS).build(OPTIONS + extra_options(queue.device))
    expected = recorded("Elementary")
    for name, reference, (low, high), bound in UNARY:
        worst, where, same_c, same_vector, count = 0.0, 0.0, True, True, 0
        values = patterns(stride)
        for part in np.array_split(values, max(1, values.size >> 22)):
            part = part[:part.size // 16 * 16]
            result = on_device(queue, program, f"scalar_{name}", part)
            same_c &= bool(np.array_equal(
                result.view("u4"), on_host(library, name, part).view("u4")))
            same_vector &= bool(np.array_equal(
                result.view("u4"), on_device(queue, program, f"vector_{name}", part).view("u4")))
            with np.errstate(all="ignore"):
                error = ulps(result, reference(part.astype(np.float64)))
            if np.isfinite(low):
                error = np.where(np.abs(part) <= high, error, 0)
            count += part.size
            if error.max() > worst:
                worst, where = error.max(), part[error.argmax()]
        print_result(name, worst, where, bound, count, same_c, same_vector)
        sum_ = checksum(on_device(queue, program, f"scalar_{name}", grid()))
        verdict(expected.get(name) == sum_,
                f"{name}: checksum 0x{sum_:016x}, as recorded for Swift")
    check_powr(queue, program, library, stride, expected)


def check_powr(queue, program, library, stride, expected):
    positive = patterns(stride)
    positive = positive[positive >= 0]
    positive = positive[:positive.size // 16 * 16]
    random = np.random.default_rng(1).uniform(-4, 4, positive.size).astype(np.float32)
    exponents = np.where(np.arange(positive.size) % 2, random,
                         EXPONENTS[(np.arange(positive.size) // 2) % EXPONENTS.size])
    result = on_device(queue, program, "scalar_powr", positive, exponents)
    same_c = np.array_equal(
        result.view("u4"), on_host(library, "powr", positive, exponents).view("u4"))
    same_vector = np.array_equal(
        result.view("u4"),
        on_device(queue, program, "vector_powr", positive, exponents).view("u4"))
    with np.errstate(all="ignore"):
        error = ulps(result, np.power(positive.astype(np.float64), exponents.astype(np.float64)))
    at = error.argmax()
    print_result("powr", error[at], (positive[at], exponents[at]), POWR_ULPS, positive.size,
                 same_c, same_vector)
    base = grid()
    exponents = EXPONENTS[np.arange(base.size) % EXPONENTS.size]
    sum_ = checksum(on_device(queue, program, "scalar_powr", base, exponents))
    verdict(expected.get("powr") == sum_, f"powr: checksum 0x{sum_:016x}, as recorded for Swift")


def philox(counter, key):
    """Philox4x32-10 on arrays [..., 4] and [..., 2] of 64-bit integers below 2^32."""
    a, b, c, d = (counter[..., i].astype(np.uint64) for i in range(4))
    k, l = (key[..., i].astype(np.uint64) for i in range(2))
    mask, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    for _ in range(10):
        first, second = a * np.uint64(0xD2511F53), c * np.uint64(0xCD9E8D57)
        a, c = (second >> shift) ^ b ^ k, (first >> shift) ^ d ^ l
        b, d = second & mask, first & mask
        k, l = (k + np.uint64(0x9E3779B9)) & mask, (l + np.uint64(0xBB67AE85)) & mask
    return np.stack([a, b, c, d], -1).astype(np.uint32)


def stream_words(seed, sample, attack, restart, step, draw, blocks):
    """The words of a stream, by the documented mixing."""
    halves = lambda v: [v & 0xFFFFFFFF, v >> 32]
    key = philox(np.array(halves(sample) + [attack, restart]), np.array(halves(seed)))[:2]
    counter = np.array([[block, step, draw, 0] for block in range(blocks)])
    return philox(counter, np.broadcast_to(key, (blocks, 2)))


def check_streams(queue):
    program = cl.Program(queue.context, STREAMS).build(OPTIONS + extra_options(queue.device))
    flags = cl.mem_flags
    arrays = [np.array(column, np.uint32) for column in zip(*KNOWN_ANSWERS)]
    buffers = [cl.Buffer(queue.context, flags.COPY_HOST_PTR, hostbuf=a) for a in arrays]
    cl.Kernel(program, "known")(queue, (len(KNOWN_ANSWERS),), None, *buffers)
    result = np.empty_like(arrays[2])
    cl.enqueue_copy(queue, result, buffers[2])
    verdict(np.array_equal(result, arrays[2]), "philox: the published known answers")
    name, blocks = (2**63 + 5, 2**40 + 7, 3, 9, 11, 2), 1 << 14
    outputs = [np.empty(4 * blocks, np.uint32)] + [np.empty(4 * blocks, np.float32)] * 3
    buffers = [cl.Buffer(queue.context, flags.READ_WRITE, a.nbytes) for a in outputs]
    numbers = [np.uint64(v) for v in name[:2]] + [np.uint32(v) for v in name[2:]]
    cl.Kernel(program, "draw")(queue, (blocks,), None, *numbers, *buffers)
    expected = recorded("Philox")
    kinds = ("words", "uniform", "symmetric", "gaussian")
    for kind, buffer, output in zip(kinds, buffers, outputs):
        output = np.empty_like(output)
        cl.enqueue_copy(queue, output, buffer)
        if kind == "words":
            words = stream_words(*name, blocks)
            verdict(np.array_equal(output, words.ravel()), "philox: words and mixing as in numpy")
            continue
        if kind == "symmetric":
            verdict(np.array_equal(output, symmetric(words)), "philox: symmetric as in numpy")
        if kind == "gaussian":
            u = ((words[:, 0::2].astype(np.float64) + 0.5) / 2**32).astype(np.float32)
            radius = np.sqrt(-2 * np.log(u.astype(np.float64)))
            turns = np.pi * symmetric(words).reshape(-1, 4)[:, 1::2].astype(np.float64)
            exact = np.stack([radius * np.cos(turns), radius * np.sin(turns)], -1).ravel()
            error = np.abs(output - exact).max()
            verdict(error < 2e-6, f"philox: gaussian within {error:.2g} of Box and Muller in numpy")
        sum_ = checksum(output)
        verdict(expected.get(kind) == sum_,
                f"{kind}: checksum 0x{sum_:016x}, as recorded for Swift")


def symmetric(words):
    """Odd multiples of 2^-24 in (-1, 1)."""
    odd = (words >> 8).astype(np.int64) * 2 + 1 - (1 << 24)
    return (odd / 2.0**24).astype(np.float32).ravel()


def long_sum(count, accumulate):
    """256 lanes, then the tree; accumulate(lanes, first, last) adds a row of elements in place."""
    lanes = np.zeros(256, np.float32)
    for first in range(0, count, 256):
        row = lanes[:min(256, count - first)].copy()
        accumulate(row, first, first + row.size)
        lanes[:row.size] = row
    half = 128
    while half:
        lanes = lanes[:half] + lanes[half:]
        half //= 2
    return lanes[0]


def fused(library, a, b, sums):
    """sums = fma(a, b, sums), rounded once, by the C library."""
    a, b = np.ascontiguousarray(a), np.ascontiguousarray(b)
    pointers = [v.ctypes.data_as(ctypes.c_void_p) for v in (a, b, sums)]
    library.host_fma(*pointers, ctypes.c_long(sums.size))


def check_long_sums(queue, library):
    source = (ROOT / "Kernels" / "reference" / "longsum.cl").read_text()
    slots, stride, flags = 3, LENGTHS[-1] + 5, cl.mem_flags
    draws = [symmetric(stream_words(0, sample, 0, 0, 0, 0, (stride + 3) // 4))[:stride]
             for sample in range(2)]
    # Slot 0 holds the numbers of the Swift tests; slot 1 wide exponents; slot 2 what must survive.
    random = np.random.default_rng(2)
    wide = (random.standard_normal((2, stride)) * 2.0 ** random.integers(-80, 40, (2, stride)))
    awkward = random.standard_normal((2, stride)) * 1e-30
    x, y = (np.stack([draws[i], wide[i], awkward[i]]).astype(np.float32) for i in range(2))
    x[2, 700], x[2, 900] = np.nan, np.nan
    expected = recorded("LongSum")
    for per_item in (256, 1):
        style = f"LANES_PER_ITEM {per_item}"
        program = cl.Program(queue.context, source).build(
            OPTIONS + extra_options(queue.device) + [f"-DLANES_PER_ITEM={per_item}"])
        local = (1,) if per_item == 256 else (256,)
        buffers = [cl.Buffer(queue.context, flags.COPY_HOST_PTR, hostbuf=a) for a in (x, y)]

        def run(name, inputs, count, types):
            results = [np.full(slots, -7, t) for t in types]
            outputs = [cl.Buffer(queue.context, flags.COPY_HOST_PTR, hostbuf=r) for r in results]
            cl.Kernel(program, name)(
                queue, (slots * local[0],), local, *buffers[:inputs], *outputs, np.int32(count),
                np.uint64(stride))
            for result, output in zip(results, outputs):
                cl.enqueue_copy(queue, result, output)
            return results

        for name, kernel, inputs, step in [
            ("dot", "dot_per_sample", 2,
             lambda s: lambda v, i, j: fused(library, x[s, i:j], y[s, i:j], v)),
            ("sum", "sum_per_sample", 1, lambda s: lambda v, i, j: np.add(v, x[s, i:j], out=v)),
            ("squared norm", "squared_norm_per_sample", 1,
             lambda s: lambda v, i, j: fused(library, x[s, i:j], x[s, i:j], v)),
            ("squared distance", "squared_distance_per_sample", 2,
             lambda s: lambda v, i, j: fused(
                 library, x[s, i:j] - y[s, i:j], x[s, i:j] - y[s, i:j], v)),
        ]:
            first, same = [], True
            for count in LENGTHS:
                result = run(kernel, inputs, count, [np.float32])[0]
                want = np.array([long_sum(count, step(s)) for s in range(slots)])
                same &= bool(np.all((result.view("u4") == want.view("u4"))
                                    | (np.isnan(result) & np.isnan(want))))
                first.append(result[0])
            verdict(same, f"{style}: {name} has the bits of the rule in numpy")
            sum_ = checksum(np.array(first, np.float32))
            verdict(expected.get(name) == sum_,
                    f"{name}: checksum 0x{sum_:016x}, as recorded for Swift")
        first, same = [], True
        for count in LENGTHS:
            value, index = run("maximum_per_sample", 1, count, [np.float32, np.int32])
            at = np.argmax(x[:, :count], axis=1)
            want = x[np.arange(slots), at]
            same &= bool(np.array_equal(index, at) and np.array_equal(value, want, equal_nan=True))
            first.append(value[0])
        verdict(same, f"{style}: maximum and its index as in numpy")
        sum_ = checksum(np.array(first, np.float32))
        verdict(expected.get("maximum") == sum_,
                f"maximum: checksum 0x{sum_:016x}, as recorded for Swift")
        ties = np.array([3, 7, 7, 7, -1] * 100, np.float32)
        ties = np.stack([ties, -ties * 0, np.full(500, -np.inf, np.float32)]).astype(np.float32)
        tied = np.zeros((slots, stride), np.float32)
        tied[:, :500] = ties
        buffers = [cl.Buffer(queue.context, flags.COPY_HOST_PTR, hostbuf=tied)]
        index = run("maximum_per_sample", 1, 500, [np.float32, np.int32])[1]
        verdict(index.tolist() == [1, 0, 0], f"{style}: of equal elements the lowest index wins")


def print_result(name, worst, where, bound, count, same_c, same_vector):
    verdict(worst <= bound, f"{name}: {count} arguments, at most {worst:.4f} ulp (at {where!r}), "
            f"documented {bound}")
    verdict(same_c, f"{name}: the same bits as the C twin")
    verdict(same_vector, f"{name}: float16 has the bits of float")


def extra_options(device):
    """Correct rounding of division and square root where the device offers the switch."""
    offered = device.single_fp_config & cl.device_fp_config.CORRECTLY_ROUNDED_DIVIDE_SQRT
    return ["-cl-fp32-correctly-rounded-divide-sqrt"] if offered else []


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--stride", type=int, default=251, help="step between bit patterns")
    arguments.add_argument("--device", default="", help="part of the device's name")
    options = arguments.parse_args()
    devices = [
        device for platform in cl.get_platforms() for device in platform.get_devices()
        if options.device.lower() in device.name.lower()]
    if not devices:
        sys.exit("check_elementary.py: no OpenCL device of that name")
    with tempfile.TemporaryDirectory() as folder:
        library = host_library(folder)
        for device in devices:
            print(f"{device.name} ({device.platform.version})")
            queue = cl.CommandQueue(cl.Context([device]))
            check_streams(queue)
            check_long_sums(queue, library)
            check_elementary(queue, library, options.stride)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
