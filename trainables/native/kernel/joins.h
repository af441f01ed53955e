// Layers that join the outputs of several layers: sums, products, extremes and concatenations.

#pragma once

#include <string.h>

#include "lanes.h"
#include "structures.h"

namespace {

INLINE vf extreme(bool largest, vf a, vf b) {  // a number that is not a number stays so
  const vi stays = (largest ? a >= b : a <= b) | (a != a);
  return stays ? a : b;
}

// Joins `count` arrays of n rows; `width`: the numbers in a row of each.
void join(int kind, const vf* const* in, const int* width, int count, int O, vf* out, int n) {
  const int64_t numbers = (int64_t)n * O;
  if (kind == CONCATENATE) {
    for (int s = 0, offset = 0; s < count; offset += width[s], s++)
      for (int r = 0; r < n; r++) memcpy(out + (int64_t)r * O + offset, in[s] + (int64_t)r * width[s], (size_t)width[s] * sizeof(vf));
    return;
  }
  if (count == 1) memcpy(out, in[0], (size_t)numbers * sizeof(vf));
  for (int s = 1; s < count; s++) {
    const vf *a = s == 1 ? in[0] : out, *b = in[s];
    switch (kind) {
      case SUBTRACT: for (int64_t k = 0; k < numbers; k++) out[k] = a[k] - b[k]; break;
      case MULTIPLY: for (int64_t k = 0; k < numbers; k++) out[k] = a[k] * b[k]; break;
      case MAXIMUM: for (int64_t k = 0; k < numbers; k++) out[k] = extreme(true, a[k], b[k]); break;
      case MINIMUM: for (int64_t k = 0; k < numbers; k++) out[k] = extreme(false, a[k], b[k]); break;
      default: for (int64_t k = 0; k < numbers; k++) out[k] = a[k] + b[k];
    }
  }
  if (kind == AVERAGE) for (int64_t k = 0; k < numbers; k++) out[k] /= (float)count;
}

// The gradient of source number `s` at number k, given the gradient g behind the join. As in TensorFlow, the first of equal
// extremes has it.
INLINE vf joined(int kind, const vf* const* in, int count, int s, int64_t k, vf g) {
  switch (kind) {
    case SUBTRACT: return s ? -g : g;
    case AVERAGE: return g / (float)count;
    case MULTIPLY:
      for (int j = 0; j < count; j++) if (j != s) g *= in[j][k];
      return g;
    case MAXIMUM:
    case MINIMUM: {
      vf top = in[0][k];
      vi best = (vi){};
      for (int j = 1; j < count; j++) {
        vf next = extreme(kind == MAXIMUM, top, in[j][k]);
        vi stays = (kind == MAXIMUM ? top >= in[j][k] : top <= in[j][k]) | (top != top);
        best = stays ? best : (vi){} + j;
        top = next;
      }
      return best == s ? g : (vf){};
    }
    default: return g;
  }
}

// Adds the gradient of source number `s`, which has `width` numbers in a row from `offset` on, to `to`, or writes it there if
// `begins`.
void join_backward(int kind, const vf* const* in, int count, int s, int width, int offset, const vf* d, int O, vf* to, bool begins, int n) {
  if (kind == CONCATENATE || kind == ADD) {
    for (int r = 0; r < n; r++)
      for (int i = 0; i < width; i++) {
        const vf g = d[(int64_t)r * O + offset + i];
        vf* own = to + (int64_t)r * width + i;
        *own = begins ? g : *own + g;
      }
    return;
  }
  for (int64_t k = 0; k < (int64_t)n * O; k++) {
    const vf g = joined(kind, in, count, s, k, d[k]);
    to[k] = begins ? g : to[k] + g;
  }
}

}  // namespace
