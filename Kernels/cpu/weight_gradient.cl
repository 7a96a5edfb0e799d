// Gradients of the weights of a convolution or a matrix product in register tiles: a work-item takes
// TILE input channels and 16 or 32 output channels of one tap.
// Shapes: input and gradient as places [n][row][pixel][channel], pixels of the gradient padded to
// sixteen channels; weights anywhere, by strides of (output channel, input channel, tap row, tap
// column).
// Variants: TILE, at most the input channels; VECTORS 1 or 2 of sixteen output channels.
// Order of summation: sample, output row, output column, each ascending, one fma a product; taps in
// the padding contribute nothing. Source: the definition, as a product of two matrices.
#include "epilogue.clh"
#include "rows.clh"
#include "window.clh"

#ifndef TILE
#define TILE 14
#endif
#ifndef VECTORS
#define VECTORS 2
#endif

// Windows: (tap rows, tap columns, row stride, column stride); offsets: (padding above, padding
// left, row dilation, column dilation); inputs: (rows, columns, channels, 1); outputs: (samples,
// rows, columns, channels); strides: of the weights.
ROWS_KERNEL void weight_gradient(const global float *restrict input, const place input_place,
                                 const global float *restrict gradient,
                                 const place gradient_place, global float *restrict weights,
                                 const ulong start, const uint4 strides, const uint4 window,
                                 const uint4 offsets, const uint4 inputs, const uint4 outputs) {
  const int vectors = (int)(outputs.s3 + 15) / 16;
  const int columnsOfItems = (vectors + VECTORS - 1) / VECTORS;
  const int blocks = (int)(inputs.s2 + TILE - 1) / TILE;
  const int index = (int)get_global_id(0);
  const int tap = index / columnsOfItems / blocks;
  const int tapRow = tap / (int)window.s1, tapColumn = tap % (int)window.s1;
  // The last block begins earlier, so that all are whole; what others store it leaves to them.
  const int wanted = index / columnsOfItems % blocks * TILE;
  const int channel = min(wanted, (int)inputs.s2 - TILE);
  const int vector = index % columnsOfItems * VECTORS;
  const int second = min(VECTORS - 1, vectors - 1 - vector);
  const int rowOffset = tapRow * (int)offsets.s2 - (int)offsets.s0;
  const int columnOffset = tapColumn * (int)offsets.s3 - (int)offsets.s1;
  const int2 rows = inside((int)outputs.s1, (int)window.s2, rowOffset, (int)inputs.s0);
  const int2 columns = inside((int)outputs.s2, (int)window.s3, columnOffset, (int)inputs.s1);
  const ulong gradientPixel = gradient_place.s3;
  const ulong inputPixel = window.s3 * input_place.s3;
  float16 s[TILE][VECTORS];
  UNROLL for (int t = 0; t < TILE; ++t) {
    UNROLL for (int v = 0; v < VECTORS; ++v) { s[t][v] = (float16)(0.0f); }
  }
  for (uint n = 0; n < outputs.s0; ++n) {
    for (int row = rows.s0; row < rows.s1; ++row) {
      const global float *g = gradient + gradient_place.s0 + n * gradient_place.s1 +
                              (ulong)row * gradient_place.s2 +
                              (ulong)columns.s0 * gradientPixel + 16 * vector;
      const global float *x =
          input + input_place.s0 + n * input_place.s1 +
          (ulong)(row * (int)window.s2 + rowOffset) * input_place.s2 +
          (ulong)(columns.s0 * (int)window.s3 + columnOffset) * input_place.s3 + channel;
      for (int column = columns.s0; column < columns.s1; ++column) {
        float16 shares[VECTORS];
        UNROLL for (int v = 0; v < VECTORS; ++v) { shares[v] = load16(g + 16 * min(v, second)); }
        UNROLL for (int t = 0; t < TILE; ++t) {
          UNROLL for (int v = 0; v < VECTORS; ++v) {
            s[t][v] = fma(shares[v], (float16)(x[t]), s[t][v]);
          }
        }
        g += gradientPixel;
        x += inputPixel;
      }
    }
  }
  global float *w =
      weights + start + (ulong)tapRow * strides.s2 + (ulong)tapColumn * strides.s3;
  UNROLL for (int t = 0; t < TILE; ++t) {
    if (channel + t >= wanted) {
      UNROLL for (int v = 0; v < VECTORS; ++v) {
        float lanes[16];
        vstore16(s[t][v], 0, lanes);
        const int first = 16 * (vector + v);
        for (int lane = 0; lane < 16 && first + lane < (int)outputs.s3; ++lane) {
          w[(ulong)(channel + t) * strides.s1 + (ulong)(first + lane) * strides.s0] = lanes[lane];
        }
      }
    }
  }
}
