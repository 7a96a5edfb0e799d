// The product of two matrices, C = alpha op(A) op(B) + beta C, one work-item an element of C.
// Shapes: op(A) [M][K], op(B) [K][N], C [M][N], each by its place (first element, row stride, column
// stride, 0), so that a transpose is an exchange of strides; extents (M, N, K, 0).
// Variants: READS_C 0 or 1 (beta is not zero).
// Order of summation: k ascending, one fma a product; then alpha * s; then + beta * c, two roundings.
// Source: BLAS's gemm.
#include "canonical.clh"
#include "product.clh"

#ifndef GROUP
#define GROUP 64
#endif

__attribute__((reqd_work_group_size(GROUP, 1, 1))) kernel void matmul(
    const global float *a, const ulong4 a_place, const global float *b, const ulong4 b_place,
    global float *c, const ulong4 c_place, const uint4 extents, const float alpha,
    const float beta) {
  const uint column = (uint)get_global_id(0);
  const uint row = (uint)get_global_id(1);
  if (column >= extents.s1 || row >= extents.s0) { return; }
  const global float *x = a + a_place.s0 + row * a_place.s1;
  const global float *y = b + b_place.s0 + column * b_place.s2;
  float s = 0.0f;
  for (uint k = 0; k < extents.s2; ++k) {
    s = fma(*x, *y, s);
    x += a_place.s2;
    y += b_place.s1;
  }
  s = alpha * s;
  global float *z = c + c_place.s0 + row * c_place.s1 + column * c_place.s2;
#if READS_C
  s = s + beta * *z;
#endif
  *z = s;
}
