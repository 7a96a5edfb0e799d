// The product of two matrices, C = alpha op(A) op(B) + beta C, in register tiles of TILE rows x 32
// columns; a work-item computes tilesPerItem x blocksPerItem of them.
// Shapes: op(A) [M][K], op(B) [K][N], C [M][N], each by its place (first element, stride of the rows
// as they are stored); extents (M, N, K, 0). Copies of parts of op(A) [k][16] and of op(B)
// [block][k][32] lie beside the sums in local memory.
// Variants: TRANSPOSES_A, TRANSPOSES_B, READS_C (beta is not zero) 0 or 1; TILE at most 16; TILES
// and BLOCKS, the most that an item takes.
// Order of summation: k ascending, one fma a product, in parts of PART that go on with the stored
// sum; then alpha * s; then + beta * c, two roundings.
// Source: blocked matrix products as in Goto and van de Geijn 2008.
#include "epilogue.clh"
#include "product.clh"
#include "wide.clh"

#ifndef TILE
#define TILE 14
#endif
#ifndef TILES
#define TILES 37
#endif
#ifndef BLOCKS
#define BLOCKS 16
#endif
// A part of a block's copy and one of a tile's lie in the first cache together.
#define PART 192

// Tiles that are copied together, so that more than a line of each of their pages is read.
#define TOGETHER 4

#define EXCHANGE(r, DISTANCE, FIRST, SECOND)                                                      \
  UNROLL for (int i = 0; i < 16; ++i) {                                                           \
    if (!(i & DISTANCE)) {                                                                        \
      const float16 a = r[i], b = r[i + DISTANCE];                                                \
      r[i] = (float16)FIRST;                                                                      \
      r[i + DISTANCE] = (float16)SECOND;                                                          \
    }                                                                                             \
  }

#if !TRANSPOSES_A || TRANSPOSES_B
// Copies `count` elements of each of sixteen lines, which lie one after another, to copy[k][width];
// lines beyond `lines` are not read.
WIDE static inline void copy_along(local float *copy, const int width, const global float *source,
                                   const ulong stride, const int lines, const int count) {
  int k = 0;
  for (; k + 16 <= count; k += 16) {
    float16 r[16];
    UNROLL for (int i = 0; i < 16; ++i) { r[i] = load16(source + min(i, lines - 1) * stride + k); }
    EXCHANGE(r, 8, (a.lo, b.lo), (a.hi, b.hi))
    EXCHANGE(r, 4, (a.s0123, b.s0123, a.s89ab, b.s89ab), (a.s4567, b.s4567, a.scdef, b.scdef))
    EXCHANGE(r, 2, (a.s01, b.s01, a.s45, b.s45, a.s89, b.s89, a.scd, b.scd),
             (a.s23, b.s23, a.s67, b.s67, a.sab, b.sab, a.sef, b.sef))
    EXCHANGE(r, 1,
             (a.s0, b.s0, a.s2, b.s2, a.s4, b.s4, a.s6, b.s6, a.s8, b.s8, a.sa, b.sa, a.sc, b.sc,
              a.se, b.se),
             (a.s1, b.s1, a.s3, b.s3, a.s5, b.s5, a.s7, b.s7, a.s9, b.s9, a.sb, b.sb, a.sd, b.sd,
              a.sf, b.sf))
    UNROLL for (int i = 0; i < 16; ++i) { *(local float16 *)(copy + (k + i) * width) = r[i]; }
  }
  for (; k < count; ++k) {
    for (int i = 0; i < 16; ++i) { copy[k * width + i] = source[min(i, lines - 1) * stride + k]; }
  }
}
#endif

#if TRANSPOSES_A || !TRANSPOSES_B
// Copies the first of sixteen neighbours that exist, at least one.
WIDE static inline void copy16(local float *copy, const global float *source, const int existing) {
  if (existing >= 16) {
    *(local float16 *)copy = load16(source);
  } else {
    for (int i = 0; i < existing; ++i) { copy[i] = source[i]; }
  }
}
#endif

// Copies `count` elements of the rows of some tiles, as they lie.
WIDE static inline void copy_a(local float *copy, const global float *a, const ulong stride,
                               const int row, const int rows, const int tiles, const int k,
                               const int count) {
#if TRANSPOSES_A
  for (int i = 0; i < count; ++i) {
    for (int tile = 0; tile < tiles; ++tile) {
      const int first = row + tile * TILE;
      copy16(copy + tile * (PART * 16) + 16 * i, a + (k + i) * stride + first, rows - first);
    }
  }
#else
  for (int tile = 0; tile < tiles; ++tile) {
    const int first = row + tile * TILE;
    copy_along(copy + tile * (PART * 16), 16, a + first * stride + k, stride, rows - first, count);
  }
#endif
}

