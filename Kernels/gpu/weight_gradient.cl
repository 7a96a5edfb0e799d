// Gradients of the weights of a convolution or a matrix product, in tiles of a work-group: one tap,
// TILE_M output channels and TILE_N input channels.
// Shapes: input and gradient as places [n][row][pixel][channel], pixels padded to sixteen channels;
// weights anywhere, by strides of (output channel, input channel, tap row, tap column); groups of
// work (block of input channels, block of output channels, tap).
// Variants: TILE_M, TILE_N of tile.clh; ALIGNED_INPUT, ALIGNED_OUTPUT where the places of the input
// and of the gradient are multiples of four floats.
// Order of summation: sample, output row, output column, each ascending, one fma a product; taps in
// the padding contribute nothing. Source: the definition, as a product of two matrices.
#include "tile.clh"
#include "window.clh"

typedef ulong4 place;

// Pixels of the window's reach are counted in rows of `width`, from sample to sample; a work-item
// brings channels of the pixel that its quad's k names.
#define FETCH_PIXELS(quads, count, tile, x, from, rowStep, columnStep, first, extent, aligned)    \
  TILE_UNROLL for (int l_ = 0; l_ < (count); ++l_) {                                              \
    const int at_ = k + ACROSS_K(tile, l_);                                                       \
    const int line_ = (first) + ACROSS_LINE(tile, l_);                                            \
    const int n_ = at_ / picture;                                                                 \
    const int row_ = (at_ - n_ * picture) / width;                                                \
    const int column_ = at_ - n_ * picture - row_ * width;                                        \
    (quads)[l_] = load_quad((x) + (ulong)n_ * from.s1 + (ulong)(row_ * (rowStep)) * from.s2 +     \
                                (ulong)(column_ * (columnStep)) * from.s3 + line_,                \
                            at_ < depth ? (extent) - line_ : 0, aligned);                         \
  }
#define FETCH_CHUNK(a, b)                                                                         \
  {                                                                                               \
    FETCH_PIXELS(aQuads, A_QUADS, TILE_M, g, gradient_place, 1, 1, firstOutput, outputChannels,   \
                 ALIGNED_OUTPUT)                                                                  \
    FETCH_PIXELS(bQuads, B_QUADS, TILE_N, x, input_place, (int)window.s2, (int)window.s3,         \
                 firstInput, inputChannels, ALIGNED_INPUT)                                        \
    fetched = min(TILE_K, depth - k);                                                             \
    k += TILE_K;                                                                                  \
  }
#define PUT_CHUNK(a, b)                                                                           \
  PUT_ACROSS(a, TILE_M, aQuads, A_QUADS, SAME_POSITION)                                           \
  PUT_ACROSS(b, TILE_N, bQuads, B_QUADS, tile_position)

// Windows: (tap rows, tap columns, row stride, column stride); offsets: (padding above, padding
// left, row dilation, column dilation); inputs: (rows, columns, channels, 1); outputs: (samples,
// rows, columns, channels); strides: of the weights.
TILE_KERNEL void weight_gradient(const global float *restrict input, const place input_place,
                                 const global float *restrict gradient,
                                 const place gradient_place, global float *restrict weights,
                                 const ulong start, const uint4 strides, const uint4 window,
                                 const uint4 offsets, const uint4 inputs, const uint4 outputs) {
  TILE_PANELS(a, b);
  const int tapRow = (int)get_group_id(2) / (int)window.s1;
  const int tapColumn = (int)get_group_id(2) % (int)window.s1;
  const int firstInput = (int)get_group_id(0) * TILE_N, inputChannels = (int)inputs.s2;
  const int firstOutput = (int)get_group_id(1) * TILE_M, outputChannels = (int)outputs.s3;
  const int2 rows = inside((int)outputs.s1, (int)window.s2,
                           tapRow * (int)offsets.s2 - (int)offsets.s0, (int)inputs.s0);
  const int2 columns = inside((int)outputs.s2, (int)window.s3,
                              tapColumn * (int)offsets.s3 - (int)offsets.s1, (int)inputs.s1);
  const int width = max(1, columns.s1 - columns.s0);
  const int picture = max(1, (rows.s1 - rows.s0) * width);
  const int depth =
      rows.s1 > rows.s0 && columns.s1 > columns.s0 ? (int)outputs.s0 * picture : 0;
  const global float *g = gradient + gradient_place.s0 + (long)rows.s0 * (long)gradient_place.s2 +
                          (long)columns.s0 * (long)gradient_place.s3;
  const int inputRow = rows.s0 * (int)window.s2 + tapRow * (int)offsets.s2 - (int)offsets.s0;
  const int inputColumn = columns.s0 * (int)window.s3 + tapColumn * (int)offsets.s3 -
                          (int)offsets.s1;
  const global float *x = input + input_place.s0 + (long)inputRow * (long)input_place.s2 +
                          (long)inputColumn * (long)input_place.s3;
  int k = 0, fetched = 0;
  DECLARE_QUADS(aQuads, A_QUADS)
  DECLARE_QUADS(bQuads, B_QUADS)
  TILE_DECLARE(s)
  TILE_SUMS(s, a, b, (depth + TILE_K - 1) / TILE_K, fetched, FETCH_CHUNK, PUT_CHUNK)

  const int channel = firstInput + TILE_COLUMN;
  TILE_UNROLL for (int p = 0; p < 8; ++p) {
    const int output = firstOutput + TILE_ROW_OF(p);
    if (output < outputChannels) {
      global float *w = weights + start + (ulong)output * strides.s0 +
                        (ulong)tapRow * strides.s2 + (ulong)tapColumn * strides.s3;
      const float values[8] = {s[p][0].x, s[p][0].y, s[p][0].z, s[p][0].w,
                               s[p][1].x, s[p][1].y, s[p][1].z, s[p][1].w};
      TILE_UNROLL for (int j = 0; j < 8; ++j) {
        if (channel + j < inputChannels) { w[(ulong)(channel + j) * strides.s1] = values[j]; }
      }
    }
  }
}
