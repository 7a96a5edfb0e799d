// A function of every element, and its gradient from the kept output or input.
// Shapes: input, output and gradients of one sample shape, layouts of their own.
// Variants: FUNCTION 0 activation only, 1 sigmoid, 2 tanh, 3 exp, 4 log, 5 sqrt, 6 negate,
// 7 absolute; the constants of items.clh and epilogue.clh.
// Order of summation: none; gradients round as in Reference/Pointwise.swift. Source: our own.
#include "items.clh"
#define CANONICAL_WIDTH ITEM_CHANNELS
#include "elementary.clh"

#ifndef FUNCTION
#define FUNCTION 0
#endif

ITEMS_KERNEL void pointwise_forward(const global float *x, const place x_place, global float *y,
                                    const place y_place, global ushort *mask,
                                    const ulong mask_start, const uint4 extents) {
  if (!item_exists(extents)) return;
  const item i = this_item(extents);
  const floats v = load_input(x + item_offset(x_place, i), i.count);
#if FUNCTION == 1
  const floats s = canonical_sigmoid(v);
#elif FUNCTION == 2
  const floats s = canonical_tanh(v);
#elif FUNCTION == 3
  const floats s = canonical_exp(v);
#elif FUNCTION == 4
  const floats s = canonical_log(v);
#elif FUNCTION == 5
  const floats s = sqrt(v);
#elif FUNCTION == 6
  const floats s = -v;
#elif FUNCTION == 7
  const floats s = fabs(v);
#else
  const floats s = v;
#endif
  store_output(y + item_offset(y_place, i), mask + mask_start, item_bit(i, extents), s);
}

// Kept is the output for sigmoid, tanh, exp and sqrt, the input for log and absolute.
ITEMS_KERNEL void pointwise_gradient(const global float *gradient, const place gradient_place,
                                     const global float *kept, const place kept_place,
                                     global float *target, const place target_place,
                                     const global ushort *mask, const ulong mask_start,
                                     const uint4 extents) {
  if (!item_exists(extents)) return;
  const item i = this_item(extents);
  const floats dy = load_floats(gradient + item_offset(gradient_place, i));
#if FUNCTION == 4 || FUNCTION == 7
  const floats v = load_input(kept + item_offset(kept_place, i), i.count);
#elif FUNCTION != 0 && FUNCTION != 6
  const floats v = load_floats(kept + item_offset(kept_place, i));
#endif
#if FUNCTION == 1
  const floats s = dy * (v * ((floats)(1.0f) - v));
#elif FUNCTION == 2
  const floats s = dy * fma(-v, v, (floats)(1.0f));
#elif FUNCTION == 3
  const floats s = dy * v;
#elif FUNCTION == 4
  const floats s = dy / v;
#elif FUNCTION == 5
  const floats s = dy / (v + v);
#elif FUNCTION == 6
  const floats s = -dy;
#elif FUNCTION == 7
  const floats zero = (floats)(0.0f);
  const floats s = select(select(zero, -dy, v < zero), dy, v > zero);
#else
  const floats s = dy;
#endif
  store_input_gradient(target + item_offset(target_place, i),
                       mask + mask_start, item_bit(i, extents), s, i.count);
}