// The same of the columns of all blocks of an item.
WIDE static inline void copy_b(local float *copy, const global float *b, const ulong stride,
                               const int column, const int columns, const int k, const int count) {
#if TRANSPOSES_B
  for (int vector = 0; 16 * vector < columns; ++vector) {
    copy_along(copy + vector / 2 * (PART * 32) + vector % 2 * 16, 32,
               b + (column + 16 * vector) * stride + k, stride, columns - 16 * vector, count);
  }
#else
  for (int i = 0; i < count; ++i) {
    for (int vector = 0; 16 * vector < columns; ++vector) {
      copy16(copy + vector / 2 * (PART * 32) + vector % 2 * 16 + 32 * i,
             b + (k + i) * stride + column + 16 * vector, columns - 16 * vector);
    }
  }
#endif
}

WIDE static inline void finish(global float *c, const float16 sum, const int columns,
                               const float alpha, const float beta) {
  float16 s = (float16)(alpha) * sum;
  if (columns >= 16) {
#if READS_C
    s = s + (float16)(beta) * load16(c);
#endif
    store16(c, s);
    return;
  }
  float lanes[16];
  vstore16(s, 0, lanes);
  for (int lane = 0; lane < columns; ++lane) {
#if READS_C
    lanes[lane] = lanes[lane] + beta * c[lane];
#endif
    c[lane] = lanes[lane];
  }
}

// The products of one part for a tile, whose sums begin or go on.
WIDE static inline void add_part(local float16 *restrict sums, const local float *restrict a,
                                 const local float *restrict b, const int count,
                                 const int starts) {
  float16 s[TILE][2];
  UNROLL for (int p = 0; p < TILE; ++p) {
    s[p][0] = starts ? (float16)(0.0f) : sums[2 * p];
    s[p][1] = starts ? (float16)(0.0f) : sums[2 * p + 1];
  }
  __attribute__((opencl_unroll_hint(8))) for (int k = 0; k < count; ++k) {
    const float16 first = *(const local float16 *)(b + 32 * k);
    const float16 second = *(const local float16 *)(b + 32 * k + 16);
    UNROLL for (int p = 0; p < TILE; ++p) {
      const float16 x = (float16)(a[16 * k + p]);
      s[p][0] = fma(x, first, s[p][0]);
      s[p][1] = fma(x, second, s[p][1]);
    }
  }
  UNROLL for (int p = 0; p < TILE; ++p) {
    sums[2 * p] = s[p][0];
    sums[2 * p + 1] = s[p][1];
  }
}

WIDE __attribute__((reqd_work_group_size(1, 1, 1))) kernel void matmul(
    const global float *a, const ulong2 a_place, const global float *b, const ulong2 b_place,
    global float *c, const ulong2 c_place, const uint4 extents, const float alpha,
    const float beta, const int tilesPerItem, const int blocksPerItem) {
  const int inner = (int)extents.s2;
  const int row = (int)get_global_id(1) * tilesPerItem * TILE;
  const int column = (int)get_global_id(0) * blocksPerItem * 32;
  const int rows = min(tilesPerItem * TILE, (int)extents.s0 - row);
  const int columns = min(blocksPerItem * 32, (int)extents.s1 - column);
  local float16 sums[TILES * BLOCKS * TILE * 2];
  local float aCopy[TOGETHER * PART * 16] __attribute__((aligned(64)));
  local float bCopy[BLOCKS * PART * 32] __attribute__((aligned(64)));
  for (int k = 0; k < inner; k += PART) {
    const int count = min(PART, inner - k);
    copy_b(bCopy, b + b_place.s0, b_place.s1, column, columns, k, count);
    for (int first = 0; first * TILE < rows; first += TOGETHER) {
      const int tiles = min(TOGETHER, (rows - first * TILE + TILE - 1) / TILE);
      copy_a(aCopy, a + a_place.s0, a_place.s1, row + first * TILE, (int)extents.s0, tiles, k, count);
      for (int block = 0; block * 32 < columns; ++block) {
        for (int tile = 0; tile < tiles; ++tile) {
          add_part(sums + ((first + tile) * BLOCKS + block) * (2 * TILE),
                   aCopy + tile * (PART * 16), bCopy + block * (PART * 32), count, k == 0);
        }
      }
    }
  }
  for (int r = 0; r < rows; ++r) {
    const local float16 *s = sums + r / TILE * (BLOCKS * 2 * TILE) + 2 * (r % TILE);
    global float *z = c + c_place.s0 + (row + r) * c_place.s1 + column;
    for (int vector = 0; 16 * vector < columns; ++vector) {
      finish(z + 16 * vector, s[vector / 2 * (2 * TILE) + vector % 2], columns - 16 * vector, alpha,
             beta);
    }
  }
}
