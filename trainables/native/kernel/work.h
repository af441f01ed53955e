// The memory of a chunk.

#pragma once

#include "lanes.h"
#include "structures.h"

namespace {

// The memory of a chunk. Each part begins at a multiple of 64 bytes.
struct Work {
  vf *parameters, *slot[3], *gradients, *output[MOST_LAYERS], *one, *other, *statistics, *folded, *broadcast;
  int64_t bytes;
};

INLINE int64_t widest(const Net* net) {
  int64_t most = net->features;
  for (int l = 0; l < net->layers; l++) most = net->layer[l].outputs > most ? net->layer[l].outputs : most;
  return most;
}

Work lay_out(const Net* net, char* memory, int rows) {
  Work work;
  int64_t used = 0;
  auto take = [&](int64_t count) {
    char* found = memory ? memory + used : nullptr;
    used += (count * (int64_t)sizeof(vf) + 63) / 64 * 64;
    return (vf*)found;
  };
  const int64_t most = widest(net), parameters = net->weights + net->states;
  work.parameters = take(parameters);
  for (int k = 0; k < 3; k++) work.slot[k] = k < net->slots ? take(net->weights) : nullptr;
  work.gradients = take(net->weights);
  work.statistics = take(4 * most * net->layers);  // for each normalization: mean, variance, inverse, factor
  work.folded = take(2 * most);
  work.broadcast = take(net->layer[0].kind == DENSE ? 0 : (int64_t)rows * net->features);
  for (int l = 0; l < net->layers; l++) work.output[l] = take((int64_t)rows * net->layer[l].outputs);
  work.one = take((int64_t)rows * most);
  work.other = take((int64_t)rows * most);
  work.bytes = used;
  return work;
}

}  // namespace
