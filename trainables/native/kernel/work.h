// The memory of a chunk.

#pragma once

#include "lanes.h"
#include "structures.h"

namespace {

// The memory of a chunk. Each part begins at a multiple of 64 bytes.
struct Work {
  vf *parameters, *slot[3], *gradients, *output[MOST_LAYERS];
  vf* gradient[MOST_LAYERS];  // of the outputs of a layer, if it is a sum or must wait for its turn; else null
  vf *one, *other;            // the other gradients of outputs, in turn
  vf* moments[MOST_LAYERS];   // of a layer normalization: mean and inverse deviation of each row; else null
  vf *statistics, *folded, *broadcast, *columns;
  int64_t bytes;
};

INLINE int64_t widest(const Net* net) {
  int64_t most = net->features;
  for (int l = 0; l < net->layers; l++) most = net->layer[l].outputs > most ? net->layer[l].outputs : most;
  return most;
}

// Whether a layer takes the rows of the table as vectors: products take them as they are.
INLINE bool needs_vectors(const Net* net) {
  for (int l = 0; l < net->layers; l++)
    for (int k = 0; k < net->layer[l].sources; k++)
      if (net->source[net->layer[l].source + k] == ROWS_OF_TABLE && net->layer[l].kind != DENSE) return true;
  return false;
}

// Whether the gradient of a layer's outputs goes on right after the layer behind it was passed: that is its only reader, and
// changes it in place or makes another one of it.
INLINE bool goes_on(const Net* net, int l) {
  int readers = 0;
  for (int k = 0; k < net->sources; k++) readers += net->source[k] == l;
  if (l + 1 == net->layers) return true;
  const Layer& next = net->layer[l + 1];
  bool reads = false;
  for (int k = 0; k < next.sources; k++) reads |= net->source[next.source + k] == l;
  return readers == 1 && reads && (next.sources == 1 || next.kind == ADD) && next.kind < SUBTRACT;
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
  work.broadcast = take(needs_vectors(net) ? (int64_t)rows * net->features : 0);
  for (int l = 0; l < net->layers; l++) work.output[l] = take((int64_t)rows * net->layer[l].outputs);
  for (int l = 0; l < net->layers; l++) work.gradient[l] = goes_on(net, l) ? nullptr : take((int64_t)rows * net->layer[l].outputs);
  for (int l = 0; l < net->layers; l++) work.moments[l] = net->layer[l].kind == LAYER_NORMALIZATION ? take(2 * (int64_t)rows) : nullptr;
  work.one = take((int64_t)rows * most);
  work.other = take((int64_t)rows * most);
  work.columns = take((int64_t)net->columns * STRIP);
  work.bytes = used;
  return work;
}

}  // namespace
