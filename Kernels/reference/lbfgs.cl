// Box-constrained L-BFGS, the vector work of one step for every slot: what to measure at a trial
// point (observe), and the next trial point (propose). The host decides between the two.
// Shapes: vectors [slot][n]; history [slot][pair][n]; numbers [slot][16]; one group a slot.
// Variants: LANES_PER_ITEM of lanes.clh; HISTORY pairs; KEEPS_POINT 0 for attacks that follow the
// gradient alone: no accepted point, and no command that reads one.
// Order of summation: 256 lanes and a tree for every sum; formulas as in Reference/LimitedMemory.
// Source: Szegedy et al. 2013, section 4.1; Nocedal and Wright 2006, algorithm 7.4; Byrd et al. 1995.
#ifndef LANES_PER_ITEM
#define LANES_PER_ITEM 256
#endif
#ifndef HISTORY
#define HISTORY 5
#endif
#ifndef KEEPS_POINT
#define KEEPS_POINT 1
#endif
#include "slots.clh"

// Commands, one bit each; several may be given and are carried out in this order.
#define COMMAND_KEEP_BEST 1
#define COMMAND_ACCEPT 2
#define COMMAND_PUSH 4
#define COMMAND_DIRECTION 8
#define COMMAND_TRIAL 16
#define COMMAND_SEGMENT 32
#define COMMAND_SHOW_BEST 64
#define COMMAND_ROUND 128
#define COMMAND_START 256
#define COMMAND_WALK 2048

#define VECTOR(buffer) ((buffer) + (ulong)get_group_id(0) * (ulong)n)

#define BOXED(T, v)                                                                               \
  LANE_CHOOSE(T, (v) < LANE_ALL(T, 0.0f), LANE_ALL(T, 0.0f),                                      \
              LANE_CHOOSE(T, (v) > LANE_ALL(T, 1.0f), LANE_ALL(T, 1.0f), (v)))

// The gradient of |x - origin|^2 + c L at the accepted point.
#define TOTAL(T, i)                                                                               \
  fma(LANE_ALL(T, c), LANE_LOAD(T, lossGradient, i),                                              \
      LANE_ALL(T, 2.0f) * (LANE_LOAD(T, x, i) - LANE_LOAD(T, origin, i)))

#define MOVED(T, i) (LANE_LOAD(T, trial, i) - LANE_LOAD(T, origin, i))
#define STEP(T, i) (LANE_LOAD(T, trial, i) - LANE_LOAD(T, x, i))
#define SLOPE(T, i) LANE_LOAD(T, trialGradient, i)
#define SLOPE_IF_FREE(T, i)                                                                       \
  LANE_CHOOSE(T,                                                                                  \
              ((LANE_LOAD(T, trial, i) <= LANE_ALL(T, 0.0f)) &                                    \
               (SLOPE(T, i) > LANE_ALL(T, 0.0f))) |                                               \
                  ((LANE_LOAD(T, trial, i) >= LANE_ALL(T, 1.0f)) &                                \
                   (SLOPE(T, i) < LANE_ALL(T, 0.0f))),                                            \
              LANE_ALL(T, 0.0f), SLOPE(T, i))
#define DISTANCE(T, i) fabs(MOVED(T, i))

LANES_ATTRIBUTES kernel void observe(
    const int n, const global int *active, const global float *parameters,
    const global float *origins, const global float *xs, const global float *lossGradients,
    const global float *trials, const global float *trialGradients, global float *numbers) {
  const int slot = (int)get_group_id(0);
  // Every work-item comes by every barrier: an idle slot sums no elements.
  const int count = active[slot] ? n : 0;
  const float c = parameters[8 * slot];
  const global float *origin = VECTOR(origins);
  const global float *x = VECTOR(xs);
  const global float *lossGradient = VECTOR(lossGradients);
  const global float *trial = VECTOR(trials);
  const global float *trialGradient = VECTOR(trialGradients);
  LANES_SCRATCH(scratch);
  LANES_DECLARE(distance);
  LANES_DECLARE(descent);
  LANES_DECLARE(slope);
  LANES_DECLARE(freeSlope);
  LANES_DECLARE(absolute);
  LANES_DECLARE_MAXIMUM(largest);
  for (int at = 0; at < count; at += LANES_PART) {
    const int to = min(at + LANES_PART, count);
    LANES_SQUARE(distance, at, to, MOVED);
    LANES_FMA(descent, at, to, TOTAL, STEP);
    LANES_SQUARE(slope, at, to, SLOPE);
    LANES_SQUARE(freeSlope, at, to, SLOPE_IF_FREE);
    LANES_SUM(absolute, at, to, DISTANCE);
    LANES_MAXIMUM(largest, at, to, DISTANCE);
  }
  const float distanceSum = lanes_reduce(distance, scratch);
  const float descentSum = lanes_reduce(descent, scratch);
  const float slopeSum = lanes_reduce(slope, scratch);
  const float freeSlopeSum = lanes_reduce(freeSlope, scratch);
  const float absoluteSum = lanes_reduce(absolute, scratch);
  const lane_maximum most = lanes_maximum(largest, scratch);
  if (LANES_FIRST && count > 0) {
    global float *result = numbers + 16 * slot;
    result[0] = distanceSum;
    result[1] = descentSum;
    result[2] = slopeSum;
    result[3] = freeSlopeSum;
    result[4] = absoluteSum;
    result[5] = LANE_VALUE(most);
  }
}

