// The product of two matrices, C = alpha op(A) op(B) + beta C, in tiles of a work-group.
// Shapes: op(A) [M][K], op(B) [K][N], C [M][N]; A and B each by first element and the stride of its
// stored rows, C by both; groups of work (TILE_N columns, TILE_M rows); extents (M, N, K, 0).
// Variants: TILE_M, TILE_N, PRECISION of tile.clh; TRANSPOSES_A, TRANSPOSES_B; ALIGNED_A, ALIGNED_B where the
// place's numbers are multiples of four; READS_C 0 or 1 (beta is not zero).
// Order of summation: k ascending, one fma a product; then alpha * s; then + beta * c, two roundings.
// Source: BLAS's gemm.
#define A_ALONG (!TRANSPOSES_A)
#define B_ALONG TRANSPOSES_B
#include "product.clh"
#include "tile.clh"

#ifndef ALIGNED_A
#define ALIGNED_A 1
#endif
#ifndef ALIGNED_B
#define ALIGNED_B 1
#endif

// The quads of a panel whose matrix is stored with k within a row, or with k from row to row.
#define FETCH_ALONG(quads, count, panel, gap, x, stride, first, extent, aligned)                  \
  TILE_UNROLL for (int l_ = 0; l_ < (count); ++l_) {                                              \
    const int line_ = min((first) + ALONG_LINE(l_, gap), (extent) - 1);                           \
    BRING_ALONG(quads, l_, panel, (x) + (ulong)line_ * (stride) + k + ALONG_K,                    \
                depth - k - ALONG_K, aligned)                                                     \
  }
#define FETCH_ACROSS(quads, count, panel, tile, POSITION, x, stride, first, extent, aligned)      \
  TILE_UNROLL for (int l_ = 0; l_ < (count); ++l_) {                                              \
    const int at_ = k + ACROSS_K(tile, l_);                                                       \
    const int line_ = (first) + ACROSS_LINE(tile, l_);                                            \
    BRING_ACROSS(quads, l_, panel, tile, POSITION, (x) + (ulong)at_ * (stride) + line_,           \
                 at_ < depth ? (extent) - line_ : 0, aligned)                                     \
  }

#if TRANSPOSES_A
#define FETCH_A(panel)                                                                            \
  FETCH_ACROSS(aQuads, A_QUADS, panel, TILE_M, SAME_POSITION, x, a_place.s1, firstRow, rows,      \
               ALIGNED_A)
#define PUT_A(panel) PUT_ACROSS(panel, TILE_M, aQuads, A_QUADS, SAME_POSITION)
#else
#define FETCH_A(panel)                                                                            \
  FETCH_ALONG(aQuads, A_QUADS, panel, A_GAP, x, a_place.s1, firstRow, rows, ALIGNED_A)
#define PUT_A(panel) PUT_ALONG(panel, TILE_M, aQuads, A_QUADS, SAME_POSITION)
#endif
#if TRANSPOSES_B
#define FETCH_B(panel)                                                                            \
  FETCH_ALONG(bQuads, B_QUADS, panel, B_GAP, y, b_place.s1, firstColumn, columns, ALIGNED_B)
#define PUT_B(panel) PUT_ALONG(panel, TILE_N, bQuads, B_QUADS, tile_position)
#else
#define FETCH_B(panel)                                                                            \
  FETCH_ACROSS(bQuads, B_QUADS, panel, TILE_N, tile_position, y, b_place.s1, firstColumn,         \
               columns, ALIGNED_B)
#define PUT_B(panel) PUT_ACROSS(panel, TILE_N, bQuads, B_QUADS, tile_position)
#endif

#define FETCH_CHUNK(a, b)                                                                         \
  {                                                                                               \
    FETCH_A(a)                                                                                    \
    FETCH_B(b)                                                                                    \
    fetched = min(TILE_K, depth - k);                                                             \
    k += TILE_K;                                                                                  \
  }
#define PUT_CHUNK(a, b)                                                                           \
  PUT_A(a)                                                                                        \
  PUT_B(b)

TILE_KERNEL void matmul(const global float *restrict matrixA, const ulong2 a_place,
                        const global float *restrict matrixB, const ulong2 b_place,
                        global float *restrict matrixC, const ulong2 c_place, const uint4 extents,
                        const float alpha, const float beta) {
  TILE_PANELS(a, b);
  const int rows = (int)extents.s0, columns = (int)extents.s1, depth = (int)extents.s2;
  const int firstColumn = (int)get_group_id(0) * TILE_N;
  const int firstRow = (int)get_group_id(1) * TILE_M;
  const global float *x = matrixA + a_place.s0;
  const global float *y = matrixB + b_place.s0;
  int k = 0, fetched = 0;
  DECLARE_QUADS(aQuads, A_QUADS)
  DECLARE_QUADS(bQuads, B_QUADS)
  TILE_DECLARE(s)
  TILE_SUMS(s, a, b, (depth + TILE_K - 1) / TILE_K, fetched, FETCH_CHUNK, PUT_CHUNK)

  TILE_UNROLL for (int p = 0; p < 8; ++p) {
    const int row = firstRow + TILE_ROW_OF(p);
    const int column = firstColumn + TILE_COLUMN_OF(p);
    if (row < rows) {
      global float *z = matrixC + c_place.s0 + (ulong)row * c_place.s1 + column;
      const float values[8] = {s[p][0].x, s[p][0].y, s[p][0].z, s[p][0].w,
                               s[p][1].x, s[p][1].y, s[p][1].z, s[p][1].w};
      TILE_UNROLL for (int j = 0; j < 8; ++j) {
        if (column + j < columns) {
          float r = alpha * values[j];
#if READS_C
          r = r + beta * z[j];
#endif
          z[j] = r;
        }
      }
    }
  }
}
