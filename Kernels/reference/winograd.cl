// Winograd convolution F(2x2, 3x3), one work-item for sixteen output channels of a tile of 2x2
// outputs: 3x3 taps, stride 1, for the forward pass and, with turned weights, for the gradient.
// Shapes: input [n][row][pixel][channel] with a zero border; weights [16 output channels][channel]
// [16 positions][16]; items (channel vectors, tiles, n).
// Variants: the epilogues of epilogue.clh, HAS_BIAS, HAS_RESIDUAL, WRITES_MASK.
// Order of summation: B^T d (rows), then (B^T d) B (columns), one addition an element; for each
// position the channels ascending, one fma a product; A^T M (rows), then (A^T M) A (columns), each
// (a + b) + c or (a - b) - c; then bias, then residual or stored sum, then activation or mask.
// Source: Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks", section 4.1.
#include "winograd.clh"

#ifndef GROUP
#define GROUP 64
#endif

__attribute__((reqd_work_group_size(GROUP, 1, 1))) kernel void winograd_reference(
    const global float *restrict input, const ulong inputStart,
    const global float *restrict weights, const global float *restrict bias,
    const global float *residual, const ulong residualStart, global float *output,
    const ulong outputStart, global ushort *mask, const ulong maskStart, const int images,
    const int rows, const int columns, const int channels, const ulong inputImage,
    const int inputRow, const int inputPixel, const ulong residualImage, const int residualRow,
    const int residualPixel, const ulong outputImage, const int outputRow, const int outputPixel,
    const ulong maskImage, const int maskRow, const int maskPixel, const int vectors,
    const int vectorsPerGroup) {
  const int item = (int)get_global_id(0);
  const int row = 2 * (int)get_global_id(1);
  const ulong n = get_global_id(2);
  const int vector = item % vectors;
  const int column = item / vectors * 2;
  if (column >= columns || row >= rows) { return; }
  const int channel = 16 * vector;
  const global float *x = input + inputStart + n * inputImage + (long)row * inputRow +
                          (long)column * inputPixel;
  const global float *w = weights + (ulong)channel * 16 * (ulong)channels;
  float16 m[16];
  for (int p = 0; p < 16; ++p) { m[p] = (float16)(0.0f); }
  for (int c = 0; c < channels; ++c) {
    float d[16];
    for (int i = 0; i < 4; ++i) {
      const int y = i < 3 ? i : LAST_TAP(row, rows);
      for (int j = 0; j < 4; ++j) {
        d[4 * i + j] = x[y * inputRow + (j < 3 ? j : LAST_TAP(column, columns)) * inputPixel + c];
      }
    }
    TRANSFORM_INPUT(float, d)
    for (int p = 0; p < 16; ++p) {
      m[p] = fma((float16)(d[p]), load16(w), m[p]);
      w += 16;
    }
  }
  TRANSFORM_OUTPUT(float16, m)
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 2; ++j) {
      if (row + i < rows && column + j < columns) {
        float16 r = m[2 * i + j];
        FINISH(r, row + i, column + j)
      }
    }
  }
}
