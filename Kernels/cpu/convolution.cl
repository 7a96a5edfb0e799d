// Convolution by register tiles: sums over taps of a dense picture, PIXELS pixels x VECTORS x 16
// channels at once, for the forward pass and, phase by phase, for the gradient of the input.
// Shapes: input [n][row][pixel][channel] with a zero border; weights [block][tap row][tap column]
// [channel of the group][VECTORS * 16]; one work-group computes rowsPerGroup rows of blocksPerItem
// blocks; groups run along rows, then blocks, then images, or images before blocks.
// Variants: TAIL_PIXELS for a row's rest, the epilogues of epilogue.clh, HAS_BIAS, HAS_RESIDUAL,
// SETTLES_ZERO; SCATTERS (scatter.clh) where a pixel here is a block of pixels of few channels;
// PASS where a row of COLUMNS pixels takes so many channels of its one tap at a time, or tap rows with
// PASS_TAPS, and keeps its sums in between: weights that exceed the second cache then serve the whole
// row, or an input without overlapping taps is read in longer stretches; NEXT_ROW, the rows of taps,
// where each row of outputs reads one more row of the input, which is asked for a row before.
// Order of summation: tap row, tap column, channel, each ascending, one fma a product; then + 0 with
// SETTLES_ZERO; then bias, then residual or stored sum, then activation or mask.
// Source: direct convolution with packed weights, as in oneDNN's and libxsmm's microkernels.
#include "epilogue.clh"
#include "scatter.clh"
#include "wide.clh"

#ifndef PIXELS
#define PIXELS 14
#endif
#ifndef TAIL_PIXELS
#define TAIL_PIXELS 0
#endif
#ifndef VECTORS
#define VECTORS 2
#endif
#ifndef INPUT_STEP
#define INPUT_STEP 64
#endif
#ifndef PASS
#define PASS 0
#endif
#ifndef PASS_TAPS
#define PASS_TAPS 0
#endif
#ifndef NEXT_ROW
#define NEXT_ROW 0
#endif
#ifndef COLUMNS
#define COLUMNS PIXELS
#endif
#ifndef CHANNEL_UNROLL
#define CHANNEL_UNROLL 16
#endif

#define UNROLL_CHANNELS __attribute__((opencl_unroll_hint(CHANNEL_UNROLL)))

// A sum with zero products and the same sum without them differ at most in the sign of a zero.
WIDE static inline float16 settled(const float16 s) {
  return SETTLES_ZERO ? s + (float16)(0.0f) : s;
}

// The output's lines are asked for before the sum, so that they are there after it. What comes from
// memory once, weights in passes, a matrix's blocks or a row's pixels, is asked for a pass, a tile or a
// row ahead, a line a step, or a part of a tile's lines before each of several rows of taps; blocks of a
// row before its last ask for what they have.
#if defined(__x86_64__)
#define PREFETCH(p, writes, level) __builtin_prefetch((const void *)(size_t)(p), writes, level);
#else
#define PREFETCH(p, writes, level)
#endif
#if PASS_TAPS
#define PREFETCH_AHEAD PREFETCH(x + PIXELS * INPUT_STEP + 15 * c, 0, 3)
#elif PASS
#define PREFETCH_AHEAD PREFETCH(ahead + 16 * c, 0, 2)
#elif NEXT_ROW == 1
#define PREFETCH_AHEAD PREFETCH(ahead + 16 * c, 0, 3)
#else
#define PREFETCH_AHEAD
#endif
#if NEXT_ROW > 1
#define AHEAD_LINES ((PIXELS * INPUT_STEP + 16 * NEXT_ROW - 1) / (16 * NEXT_ROW))
#define PREFETCH_TAP_ROW                                                                          \
  for (int i = 0; i < AHEAD_LINES; ++i) { PREFETCH(ahead + 16 * i, 0, 2) }                        \
  ahead += 16 * AHEAD_LINES;
#else
#define PREFETCH_TAP_ROW
#endif