// A direction's element is NaN where its variable is at a bound and pressed against it: one vector
// then tells both the direction and which variables are free.
#define IS_FREE(T, i) (LANE_LOAD(T, direction, i) == LANE_LOAD(T, direction, i))
#define FREE(T, i, v) LANE_CHOOSE(T, IS_FREE(T, i), (v), LANE_ALL(T, 0.0f))
#define Q(T, i) FREE(T, i, LANE_LOAD(T, direction, i))
#define S(T, i) FREE(T, i, LANE_LOAD(T, s, i))
#define Y(T, i)                                                                                   \
  FREE(T, i,                                                                                      \
       fma(LANE_ALL(T, c), LANE_LOAD(T, y, i), LANE_ALL(T, 2.0f) * LANE_LOAD(T, s, i)))
#define TOTAL_IF_FREE(T, i) FREE(T, i, TOTAL(T, i))
#define PROJECTED(T, i) fabs(LANE_LOAD(T, x, i) - BOXED(T, LANE_LOAD(T, x, i) - TOTAL(T, i)))

#define COPY_BEST(T, i) LANE_STORE(T, best, i, LANE_LOAD(T, trial, i));
#define PUSH_PAIR(T, i)                                                                           \
  LANE_STORE(T, newS, i, LANE_LOAD(T, trial, i) - LANE_LOAD(T, x, i));                            \
  LANE_STORE(T, newY, i, LANE_LOAD(T, trialGradient, i) - LANE_LOAD(T, lossGradient, i));
#define ACCEPT(T, i)                                                                              \
  LANE_STORE(T, x, i, LANE_LOAD(T, trial, i));                                                    \
  LANE_STORE(T, lossGradient, i, LANE_LOAD(T, trialGradient, i));
#define START_DIRECTION(T, i)                                                                     \
  LANE_STORE(T, direction, i,                                                                     \
             LANE_CHOOSE(T,                                                                       \
                         ((LANE_LOAD(T, x, i) <= LANE_ALL(T, 0.0f)) &                             \
                          (TOTAL(T, i) > LANE_ALL(T, 0.0f))) |                                    \
                             ((LANE_LOAD(T, x, i) >= LANE_ALL(T, 1.0f)) &                         \
                              (TOTAL(T, i) < LANE_ALL(T, 0.0f))),                                 \
                         LANE_ALL(T, NAN), TOTAL(T, i)));
#define SUBTRACT_Y(T, i)                                                                          \
  LANE_STORE(T, direction, i, fma(LANE_ALL(T, -factor), Y(T, i), LANE_LOAD(T, direction, i)));
#define ADD_S(T, i)                                                                               \
  LANE_STORE(T, direction, i, fma(LANE_ALL(T, factor), S(T, i), LANE_LOAD(T, direction, i)));
#define SCALE(T, i) LANE_STORE(T, direction, i, LANE_ALL(T, factor) * LANE_LOAD(T, direction, i));
#define NEGATE(T, i) LANE_STORE(T, direction, i, -LANE_LOAD(T, direction, i));
#define STEEPEST(T, i)                                                                            \
  LANE_STORE(T, direction, i,                                                                     \
             LANE_CHOOSE(T, IS_FREE(T, i), LANE_ALL(T, -gamma) * TOTAL(T, i), LANE_ALL(T, NAN)));
#define MAKE_TRIAL(T, i)                                                                          \
  {                                                                                               \
    const LANE_TYPE_##T v = fma(LANE_ALL(T, alpha), Q(T, i), LANE_LOAD(T, x, i));                 \
    LANE_STORE(T, trial, i, BOXED(T, v));                                                         \
  }
