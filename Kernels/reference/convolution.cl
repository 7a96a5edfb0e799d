// Convolution, one work-item for sixteen output channels of one pixel, for the forward pass and,
// phase by phase, for the gradient of the input; any groups.
// Shapes: input [n][row][pixel][channel] with a zero border; weights [16 output channels][tap row]
// [tap column][channel of the group][16]; items (channel vectors, pixels, n).
// Variants: the epilogues of epilogue.clh, HAS_BIAS, HAS_RESIDUAL, WRITES_MASK, SETTLES_ZERO;
// SCATTERS (scatter.clh) where a pixel here is a block of pixels of few channels.
// Order of summation: tap row, tap column, channel, each ascending, one fma a product; then + 0 with
// SETTLES_ZERO; then bias, then residual or stored sum, then activation or mask.
// Source: the definition of convolution.
#include "epilogue.clh"
#include "scatter.clh"

#ifndef GROUP
#define GROUP 64
#endif

__attribute__((reqd_work_group_size(GROUP, 1, 1))) kernel void convolution_reference(
    const global float *restrict input, const ulong inputStart,
    const global float *restrict weights, const global float *restrict bias,
    const global float *residual, const ulong residualStart, global float *output,
    const ulong outputStart, global ushort *mask, const ulong maskStart, const int rows,
    const int columns, const int tapRows, const int tapColumns, const int inputChannels,
    const int outputChannels, const int groups, const ulong inputImage, const int inputRow,
    const int inputStep, const int tapRowStep, const int tapColumnStep, const ulong residualImage,
    const int residualRow, const int residualPixel, const ulong outputImage, const int outputRow,
    const int outputPixel, const ulong maskImage, const int maskRow, const int maskPixel,
    const int vectors, const global int4 *lanes, const int targetRows, const int targetColumns) {
  const int item = (int)get_global_id(0);
  const int row = (int)get_global_id(1);
  const ulong n = get_global_id(2);
  if (item >= vectors * columns || row >= rows) { return; }
  const int vector = item % vectors;
  const int column = item / vectors;
  const global float *x =
      input + inputStart + n * inputImage + (long)row * inputRow + (long)column * inputStep;
  const global float *w =
      weights + (ulong)vector * 16 * (ulong)(tapRows * tapColumns) * (ulong)inputChannels;
  float sums[16];
  for (int lane = 0; lane < 16; ++lane) {
    const int channel = 16 * vector + lane;
    float s = 0.0f;
    if (channel < outputChannels) {
      const global float *xs = x + (channel / (outputChannels / groups)) * inputChannels;
      const global float *ws = w + lane;
      for (int tapRow = 0; tapRow < tapRows; ++tapRow) {
        for (int tapColumn = 0; tapColumn < tapColumns; ++tapColumn) {
          const global float *xt = xs + tapRow * tapRowStep + tapColumn * tapColumnStep;
          for (int c = 0; c < inputChannels; ++c) {
            s = fma(xt[c], *ws, s);
            ws += 16;
          }
        }
      }
    }
    sums[lane] = SETTLES_ZERO ? s + 0.0f : s;
  }
  float16 s = vload16(0, sums);
  global float *y = output + outputStart + n * outputImage + (long)row * outputRow +
                    (long)column * outputPixel + (SCATTERS ? 0 : 16 * vector);
#define MASK_WORD                                                                                 \
  (mask + maskStart + n * maskImage + (long)row * maskRow + column * maskPixel + vector)
#if SCATTERS
  scatter16(y, lanes + 16 * vector,
            (int4)(row * BLOCK_ROWS, column * BLOCK_COLUMNS, targetRows, targetColumns), s);
#elif MASKS || ACCUMULATES
  store_gradient(y, MASK_WORD, s);
#else
#if HAS_BIAS
  s = s + load16(bias + 16 * vector);
#endif
#if HAS_RESIDUAL
  s = s + load16(residual + residualStart + n * residualImage + (long)row * residualRow +
                 column * residualPixel + 16 * vector);
#endif
  s = activate(s);
  store16(y, s);
#if WRITES_MASK
  *MASK_WORD = activation_bits(s);
#endif
#endif
}
