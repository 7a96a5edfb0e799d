// Convolution as a matrix product of pixels and channels that is never laid out, for the forward pass
// and, phase by phase, for the gradient of the input.
// Shapes: input [n][row][pixel][channel] with a zero border; weights [block][tap row][tap column]
// [channel of the group][TILE_N], their columns in the order of tile_position; groups of work
// (block of TILE_N output channels, TILE_M pixels of the whole batch).
// Variants: TILE_M, TILE_N, PRECISION of tile.clh; ALIGNED_INPUT, ALIGNED_OUTPUT where all places are multiples
// of four floats; the epilogues of epilogue.clh, HAS_BIAS, HAS_RESIDUAL, SETTLES_ZERO; SCATTERS.
// Order of summation: tap row, tap column, channel, each ascending, one fma a product; then + 0 with
// SETTLES_ZERO; then bias, then residual or stored sum, then activation or mask.
// Source: implicit GEMM as in cuDNN (Chetlur et al. 2014), with packed weights.
#define A_ALONG 1
#define B_ALONG 0
#include "tile.clh"
#include "epilogue.clh"
#include "scatter.clh"

#if ALIGNED_OUTPUT
typedef float8 __attribute__((aligned(16))) float8_stored;
#else
typedef float8 __attribute__((aligned(4))) float8_stored;
#endif
#define LOAD8(p) (*(const global float8_stored *)(p))

#define FETCH_TAP(a, b)                                                                           \
  {                                                                                               \
    const int room_ = inputChannels - channel;                                                    \
    const int offset_ = tapRow * tapRowStep + tapColumn * tapColumnStep + channel;                \
    fetched = min(TILE_K, room_);                                                                 \
    TILE_UNROLL for (int l_ = 0; l_ < A_QUADS; ++l_) {                                            \
      BRING_ALONG(aQuads, l_, a, x + pixels[l_] + offset_, room_ - ALONG_K, ALIGNED_INPUT)        \
    }                                                                                             \
    TILE_UNROLL for (int l_ = 0; l_ < B_QUADS; ++l_) {                                            \
      BRING_IF(ACROSS_K(TILE_N, l_) < fetched, bQuads, l_, b, TILE_N, SAME_POSITION,              \
               w + 4 * (TILE_ITEM + l_ * TILE_ITEMS))                                             \
    }                                                                                             \
    w += fetched * TILE_N;                                                                        \
    channel += TILE_K;                                                                            \
    if (channel >= inputChannels) {                                                               \
      channel = 0;                                                                                \
      ++tapColumn;                                                                                \
      if (tapColumn == tapColumns) {                                                              \
        tapColumn = 0;                                                                            \
        ++tapRow;                                                                                 \
      }                                                                                           \
    }                                                                                             \
  }
#define PUT_TAP(a, b)                                                                             \
  PUT_ALONG(a, TILE_M, aQuads, A_QUADS, SAME_POSITION)                                            \
  PUT_ACROSS(b, TILE_N, bQuads, B_QUADS, SAME_POSITION)

TILE_KERNEL void convolution(
    const global float *restrict input, const ulong inputStart,
    const global float *restrict weights, const global float *restrict bias,
    const global float *residual, const ulong residualStart, global float *output,
    const ulong outputStart, global ushort *mask, const ulong maskStart, const int images,
    const int rows, const int columns, const int tapRows, const int tapColumns,
    const int inputChannels, const ulong inputImage, const int inputRow, const int inputStep,
    const int tapRowStep, const int tapColumnStep, const ulong residualImage,
    const int residualRow, const int residualPixel, const ulong outputImage, const int outputRow,
    const int outputPixel, const ulong maskImage, const int maskRow, const int maskPixel,
    const int blocksPerGroup, const int channelsPerGroup, const global int4 *lanes,
    const int targetRows, const int targetColumns) {
  TILE_PANELS(a, b);
  const int block = (int)get_group_id(0);
  const int group = block / blocksPerGroup;
  const int firstPixel = (int)get_group_id(1) * TILE_M;
  const int picture = rows * columns;
  const int end = images * picture;
  // Offsets within a tile's few images fit 32 bits; those of images need not.
  const int firstImage = firstPixel / picture;
  const global float *x = input + inputStart + (ulong)firstImage * inputImage +
                          (long)group * inputChannels + ALONG_K;
  int pixels[A_QUADS];
  TILE_UNROLL for (int l = 0; l < A_QUADS; ++l) {
    const int pixel = min(firstPixel + ALONG_LINE(l, A_GAP), end - 1);
    const int image = pixel / picture;
    const int row = (pixel - image * picture) / columns;
    const int column = pixel - image * picture - row * columns;
    pixels[l] = (image - firstImage) * (int)inputImage + row * inputRow + column * inputStep;
  }
  const global float *w =
      weights + (ulong)block * TILE_N * (ulong)(tapRows * tapColumns) * (ulong)inputChannels;
  const int chunks = tapRows * tapColumns * ((inputChannels + TILE_K - 1) / TILE_K);
  int tapRow = 0, tapColumn = 0, channel = 0, fetched = 0;
  DECLARE_QUADS(aQuads, A_QUADS)
  DECLARE_QUADS(bQuads, B_QUADS)
  TILE_DECLARE(s)
  TILE_SUMS(s, a, b, chunks, fetched, FETCH_TAP, PUT_TAP)

  TILE_UNROLL for (int p = 0; p < 8; ++p) {
    const int channelOfGroup = block % blocksPerGroup * TILE_N + TILE_COLUMN_OF(p);
    const int firstChannel = group * channelsPerGroup + channelOfGroup;
    const int pixel = firstPixel + TILE_ROW_OF(p);
    const int image = pixel / picture;
    const int row = (pixel - image * picture) / columns;
    const int column = pixel - image * picture - row * columns;
    if (pixel < end && channelOfGroup < channelsPerGroup) {
      float8 r = (float8)(s[p][0], s[p][1]);
      // A sum with zero products and the same sum without them differ at most in the sign of a zero.
#if SETTLES_ZERO
      r = r + (float8)(0.0f);
#endif
      global float *y = output + outputStart + (ulong)image * outputImage +
                        (long)row * outputRow + (long)column * outputPixel;
#if SCATTERS
      scatter8(
          y, lanes + firstChannel,
          (int4)(row * BLOCK_ROWS, column * BLOCK_COLUMNS, targetRows, targetColumns), r);
#else
      y += firstChannel;
#if MASKS || WRITES_MASK
      // Bit c % 8 of byte c / 8 is bit c % 16 of word c / 16 where bytes are stored lowest first.
      global uchar *bits = (global uchar *)(mask + maskStart + (ulong)image * maskImage +
                                            (long)row * maskRow + (long)column * maskPixel) +
                           firstChannel / 8;
#endif
#if MASKS || ACCUMULATES
#if ACCUMULATES
      r = r + LOAD8(y);
#endif
#if MASKS
      r = mask_gradient8(r, *bits);
#endif
#else
#if HAS_BIAS
      r = r + *(const global float8 *)(bias + firstChannel);
#endif
#if HAS_RESIDUAL
      r = r + LOAD8(residual + residualStart + (ulong)image * residualImage +
                    (long)row * residualRow + (long)column * residualPixel + firstChannel);
#endif
      r = activate8(r);
#endif
      *(global float8_stored *)y = r;
#if WRITES_MASK
      *bits = activation_bits8(r);
#endif
#endif
    }
  }
}
