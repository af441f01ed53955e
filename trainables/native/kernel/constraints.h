// Constraints of weights, which are applied after each step.

#pragma once

#include "work.h"

namespace {

// A group of a constraint: the numbers of which it takes the norm.
INLINE vf norm_of_group(const vf* w, int length, int64_t stride) {
  vf sum = (vf){};
  for (int k = 0; k < length; k++) sum += w[k * stride] * w[k * stride];
  return root(sum);
}

void constrain(const Constraint& c, vf* weights) {
#if defined(__clang__)
#pragma clang fp contract(off)  // as Keras: each operation rounds
#endif
  for (int g = 0; g < c.groups; g++) {
    vf* w = weights + c.first + (int64_t)g * c.step;
    if (c.kind == NON_NEGATIVE) {
      for (int k = 0; k < c.length; k++) w[(int64_t)k * c.stride] = at_least(w[(int64_t)k * c.stride], 0.0f);
      continue;
    }
    const vf norm = norm_of_group(w, c.length, c.stride), under = norm + c.epsilon;
    if (c.kind == UNIT_NORM) {
      for (int k = 0; k < c.length; k++) w[(int64_t)k * c.stride] /= under;
      continue;
    }
    vf wanted = norm > c.most ? all(c.most) : norm;
    wanted = wanted < c.least ? all(c.least) : wanted;
    if (c.kind == MIN_MAX_NORM) wanted = wanted * c.rate + norm * c.rest;
    const vf factor = wanted / under;
    for (int k = 0; k < c.length; k++) w[(int64_t)k * c.stride] *= factor;
  }
}

}  // namespace
