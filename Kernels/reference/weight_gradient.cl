// Gradients of the weights and of the bias of a convolution or a matrix product, one work-item for
// sixteen output channels and one input channel of one tap.
// Shapes: input and gradient as places [n][row][pixel][channel]; weights anywhere, by strides of
// (output channel, channel of the group, tap row, tap column).
// Variants: GROUPED 0 or 1.
// Order of summation: sample, output row, output column, each ascending, one fma a product; taps in
// the padding contribute nothing; the bias adds. Source: the definition.
#include "items.clh"
#include "window.clh"

#ifndef GROUPED
#define GROUPED 0
#endif

// Windows: (tap rows, tap columns, row stride, column stride); offsets: (padding above, padding
// left, row dilation, column dilation); inputs: (rows, columns, channels of a group, groups);
// outputs: (samples, rows, columns, channels); strides: of the weights.
ITEMS_KERNEL void weight_gradient(const global float *restrict input, const place input_place,
                                  const global float *restrict gradient,
                                  const place gradient_place, global float *restrict weights,
                                  const ulong start, const uint4 strides, const uint4 window,
                                  const uint4 offsets, const uint4 inputs, const uint4 outputs) {
  const int vectors = (int)(outputs.s3 + 15) / 16;
  const int index = (int)get_global_id(0);
  if (index >= vectors * (int)(inputs.s2 * window.s0 * window.s1)) { return; }
  const int vector = index % vectors;
  const int channel = index / vectors % (int)inputs.s2;
  const int tap = index / vectors / (int)inputs.s2;
  const int tap_row = tap / (int)window.s1, tap_column = tap % (int)window.s1;
  const int row_offset = tap_row * (int)offsets.s2 - (int)offsets.s0;
  const int column_offset = tap_column * (int)offsets.s3 - (int)offsets.s1;
  const int2 rows = inside((int)outputs.s1, (int)window.s2, row_offset, (int)inputs.s0);
  const int2 columns = inside((int)outputs.s2, (int)window.s3, column_offset, (int)inputs.s1);
#if GROUPED
  const int group_outputs = (int)(outputs.s3 / inputs.s3);
  int lane_channels[16];
  for (int lane = 0; lane < 16; ++lane) {
    const int output = min(16 * vector + lane, (int)outputs.s3 - 1);
    lane_channels[lane] = output / group_outputs * (int)inputs.s2 + channel;
  }
#endif
  float16 s = (float16)(0.0f);
  for (uint n = 0; n < outputs.s0; ++n) {
    for (int row = rows.s0; row < rows.s1; ++row) {
      const global float *g = gradient + gradient_place.s0 + n * gradient_place.s1 +
                              (ulong)row * gradient_place.s2 + 16 * vector;
      const global float *x = input + input_place.s0 + n * input_place.s1 +
                              (ulong)(row * (int)window.s2 + row_offset) * input_place.s2;
      for (int column = columns.s0; column < columns.s1; ++column) {
        const float16 share = load16(g + (ulong)column * gradient_place.s3);
        const global float *pixel =
            x + (ulong)(column * (int)window.s3 + column_offset) * input_place.s3;
#if GROUPED
        float lanes[16];
        for (int lane = 0; lane < 16; ++lane) { lanes[lane] = pixel[lane_channels[lane]]; }
        s = fma(share, vload16(0, lanes), s);
#else
        s = fma(share, (float16)(pixel[channel]), s);
#endif
      }
    }
  }
  float lanes[16];
  vstore16(s, 0, lanes);
  global float *w = weights + start + (ulong)channel * strides.s1 + (ulong)tap_row * strides.s2 +
                    (ulong)tap_column * strides.s3;
  for (int lane = 0; lane < 16 && 16 * vector + lane < (int)outputs.s3; ++lane) {
    w[(ulong)(16 * vector + lane) * strides.s0] = lanes[lane];
  }
}

// The bias: one work-item for sixteen output channels.
ITEMS_KERNEL void bias_gradient(const global float *restrict gradient, const place gradient_place,
                                global float *restrict bias, const ulong start,
                                const uint4 outputs) {
  const uint vector = (uint)get_global_id(0);
  if (16 * vector >= outputs.s3) { return; }
  float16 s = (float16)(0.0f);
  for (uint n = 0; n < outputs.s0; ++n) {
    for (uint row = 0; row < outputs.s1; ++row) {
      const global float *g = gradient + gradient_place.s0 + n * gradient_place.s1 +
                              row * gradient_place.s2 + 16 * vector;
      for (uint column = 0; column < outputs.s2; ++column) {
        s = s + load16(g + column * gradient_place.s3);
      }
    }
  }
  float lanes[16];
  vstore16(s, 0, lanes);
  for (uint lane = 0; lane < 16 && 16 * vector + lane < outputs.s3; ++lane) {
    bias[start + 16 * vector + lane] = lanes[lane];
  }
}
