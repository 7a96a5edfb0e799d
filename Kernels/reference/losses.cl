// Cross-entropy or margin of logits, their arg-max and rival, and the gradient to the logits.
// Shapes: one work-group a sample of K logits; a target outside 0..K-1 means none: loss and margin
// are NaN, the gradient's share is zero and the rival is the largest of all.
// Variants: KIND 0 cross-entropy, 1 margin; TARGETED, HINGE 0 or 1; GRADIENT 0 or 1; LANES_PER_ITEM
// and the constants of epilogue.clh.
// Order of summation: 256 lanes (lanes.clh), as in Reference/Losses.swift.
// Source: Carlini and Wagner 2017 for the margin.
#include "elementary.clh"
#include "lanes.clh"
#include "items.clh"

#ifndef KIND
#define KIND 0
#define TARGETED 0
#define HINGE 0
#define GRADIENT 1
#endif

#define LOGIT(T, k) LANE_LOAD(T, z, k)
#define EXPONENTIAL(T, k) canonical_exp(LANE_LOAD(T, z, k) - maximum)

// Places: (first logit, sample stride, 0, 0). Mask words of a sample: mask_stride.
LANES_ATTRIBUTES kernel void losses(const global float *logits, const place logits_place,
                                    const int classes, const global int *targets,
                                    const global float *weights, const float kappa,
                                    global float *loss, global float *margins,
                                    global int *best_classes, global int *rivals,
                                    global float *gradient, const place gradient_place,
                                    const global ushort *mask, const ulong mask_start,
                                    const ulong mask_stride) {
  LANES_SCRATCH(scratch);
  const ulong n = get_group_id(0);
  const global float *z = logits + logits_place.s0 + n * logits_place.s1;
  const int target = targets[n];
  const int exists = target >= 0 && target < classes;
  // The rival is the largest logit of those on both sides of the target.
  LANES_DECLARE_MAXIMUM(candidate);
  const int split = exists ? target : classes;
  LANES_MAXIMUM(candidate, 0, split, LOGIT);
  LANES_MAXIMUM(candidate, split + 1, classes, LOGIT);
  const lane_maximum rival = lanes_maximum(candidate, scratch);
  const float own = exists ? z[target] : as_float(0x7fc00000u);
  const lane_maximum best = exists ? lane_better(rival, own, target) : rival;
  const int rival_class = LANE_INDEX(rival) < classes ? LANE_INDEX(rival) : -1;
  const float margin = own - LANE_VALUE(rival);
#if KIND == 0
  const float maximum = LANE_VALUE(best);
  LANES_DECLARE(lanes);
  LANES_SUM(lanes, 0, classes, EXPONENTIAL);
  const float sum = lanes_reduce(lanes, scratch);
  const float value = canonical_log(sum) + (maximum - own);
#else
  const float signed_margin = TARGETED ? LANE_VALUE(rival) - own : margin;
  const int stays = HINGE && signed_margin <= -kappa;
  const float value = stays ? -kappa : signed_margin;
#endif
  if (LANES_FIRST) {
    loss[n] = value;
    margins[n] = margin;
    best_classes[n] = LANE_VALUE(best) == LANE_VALUE(best) ? LANE_INDEX(best) : -1;
    rivals[n] = rival_class;
  }
#if GRADIENT
  const float weight = weights[n];
  global float *g = gradient + gradient_place.s0 + n * gradient_place.s1;
  const global ushort *words = mask + mask_start + n * mask_stride;
#if KIND != 0
  // What the target and its rival get: both +0 where the loss stays.
  const float up = stays ? 0.0f : TARGETED ? -1.0f : 1.0f, down = stays ? 0.0f : -up;
#endif
#if LANES_PER_ITEM == 256
  for (int k = 0; k < classes; k += 16) {
    const int16 lane = (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) + (int16)(k);
    const int16 is_target = lane == (int16)(target);
#if KIND == 0
    const float16 e = canonical_exp(load16(z + k) - (float16)(maximum)) / (float16)(sum);
    const float16 share = select(e, e - (float16)(1.0f), is_target);
#else
    const int16 is_rival = lane == (int16)(rival_class);
    const float16 share =
        select(select((float16)(0.0f), (float16)(down), is_rival), (float16)(up), is_target);
#endif
    store_gradient(g + k, words + k / 16,
                   select((float16)(0.0f), share * (float16)(weight), (int16)(-exists)));
  }
#else
  for (int k = (int)get_local_id(0); k < classes; k += 256) {
#if KIND == 0
    const float e = canonical_exp(z[k] - maximum) / sum;
    const float share = k == target ? e - 1.0f : e;
#else
    const float share = k == target ? up : k == rival_class ? down : 0.0f;
#endif
    store_gradient_element(g + k, words, (ulong)k, exists ? share * weight : 0.0f);
  }
#endif
#endif
}
