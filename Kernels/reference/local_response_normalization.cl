// Local response normalisation across channels, and its gradient, which computes scales anew.
// Shapes: input, output and gradients of one picture shape; the window reaches window.s0 channels
// before and window.s1 after a channel, cut off at the first and the last.
// Variants: those of items.clh. Numbers: (alpha / size, beta, bias, 2 alpha beta / size).
// Order of summation: channels ascending by fma from +0, as in the reference twin.
// Source: Krizhevsky, Sutskever and Hinton 2012, section 3.3.
#include "elementary.clh"
#include "items.clh"

// The lanes' channels c..c+15, of which those from 0 to count - 1 exist; the others become zero.
static inline float16 load_window(const global float *pixel, const int c, const int count,
                                  const int dense) {
  if (!dense && c >= 0 && c + 16 <= count) return load16(pixel + c);
  float lanes[16];
  for (int i = 0; i < 16; i++) lanes[i] = c + i >= 0 && c + i < count ? pixel[c + i] : 0.0f;
  return vload16(0, lanes);
}

// The scales of the channels c..c+15; a zero that stands for no channel leaves its sum alone.
static inline float16 scales(const global float *pixel, const int c, const int count,
                             const int2 window, const float4 numbers) {
  float16 squares = (float16)(0.0f);
  for (int o = -window.s0; o <= window.s1; o++) {
    const float16 v = load_window(pixel, c + o, count, DENSE);
    squares = fma(v, v, squares);
  }
  return fma((float16)(numbers.s0), squares, (float16)(numbers.s2));
}

ITEMS_KERNEL void normalization_forward(const global float *x, const place x_place,
                                        global float *y, const place y_place,
                                        const uint4 extents, const int2 window,
                                        const float4 numbers) {
  if (!item_exists(extents)) return;
  const item i = this_item(extents);
  const global float *pixel = x + pixel_offset(x_place, i);
  const int c = (int)i.channel, count = (int)extents.s3;
  const float16 scale = scales(pixel, c, count, window, numbers);
  const float16 power = canonical_powr(scale, (float16)(-numbers.s1));
  store16(y + item_offset(y_place, i), load_window(pixel, c, count, DENSE) * power);
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
  const int16 lanes = (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) + (int16)(c);
  float16 sum = (float16)(0.0f), own = (float16)(0.0f), middle = (float16)(0.0f);
  // The channels whose window holds a lane's channel lie the other way round.
  for (int o = -window.s1; o <= window.s0; o++) {
    const float16 v = load_window(pixel, c + o, count, DENSE);
    const float16 dy = load_window(dy_pixel, c + o, count, 0);
    const float16 scale = scales(pixel, c + o, count, window, numbers);
    const float16 power = canonical_powr(scale, (float16)(-numbers.s1));
    const int16 others = lanes + (int16)(o);
    const int16 exists = (others >= (int16)(0)) & (others < (int16)(count));
    sum = select(sum, fma(dy, v * power / scale, sum), exists);
    if (o == 0) {
      middle = v;
      own = dy * power;
    }
  }
  store_input_gradient(target + item_offset(target_place, i),
                       mask + item_word(mask_start, i, extents),
                       fma(-((float16)(numbers.s3) * middle), sum, own), i.count);
}
