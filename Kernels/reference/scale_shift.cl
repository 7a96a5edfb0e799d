// y = x * scale + shift, one scale and shift a channel, and its gradient.
// Shapes: input, output and gradients of one sample shape; scale and shift padded to whole groups.
// Variants: REVERSES 1 where output channel c reads input channel C - 1 - c (and the gradient the
// other way round); the constants of items.clh and epilogue.clh.
// Order of summation: one fma forward, one product backward. Source: Ioffe and Szegedy 2015.
#include "items.clh"

#ifndef REVERSES
#define REVERSES 0
#endif

#if REVERSES
// The channels C - 1 - c of a pixel for the lanes c of a work-item.
static inline floats load_mirrored(const global float *pixel, const item i) {
  float lanes[ITEM_CHANNELS];
  for (int c = 0; c < ITEM_CHANNELS; c++) {
    lanes[c] = c < i.count ? pixel[i.count - 1 - c] : 0.0f;
  }
  return ITEM_NAME(vload)(0, lanes);
}
#endif

ITEMS_KERNEL void scale_shift_forward(const global float *x, const place x_place,
                                      const global float *scale, const global float *shift,
                                      global float *y, const place y_place, global ushort *mask,
                                      const ulong mask_start, const uint4 extents) {
  if (!item_exists(extents)) return;
  const item i = this_item(extents);
#if REVERSES
  const floats v = load_mirrored(x + pixel_offset(x_place, i), i);
#else
  const floats v = load_input(x + item_offset(x_place, i), i.count);
#endif
  const floats s = fma(v, load_floats(scale + i.channel), load_floats(shift + i.channel));
  store_output(y + item_offset(y_place, i), mask + mask_start, item_bit(i, extents), s);
}

// The scales are those of the channels that are read.
ITEMS_KERNEL void scale_shift_gradient(const global float *gradient, const place gradient_place,
                                       const global float *scale, global float *target,
                                       const place target_place, const global ushort *mask,
                                       const ulong mask_start, const uint4 extents) {
  if (!item_exists(extents)) return;
  const item i = this_item(extents);
#if REVERSES
  const floats dy = load_mirrored(gradient + pixel_offset(gradient_place, i), i);
#else
  const floats dy = load_floats(gradient + item_offset(gradient_place, i));
#endif
  store_input_gradient(target + item_offset(target_place, i),
                       mask + mask_start, item_bit(i, extents),
                       dy * load_floats(scale + i.channel), i.count);
}
