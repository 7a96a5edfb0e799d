// Depthwise convolution by rows of pixels, and the gradient of its input, all phases of a strided
// one together; a work-item takes rowsPerGroup rows, PIXELS pixels (BLOCKS strides) at a time.
// Shapes: input, or output's gradient, [n][row][pixel][channel] with a zero border; weights
// [tap row][tap column][channels padded to 16].
// Variants: the epilogues of epilogue.clh, HAS_BIAS, HAS_RESIDUAL, WRITES_MASK; the window is built
// in, so that its loops unroll and neighbouring pixels share what they load.
// Order of summation: tap row, tap column ascending, one fma a product, then + 0; then bias, residual
// and activation, or, in the gradient, stored sum and mask.
// Source: the definition of depthwise convolution.
#include "epilogue.clh"
#include "rows.clh"

#ifndef TAP_ROWS
#define TAP_ROWS 3
#define TAP_COLUMNS 3
#define STRIDE_ROWS 1
#define STRIDE_COLUMNS 1
#define DILATION_ROWS 1
#define DILATION_COLUMNS 1
#define TOP 1
#define LEFT 1
#endif
#ifndef PIXELS
#define PIXELS 7
#endif
#ifndef BLOCKS
#define BLOCKS 4
#endif

// All channels of COUNT neighbouring pixels of a row.
#define DEFINE_FORWARD(NAME, COUNT)                                                               \
  __attribute__((always_inline)) WIDE static inline void NAME(                                    \
      const global float *restrict input, const global float *restrict weights,                   \
      const global float *restrict bias, const global float *residual, global float *output,      \
      global ushort *mask, const long inputRow, const long inputPixel, const long residualPixel,  \
      const long outputPixel, const int vectors) {                                                \
    for (int vector = 0; vector < vectors; ++vector) {                                            \
      const global float *x = input + 16 * vector;                                                \
      const global float *w = weights + 16 * vector;                                              \
      float16 s[COUNT];                                                                           \
      UNROLL for (int p = 0; p < COUNT; ++p) { s[p] = (float16)(0.0f); }                          \
      UNROLL for (int i = 0; i < TAP_ROWS; ++i) {                                                 \
        UNROLL for (int j = 0; j < TAP_COLUMNS; ++j) {                                            \
          const float16 a = load16(w);                                                            \
          w += 16 * vectors;                                                                      \
          UNROLL for (int p = 0; p < COUNT; ++p) {                                                \
            s[p] = fma(load16(x + i * DILATION_ROWS * inputRow +                                  \
                              (p * STRIDE_COLUMNS + j * DILATION_COLUMNS) * inputPixel),          \
                       a, s[p]);                                                                  \
          }                                                                                       \
        }                                                                                         \
      }                                                                                           \
      UNROLL for (int p = 0; p < COUNT; ++p) {                                                    \
        float16 r = s[p] + (float16)(0.0f);                                                       \
        ADD_BIAS(r, vector)                                                                       \
        ADD_RESIDUAL(r, p, vector)                                                                \
        r = activate(r);                                                                          \
        store16(output + p * outputPixel + 16 * vector, r);                                       \
        WRITE_MASK(r, p, vector)                                                                  \
      }                                                                                           \
    }                                                                                             \
  }

#if HAS_BIAS
#define ADD_BIAS(r, v) r = r + load16(bias + 16 * (v));
#else
#define ADD_BIAS(r, v)
#endif
#if HAS_RESIDUAL
#define ADD_RESIDUAL(r, p, v) r = r + load16(residual + (p) * residualPixel + 16 * (v));
#else
#define ADD_RESIDUAL(r, p, v)
#endif
#if WRITES_MASK
#define WRITE_MASK(r, p, v) mask[(p) * vectors + (v)] = activation_bits(r);
#else
#define WRITE_MASK(r, p, v)
#endif

DEFINE_FORWARD(forward_pixels, PIXELS)
DEFINE_FORWARD(forward_pixel, 1)

ROWS_KERNEL void depthwise(
    const global float *restrict input, const place from, const global float *restrict weights,
    const global float *restrict bias, const global float *residual, const place residualFrom,
    global float *output, const place to, const int2 extent, global ushort *mask,
    const ulong maskStart, const int vectors, const int rowsPerGroup) {
  const int firstRow = (int)get_global_id(0) * rowsPerGroup;
  const long n = (long)get_global_id(1);
  for (int row = firstRow; row < min(firstRow + rowsPerGroup, extent.s0); ++row) {
    const global float *x = input + from.s0 + n * from.s1 +
                            (row * STRIDE_ROWS - TOP) * from.s2 - LEFT * from.s3;
    const global float *r =
        residual + residualFrom.s0 + n * residualFrom.s1 + row * residualFrom.s2;
    global float *y = output + to.s0 + n * to.s1 + row * to.s2;
    global ushort *m = mask + maskStart + (n * extent.s0 + row) * extent.s1 * vectors;
    for (int column = 0; column < extent.s1;) {
      int taken = 1;
      if (column + PIXELS <= extent.s1) {
        forward_pixels(x, weights, bias, r, y, m, from.s2, from.s3, residualFrom.s3, to.s3,
                       vectors);
        taken = PIXELS;
      } else {
        forward_pixel(x, weights, bias, r, y, m, from.s2, from.s3, residualFrom.s3, to.s3,
                      vectors);
      }
      column += taken;
      x += taken * STRIDE_COLUMNS * from.s3;
      r += taken * residualFrom.s3;
      y += taken * to.s3;
      m += taken * vectors;
    }
  }
}

