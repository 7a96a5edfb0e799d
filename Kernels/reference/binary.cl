// a + b, a - b, a * b or a / b with broadcasting, and the gradient with respect to either.
// Shapes: work-items run over the tensor that is written; the others have strides (0 to repeat) for
// its rows and pixels, and (gradient) for up to three loops over the axes that it was repeated on.
// Variants: FUNCTION 0 add, 1 subtract, 2 multiply, 3 divide; POSITION of the gradient; LOADS_A, _B
// and _DY: 0 none, 1 neighbours, 2 one for all lanes, 3 one by one; those of vector.clh.
// Order of summation: plain adds from +0, ascending in the output's index. Source: NumPy's rules.
#include "items.clh"

#ifndef FUNCTION
#define FUNCTION 0
#endif
#ifndef POSITION
#define POSITION 0
#endif
#ifndef REDUCES
#define REDUCES 0
#endif
#ifndef LOADS_A
#define LOADS_A 1
#endif
#ifndef LOADS_B
#define LOADS_B 1
#endif
#ifndef LOADS_DY
#define LOADS_DY 1
#endif

// Loads of one tensor. Steps: those of the three loops, in floats.
#define LOAD_0(p, from, steps, i, l) ((floats)(0.0f))
#define LOAD_1(p, from, steps, i, l) load_floats((p) + at((from), (steps), (i), (l)) + (i).channel)
#define LOAD_2(p, from, steps, i, l) ((floats)((p)[at((from), (steps), (i), (l))]))
#define LOAD_3(p, from, steps, i, l) \
  load_lanes((p) + at((from), (steps), (i), (l)) + (i).channel, (i).count)
#define LOAD(kind, p, from, steps, i, l) LOAD_OF(kind, p, from, steps, i, l)
#define LOAD_OF(kind, p, from, steps, i, l) LOAD_##kind(p, from, steps, i, l)

// The first lane's place, less its channel.
static inline ulong at(const place from, const ulong4 steps, const item i, const uint4 l) {
  return pixel_offset(from, i) + l.s0 * steps.s0 + l.s1 * steps.s1 + l.s2 * steps.s2;
}

ITEMS_KERNEL void binary_forward(const global float *a, const place a_place, const ulong4 a_steps,
                                 const global float *b, const place b_place, const ulong4 b_steps,
                                 global float *y, const place y_place, global ushort *mask,
                                 const ulong mask_start, const uint4 extents) {
  if (!item_exists(extents)) return;
  const item i = this_item(extents);
  const uint4 l = (uint4)(0);
  const floats u = LOAD(LOADS_A, a, a_place, a_steps, i, l);
  const floats v = LOAD(LOADS_B, b, b_place, b_steps, i, l);
#if FUNCTION == 0
  const floats s = u + v;
#elif FUNCTION == 1
  const floats s = u - v;
#elif FUNCTION == 2
  const floats s = u * v;
#else
  const floats s = u / v;
#endif
  store_output(y + item_offset(y_place, i), mask + mask_start, item_bit(i, extents), s);
}

ITEMS_KERNEL void binary_gradient(const global float *dy, const place dy_place,
                                  const ulong4 dy_steps, const global float *a,
                                  const place a_place, const ulong4 a_steps,
                                  const global float *b, const place b_place,
                                  const ulong4 b_steps, global float *target,
                                  const place target_place, const global ushort *mask,
                                  const ulong mask_start, const uint4 loops,
                                  const uint4 extents) {
  if (!item_exists(extents)) return;
  const item i = this_item(extents);
  floats sum = (floats)(0.0f);
  for (uint l0 = 0; l0 < loops.s0; l0++) {
    for (uint l1 = 0; l1 < loops.s1; l1++) {
      for (uint l2 = 0; l2 < loops.s2; l2++) {
        const uint4 l = (uint4)(l0, l1, l2, 0);
        const floats d = LOAD(LOADS_DY, dy, dy_place, dy_steps, i, l);
        const floats u = LOAD(LOADS_A, a, a_place, a_steps, i, l);
        const floats v = LOAD(LOADS_B, b, b_place, b_steps, i, l);
#if FUNCTION == 0 || (FUNCTION == 1 && POSITION == 0)
        const floats share = d;
#elif FUNCTION == 1
        const floats share = -d;
#elif FUNCTION == 2 && POSITION == 0
        const floats share = d * v;
#elif FUNCTION == 2
        const floats share = d * u;
#elif POSITION == 0
        const floats share = d / v;
#else
        const floats share = -(d * (u / v) / v);
#endif
        (void)u, (void)v;
#if REDUCES
        sum = sum + share;
#else
        sum = share;
#endif
      }
    }
  }
  store_input_gradient(target + item_offset(target_place, i),
                       mask + mask_start, item_bit(i, extents), sum, i.count);
}
