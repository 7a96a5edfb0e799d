// Softmax along one axis, or its logarithm, and their gradients from the kept output.
// Shapes: one work-item a row; places are (first element, sample stride, strides of the two other
// axes), then the step from one element of the row to the next; extents (rows, inner rows, length).
// Variants: LOGARITHMIC 0 or 1; GROUP; the constants of epilogue.clh for the gradient.
// Order of summation: ascending from +0, as in Reference/Softmax.swift. Source: our own.
#define CANONICAL_SCALAR_ONLY
#include "elementary.clh"
#include "items.clh"

#ifndef LOGARITHMIC
#define LOGARITHMIC 0
#endif

// The first element of a work-item's row.
static inline ulong row_offset(const place p, const uint4 extents) {
  const uint row = (uint)get_global_id(0), outer = row / extents.s1;
  return p.s0 + get_global_id(1) * p.s1 + outer * p.s2 + (row - outer * extents.s1) * p.s3;
}

ITEMS_KERNEL void softmax_forward(const global float *x, const place x_place, const ulong x_step,
                                  global float *y, const place y_place, const ulong y_step,
                                  const uint4 extents) {
  if (!item_exists(extents)) return;
  x += row_offset(x_place, extents);
  y += row_offset(y_place, extents);
  float maximum = x[0];
  for (uint i = 1; i < extents.s2; i++) {
    const float v = x[i * x_step];
    // The first NaN stays.
    if (v > maximum || (v != v && maximum == maximum)) maximum = v;
  }
  float sum = 0.0f;
  for (uint i = 0; i < extents.s2; i++) {
    const float shifted = x[i * x_step] - maximum, e = canonical_exp(shifted);
    y[i * y_step] = LOGARITHMIC ? shifted : e;
    sum = sum + e;
  }
#if LOGARITHMIC
  const float logarithm = canonical_log(sum);
  for (uint i = 0; i < extents.s2; i++) y[i * y_step] = y[i * y_step] - logarithm;
#else
  for (uint i = 0; i < extents.s2; i++) y[i * y_step] = y[i * y_step] / sum;
#endif
}

// Mask places count bits.
ITEMS_KERNEL void softmax_gradient(const global float *dy, const place dy_place,
                                   const ulong dy_step, const global float *y,
                                   const place y_place, const ulong y_step, global float *target,
                                   const place target_place, const ulong target_step,
                                   const global ushort *mask, const place mask_place,
                                   const ulong mask_step, const uint4 extents) {
  if (!item_exists(extents)) return;
  dy += row_offset(dy_place, extents);
  y += row_offset(y_place, extents);
  target += row_offset(target_place, extents);
  const ulong bit = row_offset(mask_place, extents);
  float sum = 0.0f;
  for (uint i = 0; i < extents.s2; i++) {
#if LOGARITHMIC
    sum = sum + dy[i * dy_step];
#else
    sum = fma(dy[i * dy_step], y[i * y_step], sum);
#endif
  }
  for (uint i = 0; i < extents.s2; i++) {
#if LOGARITHMIC
    const float share = fma(-canonical_exp(y[i * y_step]), sum, dy[i * dy_step]);
#else
    const float share = y[i * y_step] * (dy[i * dy_step] - sum);
#endif
    store_gradient_element(target + i * target_step, mask, bit + i * mask_step, share);
  }
}
