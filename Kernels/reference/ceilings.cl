// What a device can do at most: chains of fused multiply-adds in registers, and a copy of memory.
// Shapes: multiply_add: one float a work-item of [output]; copy: source, target [16 vectors].
// Variants: GROUP work-items a group; WIDTH 16 (processors) or 1 (graphics processors) floats a
// chain.
// Order of summation: none; sixteen chains of dependent steps side by side hide their latency.
// Source: the roofline of Williams, Waterman and Patterson 2009.
#include "canonical.clh"
#include "wide.clh"

#ifndef GROUP
#define GROUP 1
#endif
#ifndef WIDTH
#define WIDTH 16
#endif
#if WIDTH == 16
typedef float16 chain;
#else
typedef float chain;
#endif

// 16 steps x 16 chains x WIDTH x 2 operations a round.
WIDE __attribute__((reqd_work_group_size(GROUP, 1, 1))) kernel void multiply_add(
    global float *output, const int rounds, const float factor, const float summand) {
  const int item = (int)get_global_id(0);
  const chain a = (chain)(factor);
  const chain b = (chain)(summand);
  chain s[16];
  __attribute__((opencl_unroll_hint(16))) for (int i = 0; i < 16; ++i) s[i] = (chain)((float)(i + item));
  for (int round = 0; round < rounds; ++round) {
    __attribute__((opencl_unroll_hint(16))) for (int step = 0; step < 16; ++step) {
      __attribute__((opencl_unroll_hint(16))) for (int i = 0; i < 16; ++i) s[i] = fma(s[i], a, b);
    }
  }
  chain total = s[0];
  __attribute__((opencl_unroll_hint(15))) for (int i = 1; i < 16; ++i) total = total + s[i];
#if WIDTH == 16
  const float8 eight = total.lo + total.hi;
  const float4 four = eight.lo + eight.hi;
  const float2 two = four.lo + four.hi;
  output[item] = two.x + two.y;
#else
  output[item] = total;
#endif
}

// Each work-item copies vectors of sixteen floats, a grid apart.
WIDE __attribute__((reqd_work_group_size(GROUP, 1, 1))) kernel void copy_vectors(
    const global float16 *source, global float16 *target, const ulong vectors) {
#if WIDTH == 16
  const ulong part = (vectors + get_global_size(0) - 1) / get_global_size(0);
  const ulong first = get_global_id(0) * part;
  const ulong end = min(first + part, vectors);
  for (ulong i = first; i < end; ++i) target[i] = source[i];
#else
  const global float4 *from = (const global float4 *)source;
  global float4 *to = (global float4 *)target;
  for (ulong i = get_global_id(0); i < 4 * vectors; i += get_global_size(0)) to[i] = from[i];
#endif
}
