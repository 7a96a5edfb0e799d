// The update of trained parameters, and their way into the order of other kernels.
// Shapes: flat arrays of parameters, their velocities and their gradients.
// Variants: none.
// Order: v = fma(momentum, v, fma(decay, w, g)), then w = fma(-rate, v, w), as in
// Reference/ParameterUpdate.swift. Source: gradient descent with momentum (Polyak 1964).
#include "canonical.clh"

#ifndef GROUP
#define GROUP 64
#endif

__attribute__((reqd_work_group_size(GROUP, 1, 1))) kernel void update(
    global float *restrict parameters, global float *restrict velocities,
    const global float *restrict gradients, const ulong start, const int count,
    const float momentum, const float decay, const float rate) {
  const int i = (int)get_global_id(0);
  if (i >= count) { return; }
  const ulong place = start + (ulong)i;
  const float w = parameters[place];
  const float v = fma(momentum, velocities[place], fma(decay, w, gradients[place]));
  velocities[place] = v;
  parameters[place] = fma(-rate, v, w);
}

// packed[i] is the parameter at positions[i], or zero where that is negative.
__attribute__((reqd_work_group_size(GROUP, 1, 1))) kernel void gather(
    const global float *restrict parameters, const global int *restrict positions,
    global float *restrict packed, const int count) {
  const int i = (int)get_global_id(0);
  if (i >= count) { return; }
  const int position = positions[i];
  packed[i] = position < 0 ? 0.0f : parameters[position];
}
