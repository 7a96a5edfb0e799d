// Local response normalisation across channels, and its gradient, by rows of pixels; a work-item
// takes rowsPerGroup rows and computes each channel's scale and power once.
// Shapes: input, output and gradients of one picture shape; the window reaches BEFORE channels
// before and AFTER channels after a channel, cut off at the first and the last.
// Variants: CHANNELS; ACCUMULATES, MASKS (gradient). Numbers: (alpha / size, beta, bias,
// 2 alpha beta / size).
// Order of summation: channels ascending by fma from +0, as in the reference twin.
// Source: Krizhevsky, Sutskever and Hinton 2012, section 3.3.
#include "elementary.clh"
#include "epilogue.clh"
#include "rows.clh"

#ifndef CHANNELS
#define CHANNELS 64
#endif
#ifndef BEFORE
#define BEFORE 2
#endif
#ifndef AFTER
#define AFTER 2
#endif

#define VECTORS ((CHANNELS + 15) / 16)
// Room on both sides for the channels that a window lacks, in whole vectors.
#define MARGIN (((BEFORE > AFTER ? BEFORE : AFTER) + 15) / 16 * 16)
#define ROOM (MARGIN + 16 * VECTORS + MARGIN)

typedef float16 __attribute__((aligned(4))) private_vector;

WIDE __attribute__((always_inline)) static inline float16 loaded(const float *p) {
  return *(const private_vector *)p;
}
WIDE __attribute__((always_inline)) static inline void kept(float *p, const float16 v) {
  *(private_vector *)p = v;
}

// Channels that do not exist hold `filler`, the margins too.
WIDE __attribute__((always_inline)) static inline void clear_margins(float *line,
                                                                     const float filler) {
  for (int i = 0; i < MARGIN; i += 16) {
    kept(line + i, (float16)(filler));
    kept(line + MARGIN + 16 * VECTORS + i, (float16)(filler));
  }
}

WIDE __attribute__((always_inline)) static inline float16 existing(const float16 v,
                                                                   const int vector,
                                                                   const float filler) {
#if CHANNELS % 16
  const int16 lanes = (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return select((float16)(filler), v, lanes < (int16)(CHANNELS - 16 * vector));
#else
  return v;
#endif
}

WIDE __attribute__((always_inline)) static inline void load_pixel(float *line,
                                                                  const global float *pixel) {
  for (int vector = 0; vector < VECTORS; ++vector) {
    kept(line + MARGIN + 16 * vector, existing(load16(pixel + 16 * vector), vector, 0.0f));
  }
}

// A zero that stands for no channel leaves a sum of squares alone.
WIDE __attribute__((always_inline)) static inline float16 scales(const float *line,
                                                                 const float4 numbers) {
  float16 squares = (float16)(0.0f);
  UNROLL for (int o = -(BEFORE); o <= AFTER; ++o) {
    const float16 v = loaded(line + o);
    squares = fma(v, v, squares);
  }
  return fma((float16)(numbers.s0), squares, (float16)(numbers.s2));
}

ROWS_KERNEL void normalization_forward(const global float *restrict input, const place from,
                                       global float *restrict output, const place to,
                                       const int2 extent, const float4 numbers,
                                       const int rowsPerGroup) {
  const int firstRow = (int)get_global_id(0) * rowsPerGroup;
  const long n = (long)get_global_id(1);
  float line[ROOM];
  clear_margins(line, 0.0f);
  for (int row = firstRow; row < min(firstRow + rowsPerGroup, extent.s0); ++row) {
    const global float *x = input + from.s0 + n * from.s1 + row * from.s2;
    global float *y = output + to.s0 + n * to.s1 + row * to.s2;
    for (int column = 0; column < extent.s1; ++column) {
      load_pixel(line, x);
      for (int vector = 0; vector < VECTORS; ++vector) {
        const float *middle = line + MARGIN + 16 * vector;
        const float16 power = canonical_powr(scales(middle, numbers), (float16)(-numbers.s1));
        store16(y + 16 * vector, loaded(middle) * power);
      }
      x += from.s3;
      y += to.s3;
    }
  }
}

// What a missing channel adds to the sum of ratios must be -0, which alone changes no sum: a sum
// may itself be -0 once a product is too small for a float.
ROWS_KERNEL void normalization_gradient(const global float *restrict gradient,
                                        const place gradientFrom,
                                        const global float *restrict input, const place from,
                                        global float *target, const place to,
                                        const int2 extent, const global ushort *mask,
                                        const ulong maskStart, const float4 numbers,
                                        const int rowsPerGroup) {
  const int firstRow = (int)get_global_id(0) * rowsPerGroup;
  const long n = (long)get_global_id(1);
  float line[ROOM], ratios[ROOM], shares[ROOM], powers[16 * VECTORS];
  clear_margins(line, 0.0f);
  clear_margins(shares, 0.0f);
  clear_margins(ratios, -0.0f);
  for (int row = firstRow; row < min(firstRow + rowsPerGroup, extent.s0); ++row) {
    const global float *x = input + from.s0 + n * from.s1 + row * from.s2;
    const global float *dy =
        gradient + gradientFrom.s0 + n * gradientFrom.s1 + row * gradientFrom.s2;
    global float *dx = target + to.s0 + n * to.s1 + row * to.s2;
    const global ushort *m = mask + maskStart + (n * extent.s0 + row) * extent.s1 * VECTORS;
    for (int column = 0; column < extent.s1; ++column) {
      load_pixel(line, x);
      load_pixel(shares, dy);
      for (int vector = 0; vector < VECTORS; ++vector) {
        const float *middle = line + MARGIN + 16 * vector;
        const float16 scale = scales(middle, numbers);
        const float16 power = canonical_powr(scale, (float16)(-numbers.s1));
        kept(powers + 16 * vector, power);
        kept(ratios + MARGIN + 16 * vector,
             existing(loaded(middle) * power / scale, vector, -0.0f));
      }
      for (int vector = 0; vector < VECTORS; ++vector) {
        const int at = MARGIN + 16 * vector;
        float16 sum = (float16)(0.0f);
        // The channels whose window holds a lane's channel lie the other way round.
        UNROLL for (int o = -(AFTER); o <= BEFORE; ++o) {
          sum = fma(loaded(shares + at + o), loaded(ratios + at + o), sum);
        }
        const float16 own = loaded(shares + at) * loaded(powers + 16 * vector);
        store_gradient(dx + 16 * vector, m + vector,
                       fma(-((float16)(numbers.s3) * loaded(line + at)), sum, own));
      }
      x += from.s3;
      dy += gradientFrom.s3;
      dx += to.s3;
      m += VECTORS;
    }
  }
}
