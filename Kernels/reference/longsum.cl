// Long sums of per-sample vectors: dot product, sum, squared norm, squared distance, maximum.
// Shapes: x, y [slots][stride], n <= stride elements used; one result a slot = get_group_id(0).
// Variants: LANES_PER_ITEM 256 (local size 1, CPU) or 1 (local size 256, GPU).
// Order of summation: 256 lanes by fma, then the pairwise tree of lanes.clh.
// Source: pairwise summation, Higham 2002, section 4.2; twin Sources/Reference/LongSum.swift.
#include "canonical.clh"
#include "lanes.clh"

#define ELEMENT_X(T, i) LANE_LOAD(T, x, i)
#define ELEMENT_Y(T, i) LANE_LOAD(T, y, i)
#define DIFFERENCE(T, i) (LANE_LOAD(T, x, i) - LANE_LOAD(T, y, i))

// output[slot] = sum of x_i y_i.
LANES_ATTRIBUTES __kernel void dot_per_sample(
    __global const float *restrict x, __global const float *restrict y,
    __global float *restrict output, int n, ulong stride) {
  LANES_SCRATCH(scratch);
  x += get_group_id(0) * stride;
  y += get_group_id(0) * stride;
  LANES_DECLARE(sum);
  LANES_FMA(sum, 0, n, ELEMENT_X, ELEMENT_Y);
  const float result = lanes_reduce(sum, scratch);
  if (LANES_FIRST) output[get_group_id(0)] = result;
}

// output[slot] = sum of x_i.
LANES_ATTRIBUTES __kernel void sum_per_sample(
    __global const float *restrict x, __global float *restrict output, int n, ulong stride) {
  LANES_SCRATCH(scratch);
  x += get_group_id(0) * stride;
  LANES_DECLARE(sum);
  LANES_SUM(sum, 0, n, ELEMENT_X);
  const float result = lanes_reduce(sum, scratch);
  if (LANES_FIRST) output[get_group_id(0)] = result;
}

// output[slot] = sum of x_i^2.
LANES_ATTRIBUTES __kernel void squared_norm_per_sample(
    __global const float *restrict x, __global float *restrict output, int n, ulong stride) {
  LANES_SCRATCH(scratch);
  x += get_group_id(0) * stride;
  LANES_DECLARE(sum);
  LANES_SQUARE(sum, 0, n, ELEMENT_X);
  const float result = lanes_reduce(sum, scratch);
  if (LANES_FIRST) output[get_group_id(0)] = result;
}

// output[slot] = sum of (x_i - y_i)^2.
LANES_ATTRIBUTES __kernel void squared_distance_per_sample(
    __global const float *restrict x, __global const float *restrict y,
    __global float *restrict output, int n, ulong stride) {
  LANES_SCRATCH(scratch);
  x += get_group_id(0) * stride;
  y += get_group_id(0) * stride;
  LANES_DECLARE(sum);
  LANES_SQUARE(sum, 0, n, DIFFERENCE);
  const float result = lanes_reduce(sum, scratch);
  if (LANES_FIRST) output[get_group_id(0)] = result;
}

// value[slot], index[slot]: the largest x_i and the lowest i that has it; NaN and its place if any.
LANES_ATTRIBUTES __kernel void maximum_per_sample(
    __global const float *restrict x, __global float *restrict value, __global int *restrict index,
    int n, ulong stride) {
  LANES_SCRATCH(scratch);
  x += get_group_id(0) * stride;
  LANES_DECLARE_MAXIMUM(best);
  LANES_MAXIMUM(best, 0, n, ELEMENT_X);
  best = lanes_maximum(best, scratch);
  if (LANES_FIRST) {
    value[get_group_id(0)] = LANE_VALUE(best);
    index[get_group_id(0)] = LANE_INDEX(best);
  }
}
