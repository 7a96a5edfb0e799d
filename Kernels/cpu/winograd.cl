// Winograd convolution F(2x2, 3x3): 3x3 taps, stride 1, for the forward pass and, with flipped and
// swapped weights, for the gradient of the input. A work-group transforms the inputs of TILES tiles
// of 2x2 outputs, multiplies them by register tiles of 14 tiles x 32 channels, transforms back.
// Shapes: input [n][row][pixel][channel] with a zero border; weights [32 output channels][16
// positions][channel][32]; scratch V [16][TILES][ROW] and M [16][TILES][32] in local memory; tiles
// are counted through all images, so that groups may begin and end anywhere.
// Variants: TILES (a multiple of 14), ROW (at least the channels, padded to 16), the epilogues of
// epilogue.clh, HAS_BIAS, HAS_RESIDUAL, WRITES_MASK.
// Order of summation: B^T d (rows), then (B^T d) B (columns), one addition an element; for each
// position the channels ascending, one fma a product; A^T M (rows), then (A^T M) A (columns), each
// (a + b) + c or (a - b) - c; then bias, then residual or stored sum, then activation or mask.
// Source: Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks", section 4.1.
#include "wide.clh"
#include "winograd.clh"

#ifndef TILES
#define TILES 28
#endif
#ifndef ROW
#define ROW 80
#endif
#ifndef CHANNEL_UNROLL
#define CHANNEL_UNROLL 4
#endif

#define PRODUCT_TILES 14
#define UNROLL_CHANNELS __attribute__((opencl_unroll_hint(CHANNEL_UNROLL)))

// Asks for a line that will be written: without it every store waits for memory, a quarter of the
// time of layers of 64 channels.
#if defined(__has_builtin)
#if __has_builtin(__builtin_prefetch)
#define PREFETCH(p) __builtin_prefetch((p), 1, 2);
#endif
#endif
#ifndef PREFETCH
#define PREFETCH(p)
#endif

// The image of a group's tile, and its first output's row and column.
#define LOCATE(t)                                                                                 \
  const int tile = first + (t);                                                                   \
  const ulong n = (ulong)(tile / imageTiles);                                                     \
  const int row = tile % imageTiles / tileColumns * 2;                                            \
  const int column = tile % tileColumns * 2;

inline float16 load_local(const local float *p) { return *(const local float16_unaligned *)p; }
inline void store_local(local float *p, const float16 v) { *(local float16_unaligned *)p = v; }

// One position's product of 14 tiles and 32 output channels.
__attribute__((always_inline)) WIDE static inline void multiply(
    const local float *v, const global float *restrict w, local float *m, const int channels) {
  float16 s[PRODUCT_TILES][2];
  UNROLL for (int t = 0; t < PRODUCT_TILES; ++t) {
    s[t][0] = (float16)(0.0f);
    s[t][1] = (float16)(0.0f);
  }
  UNROLL_CHANNELS for (int c = 0; c < channels; ++c) {
    const float16 w0 = load16(w);
    const float16 w1 = load16(w + 16);
    UNROLL for (int t = 0; t < PRODUCT_TILES; ++t) {
      const float16 a = (float16)(v[t * ROW]);
      s[t][0] = fma(a, w0, s[t][0]);
      s[t][1] = fma(a, w1, s[t][1]);
    }
    ++v;
    w += 32;
  }
  UNROLL for (int t = 0; t < PRODUCT_TILES; ++t) {
    store_local(m + 32 * t, s[t][0]);
    store_local(m + 32 * t + 16, s[t][1]);
  }
}

WIDE __attribute__((reqd_work_group_size(1, 1, 1))) kernel void winograd(
    const global float *restrict input, const ulong inputStart,
    const global float *restrict weights, const global float *restrict bias,
    const global float *residual, const ulong residualStart, global float *output,
    const ulong outputStart, global ushort *mask, const ulong maskStart, const int images,
    const int rows, const int columns, const int channels, const ulong inputImage,
    const int inputRow, const int inputPixel, const ulong residualImage, const int residualRow,
    const int residualPixel, const ulong outputImage, const int outputRow, const int outputPixel,
    const ulong maskImage, const int maskRow, const int maskPixel, const int vectors,
    const int vectorsPerGroup) {
  local float scratch[16 * TILES * (ROW + 32)] __attribute__((aligned(64)));
  const int tileColumns = (columns + 1) / 2;
  const int imageTiles = (rows + 1) / 2 * tileColumns;
  const int first = (int)get_global_id(0) * TILES;
  const int count = min(TILES, images * imageTiles - first);
  const int products = (count + PRODUCT_TILES - 1) / PRODUCT_TILES;
  local float *products_m = scratch + 16 * TILES * ROW;
  for (int t = 0; t < count; ++t) {
    LOCATE(t)
    const global float *x = input + inputStart + n * inputImage + (long)row * inputRow +
                            (long)column * inputPixel;
    const int lastRow = LAST_TAP(row, rows) * inputRow;
    const int lastColumn = LAST_TAP(column, columns) * inputPixel;
    local float *v = scratch + t * ROW;
    for (int c = 0; c < channels; c += 16) {
      float16 d[16];
      UNROLL for (int i = 0; i < 4; ++i) {
        const global float *line = x + c + (i < 3 ? i * inputRow : lastRow);
        UNROLL for (int j = 0; j < 3; ++j) { d[4 * i + j] = load16(line + j * inputPixel); }
        d[4 * i + 3] = load16(line + lastColumn);
      }
      TRANSFORM_INPUT(float16, d)
      UNROLL for (int p = 0; p < 16; ++p) { store_local(v + p * TILES * ROW + c, d[p]); }
    }
  }
  const int firstVector = (int)get_global_id(1) * vectorsPerGroup;
  for (int vector = firstVector; vector < min(firstVector + vectorsPerGroup, vectors);
       vector += 2) {
    const global float *w = weights + (ulong)vector * (16 * 16) * (ulong)channels;
    for (int p = 0; p < 16; ++p) {
      for (int t = p * count / 16; t < (p + 1) * count / 16; ++t) {
        LOCATE(t)
        const int channel = 16 * vector;
        UNROLL for (int i = 0; i < 4; ++i) {
          const global float *place =
              OUTPUT_PLACE(min(row + i / 2, rows - 1), min(column + i % 2, columns - 1));
          PREFETCH(place)
          PREFETCH(place + 16)
        }
      }
      for (int product = 0; product < products; ++product) {
        multiply(scratch + (p * TILES + product * PRODUCT_TILES) * ROW, w + p * 32 * channels,
                 products_m + (p * TILES + product * PRODUCT_TILES) * 32, channels);
      }
    }
    for (int t = 0; t < count; ++t) {
      LOCATE(t)
      for (int half_block = 0; half_block < min(2, vectors - vector); ++half_block) {
        const int channel = 16 * (vector + half_block);
        float16 m[16];
        UNROLL for (int p = 0; p < 16; ++p) {
          m[p] = load_local(products_m + (p * TILES + t) * 32 + 16 * half_block);
        }
        TRANSFORM_OUTPUT(float16, m)
        UNROLL for (int i = 0; i < 2; ++i) {
          UNROLL for (int j = 0; j < 2; ++j) {
            if (row + i < rows && column + j < columns) {
              FINISH(m[2 * i + j], row + i, column + j)
            }
          }
        }
      }
    }
  }
}
