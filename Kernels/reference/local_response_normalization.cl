// Local response normalisation across channels, and its gradient, which computes scales anew.
// Shapes: input, output and gradients of one picture shape; the window reaches window.s0 channels
// before and window.s1 after a channel, cut off at the first and the last.
// Variants: those of items.clh. Numbers: (alpha / size, beta, bias, 2 alpha beta / size).
// Order of summation: channels ascending by fma from +0, as in the reference twin.
// Source: Krizhevsky, Sutskever and Hinton 2012, section 3.3.
#include "items.clh"
#define CANONICAL_WIDTH ITEM_CHANNELS
#include "elementary.clh"

// The lanes' channels from c on, of which those from 0 to count - 1 exist; the others become zero.
static inline floats load_window(const global float *pixel, const int c, const int count,
                                  const int dense) {
  if (!dense && c >= 0 && c + ITEM_CHANNELS <= count) return load_unaligned(pixel + c);
  float lanes[ITEM_CHANNELS];
  for (int i = 0; i < ITEM_CHANNELS; i++) {
    lanes[i] = c + i >= 0 && c + i < count ? pixel[c + i] : 0.0f;
  }
  return ITEM_NAME(vload)(0, lanes);
}

// The scales of the channels from c on; a zero that stands for no channel leaves its sum alone.
static inline floats scales(const global float *pixel, const int c, const int count,
                             const int2 window, const float4 numbers) {
  floats squares = (floats)(0.0f);
  for (int o = -window.s0; o <= window.s1; o++) {
    const floats v = load_window(pixel, c + o, count, DENSE);
    squares = fma(v, v, squares);
  }
  return fma((floats)(numbers.s0), squares, (floats)(numbers.s2));
}

ITEMS_KERNEL void normalization_forward(const global float *x, const place x_place,
                                        global float *y, const place y_place,
                                        const uint4 extents, const int2 window,
                                        const float4 numbers) {
  if (!item_exists(extents)) return;
  const item i = this_item(extents);
  const global float *pixel = x + pixel_offset(x_place, i);
  const int c = (int)i.channel, count = (int)extents.s3;
  const floats scale = scales(pixel, c, count, window, numbers);
  const floats power = canonical_powr(scale, (floats)(-numbers.s1));
  store_floats(y + item_offset(y_place, i), load_window(pixel, c, count, DENSE) * power);
}

ITEMS_KERNEL void normalization_gradient(const global float *gradient,
                                         const place gradient_place, const global float *x,
                                         const place x_place, global float *target,
                                         const place target_place, const global ushort *mask,
                                         const ulong mask_start, const uint4 extents,
                                         const int2 window, const float4 numbers) {
  if (!item_exists(extents)) return;
  const item i = this_item(extents);
  const global float *pixel = x + pixel_offset(x_place, i);
  const global float *dy_pixel = gradient + pixel_offset(gradient_place, i);
  const int c = (int)i.channel, count = (int)extents.s3;
  const ints lanes = ITEM_LANES + (ints)(c);
  floats sum = (floats)(0.0f), own = (floats)(0.0f), middle = (floats)(0.0f);
  // The channels whose window holds a lane's channel lie the other way round.
  for (int o = -window.s1; o <= window.s0; o++) {
    const floats v = load_window(pixel, c + o, count, DENSE);
    const floats dy = load_window(dy_pixel, c + o, count, 0);
    const floats scale = scales(pixel, c + o, count, window, numbers);
    const floats power = canonical_powr(scale, (floats)(-numbers.s1));
    const ints others = lanes + (ints)(o);
    const ints exists = (others >= (ints)(0)) & (others < (ints)(count));
    sum = select(sum, fma(dy, v * power / scale, sum), exists);
    if (o == 0) {
      middle = v;
      own = dy * power;
    }
  }
  store_input_gradient(target + item_offset(target_place, i),
                       mask + mask_start, item_bit(i, extents),
                       fma(-((floats)(numbers.s3) * middle), sum, own), i.count);
}
