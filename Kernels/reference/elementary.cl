// The canonical functions and random streams, element by element, to be compared with Reference.
// Shapes: x, y, output [count], one work-item for sixteen elements; philox: one for four elements.
// Variants: GROUP work-items a group; function 0 exp, 1 log, 2 softplus, 3 tanh, 4 sigmoid, 5 erf,
// 6 sinpi, 7 cospi, 8 powr, 9 division, 10 square root; one kernel for each width.
// Order of summation: as elementary.clh and philox.clh have it.
// Source: our own; used by `blindspot verify` only.
#include "elementary.clh"
#include "philox.clh"

#ifndef GROUP
#define GROUP 64
#endif

#define APPLY(real)                                                                               \
  static inline __attribute__((overloadable)) real apply(const int function, const real x,        \
                                                         const real y) {                          \
    switch (function) {                                                                           \
      case 0: return canonical_exp(x);                                                            \
      case 1: return canonical_log(x);                                                            \
      case 2: return canonical_softplus(x);                                                       \
      case 3: return canonical_tanh(x);                                                           \
      case 4: return canonical_sigmoid(x);                                                        \
      case 5: return canonical_erf(x);                                                            \
      case 6: return canonical_sinpi(x);                                                          \
      case 7: return canonical_cospi(x);                                                          \
      case 8: return canonical_powr(x, y);                                                        \
      case 9: return x / y;                                                                       \
      default: return sqrt(x);                                                                    \
    }                                                                                             \
  }
APPLY(float)
APPLY(float16)

// One element after the other.
__attribute__((reqd_work_group_size(GROUP, 1, 1))) kernel void elementary_scalar(
    const int function, const global float *x, const global float *y, global float *output,
    const int count) {
  const int first = 16 * (int)get_global_id(0);
  for (int i = first; i < first + 16 && i < count; ++i) output[i] = apply(function, x[i], y[i]);
}

// Sixteen elements at once; count is a multiple of 16.
__attribute__((reqd_work_group_size(GROUP, 1, 1))) kernel void elementary_vector(
    const int function, const global float *x, const global float *y, global float *output,
    const int count) {
  const int i = (int)get_global_id(0);
  if (16 * i >= count) { return; }
  vstore16(apply(function, vload16(i, x), vload16(i, y)), i, output);
}

// Of a block of four elements the words, then the uniform, symmetric and Gaussian numbers made of
// them, each [4 blocks]; first the stream's key.
__attribute__((reqd_work_group_size(GROUP, 1, 1))) kernel void philox_streams(
    const ulong seed, const ulong sample, const uint attack, const uint restart, const uint step,
    const uint draw, const uint blocks, global uint *key, global uint *words,
    global float *numbers) {
  const uint block = (uint)get_global_id(0);
  if (block >= blocks) { return; }
  const uint2 stream = philox_key(seed, sample, attack, restart);
  if (block == 0) {
    key[0] = stream.x;
    key[1] = stream.y;
  }
  const uint4 four = philox_words(stream, step, draw, block);
  vstore4(four, block, words);
  vstore4(philox_uniform(four), block, numbers);
  vstore4(philox_symmetric(four), blocks + block, numbers);
  vstore4(philox_gaussian(four), 2 * blocks + block, numbers);
}