// One tile: COUNT neighbouring pixels of a row, VECTORS groups of sixteen channels.
#define DEFINE_TILE(NAME, COUNT)                                                                  \
  __attribute__((always_inline)) WIDE static inline void NAME(                                    \
      const global float *restrict input, const global float *restrict weights,                   \
      const global float *restrict bias, const global float *residual, global float *output,      \
      global ushort *mask, const int tapRows, const int tapColumns, const int inputChannels,      \
      const int tapRowStep,                                                                       \
      const int tapColumnStep, const int residualPixel, const int outputPixel,                    \
      const int maskPixel, const int vectors, const global int4 *lanes, const int4 bounds,        \
      float16 *sums, const int starts, const int ends, const global float *ahead) {               \
    float16 s[COUNT][VECTORS];                                                                    \
    UNROLL for (int p = 0; p < COUNT; ++p) {                                                      \
      UNROLL for (int v = 0; v < VECTORS; ++v) {                                                  \
        if (ends) { PREFETCH(output + p * outputPixel + 16 * v, 1, 3) }                           \
        s[p][v] = starts ? (float16)(0.0f) : sums[p * VECTORS + v];                               \
      }                                                                                           \
    }                                                                                             \
    for (int tapRow = 0; tapRow < tapRows; ++tapRow) {                                            \
      PREFETCH_TAP_ROW                                                                            \
      for (int tapColumn = 0; tapColumn < tapColumns; ++tapColumn) {                              \
        const global float *x = input + tapRow * tapRowStep + tapColumn * tapColumnStep;          \
        UNROLL_CHANNELS for (int c = 0; c < inputChannels; ++c) {                                 \
          PREFETCH_AHEAD                                                                          \
          float16 w[VECTORS];                                                                     \
          UNROLL for (int v = 0; v < VECTORS; ++v) { w[v] = load16(weights + 16 * v); }           \
          UNROLL for (int p = 0; p < COUNT; ++p) {                                                \
            const float16 a = (float16)(x[p * INPUT_STEP]);                                       \
            UNROLL for (int v = 0; v < VECTORS; ++v) { s[p][v] = fma(a, w[v], s[p][v]); }         \
          }                                                                                       \
          ++x;                                                                                    \
          weights += 16 * VECTORS;                                                                \
        }                                                                                         \
      }                                                                                           \
    }                                                                                             \
    if (!ends) {                                                                                  \
      UNROLL for (int p = 0; p < COUNT; ++p) {                                                    \
        UNROLL for (int v = 0; v < VECTORS; ++v) { sums[p * VECTORS + v] = s[p][v]; }             \
      }                                                                                           \
      return;                                                                                     \
    }                                                                                             \
    UNROLL for (int v = 0; v < VECTORS; ++v) {                                                    \
      if (v < vectors) {                                                                          \
        UNROLL for (int p = 0; p < COUNT; ++p) {                                                  \
          float16 r = settled(s[p][v]);                                                           \
          FINISH(r, p, v)                                                                         \
        }                                                                                         \
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
#if SCATTERS
#define FINISH(r, p, v)                                                                           \
  scatter16(output + (p) * outputPixel, lanes + 16 * (v),                                         \
            bounds + (int4)(0, (p) * BLOCK_COLUMNS, 0, 0), r);
#elif MASKS || ACCUMULATES
#define FINISH(r, p, v)                                                                           \
  store_gradient(output + (p) * outputPixel + 16 * (v), mask + (p) * maskPixel + (v), r);
#elif WRITES_MASK
#define FINISH(r, p, v)                                                                           \
  ADD_BIAS(r, v) ADD_RESIDUAL(r, p, v) r = activate(r);                                           \
  store16(output + (p) * outputPixel + 16 * (v), r);                                              \
  mask[(p) * maskPixel + (v)] = activation_bits(r);
#else
#define FINISH(r, p, v)                                                                           \
  ADD_BIAS(r, v) ADD_RESIDUAL(r, p, v)                                                            \
  store16(output + (p) * outputPixel + 16 * (v), activate(r));
#endif

// What both tiles of a row get from column on, for the part of the sum that begins at first.
#if PASS_TAPS
#define PART_START                                                                                \
  x + first * tapRowStep + column * INPUT_STEP,                                                   \
      w + (ulong)first * (16 * VECTORS) * (ulong)(tapColumns * inputChannels)
#define PART_TAPS count
#define PART_CHANNELS inputChannels
#define ALL_PARTS tapRows
#else
#define PART_START x + first + column * INPUT_STEP, w + (ulong)first * (16 * VECTORS)
#define PART_TAPS tapRows
#define PART_CHANNELS count
#define ALL_PARTS inputChannels
#endif
#define TILE_ARGUMENTS                                                                            \
  PART_START, bias + 16 * firstVector, r + column * residualPixel, y + column * outputPixel,      \
      m + column * maskPixel, PART_TAPS, tapColumns, PART_CHANNELS, tapRowStep, tapColumnStep,    \
      residualPixel, outputPixel, maskPixel, vectors, lanes + 16 * firstVector,                   \
      (int4)(row * BLOCK_ROWS, column * BLOCK_COLUMNS, targetRows, targetColumns), SUMS, starts,  \
      ends, AHEAD
#if PASS
#define SUMS sums + column * VECTORS
#define AHEAD w + (ulong)(first + count) * (16 * VECTORS) + column / PIXELS * count * 16
#define FOR_PASSES                                                                                \
  float16 sums[COLUMNS * VECTORS];                                                                \
  for (int first = 0, count, starts = 1, ends = 0;                                                \
       count = min(PASS, ALL_PARTS - first), ends = first + count == ALL_PARTS, count > 0;        \
       first += PASS, starts = 0)
#else
#define SUMS 0
#define AHEAD                                                                                     \
  x + column * INPUT_STEP +                                                                       \
      (block + 1 == endBlock ? inputRow + max(0, tapRowStep) * (tapRows - 1) : 0)
#define FOR_PASSES const int first = 0, count = ALL_PARTS, starts = 1, ends = 1;
#endif

DEFINE_TILE(whole_tile, PIXELS)
#if TAIL_PIXELS
DEFINE_TILE(tail_tile, TAIL_PIXELS)
#endif

WIDE __attribute__((reqd_work_group_size(1, 1, 1))) kernel void convolution(
    const global float *restrict input, const ulong inputStart,
    const global float *restrict weights, const global float *restrict bias,
    const global float *residual, const ulong residualStart, global float *output,
    const ulong outputStart, global ushort *mask, const ulong maskStart, const int rows,
    const int columns, const int rowsPerGroup, const int blocksPerItem, const int blocks,
    const int tapRows, const int tapColumns,
    const int inputChannels, const ulong inputImage,
    const int inputRow, const int tapRowStep, const int tapColumnStep, const ulong residualImage,
    const int residualRow, const int residualPixel, const ulong outputImage, const int outputRow,
    const int outputPixel, const ulong maskImage, const int maskRow, const int maskPixel,
    const int blocksPerGroup, const int vectorsPerGroup, const global int4 *lanes,
    const int targetRows, const int targetColumns, const int imagesFirst) {
  const int firstRow = (int)get_global_id(0) * rowsPerGroup;
  const ulong second = get_global_id(1), third = get_global_id(2);
  const int firstBlock = (int)(imagesFirst ? third : second) * blocksPerItem;
  const int endBlock = min(firstBlock + blocksPerItem, blocks);
  const ulong n = imagesFirst ? second : third;
  for (int row = firstRow; row < min(firstRow + rowsPerGroup, rows); ++row) {
    for (int block = firstBlock; block < endBlock; ++block) {
      const int group = block / blocksPerGroup;
      const int blockOfGroup = block % blocksPerGroup;
      const int firstVector = group * vectorsPerGroup + blockOfGroup * VECTORS;
      const int vectors = min(VECTORS, vectorsPerGroup - blockOfGroup * VECTORS);
      const global float *w = weights + (ulong)block * (16 * VECTORS) *
                                            (ulong)(tapRows * tapColumns) * (ulong)inputChannels;
      const global float *x = input + inputStart + n * inputImage + (long)row * inputRow +
                              (long)group * inputChannels;
      const global float *r =
          residual + residualStart + n * residualImage + (long)row * residualRow + 16 * firstVector;
      global float *y = output + outputStart + n * outputImage + (long)row * outputRow +
                        (SCATTERS ? 0 : 16 * firstVector);
      global ushort *m = mask + maskStart + n * maskImage + (long)row * maskRow + firstVector;
      FOR_PASSES {
        int column = 0;
        for (; column + PIXELS <= columns; column += PIXELS) { whole_tile(TILE_ARGUMENTS); }
#if TAIL_PIXELS
        tail_tile(TILE_ARGUMENTS);
#endif
      }
    }
  }
}
