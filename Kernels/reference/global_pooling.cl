// Mean or maximum of each channel of a picture, and its gradient; one work-item for a vector
// of channels of one sample (gradient: of one pixel).
// Shapes: input [n][row][pixel][channel], output [n][channel]; state [n][channel], the winner's
// index row * columns + column, four bytes each.
// Variants: those of vector.clh; MAXIMUM, WRITES_STATE (forward); ACCUMULATES, MASKS (gradient).
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
  const global float *x = input + inputStart + n * inputImage + ITEM_CHANNELS * vector;
  const int room = inputPixel - ITEM_CHANNELS * vector;
  floats result = MAXIMUM ? load_channels(x, room) : (floats)(0.0f);
  ints winner = (ints)(0);
  for (int row = 0; row < rows; ++row) {
    for (int column = 0; column < columns; ++column) {
      const floats v =
          load_channels(x + (long)row * inputRow + (long)column * inputPixel, room);
      if (MAXIMUM) {
        // Larger, or the first NaN.
        const ints wins = ~(v <= result) & (result == result);
        result = select(result, v, wins);
        winner = select(winner, (ints)(row * columns + column), wins);
      } else {
        result = result + v;
      }
    }
  }
  if (!MAXIMUM) { result = result / (floats)((float)(rows * columns)); }
  if (MAXIMUM && WRITES_STATE) {
    ITEM_NAME(vstore)(winner, 0, state + stateStart + n * stateImage + ITEM_CHANNELS * vector);
  }
  store_floats(output + outputStart + n * outputImage + ITEM_CHANNELS * vector, result);
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
  floats share = load_floats(gradient + gradientStart + n * gradientImage + ITEM_CHANNELS * vector);
  if (MAXIMUM) {
    const ints winner =
        ITEM_NAME(vload)(0, state + stateStart + n * stateImage + ITEM_CHANNELS * vector);
    share = select((floats)(0.0f), share, winner == (ints)(row * columns + column));
  } else {
    share = share / (floats)((float)(rows * columns));
  }
  store_gradient_channels(
      target + targetStart + n * targetImage + (long)row * targetRow +
          (long)column * targetPixel + ITEM_CHANNELS * vector,
      mask + maskStart + n * maskImage + ((long)row * columns + column) * maskPixel,
      ITEM_CHANNELS * vector,
      share, targetPixel - ITEM_CHANNELS * vector);
}
