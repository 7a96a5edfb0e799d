// Padding by a constant, by reflection or by the edge, and its gradient: of rows and columns alone
// (one work-item for sixteen channels of one pixel), or of any axes (element by element).
// Shapes: both tensors [n][row][pixel][channel] in device layout; `inner` and `outer` are the
// extents of the unpadded and the padded tensor along each of RANK axes, `before` the elements
// before; items (channel vectors x columns, rows, n) of what is written.
// Variants: MODE 0 constant, 1 reflect, 2 edge; RANK 1 to 6 and PLANAR (any axes); ACCUMULATES,
// MASKS (gradient).
// Order of summation: gradient: the padded elements that repeat an element, row-major, ascending,
// from +0.
// Source: ONNX Pad.
#include "partial.clh"

#ifndef GROUP
#define GROUP 64
#endif
#ifndef MODE
#define MODE 0
#endif
#ifndef RANK
#define RANK 3
#endif
#ifndef PLANAR
#define PLANAR 1
#endif

// The unpadded position that a padded one repeats, or -1 for the constant.
inline int source_position(const int outer, const int before, const int inner) {
  const int position = outer - before;
  if (position >= 0 && position < inner) { return position; }
  if (MODE == 1) { return position < 0 ? -position : 2 * (inner - 1) - position; }
  if (MODE == 2) { return position < 0 ? 0 : inner - 1; }
  return -1;
}

// How many padded positions repeat an unpadded one.
inline int repetitions(const int position, const int before, const int inner, const int outer) {
  if (MODE == 2) {
    const int low = position == 0 ? 0 : max(0, position + before);
    const int end = position == inner - 1 ? outer : min(outer, position + before + 1);
    return max(0, end - low);
  }
  int count = position + before >= 0 && position + before < outer;
  if (MODE == 1) {
    const int mirrored = before + 2 * (inner - 1) - position;
    count += position > 0 && before - position >= 0 && before - position < outer;
    count += position < inner - 1 && mirrored >= 0 && mirrored < outer;
  }
  return count;
}

// The padded position that repeats an unpadded one for the nth time, ascending.
inline int repetition(int nth, const int position, const int before, const int inner,
                      const int outer) {
  if (MODE == 0) { return position + before; }
  if (MODE == 2) { return nth + (position == 0 ? 0 : max(0, position + before)); }
  if (position > 0 && before - position >= 0 && before - position < outer) {
    if (nth == 0) { return before - position; }
    --nth;
  }
  if (position + before >= 0 && position + before < outer && nth == 0) {
    return position + before;
  }
  return before + 2 * (inner - 1) - position;
}

__attribute__((reqd_work_group_size(GROUP, 1, 1))) kernel void pad_pixels(
    const global float *restrict input, const ulong inputStart, const ulong inputImage,
    const int inputRow, const int inputPixel, const int inputRows, const int inputColumns,
    global float *restrict output, const ulong outputStart, const ulong outputImage,
    const int outputRow, const int outputPixel, const int rows, const int columns, const int top,
    const int left, const float filler, const int vectors) {
  const int item = (int)get_global_id(0);
  const int row = (int)get_global_id(1);
  const ulong n = get_global_id(2);
  if (item >= vectors * columns || row >= rows) { return; }
  const int vector = item % vectors;
  const int column = item / vectors;
  const int sourceRow = source_position(row, top, inputRows);
  const int sourceColumn = source_position(column, left, inputColumns);
  float16 v = (float16)(filler);
  if (sourceRow >= 0 && sourceColumn >= 0) {
    v = load_channels(input + inputStart + n * inputImage + (long)sourceRow * inputRow +
                          (long)sourceColumn * inputPixel + 16 * vector,
                      inputPixel - 16 * vector);
  }
  store16(output + outputStart + n * outputImage + (long)row * outputRow +
              (long)column * outputPixel + 16 * vector,
          v);
}

__attribute__((reqd_work_group_size(GROUP, 1, 1))) kernel void pad_pixels_gradient(
    const global float *restrict gradient, const ulong gradientStart, const ulong gradientImage,
    const int gradientRow, const int gradientPixel, const int outputRows, const int outputColumns,
    global float *restrict target, const ulong targetStart, const ulong targetImage,
    const int targetRow, const int targetPixel, const global ushort *restrict mask,
    const ulong maskStart, const ulong maskImage, const int maskPixel, const int rows,
    const int columns, const int top, const int left, const int vectors) {
  const int item = (int)get_global_id(0);
  const int row = (int)get_global_id(1);
  const ulong n = get_global_id(2);
  if (item >= vectors * columns || row >= rows) { return; }
  const int vector = item % vectors;
  const int column = item / vectors;
  const global float *dy = gradient + gradientStart + n * gradientImage + 16 * vector;
  const int rowCount = repetitions(row, top, rows, outputRows);
  const int columnCount = repetitions(column, left, columns, outputColumns);
  float16 s = (float16)(0.0f);
  for (int i = 0; i < rowCount; ++i) {
    const global float *dys = dy + (long)repetition(i, row, top, rows, outputRows) * gradientRow;
    for (int j = 0; j < columnCount; ++j) {
      const float16 share =
          load16(dys + (long)repetition(j, column, left, columns, outputColumns) * gradientPixel);
      // An element that is never repeated keeps the sign of its zero.
      s = MODE == 0 ? share : s + share;
    }
  }
  store_gradient_channels(
      target + targetStart + n * targetImage + (long)row * targetRow +
          (long)column * targetPixel + 16 * vector,
      mask + maskStart + n * maskImage + ((long)row * columns + column) * maskPixel, 16 * vector, s,
      targetPixel - 16 * vector);
}

