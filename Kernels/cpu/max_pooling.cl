// Maximum over windows, and its gradient, by rows of pixels; a work-item takes rowsPerGroup rows.
// Shapes: input and output [n][row][pixel][channel]; taps [n][output pixel][channel], a byte each:
// tap row * tap columns + tap column, 255 for a window outside the picture.
// Variants: WRITES_STATE (forward); ACCUMULATES, MASKS (gradient); the window is built in, so that
// its loops unroll; windows that the picture cuts off take the path that tests every tap.
// Order of summation: forward none: the lowest tap wins, and the first NaN; gradient: output row,
// then output column, ascending, from +0.
// Source: max pooling as PyTorch and ONNX define it; padding never wins.
#include "epilogue.clh"
#include "rows.clh"

#ifndef TAP_ROWS
#define TAP_ROWS 3
#define TAP_COLUMNS 3
#define STRIDE_ROWS 2
#define STRIDE_COLUMNS 2
#define DILATION_ROWS 1
#define DILATION_COLUMNS 1
#define TOP 1
#define LEFT 1
#endif
#ifndef WRITES_STATE
#define WRITES_STATE 1
#endif

// A larger element wins, or the first NaN.
#define TAKE(value, tap)                                                                          \
  {                                                                                               \
    const float16 v_ = value;                                                                     \
    const int16 wins_ = ~(v_ <= best) & (best == best);                                           \
    best = select(best, v_, wins_);                                                               \
    winner = select(winner, (int16)(tap), wins_);                                                 \
  }

WIDE __attribute__((always_inline)) static inline void store_maximum(
    global float *y, global uchar *state, const float16 best, const int16 winner) {
  store16(y, best);
#if WRITES_STATE
  vstore16(convert_uchar16(winner), 0, state);
#endif
}

ROWS_KERNEL void max_pooling(
    const global float *restrict input, const place from, const int2 inputExtent,
    global float *restrict output, const place to, const int2 extent,
    global uchar *restrict taps, const long tapsStart, const long tapsImage, const int vectors,
    const int rowsPerGroup) {
  const int firstRow = (int)get_global_id(0) * rowsPerGroup;
  const long n = (long)get_global_id(1);
  const int wholeFrom = (LEFT + STRIDE_COLUMNS - 1) / STRIDE_COLUMNS;
  const int lastColumn = inputExtent.s1 - 1 - (TAP_COLUMNS - 1) * DILATION_COLUMNS + LEFT;
  for (int row = firstRow; row < min(firstRow + rowsPerGroup, extent.s0); ++row) {
    const int top = row * STRIDE_ROWS - TOP;
    const int wholeRow = top >= 0 && top + (TAP_ROWS - 1) * DILATION_ROWS < inputExtent.s0;
    const global float *xs = input + from.s0 + n * from.s1 + top * from.s2;
    global float *y = output + to.s0 + n * to.s1 + row * to.s2;
    global uchar *state = taps + tapsStart + n * tapsImage + (long)row * extent.s1 * 16 * vectors;
    for (int column = 0; column < extent.s1; ++column) {
      const int left = column * STRIDE_COLUMNS - LEFT;
      const global float *x = xs + left * from.s3;
      if (wholeRow && column >= wholeFrom && column * STRIDE_COLUMNS <= lastColumn) {
        for (int vector = 0; vector < vectors; ++vector) {
          float16 best = load16(x + 16 * vector);
          int16 winner = (int16)(0);
          UNROLL for (int i = 0; i < TAP_ROWS; ++i) {
            UNROLL for (int j = 0; j < TAP_COLUMNS; ++j) {
              if (i + j > 0) {
                TAKE(load16(x + i * DILATION_ROWS * from.s2 + j * DILATION_COLUMNS * from.s3 +
                            16 * vector),
                     i * TAP_COLUMNS + j)
              }
            }
          }
          store_maximum(y + 16 * vector, state + 16 * vector, best, winner);
        }
      } else {
        for (int vector = 0; vector < vectors; ++vector) {
          float16 best = (float16)(-INFINITY);
          int16 winner = (int16)(255);
          int isFirst = 1;
          for (int i = 0; i < TAP_ROWS; ++i) {
            const int tapRow = top + i * DILATION_ROWS;
            if (tapRow < 0 || tapRow >= inputExtent.s0) { continue; }
            for (int j = 0; j < TAP_COLUMNS; ++j) {
              const int tapColumn = left + j * DILATION_COLUMNS;
              if (tapColumn < 0 || tapColumn >= inputExtent.s1) { continue; }
              const float16 v = load16(x + i * DILATION_ROWS * from.s2 +
                                       j * DILATION_COLUMNS * from.s3 + 16 * vector);
              if (isFirst) {
                best = v;
                winner = (int16)(i * TAP_COLUMNS + j);
                isFirst = 0;
              } else {
                TAKE(v, i * TAP_COLUMNS + j)
              }
            }
          }
          store_maximum(y + 16 * vector, state + 16 * vector, best, winner);
        }
      }
      y += to.s3;
      state += 16 * vectors;
    }
  }
}

