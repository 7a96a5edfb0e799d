// Mean or maximum of each channel of a picture, and its gradient; one work-item for sixteen
// channels of one sample (gradient: of one pixel).
// Shapes: input [n][row][pixel][channel], output [n][channel]; state [n][channel], the winner's
// index row * columns + column, four bytes each.
// Variants: MAXIMUM, WRITES_STATE (forward); ACCUMULATES, MASKS (gradient).
// Order of summation: row, then column, ascending, from +0, then division by the count; of a
// maximum the lowest index wins, and the first NaN; gradient: one share for each pixel.
// Source: global pooling as ONNX defines it.
#include "partial.clh"

#ifndef GROUP
#define GROUP 64
#endif
#ifndef MAXIMUM
#define MAXIMUM 0
#endif
#ifndef WRITES_STATE
#define WRITES_STATE 1
#endif

__attribute__((reqd_work_group_size(GROUP, 1, 1))) kernel void global_pooling(
    const global float *restrict input, const ulong inputStart, const ulong inputImage,
    const int inputRow, const int inputPixel, const int rows, const int columns,
    global float *restrict output, const ulong outputStart, const ulong outputImage,
    global int *restrict state, const ulong stateStart, const ulong stateImage,
    const int vectors) {
  const int vector = (int)get_global_id(0);
  const ulong n = get_global_id(1);
  if (vector >= vectors) { return; }
  const global float *x = input + inputStart + n * inputImage + 16 * vector;
  const int room = inputPixel - 16 * vector;
  float16 result = MAXIMUM ? load_channels(x, room) : (float16)(0.0f);
  int16 winner = (int16)(0);
  for (int row = 0; row < rows; ++row) {
    for (int column = 0; column < columns; ++column) {
      const float16 v =
          load_channels(x + (long)row * inputRow + (long)column * inputPixel, room);
      if (MAXIMUM) {
        // Larger, or the first NaN.
        const int16 wins = ~(v <= result) & (result == result);
        result = select(result, v, wins);
        winner = select(winner, (int16)(row * columns + column), wins);
      } else {
        result = result + v;
      }
    }
  }
  if (!MAXIMUM) { result = result / (float16)((float)(rows * columns)); }
  if (MAXIMUM && WRITES_STATE) {
    vstore16(winner, 0, state + stateStart + n * stateImage + 16 * vector);
  }
  store16(output + outputStart + n * outputImage + 16 * vector, result);
}

__attribute__((reqd_work_group_size(GROUP, 1, 1))) kernel void global_pooling_gradient(
    const global float *restrict gradient, const ulong gradientStart, const ulong gradientImage,
    const global int *restrict state, const ulong stateStart, const ulong stateImage,
    global float *restrict target, const ulong targetStart, const ulong targetImage,
    const int targetRow, const int targetPixel, const global ushort *restrict mask,
    const ulong maskStart, const ulong maskImage, const int maskPixel, const int rows,
    const int columns, const int vectors) {
  const int item = (int)get_global_id(0);
  const int row = (int)get_global_id(1);
  const ulong n = get_global_id(2);
  if (item >= vectors * columns || row >= rows) { return; }
  const int vector = item % vectors;
  const int column = item / vectors;
  float16 share = load16(gradient + gradientStart + n * gradientImage + 16 * vector);
  if (MAXIMUM) {
    const int16 winner = vload16(0, state + stateStart + n * stateImage + 16 * vector);
    share = select((float16)(0.0f), share, winner == (int16)(row * columns + column));
  } else {
    share = share / (float16)((float)(rows * columns));
  }
  store_gradient_channels(
      target + targetStart + n * targetImage + (long)row * targetRow +
          (long)column * targetPixel + 16 * vector,
      mask + maskStart + n * maskImage + ((long)row * columns + column) * maskPixel + vector,
      share, targetPixel - 16 * vector);
}