// The logical index of an element of the tensor that is written.
inline uint logical_index(const int row, const int column, const int channel, const int rows,
                          const int columns, const int channels) {
  return PLANAR ? ((uint)channel * rows + row) * columns + column
                : ((uint)row * columns + column) * channels + channel;
}

__attribute__((reqd_work_group_size(GROUP, 1, 1))) kernel void pad(
    const global float *restrict input, const ulong inputStart, const ulong inputImage,
    global float *restrict output, const ulong outputStart, const ulong outputImage,
    const int outputRow, const int outputPixel, const int rows, const int columns,
    const int channels, const int8 inner, const int8 outer, const int8 before, const int8 steps,
    const float filler, const int vectors) {
  const int item = (int)get_global_id(0);
  const int row = (int)get_global_id(1);
  const ulong n = get_global_id(2);
  if (item >= vectors * columns || row >= rows) { return; }
  const int vector = item % vectors;
  const int column = item / vectors;
  int e[8], o[8], b[8], s[8];
  vstore8(inner, 0, e);
  vstore8(outer, 0, o);
  vstore8(before, 0, b);
  vstore8(steps, 0, s);
  float lanes[16];
  for (int lane = 0; lane < 16; ++lane) {
    const int channel = 16 * vector + lane;
    float value = filler;
    if (channel < channels) {
      uint index = logical_index(row, column, channel, rows, columns, channels);
      long place = 0;
      int inside = 1;
      for (int axis = RANK - 1; axis >= 0; --axis) {
        const int position = source_position((int)(index % (uint)o[axis]), b[axis], e[axis]);
        index /= (uint)o[axis];
        inside &= position >= 0;
        place += (long)position * s[axis];
      }
      if (inside) { value = input[inputStart + n * inputImage + place]; }
    }
    lanes[lane] = value;
  }
  store16(output + outputStart + n * outputImage + (long)row * outputRow +
              (long)column * outputPixel + 16 * vector,
          vload16(0, lanes));
}

__attribute__((reqd_work_group_size(GROUP, 1, 1))) kernel void pad_gradient(
    const global float *restrict gradient, const ulong gradientStart, const ulong gradientImage,
    global float *restrict target, const ulong targetStart, const ulong targetImage,
    const int targetRow, const int targetPixel, const global ushort *restrict mask,
    const ulong maskStart, const ulong maskImage, const int maskPixel, const int rows,
    const int columns, const int channels, const int8 inner, const int8 outer, const int8 before,
    const int8 steps, const int vectors) {
  const int item = (int)get_global_id(0);
  const int row = (int)get_global_id(1);
  const ulong n = get_global_id(2);
  if (item >= vectors * columns || row >= rows) { return; }
  const int vector = item % vectors;
  const int column = item / vectors;
  int e[8], o[8], b[8], s[8];
  vstore8(inner, 0, e);
  vstore8(outer, 0, o);
  vstore8(before, 0, b);
  vstore8(steps, 0, s);
  float lanes[16];
  for (int lane = 0; lane < 16; ++lane) {
    const int channel = 16 * vector + lane;
    float sum = 0.0f;
    if (channel < channels) {
      uint index = logical_index(row, column, channel, rows, columns, channels);
      int position[RANK], counts[RANK];
      uint total = 1;
      for (int axis = RANK - 1; axis >= 0; --axis) {
        position[axis] = (int)(index % (uint)e[axis]);
        index /= (uint)e[axis];
        counts[axis] = repetitions(position[axis], b[axis], e[axis], o[axis]);
        total *= (uint)counts[axis];
      }
      for (uint i = 0; i < total; ++i) {
        uint rest = i;
        long place = 0;
        for (int axis = RANK - 1; axis >= 0; --axis) {
          place += (long)repetition((int)(rest % (uint)counts[axis]), position[axis], b[axis],
                                    e[axis], o[axis]) *
                   s[axis];
          rest /= (uint)counts[axis];
        }
        const float share = gradient[gradientStart + n * gradientImage + place];
        sum = MODE == 0 ? share : sum + share;
      }
    }
    lanes[lane] = sum;
  }
  store_gradient_channels(
      target + targetStart + n * targetImage + (long)row * targetRow +
          (long)column * targetPixel + 16 * vector,
      mask + maskStart + n * maskImage + ((long)row * columns + column) * maskPixel,
      16 * vector, vload16(0, lanes), targetPixel - 16 * vector);
}
