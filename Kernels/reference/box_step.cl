// The box-constrained gradient step of every slot that asks for one: along the sign or the unit
// vector of the gradient, back into a ball around the origin, then into the box [0, 1].
// Shapes: vectors [slot][n]; one group a slot; the step size of each slot in its parameters.
// Variants: LANES_PER_ITEM of lanes.clh; NORM 0 (L-infinity) or 2 (Euclidean); RADIUS.
// Order of summation: 256 lanes and a tree for norms; formulas as in Reference/BoxStep.
// Source: Goodfellow et al. 2014; Kurakin et al. 2016; Madry et al. 2017.
#ifndef LANES_PER_ITEM
#define LANES_PER_ITEM 256
#endif
#ifndef NORM
#define NORM 0
#endif
#ifndef RADIUS
#define RADIUS 0.1f
#endif
#include "slots.clh"
#include "philox.clh"

// Continue the bits of lbfgs.cl.
#define COMMAND_STEP 512
#define COMMAND_RANDOM_START 1024

#define VECTOR(buffer) ((buffer) + (ulong)get_group_id(0) * (ulong)n)
#define CLIPPED(T, v, low, high)                                                                  \
  LANE_CHOOSE(T, (v) < (low), (low), LANE_CHOOSE(T, (v) > (high), (high), (v)))

#define SLOPE(T, i) LANE_LOAD(T, gradient, i)
#define MOVED(T, i) (LANE_LOAD(T, trial, i) - LANE_LOAD(T, origin, i))

#define SIGN_STEP(T, i)                                                                           \
  {                                                                                               \
    const LANE_TYPE_##T g = SLOPE(T, i);                                                          \
    const LANE_TYPE_##T d = LANE_CHOOSE(                                                          \
        T, g > LANE_ALL(T, 0.0f), LANE_ALL(T, 1.0f),                                              \
        LANE_CHOOSE(T, g < LANE_ALL(T, 0.0f), LANE_ALL(T, -1.0f), g * LANE_ALL(T, 0.0f)));        \
    LANE_STORE(T, trial, i, fma(LANE_ALL(T, alpha), d, LANE_LOAD(T, trial, i)));                  \
  }
#define UNIT_STEP(T, i)                                                                           \
  LANE_STORE(T, trial, i,                                                                         \
             fma(LANE_ALL(T, factor), SLOPE(T, i), LANE_LOAD(T, trial, i)));
#define INTO_CUBE(T, i)                                                                           \
  {                                                                                               \
    const LANE_TYPE_##T v = LANE_LOAD(T, trial, i);                                               \
    const LANE_TYPE_##T o = LANE_LOAD(T, origin, i);                                              \
    LANE_STORE(T, trial, i,                                                                       \
               CLIPPED(T, v, o - LANE_ALL(T, RADIUS), o + LANE_ALL(T, RADIUS)));                  \
  }
#define INTO_BALL(T, i)                                                                           \
  LANE_STORE(T, trial, i, fma(LANE_ALL(T, factor), MOVED(T, i), LANE_LOAD(T, origin, i)));
#define INTO_BOX(T, i)                                                                            \
  {                                                                                               \
    const LANE_TYPE_##T v = LANE_LOAD(T, trial, i);                                               \
    LANE_STORE(T, trial, i, CLIPPED(T, v, LANE_ALL(T, 0.0f), LANE_ALL(T, 1.0f)));                 \
  }

LANES_ATTRIBUTES kernel void box_step(
    const int n, const global int *commands, const global float *parameters,
    const global int *keys, const global float *origins, global float *trials,
    const global float *gradients) {
  const int slot = (int)get_group_id(0);
  const int command = commands[4 * slot];
  const int starts = (command & COMMAND_RANDOM_START) != 0;
  const int steps = (command & COMMAND_STEP) != 0;
  // Every work-item comes by every barrier: a slot that skips a part takes it with no elements.
  const int count = starts | steps ? n : 0;
  const float alpha = parameters[8 * slot + 2];
  const global float *origin = VECTOR(origins);
  global float *trial = VECTOR(trials);
  const global float *gradient = VECTOR(gradients);
#if NORM == 2
  LANES_SCRATCH(scratch);
#endif
  // Uniform in the cube for L-infinity; a Gaussian direction of length alpha for L2.
  const uint2 key = (uint2)((uint)keys[2 * slot], (uint)keys[2 * slot + 1]);
  const int lane = LANES_PER_ITEM == 1 ? (int)get_local_id(0) : 0;
  for (int i = starts ? lane : n; i < n; i += 256 / LANES_PER_ITEM) {
    const uint4 words = philox_words(key, 0u, 0u, (uint)(i / 4));
#if NORM == 0
    const float4 values = philox_symmetric(words);
    const float v = i % 4 == 0 ? values.x : i % 4 == 1 ? values.y : i % 4 == 2 ? values.z : values.w;
    trial[i] = fma(alpha, v, origin[i]);
#else
    const float4 values = philox_gaussian(words);
    const float v = i % 4 == 0 ? values.x : i % 4 == 1 ? values.y : i % 4 == 2 ? values.z : values.w;
    trial[i] = origin[i] + v;
#endif
  }
#if NORM == 0
  if (steps) { LANES_EACH(0, n, SIGN_STEP); }
  LANES_EACH(0, count, INTO_CUBE);
#else
  LANES_DECLARE(length);
  LANES_SQUARE(length, 0, starts ? n : 0, MOVED);
  const float started = lanes_reduce(length, scratch);
  if (starts) {
    const float factor = alpha / sqrt(started);
    LANES_EACH(0, n, INTO_BALL);
  }
  LANES_DECLARE(squares);
  LANES_SQUARE(squares, 0, steps ? n : 0, SLOPE);
  const float slope = lanes_reduce(squares, scratch);
  if (steps) {
    const float factor = alpha / (sqrt(slope) + 1e-12f);
    LANES_EACH(0, n, UNIT_STEP);
  }
  LANES_DECLARE(distance);
  LANES_SQUARE(distance, 0, count, MOVED);
  const float norm = sqrt(lanes_reduce(distance, scratch));
  if (norm > RADIUS) {
    const float factor = RADIUS / norm;
    LANES_EACH(0, count, INTO_BALL);
  }
#endif
  LANES_EACH(0, count, INTO_BOX);
}