#define MAKE_SEGMENT(T, i)                                                                        \
  {                                                                                               \
    const LANE_TYPE_##T v =                                                                       \
        fma(LANE_ALL(T, alpha), LANE_LOAD(T, best, i) - LANE_LOAD(T, origin, i),                  \
            LANE_LOAD(T, origin, i));                                                             \
    LANE_STORE(T, trial, i, BOXED(T, v));                                                         \
  }
#define SHOW_BEST(T, i) LANE_STORE(T, trial, i, LANE_LOAD(T, best, i));
// On the lattice of 8-bit pictures: the origin's level and alpha times the change, rounded to the
// nearest level, or away from the origin when HALF is (nearly) a whole level.
#define MAKE_ROUNDED(T, i)                                                                        \
  {                                                                                               \
    const LANE_TYPE_##T level = rint(LANE_ALL(T, 255.0f) * LANE_LOAD(T, origin, i));              \
    const LANE_TYPE_##T change =                                                                  \
        LANE_ALL(T, alpha) * fma(LANE_ALL(T, 255.0f), LANE_LOAD(T, best, i), -level);             \
    const LANE_TYPE_##T size = floor(fabs(change) + LANE_ALL(T, half_));                          \
    const LANE_TYPE_##T v =                                                                       \
        (level + LANE_CHOOSE(T, change < LANE_ALL(T, 0.0f), -size, size)) / LANE_ALL(T, 255.0f);  \
    LANE_STORE(T, trial, i, BOXED(T, v));                                                         \
  }
// Along the loss's gradient at the trial point, then onto the sphere around the origin.
#define WALK(T, i)                                                                                \
  LANE_STORE(T, trial, i,                                                                         \
             fma(LANE_ALL(T, -alpha), LANE_LOAD(T, trialGradient, i), LANE_LOAD(T, trial, i)));
#define ONTO_SPHERE(T, i)                                                                         \
  {                                                                                               \
    const LANE_TYPE_##T v = fma(LANE_ALL(T, factor), MOVED(T, i), LANE_LOAD(T, origin, i));       \
    LANE_STORE(T, trial, i, BOXED(T, v));                                                         \
  }
#if KEEPS_POINT
#define START(T, i)                                                                               \
  LANE_STORE(T, x, i, LANE_LOAD(T, origin, i));                                                   \
  LANE_STORE(T, trial, i, LANE_LOAD(T, origin, i));                                               \
  LANE_STORE(T, lossGradient, i, LANE_ALL(T, 0.0f));
#else
#define START(T, i) LANE_STORE(T, trial, i, LANE_LOAD(T, origin, i));
#endif

