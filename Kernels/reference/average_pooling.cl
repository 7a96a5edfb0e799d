// Mean over windows, and its gradient; one work-item for a vector of a pixel's channels.
// Shapes: input and output [n][row][pixel][channel]; items (channel vectors x columns, rows, n) of
// what is written.
// Variants: those of vector.clh; COUNTS_PADDING; ACCUMULATES, MASKS (gradient).
// Order of summation: forward: tap row, then tap column, ascending, from +0, then division by the
// count; gradient: dy / count by output row, then output column, ascending, from +0.
// Source: average pooling as PyTorch and ONNX define it; beyond the padding nothing ever counts.
#include "partial.clh"
#include "window.clh"

#ifndef GROUP
#define GROUP 64
#endif
#ifndef COUNTS_PADDING
#define COUNTS_PADDING 0
#endif

// How many taps of a window count along one axis.
inline int counted_taps(const int first, const int dilation, const int taps, const int extent,
                        const int after) {
  return COUNTS_PADDING
             ? end_of_taps(first, dilation, taps, extent + after)
             : max(0, end_of_taps(first, dilation, taps, extent) - lowest_tap(first, dilation));
}

__attribute__((reqd_work_group_size(GROUP, 1, 1))) kernel void average_pooling(
    const global float *restrict input, const ulong inputStart, const ulong inputImage,
    const int inputRow, const int inputPixel, const int inputRows, const int inputColumns,
    global float *restrict output, const ulong outputStart, const ulong outputImage,
    const int outputRow, const int outputPixel, const int rows, const int columns,
    const int tapRows, const int tapColumns, const int strideRows, const int strideColumns,
    const int top, const int left, const int bottom, const int right, const int dilationRows,
    const int dilationColumns, const int vectors) {
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
  floats s = (floats)(0.0f);
  for (int tapRow = rowLow; tapRow < rowEnd; ++tapRow) {
    const global float *xs = x + (long)tapRow * dilationRows * inputRow;
    for (int tapColumn = columnLow; tapColumn < columnEnd; ++tapColumn) {
      s = s + load_channels(xs + (long)tapColumn * dilationColumns * inputPixel,
                            inputPixel - ITEM_CHANNELS * vector);
    }
  }
  const int count = counted_taps(firstRow, dilationRows, tapRows, inputRows, bottom) *
                    counted_taps(firstColumn, dilationColumns, tapColumns, inputColumns, right);
  if (count > 0) { s = s / (floats)((float)count); }
  store_floats(output + outputStart + n * outputImage + (long)row * outputRow +
                   (long)column * outputPixel + ITEM_CHANNELS * vector,
               s);
}

__attribute__((reqd_work_group_size(GROUP, 1, 1))) kernel void average_pooling_gradient(
    const global float *restrict gradient, const ulong gradientStart, const ulong gradientImage,
    const int gradientRow, const int gradientPixel, const int outputRows, const int outputColumns,
    global float *restrict target, const ulong targetStart, const ulong targetImage,
    const int targetRow, const int targetPixel, const global ushort *restrict mask,
    const ulong maskStart, const ulong maskImage, const int maskPixel, const int rows,
    const int columns, const int tapRows, const int tapColumns, const int strideRows,
    const int strideColumns, const int top, const int left, const int bottom, const int right,
    const int dilationRows, const int dilationColumns, const int vectors) {
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
  floats s = (floats)(0.0f);
  for (int outputRow = rowLow; outputRow < rowEnd; ++outputRow) {
    if ((fromTop - outputRow * strideRows) % dilationRows != 0) { continue; }
    const int rowCount =
        counted_taps(outputRow * strideRows - top, dilationRows, tapRows, rows, bottom);
    for (int outputColumn = columnLow; outputColumn < columnEnd; ++outputColumn) {
      if ((fromLeft - outputColumn * strideColumns) % dilationColumns != 0) { continue; }
      const int count = rowCount * counted_taps(outputColumn * strideColumns - left,
                                                dilationColumns, tapColumns, columns, right);
      const floats share =
          load_floats(dy + (long)outputRow * gradientRow + (long)outputColumn * gradientPixel);
      s = s + share / (floats)((float)count);
    }
  }
  store_gradient_channels(
      target + targetStart + n * targetImage + (long)row * targetRow +
          (long)column * targetPixel + ITEM_CHANNELS * vector,
      mask + maskStart + n * maskImage + ((long)row * columns + column) * maskPixel,
      ITEM_CHANNELS * vector, s, targetPixel - ITEM_CHANNELS * vector);
}