// All channels of the pixels of COUNT strides from COLUMN_PHASE on, PHASES of each stride: tap i
// reaches a pixel from the window (phase - i * dilation) / stride further on, if that is whole.
#define GATHER(ROW_PHASE, COLUMN_PHASE, PHASES, COUNT)                                            \
  for (int vector = 0; vector < vectors; ++vector) {                                              \
    float16 s[COUNT * PHASES];                                                                    \
    UNROLL for (int p = 0; p < COUNT * PHASES; ++p) { s[p] = (float16)(0.0f); }                   \
    UNROLL for (int i = 0; i < TAP_ROWS; ++i) {                                                   \
      const int down = (ROW_PHASE) - i * DILATION_ROWS;                                           \
      if (down % STRIDE_ROWS == 0) {                                                              \
        UNROLL for (int j = 0; j < TAP_COLUMNS; ++j) {                                            \
          const float16 a = load16(weights + ((i * TAP_COLUMNS + j) * vectors + vector) * 16);    \
          UNROLL for (int p = 0; p < COUNT * PHASES; ++p) {                                       \
            const int along = (COLUMN_PHASE) + p % (PHASES) - j * DILATION_COLUMNS;               \
            if (along % STRIDE_COLUMNS == 0) {                                                    \
              s[p] = fma(load16(dy + down / STRIDE_ROWS * from.s2 +                               \
                                (along / STRIDE_COLUMNS + p / (PHASES)) * from.s3 + 16 * vector), \
                         a, s[p]);                                                                \
            }                                                                                     \
          }                                                                                       \
        }                                                                                         \
      }                                                                                           \
    }                                                                                             \
    UNROLL for (int p = 0; p < COUNT * PHASES; ++p) {                                             \
      store_gradient(dx + p * pixelStep + 16 * vector, m + p * vectors + vector,                  \
                     s[p] + (float16)(0.0f));                                                     \
    }                                                                                             \
  }

// One row whose position modulo the stride is rowPhase: a constant where this is inlined.
WIDE __attribute__((always_inline)) static inline void gradient_row(
    const int rowPhase, const global float *restrict dys, const place from,
    const global float *restrict weights, global float *dx, const long pixelStep,
    const int columns, const global ushort *m, const int vectors) {
  for (int column = 0; column < columns;) {
    const int block = (column + LEFT) / STRIDE_COLUMNS;
    const int columnPhase = column + LEFT - block * STRIDE_COLUMNS;
    const global float *dy = dys + block * from.s3;
    int taken = 1;
    if (columnPhase == 0 && column + BLOCKS * STRIDE_COLUMNS <= columns) {
      GATHER(rowPhase, 0, STRIDE_COLUMNS, BLOCKS)
      taken = BLOCKS * STRIDE_COLUMNS;
    } else {
      UNROLL for (int phase = 0; phase < STRIDE_COLUMNS; ++phase) {
        if (phase == columnPhase) { GATHER(rowPhase, phase, 1, 1) }
      }
    }
    column += taken;
    dx += taken * pixelStep;
    m += taken * vectors;
  }
}

ROWS_KERNEL void depthwise_gradient(
    const global float *restrict gradient, const place from,
    const global float *restrict weights, global float *target, const place to,
    const int2 extent, const global ushort *mask, const ulong maskStart, const int vectors,
    const int rowsPerGroup) {
  const int firstRow = (int)get_global_id(0) * rowsPerGroup;
  const long n = (long)get_global_id(1);
  for (int row = firstRow; row < min(firstRow + rowsPerGroup, extent.s0); ++row) {
    const int blockRow = (row + TOP) / STRIDE_ROWS;
    UNROLL for (int phase = 0; phase < STRIDE_ROWS; ++phase) {
      if (phase == row + TOP - blockRow * STRIDE_ROWS) {
        gradient_row(phase, gradient + from.s0 + n * from.s1 + blockRow * from.s2, from, weights,
                     target + to.s0 + n * to.s1 + row * to.s2, to.s3, extent.s1,
                     mask + maskStart + (n * extent.s0 + row) * extent.s1 * vectors, vectors);
      }
    }
  }
}
