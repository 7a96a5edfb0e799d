// The gradient of a matrix product with constant weights, turned over: samples become lanes, so that
// the sum reads the weights in the order of the forward pass.
// Shapes: gradient [n][output]; turned [block of WIDTH samples][output][WIDTH], zeros for samples
// that do not exist; result [input][lanes], the inputs padded to sixteen; target [n][input].
// Variants: WIDTH for turn_gradient; the epilogues of a gradient (epilogue.clh) for finish_gradient.
// Order of summation: none here; what is stored and the mask follow the sum. Source: our own.
#include "epilogue.clh"

#ifndef WIDTH
#define WIDTH 16
#endif

// One work-item for sixteen outputs and a block of samples.
__attribute__((reqd_work_group_size(1, 1, 1))) kernel void turn_gradient(
    const global float *restrict gradient, const ulong start, const ulong stride,
    global float *restrict turned, const int samples, const int outputs) {
  const int output = 16 * (int)get_global_id(0);
  const int first = WIDTH * (int)get_global_id(1);
  global float *t = turned + ((ulong)get_global_id(1) * outputs + output) * WIDTH;
  for (int lane = 0; lane < WIDTH; ++lane) {
    const int n = first + lane;
    const global float *g = gradient + start + n * stride + output;
    for (int o = 0; o < 16; ++o) { t[o * WIDTH + lane] = n < samples ? g[o] : 0.0f; }
  }
}

// One work-item for sixteen inputs of all samples.
__attribute__((reqd_work_group_size(1, 1, 1))) kernel void finish_gradient(
    const global float *restrict result, const int lanes, global float *restrict target,
    const ulong start, const ulong stride, const global ushort *restrict mask,
    const ulong maskStart, const int maskStride, const int samples) {
  const ulong group = get_global_id(0);
  const global float *r = result + 16 * group * lanes;
  for (int n = 0; n < samples; ++n) {
    float share[16];
    for (int i = 0; i < 16; ++i) { share[i] = r[i * lanes + n]; }
    store_gradient(target + start + n * stride + 16 * group,
                   mask + maskStart + (ulong)n * maskStride + group, vload16(0, share));
  }
}
