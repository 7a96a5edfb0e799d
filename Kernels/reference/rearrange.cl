// Elements moved between any two orders of axes, and means spread back over axes; one work-item for
// sixteen channels of one target pixel.
// Shapes: both tensors [n][row][pixel][channel] in device layout; a target element's logical index
// (row-major) is cut by `extents` into RANK coordinates, each worth `steps` floats of the source;
// items (channel vectors x columns, rows, n) of the target.
// Variants: RANK 1 to 6, PLANAR (the target's logical order is channel, row, column), DIVIDES (each
// element by `divisor`), and the ending of a gradient (epilogue.clh).
// Order of summation: none; what is moved is added to the stored sum.
// Source: strided arrays.
#include "partial.clh"

#ifndef GROUP
#define GROUP 64
#endif
#ifndef RANK
#define RANK 3
#endif
#ifndef PLANAR
#define PLANAR 1
#endif
#ifndef DIVIDES
#define DIVIDES 0
#endif

__attribute__((reqd_work_group_size(GROUP, 1, 1))) kernel void rearrange(
    const global float *source, const ulong sourceStart, const ulong sourceImage,
    global float *target, const ulong targetStart, const ulong targetImage, const int targetRow,
    const int targetPixel, const global ushort *mask, const ulong maskStart, const ulong maskImage,
    const int maskPixel, const int rows, const int columns, const int channels,
    const int8 extents, const int8 steps, const float divisor, const int vectors) {
  const int item = (int)get_global_id(0);
  const int row = (int)get_global_id(1);
  const ulong n = get_global_id(2);
  if (item >= vectors * columns || row >= rows) { return; }
  const int vector = item % vectors;
  const int column = item / vectors;
  const global float *x = source + sourceStart + n * sourceImage;
  int e[8], s[8];
  vstore8(extents, 0, e);
  vstore8(steps, 0, s);
  float lanes[16];
  for (int lane = 0; lane < 16; ++lane) {
    const int channel = 16 * vector + lane;
    float value = 0.0f;
    if (channel < channels) {
      uint index = PLANAR ? ((uint)channel * rows + row) * columns + column
                          : ((uint)row * columns + column) * channels + channel;
      long place = 0;
      for (int axis = RANK - 1; axis > 0; --axis) {
        place += (long)(index % (uint)e[axis]) * s[axis];
        index /= (uint)e[axis];
      }
      value = x[place + (long)index * s[0]];
    }
    lanes[lane] = value;
  }
  float16 v = vload16(0, lanes);
  if (DIVIDES) { v = v / (float16)(divisor); }
  store_gradient_channels(
      target + targetStart + n * targetImage + (long)row * targetRow +
          (long)column * targetPixel + 16 * vector,
      mask + maskStart + n * maskImage + ((long)row * columns + column) * maskPixel, 16 * vector, v,
      targetPixel - 16 * vector);
}
