// What a canonical device must do with single numbers: the values that tell whether it does.
// Shapes: x, y, z [count]; output [6][count]: quotients, square roots, products plus z in two
// roundings and in one, products of denormals, polynomials by Horner's rule.
// Variants: one; one work-item an element.
// Order of summation: the polynomial's highest power first, one fma a coefficient.
// Source: our own; twin Sources/Verification/CanonicalProbe.swift.
#include "canonical.clh"

#ifndef GROUP
#define GROUP 64
#endif

__attribute__((reqd_work_group_size(GROUP, 1, 1))) kernel void canonical_probe(
    const global float *x, const global float *y, const global float *z, global float *output,
    const int count) {
  const int i = (int)get_global_id(0);
  if (i >= count) { return; }
  output[i] = x[i] / y[i];
  output[count + i] = sqrt(fabs(x[i]));
  const float product = x[i] * y[i];
  output[2 * count + i] = product + z[i];
  output[3 * count + i] = fma(x[i], y[i], z[i]);
  output[4 * count + i] = (x[i] * 0x1p-70f) * (y[i] * 0x1p-70f);
  float p = 0x1.6a4d6p-10f;
  p = fma(p, x[i], 0x1.12398ep-7f);
  p = fma(p, x[i], 0x1.5558bp-5f);
  p = fma(p, x[i], y[i]);
  output[5 * count + i] = p;
}
