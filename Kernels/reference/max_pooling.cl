// Maximum over windows, and its gradient; one work-item for a vector of a pixel's channels.
// Shapes: input and output [n][row][pixel][channel]; taps [n][output pixel][channel], a byte each:
// tap row * tap columns + tap column, 255 for a window outside the picture; items (channel vectors
// x columns, rows, n) of what is written.
// Variants: those of vector.clh; WRITES_STATE (forward); ACCUMULATES, MASKS (gradient).
// Order of summation: forward none: the lowest tap wins, and the first NaN; gradient: output row,
// then output column, ascending, from +0.
// Source: max pooling as PyTorch and ONNX define it; padding never wins.
#include "partial.clh"
#include "window.clh"

#ifndef GROUP
#define GROUP 64
#endif
#ifndef WRITES_STATE
#define WRITES_STATE 1
#endif

__attribute__((reqd_work_group_size(GROUP, 1, 1))) kernel void max_pooling(
    const global float *restrict input, const ulong inputStart, const ulong inputImage,
    const int inputRow, const int inputPixel, const int inputRows, const int inputColumns,
    global float *restrict output, const ulong outputStart, const ulong outputImage,
    const int outputRow, const int outputPixel, const int rows, const int columns,
    global uchar *restrict taps, const ulong tapsStart, const ulong tapsImage, const int tapRows,
    const int tapColumns, const int strideRows, const int strideColumns, const int top,
    const int left, const int dilationRows, const int dilationColumns, const int vectors) {
  const int item = (int)get_global_id(0);
  const int row = (int)get_global_id(1);
  const ulong n = get_global_id(2);
  if (item >= vectors * columns || row >= rows) { return; }
  const int vector = item % vectors;
  const int column = item / vectors;
  const int firstRow = row * strideRows - top;
  const int firstColumn = column * strideColumns - left;
  const int rowLow = lowest_tap(firstRow, dilationRows);
  const int rowEnd = end_of_taps(firstRow, dilationRows, tapRows, inputRows);
  const int columnLow = lowest_tap(firstColumn, dilationColumns);
  const int columnEnd = end_of_taps(firstColumn, dilationColumns, tapColumns, inputColumns);
  const global float *x = input + inputStart + n * inputImage + (long)firstRow * inputRow +
                          (long)firstColumn * inputPixel + ITEM_CHANNELS * vector;
  const int room = inputPixel - ITEM_CHANNELS * vector;
  floats best = (floats)(-INFINITY);
  ints winner = (ints)(255);
  if (rowLow < rowEnd && columnLow < columnEnd) {
    best = load_channels(x + (long)rowLow * dilationRows * inputRow +
                             (long)columnLow * dilationColumns * inputPixel,
                         room);
    winner = (ints)(rowLow * tapColumns + columnLow);
  }
  for (int tapRow = rowLow; tapRow < rowEnd; ++tapRow) {
    const global float *xs = x + (long)tapRow * dilationRows * inputRow;
    for (int tapColumn = columnLow; tapColumn < columnEnd; ++tapColumn) {
      const floats v =
          load_channels(xs + (long)tapColumn * dilationColumns * inputPixel, room);
      // Larger, or the first NaN.
      const ints wins = ~(v <= best) & (best == best);
      best = select(best, v, wins);
      winner = select(winner, (ints)(tapRow * tapColumns + tapColumn), wins);
    }
  }
  store_floats(output + outputStart + n * outputImage + (long)row * outputRow +
                   (long)column * outputPixel + ITEM_CHANNELS * vector,
               best);
  if (WRITES_STATE) {
    store_bytes(taps + tapsStart + n * tapsImage +
                    ITEM_CHANNELS * (((long)row * columns + column) * vectors + vector),
                winner);
  }
}

__attribute__((reqd_work_group_size(GROUP, 1, 1))) kernel void max_pooling_gradient(
    const global float *restrict gradient, const ulong gradientStart, const ulong gradientImage,
    const int gradientRow, const int gradientPixel, const int outputRows, const int outputColumns,
    const global uchar *restrict taps, const ulong tapsStart, const ulong tapsImage,
    const int tapsPixel, global float *restrict target, const ulong targetStart,
    const ulong targetImage, const int targetRow, const int targetPixel,
    const global ushort *restrict mask, const ulong maskStart, const ulong maskImage,
    const int maskPixel, const int rows, const int columns, const int tapRows,
    const int tapColumns, const int strideRows, const int strideColumns, const int top,
    const int left, const int dilationRows, const int dilationColumns, const int vectors) {
  const int item = (int)get_global_id(0);
  const int row = (int)get_global_id(1);
  const ulong n = get_global_id(2);
  if (item >= vectors * columns || row >= rows) { return; }
  const int vector = item % vectors;
  const int column = item / vectors;
  const int fromTop = row + top;
  const int fromLeft = column + left;
  const int rowLow = lowest_window(fromTop, (tapRows - 1) * dilationRows, strideRows);
  const int rowEnd = end_of_windows(fromTop, strideRows, outputRows);
  const int columnLow =
      lowest_window(fromLeft, (tapColumns - 1) * dilationColumns, strideColumns);
  const int columnEnd = end_of_windows(fromLeft, strideColumns, outputColumns);
  const global float *dy = gradient + gradientStart + n * gradientImage + ITEM_CHANNELS * vector;
  const global uchar *winners = taps + tapsStart + n * tapsImage + ITEM_CHANNELS * vector;
  floats s = (floats)(0.0f);
  for (int outputRow = rowLow; outputRow < rowEnd; ++outputRow) {
    const int rowDistance = fromTop - outputRow * strideRows;
    if (rowDistance % dilationRows != 0) { continue; }
    const int rowTap = rowDistance / dilationRows * tapColumns;
    for (int outputColumn = columnLow; outputColumn < columnEnd; ++outputColumn) {
      const int columnDistance = fromLeft - outputColumn * strideColumns;
      if (columnDistance % dilationColumns != 0) { continue; }
      const int tap = rowTap + columnDistance / dilationColumns;
      const ints winner = load_bytes(
          winners + ((long)outputRow * outputColumns + outputColumn) * tapsPixel);
      const floats share =
          load_floats(dy + (long)outputRow * gradientRow + (long)outputColumn * gradientPixel);
      s = s + select((floats)(0.0f), share, winner == (ints)(tap));
    }
  }
  store_gradient_channels(
      target + targetStart + n * targetImage + (long)row * targetRow +
          (long)column * targetPixel + ITEM_CHANNELS * vector,
      mask + maskStart + n * maskImage + ((long)row * columns + column) * maskPixel,
      ITEM_CHANNELS * vector, s, targetPixel - ITEM_CHANNELS * vector);
}
