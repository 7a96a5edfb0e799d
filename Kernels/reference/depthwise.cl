// Depthwise convolution, one work-item for a vector of a pixel's channels, for the forward pass
// and, phase by phase, for the gradient of the input.
// Shapes: input [n][row][pixel][channel] with a zero border; weights [tap row][tap column]
// [channels padded to 16]; items (channel vectors x columns, rows, n).
// Variants: those of vector.clh, the epilogues, HAS_BIAS, HAS_RESIDUAL, WRITES_MASK, SETTLES_ZERO.
// Order of summation: tap row, tap column ascending, one fma a product; then + 0 with SETTLES_ZERO;
// then bias, then residual or stored sum, then activation or mask.
// Source: the definition of depthwise convolution.
#include "vector.clh"
#include "wide.clh"

#ifndef GROUP
#define GROUP 64
#endif

WIDE __attribute__((reqd_work_group_size(GROUP, 1, 1))) kernel void depthwise(
    const global float *restrict input, const ulong inputStart,
    const global float *restrict weights, const global float *restrict bias,
    const global float *residual, const ulong residualStart, global float *output,
    const ulong outputStart, global ushort *mask, const ulong maskStart, const int rows,
    const int columns, const int tapRows, const int tapColumns, const ulong inputImage,
    const int inputRow, const int inputStep, const int tapRowStep, const int tapColumnStep,
    const ulong residualImage, const int residualRow, const int residualPixel,
    const ulong outputImage, const int outputRow, const int outputPixel, const ulong maskImage,
    const int maskRow, const int maskPixel, const int vectors) {
  const int item = (int)get_global_id(0);
  const int row = (int)get_global_id(1);
  const ulong n = get_global_id(2);
  if (item >= vectors * columns || row >= rows) { return; }
  const int vector = item % vectors;
  const int column = item / vectors;
  const global float *x = input + inputStart + n * inputImage + (long)row * inputRow +
                          (long)column * inputStep + ITEM_CHANNELS * vector;
  const global float *w = weights + ITEM_CHANNELS * vector;
  floats s = (floats)(0.0f);
  for (int tapRow = 0; tapRow < tapRows; ++tapRow) {
    for (int tapColumn = 0; tapColumn < tapColumns; ++tapColumn) {
      s = fma(load_floats(x + tapRow * tapRowStep + tapColumn * tapColumnStep), load_floats(w), s);
      w += ITEM_CHANNELS * vectors;
    }
  }
  global float *y = output + outputStart + n * outputImage + (long)row * outputRow +
                    column * outputPixel + ITEM_CHANNELS * vector;
#if SETTLES_ZERO
  s = s + (floats)(0.0f);
#endif
#define MASK_WORDS (mask + maskStart + n * maskImage + (long)row * maskRow + column * maskPixel)
#if MASKS || ACCUMULATES
  store_gradient_floats(y, MASK_WORDS, ITEM_CHANNELS * vector, s);
#else
#if HAS_BIAS
  s = s + load_floats(bias + ITEM_CHANNELS * vector);
#endif
#if HAS_RESIDUAL
  s = s + load_floats(residual + residualStart + n * residualImage + (long)row * residualRow +
                 column * residualPixel + ITEM_CHANNELS * vector);
#endif
  s = activate_floats(s);
  store_floats(y, s);
#if WRITES_MASK
  write_bits(MASK_WORDS, ITEM_CHANNELS * vector, s);
#endif
#endif
}
