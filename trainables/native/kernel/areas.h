// Counts what models predict between thresholds, from which the areas under curves are computed.

#pragma once

#include "lanes.h"
#include "structures.h"

namespace {

// The numbers that one model counts for an area: rows that are false, then rows that are true, in buckets. Bucket k is above
// threshold k and at most threshold k + 1. The one before the last has nothing in it, the last one what is not a number.
INLINE int64_t counted(const Area& area) { return 2 * ((int64_t)area.thresholds + 1); }

// Adds n rows to the counts of one area, [number][V]. y: outputs; t: targets, of which all but 0 are true; K: numbers in a row.
// The rule is that of Keras for thresholds that are evenly distributed from 0 to 1.
void count(const Area& area, const vf* y, const float* t, const float* weight, int K, int n, double* counts) {
  const float last = (float)(area.thresholds - 1);
  const bool weighs = area.weighted && weight;
  for (int r = 0; r < n; r++) {
    const double one = weighs ? weight[r] : 1.0;
    for (int k = 0; k < K; k++, y++, t++) {
      vf bucket = __builtin_elementwise_ceil(*y * last);
      bucket = bucket < 1.0f ? all(1.0f) : bucket > last ? all(last) : bucket;
      bucket = bucket != bucket ? all(last + 2.0f) : bucket;
      const vi position = (__builtin_convertvector(bucket, vi) - 1) * V;
      double* own = counts + (*t != 0.0f ? ((int64_t)area.thresholds + 1) * V : 0);
      UNROLL for (int l = 0; l < V; l++) own[position[l] + l] += one;
    }
  }
}

}  // namespace