LANES_ATTRIBUTES kernel void propose(
    const int n, const global int *commands, const global float *parameters,
    const global float *origins, global float *xs, global float *lossGradients,
    global float *trials, const global float *trialGradients, global float *bests,
    global float *directions, global float *historyS, global float *historyY,
    global float *numbers) {
  const int slot = (int)get_group_id(0);
  const int command = commands[4 * slot];
  // Every work-item comes by every barrier: a part that is not asked for takes no elements.
  const int finds = (command & COMMAND_DIRECTION) != 0;
  const int count = finds ? n : 0;
  const int pairs = finds ? commands[4 * slot + 1] : 0;
  const int newest = commands[4 * slot + 2];
  const float c = parameters[8 * slot + 1];
  const float alpha = parameters[8 * slot + 2];
  const float firstGamma = parameters[8 * slot + 3];
  const float half_ = parameters[8 * slot + 4];
  const float radius = parameters[8 * slot + 5];
  const global float *origin = VECTOR(origins);
  global float *x = VECTOR(xs);
  global float *lossGradient = VECTOR(lossGradients);
  global float *trial = VECTOR(trials);
  const global float *trialGradient = VECTOR(trialGradients);
  global float *best = VECTOR(bests);
  global float *direction = VECTOR(directions);
  global float *slotS = historyS + (ulong)slot * HISTORY * (ulong)n;
  global float *slotY = historyY + (ulong)slot * HISTORY * (ulong)n;
  global float *result = numbers + 16 * slot + 8;
  LANES_SCRATCH(scratch);
  if (command & COMMAND_START) { LANES_EACH(0, n, START); }
  if (command & COMMAND_KEEP_BEST) { LANES_EACH(0, n, COPY_BEST); }
  if (command & COMMAND_PUSH) {
    global float *newS = slotS + (ulong)newest * (ulong)n;
    global float *newY = slotY + (ulong)newest * (ulong)n;
    LANES_EACH(0, n, PUSH_PAIR);
  }
  if (command & COMMAND_ACCEPT) { LANES_EACH(0, n, ACCEPT); }
  LANES_DECLARE(squares);
  LANES_DECLARE_MAXIMUM(projected);
  for (int at = 0; at < count; at += LANES_PART) {
    const int to = min(at + LANES_PART, count);
    LANES_EACH(at, to, START_DIRECTION);
    LANES_SQUARE(squares, at, to, Q);
    LANES_MAXIMUM(projected, at, to, PROJECTED);
  }
  const float gradientNorm = lanes_reduce(squares, scratch);
  const lane_maximum most = lanes_maximum(projected, scratch);
  float factors[HISTORY];
  float curvatures[HISTORY];
  float gamma = firstGamma;
  int used = 0;
  for (int j = 0; j < HISTORY; ++j) {
    const int pairCount = j < pairs ? n : 0;
    const int pair = (newest - j + HISTORY) % HISTORY;
    const global float *s = slotS + (ulong)pair * (ulong)n;
    const global float *y = slotY + (ulong)pair * (ulong)n;
    LANES_DECLARE(sy);
    LANES_DECLARE(ss);
    LANES_DECLARE(sq);
    for (int at = 0; at < pairCount; at += LANES_PART) {
      const int to = min(at + LANES_PART, pairCount);
      LANES_FMA(sy, at, to, S, Y);
      LANES_SQUARE(ss, at, to, S);
      LANES_FMA(sq, at, to, S, Q);
    }
    const float sySum = lanes_reduce(sy, scratch);
    const float ssSum = lanes_reduce(ss, scratch);
    const float sqSum = lanes_reduce(sq, scratch);
    curvatures[j] = sySum;
    factors[j] = 0.0f;
    // A pair of no positive curvature says nothing of a minimum. The distance's own curvature, 2,
    // is the least there is across the few directions that the loss bends.
    if (sySum > 0.0f) {
      if (!used) { gamma = min(0.5f, ssSum / sySum); }
      used = 1;
      const float factor = sqSum / sySum;
      factors[j] = factor;
      LANES_EACH(0, pairCount, SUBTRACT_Y);
    }
  }
  {
    const float factor = gamma;
    LANES_EACH(0, count, SCALE);
  }
  for (int j = HISTORY - 1; j >= 0; --j) {
    const int bends = curvatures[j] > 0.0f;
    const int pairCount = bends ? n : 0;
    const int pair = (newest - j + HISTORY) % HISTORY;
    const global float *s = slotS + (ulong)pair * (ulong)n;
    const global float *y = slotY + (ulong)pair * (ulong)n;
    LANES_DECLARE(yq);
    LANES_FMA(yq, 0, pairCount, Y, Q);
    const float yqSum = lanes_reduce(yq, scratch);
    if (bends) {
      const float factor = factors[j] - yqSum / curvatures[j];
      LANES_EACH(0, n, ADD_S);
    }
  }
  LANES_EACH(0, count, NEGATE);
  LANES_DECLARE(descent);
  LANES_DECLARE(length);
  for (int at = 0; at < count; at += LANES_PART) {
    const int to = min(at + LANES_PART, count);
    LANES_FMA(descent, at, to, TOTAL_IF_FREE, Q);
    LANES_SQUARE(length, at, to, Q);
  }
  const float descentSum = lanes_reduce(descent, scratch);
  const float lengthSum = lanes_reduce(length, scratch);
  // Not downhill: steepest descent instead, and the host forgets the pairs.
  const int fails = !(descentSum <= -1e-6f * sqrt(gradientNorm * lengthSum));
  if (fails) {
    gamma = firstGamma;
    LANES_EACH(0, count, STEEPEST);
  }
  if (LANES_FIRST && finds) {
    result[0] = gradientNorm;
    result[1] = LANE_VALUE(most);
    result[2] = fails ? 1.0f : 0.0f;
  }
  if (command & COMMAND_TRIAL) { LANES_EACH(0, n, MAKE_TRIAL); }
  if (command & COMMAND_SEGMENT) { LANES_EACH(0, n, MAKE_SEGMENT); }
  if (command & COMMAND_SHOW_BEST) { LANES_EACH(0, n, SHOW_BEST); }
  if (command & COMMAND_ROUND) { LANES_EACH(0, n, MAKE_ROUNDED); }
  const int walks = (command & COMMAND_WALK) != 0;
  if (walks) { LANES_EACH(0, n, WALK); }
  LANES_DECLARE(walked);
  LANES_SQUARE(walked, 0, walks ? n : 0, MOVED);
  const float walkedSum = lanes_reduce(walked, scratch);
  if (walks) {
    const float factor = walkedSum > 0.0f ? radius / sqrt(walkedSum) : 0.0f;
    LANES_EACH(0, n, ONTO_SPHERE);
  }
}
