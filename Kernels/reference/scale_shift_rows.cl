// y = x * scale + shift, one scale and shift a channel, and its gradient, for pictures without
// padding channels: one work-item for a vector of floats of a row, whatever channels they are.
// Shapes: input, output and gradients [n][row][pixel][CHANNELS], a row of `length` floats; scale
// and shift repeated, CHANNELS + 16 long; items (vectors of a row, rows, n).
// Variants: those of vector.clh; CHANNELS; REVERSES 1 where output channel c reads input channel
// C - 1 - c (and the gradient the other way round); ACCUMULATES for the gradient.
// Order of summation: one fma forward, one product backward. Source: Ioffe and Szegedy 2015.
#include "items.clh"
#include "partial.clh"

#ifndef CHANNELS
#define CHANNELS 3
#endif
#ifndef REVERSES
#define REVERSES 0
#endif

// Floats of a row from a position on, or those of the mirrored channels.
static inline floats load_row(const global float *row, const uint from, const uint length) {
#if REVERSES
  float lanes[ITEM_CHANNELS];
  for (uint i = 0; i < ITEM_CHANNELS; i++) {
    const uint channel = (from + i) % CHANNELS;
    lanes[i] = from + i < length ? row[from + i - channel + (CHANNELS - 1 - channel)] : 0.0f;
  }
  return ITEM_NAME(vload)(0, lanes);
#else
  return load_channels(row + from, (int)(length - from));
#endif
}

static inline ulong row_offset(const place p) {
  return p.s0 + get_global_id(2) * p.s1 + get_global_id(1) * p.s2;
}

ITEMS_KERNEL void scale_shift_rows(const global float *x, const place x_place, global float *y,
                                   const place y_place, const global float *scale,
                                   const global float *shift, const uint length) {
  const uint from = ITEM_CHANNELS * (uint)get_global_id(0);
  if (from >= length) return;
  const uint channel = from % CHANNELS;
  const floats v = load_row(x + row_offset(x_place), from, length);
  store_channels(y + row_offset(y_place) + from,
                 fma(v, load_unaligned(scale + channel), load_unaligned(shift + channel)),
                 (int)(length - from));
}

// The scales are those of the channels that are read.
ITEMS_KERNEL void scale_shift_rows_gradient(const global float *gradient,
                                            const place gradient_place, global float *target,
                                            const place target_place, const global float *scale,
                                            const global float *shift, const uint length) {
  const uint from = ITEM_CHANNELS * (uint)get_global_id(0);
  if (from >= length) return;
  const floats dy = load_row(gradient + row_offset(gradient_place), from, length);
  store_gradient_channels(target + row_offset(target_place) + from, 0, 0,
                          dy * load_unaligned(scale + from % CHANNELS), (int)(length - from));
}
