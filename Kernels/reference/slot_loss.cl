// The loss of every slot's logits, its gradient, the predicted class and the margin of success.
// Shapes: logits and gradient [slot][K] with a stride a slot; goals [slot][4]: class of the loss, 1
// to leave it or 0 to reach it, class of the criterion, 1 to leave or 0 to reach (class -1: the
// predicted one); results [slot][4]: loss, margin; predictions [slot][4]: predicted class (-1 if a
// logit is NaN), rival, least likely class.
// Variants: LANES_PER_ITEM of lanes.clh.
// Order of summation: 256 lanes and a tree; formulas as in Reference/GoalLoss.
// Source: cross-entropy of a class or of all others, as softplus of a difference of log-sums.
#ifndef LANES_PER_ITEM
#define LANES_PER_ITEM 256
#endif
#include "elementary.clh"
#include "slots.clh"

#define LOGIT(T, i) LANE_LOAD(T, z, i)
#define NEGATED(T, i) (-LANE_LOAD(T, z, i))
#define OTHER(T, i) LANE_LOAD(T, d, i)
#define OTHER_EXP(T, i) canonical_exp(LANE_LOAD(T, d, i) - LANE_ALL(T, top))
#define COPY(T, i) LANE_STORE(T, d, i, LANE_LOAD(T, z, i));
#define OTHER_GRADIENT(T, i)                                                                      \
  LANE_STORE(T, d, i, LANE_ALL(T, weight) * (OTHER_EXP(T, i) / LANE_ALL(T, sum)));

// The work-item that owns an element in every loop over all of them.
#define OWNS(i) (LANES_PER_ITEM == 256 || (int)get_local_id(0) == (i) % 256)

LANES_ATTRIBUTES kernel void slot_loss(
    const int classes, const global int *goals, const global float *logits,
    const ulong logitsStart, const ulong logitsStride, global float *gradients,
    const ulong gradientsStart, const ulong gradientsStride, global float *results,
    global int *predictions) {
  const int slot = (int)get_group_id(0);
  const int leaves = goals[4 * slot + 1];
  const int criterionLeaves = goals[4 * slot + 3];
  const global float *z = logits + logitsStart + (ulong)slot * logitsStride;
  global float *d = gradients + gradientsStart + (ulong)slot * gradientsStride;
  LANES_SCRATCH(scratch);
  LANES_DECLARE_MAXIMUM(first);
  LANES_MAXIMUM(first, 0, classes, LOGIT);
  const lane_maximum predicted = lanes_maximum(first, scratch);
  LANES_DECLARE_MAXIMUM(last);
  LANES_MAXIMUM(last, 0, classes, NEGATED);
  const lane_maximum least = lanes_maximum(last, scratch);
  const int class = goals[4 * slot] < 0 ? LANE_INDEX(predicted) : goals[4 * slot];
  const int criterion = goals[4 * slot + 2] < 0 ? LANE_INDEX(predicted) : goals[4 * slot + 2];
  // All classes but the goal's: its own place holds minus infinity.
  LANES_EACH(0, classes, COPY);
  if (OWNS(class)) { d[class] = -INFINITY; }
  LANES_DECLARE_MAXIMUM(second);
  LANES_MAXIMUM(second, 0, classes, OTHER);
  const lane_maximum rival = lanes_maximum(second, scratch);
  const float top = LANE_VALUE(rival);
  LANES_DECLARE(total);
  LANES_SUM(total, 0, classes, OTHER_EXP);
  const float sum = lanes_reduce(total, scratch);
  const float rest = top + canonical_log(sum);
  const float difference = leaves ? z[class] - rest : rest - z[class];
  const float share = canonical_sigmoid(difference);
  const float weight = leaves ? -share : share;
  LANES_EACH(0, classes, OTHER_GRADIENT);
  if (OWNS(class)) { d[class] = -weight; }
  LANES_DECLARE_MAXIMUM(third);
  LANES_MAXIMUM(third, 0, criterion, LOGIT);
  LANES_MAXIMUM(third, criterion + 1, classes, LOGIT);
  const lane_maximum other = lanes_maximum(third, scratch);
  if (LANES_FIRST) {
    results[4 * slot] = canonical_softplus(difference);
    results[4 * slot + 1] = criterionLeaves ? LANE_VALUE(other) - z[criterion] : z[criterion] - LANE_VALUE(other);
    predictions[4 * slot] = LANE_VALUE(predicted) != LANE_VALUE(predicted) ? -1 : LANE_INDEX(predicted);
    predictions[4 * slot + 1] = LANE_INDEX(other);
    predictions[4 * slot + 2] = LANE_INDEX(least);
  }
}
