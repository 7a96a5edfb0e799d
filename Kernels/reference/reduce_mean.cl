// The mean over any axes; one work-item for one output element.
// Shapes: both tensors [n][row][pixel][channel] in device layout; an output element's logical index
// is cut by `kept` into KEPT coordinates, each worth `keptSteps` floats of the input, and the
// summand's number by `reduced` into REDUCED ones; items (channels x columns, rows, n) of the
// output.
// Variants: KEPT and REDUCED 1 to 6, PLANAR (the output's logical order is channel, row, column).
// Order of summation: the reduced axes row-major, ascending, from +0, then division by the count.
// Source: ONNX ReduceMean. The gradient is rearrange.cl's.
#include "canonical.clh"

#ifndef GROUP
#define GROUP 64
#endif
#ifndef KEPT
#define KEPT 1
#endif
#ifndef REDUCED
#define REDUCED 1
#endif
#ifndef PLANAR
#define PLANAR 1
#endif

__attribute__((reqd_work_group_size(GROUP, 1, 1))) kernel void reduce_mean(
    const global float *restrict input, const ulong inputStart, const ulong inputImage,
    global float *restrict output, const ulong outputStart, const ulong outputImage,
    const int outputRow, const int outputPixel, const int rows, const int columns,
    const int channels, const int8 kept, const int8 keptSteps, const int8 reduced,
    const int8 reducedSteps, const int count) {
  const int item = (int)get_global_id(0);
  const int row = (int)get_global_id(1);
  const ulong n = get_global_id(2);
  if (item >= channels * columns || row >= rows) { return; }
  const int channel = item % channels;
  const int column = item / channels;
  int e[8], s[8];
  vstore8(kept, 0, e);
  vstore8(keptSteps, 0, s);
  uint index = PLANAR ? ((uint)channel * rows + row) * columns + column
                      : ((uint)row * columns + column) * channels + channel;
  long place = 0;
  for (int axis = KEPT - 1; axis > 0; --axis) {
    place += (long)(index % (uint)e[axis]) * s[axis];
    index /= (uint)e[axis];
  }
  const global float *x = input + inputStart + n * inputImage + place + (long)index * s[0];
  vstore8(reduced, 0, e);
  vstore8(reducedSteps, 0, s);
  // The last axis is run through, the others are cut out of its number.
  const int length = e[REDUCED - 1];
  const int step = s[REDUCED - 1];
  float sum = 0.0f;
  for (int outer = 0; outer < count / length; ++outer) {
    uint rest = (uint)outer;
    long shift = 0;
    for (int axis = REDUCED - 2; axis >= 0; --axis) {
      shift += (long)(rest % (uint)e[axis]) * s[axis];
      rest /= (uint)e[axis];
    }
    const global float *xs = x + shift;
    for (int i = 0; i < length; ++i) { sum = sum + xs[(long)i * step]; }
  }
  output[outputStart + n * outputImage + (long)row * outputRow + (long)column * outputPixel +
         channel] = sum / (float)count;
}
