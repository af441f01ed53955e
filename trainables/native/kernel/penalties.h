// Penalties of weights: in training with their gradients, and after it.

#pragma once

#include "chunk.h"

namespace {

// The strengths of the penalties of a chunk's weights.
struct Strengths {
  vf l1[MOST], l2[MOST];
  bool any[MOST];  // whether some lane has such a penalty
};

void load_strengths(Strengths& s, const Chunk& c, const Models* models) {
  const int penalties = c.net->penalties;
  for (int k = 0; k < penalties; k++) {
    s.any[k] = false;
    for (int l = 0; l < V; l++) {
      const float* own = models->strengths + ((int64_t)c.from[l] * penalties + k) * 2;
      s.l1[k][l] = own[0], s.l2[k][l] = own[1];
      s.any[k] |= own[0] != 0.0f || own[1] != 0.0f;
    }
  }
}

// Adds the penalties to `penalty`, and their gradients to those of the weights.
// Where a strength is 0, the weights count as 0: else a square that overflows would make the penalty no number, and only where a
// lane beside it has a strength.
void penalize_weights(const Chunk& c, const Strengths& s, vf* penalty) {
  for (int k = 0; k < c.net->penalties; k++) {
    if (!s.any[k]) continue;
    const Range range = c.net->variable[c.net->penalty[k]];
    const vf l1 = s.l1[k], l2 = s.l2[k], twice = l2 + l2;
    const vi has_l1 = l1 != 0.0f, has_l2 = l2 != 0.0f;
    vf sum = (vf){};
    for (int i = range.first; i < range.end; i++) {
      vf w = c.work.parameters[i], of_l1 = (vf)((vi)w & has_l1), of_l2 = (vf)((vi)w & has_l2);
      sum += l1 * magnitude(of_l1) + l2 * (of_l2 * of_l2);
      c.work.gradients[i] += twice * of_l2 + (w > 0.0f ? l1 : w < 0.0f ? -l1 : (vf){});
    }
    *penalty += sum;
  }
}

// Adds the penalties of the trained weights, which are those of all rows at once, to the sums.
void add_penalties(Chunk& c, const Models* models, int64_t rows) {
  const Net* net = c.net;
  for (int k = 0; k < net->penalties; k++) {
    const Range range = net->variable[net->penalty[k]];
    for (int l = 0; l < V; l++) {
      const float* own = models->strengths + ((int64_t)c.from[l] * net->penalties + k) * 2;
      if (own[0] == 0.0f && own[1] == 0.0f) continue;
      double sum = 0.0;
      for (int i = range.first; i < range.end; i++) {
        const double w = ((const float*)c.work.parameters)[(int64_t)i * V + l];
        sum += own[0] * (own[0] != 0.0f ? fabs(w) : 0.0) + own[1] * (own[1] != 0.0f ? w * w : 0.0);
      }
      c.sums[net->measures][l] += sum * (double)rows;
    }
  }
}

}  // namespace