// All channels of one pixel, whose position modulo the strides is (ROW_PHASE, COLUMN_PHASE): tap
// i reaches it from the window (distance - i * dilation) / stride further on, if that is whole.
#define GATHER(ROW_PHASE, COLUMN_PHASE, TESTS)                                                    \
  for (int vector = 0; vector < vectors; ++vector) {                                              \
    float16 s = (float16)(0.0f);                                                                  \
    UNROLL for (int i = TAP_ROWS - 1; i >= 0; --i) {                                              \
      const int down = (ROW_PHASE) - i * DILATION_ROWS;                                           \
      const int windowRow = down / STRIDE_ROWS;                                                   \
      if (down % STRIDE_ROWS == 0 && (!(TESTS) || (windowRow + blockRow >= 0 &&                   \
                                                   windowRow + blockRow < outputs.s0))) {         \
        UNROLL for (int j = TAP_COLUMNS - 1; j >= 0; --j) {                                       \
          const int along = (COLUMN_PHASE) - j * DILATION_COLUMNS;                                \
          const int window = along / STRIDE_COLUMNS;                                              \
          if (along % STRIDE_COLUMNS == 0 &&                                                      \
              (!(TESTS) || (window + block >= 0 && window + block < outputs.s1))) {               \
            const int16 winner = convert_int16(vload16(                                           \
                0, w + ((long)windowRow * outputs.s1 + window) * tapsPixel + 16 * vector));       \
            const float16 share =                                                                 \
                load16(dy + windowRow * from.s2 + window * from.s3 + 16 * vector);                \
            s = s + select((float16)(0.0f), share, winner == (int16)(i * TAP_COLUMNS + j));       \
          }                                                                                       \
        }                                                                                         \
      }                                                                                           \
    }                                                                                             \
    store_gradient(dx + 16 * vector, m + vector, s);                                              \
  }

// One row whose position modulo the stride is rowPhase: a constant where this is inlined.
WIDE __attribute__((always_inline)) static inline void gradient_row(
    const int rowPhase, const int blockRow, const global float *restrict dys, const place from,
    const int2 outputs, const global uchar *restrict winners, const int tapsPixel,
    global float *restrict dx, const long pixelStep, const int columns,
    const global ushort *restrict m, const int vectors) {
  const int wholeRow =
      blockRow * STRIDE_ROWS >= (TAP_ROWS - 1) * DILATION_ROWS && blockRow < outputs.s0;
  for (int block = LEFT / STRIDE_COLUMNS; block * STRIDE_COLUMNS < columns + LEFT; ++block) {
    const global float *dy = dys + block * from.s3;
    const global uchar *w = winners + (long)block * tapsPixel;
    const int whole = wholeRow && block * STRIDE_COLUMNS >= (TAP_COLUMNS - 1) * DILATION_COLUMNS &&
                      block < outputs.s1;
    UNROLL for (int phase = 0; phase < STRIDE_COLUMNS; ++phase) {
      const int column = block * STRIDE_COLUMNS + phase - LEFT;
      if (column >= 0 && column < columns) {
        if (whole) {
          GATHER(rowPhase, phase, 0)
        } else {
          GATHER(rowPhase, phase, 1)
        }
        dx += pixelStep;
        m += vectors;
      }
    }
  }
}

ROWS_KERNEL void max_pooling_gradient(
    const global float *restrict gradient, const place from, const int2 outputs,
    const global uchar *restrict taps, const long tapsStart, const long tapsImage,
    const int tapsPixel, global float *restrict target, const place to, const int2 extent,
    const global ushort *restrict mask, const ulong maskStart, const int vectors,
    const int rowsPerGroup) {
  const int firstRow = (int)get_global_id(0) * rowsPerGroup;
  const long n = (long)get_global_id(1);
  for (int row = firstRow; row < min(firstRow + rowsPerGroup, extent.s0); ++row) {
    const int blockRow = (row + TOP) / STRIDE_ROWS;
    UNROLL for (int phase = 0; phase < STRIDE_ROWS; ++phase) {
      if (phase == row + TOP - blockRow * STRIDE_ROWS) {
        gradient_row(phase, blockRow, gradient + from.s0 + n * from.s1 + blockRow * from.s2, from,
                     outputs, taps + tapsStart + n * tapsImage +
                         (long)blockRow * outputs.s1 * tapsPixel,
                     tapsPixel, target + to.s0 + n * to.s1 + row * to.s2, to.s3, extent.s1,
                     mask + maskStart +
                         ((long)n * extent.s0 + row) * extent.s1 * vectors,
                     vectors);
      }
    }
  }
}
