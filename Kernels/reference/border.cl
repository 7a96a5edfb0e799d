// Border filling, and copies between layouts; one work-item for a vector of a pixel's channels.
// Shapes: tensors [n][row][pixel][channel]; items of the filling (channel vectors x border pixels,
// n), of the copy (channel vectors x columns, rows, n).
// Variants: those of vector.clh; the copy ends as a gradient does; dense layouts on both sides.
// Order of summation: none; what is copied is added to the stored sum.
// Source: the layouts of Layout.swift.
#include "partial.clh"

#ifndef GROUP
#define GROUP 64
#endif

// Border pixels are counted as those above, those below, then left and right of each row.
__attribute__((reqd_work_group_size(GROUP, 1, 1))) kernel void border_fill(
    global float *tensor, const ulong start, const ulong image, const int rowStep,
    const int pixelStep, const int rows, const int columns, const int top, const int left,
    const int bottom, const int right, const int pixels, const int vectors) {
  const int item = (int)get_global_id(0);
  const ulong n = get_global_id(1);
  const int vector = item % vectors;
  int pixel = item / vectors;
  if (pixel >= pixels) { return; }
  const int width = left + columns + right;
  int row, column;
  if (pixel < (top + bottom) * width) {
    row = pixel / width;
    column = pixel % width - left;
    row = row < top ? row - top : row - top + rows;
  } else {
    pixel -= (top + bottom) * width;
    row = pixel / (left + right);
    column = pixel % (left + right);
    column = column < left ? column - left : column - left + columns;
  }
  store_channels(
      tensor + start + n * image + (long)row * rowStep + (long)column * pixelStep +
          ITEM_CHANNELS * vector,
      (floats)(0.0f), pixelStep - ITEM_CHANNELS * vector);
}

// Of a source pixel `readable` floats may be touched, of a target pixel `writable`.
__attribute__((reqd_work_group_size(GROUP, 1, 1))) kernel void copy_pixels(
    const global float *source, const ulong sourceStart, const ulong sourceImage,
    const int sourceRow, const int sourcePixel, const int readable, global float *target,
    const ulong targetStart, const ulong targetImage, const int targetRow, const int targetPixel,
    const int writable, const global ushort *mask, const ulong maskStart, const ulong maskImage,
    const int maskPixel, const int rows, const int columns, const int vectors) {
  const int item = (int)get_global_id(0);
  const int row = (int)get_global_id(1);
  const ulong n = get_global_id(2);
  if (item >= vectors * columns || row >= rows) { return; }
  const int vector = item % vectors;
  const int column = item / vectors;
  const floats v = load_channels(source + sourceStart + n * sourceImage + (long)row * sourceRow +
                                     (long)column * sourcePixel + ITEM_CHANNELS * vector,
                                 readable - ITEM_CHANNELS * vector);
  store_gradient_channels(
      target + targetStart + n * targetImage + (long)row * targetRow +
          (long)column * targetPixel + ITEM_CHANNELS * vector,
      mask + maskStart + n * maskImage + ((long)row * columns + column) * maskPixel,
      ITEM_CHANNELS * vector, v, writable - ITEM_CHANNELS * vector);
}
