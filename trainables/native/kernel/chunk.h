// Loads the models of a chunk into vectors, measures what they predict, and stores them.

#pragma once

#include "areas.h"
#include "expressions.h"
#include "layers.h"
#include "measures.h"

namespace {

void load(vf* to, const float* from, int64_t numbers, const int* model) {
  for (int l = 0; l < V; l++) {
    const float* own = from + (int64_t)model[l] * numbers;
    for (int64_t k = 0; k < numbers; k++) ((float*)to)[k * V + l] = own[k];
  }
}

void store(float* to, const vf* from, int64_t numbers, const int32_t* lane) {
  for (int l = 0; l < V; l++) {
    if (lane[l] < 0) continue;
    float* own = to + (int64_t)lane[l] * numbers;
    for (int64_t k = 0; k < numbers; k++) own[k] = ((const float*)from)[k * V + l];
  }
}

// Keeps the outputs of n rows, from row `first` on: [lanes][rows][outputs].
void keep(float* to, const vf* y, int K, int64_t rows, int64_t first, int n) {
  for (int l = 0; l < V; l++)
    for (int64_t k = 0; k < (int64_t)n * K; k++) to[((int64_t)l * rows + first) * K + k] = ((const float*)y)[k * V + l];
}

// The layer whose outputs are the logits: the one before the last activation, if the loss or a metric takes its input.
INLINE int logits_layer(const Net* net) {
  for (int k = 0; k < net->measures; k++)
    if (is_of_logits(net->measured[k]) && net->layer[net->layers - 1].kind == ACTIVATION) return net->layers - 2;
  return net->layers - 1;
}

// Whether the outputs of a chunk are the logistic function of the logits.
INLINE bool is_logistic(const Chunk& c) {
  const Layer& last = c.net->layer[c.net->layers - 1];
  return last.kind == ACTIVATION && last.activation >= 0 && c.activation[last.activation] == SIGMOID;
}

// Loads chunk number `number`: parameters, settings and sums.
void load_chunk(Chunk& c, const Net* net, const Models* models, int number, const Work& work) {
  c.net = net, c.work = work;
  c.lane = models->lane + (int64_t)number * V;
  c.activation = models->activation + (int64_t)number * net->activations;
  c.slope = models->slope + (int64_t)number * net->activations;
  for (int l = 0; l < V; l++) c.from[l] = c.lane[l] < 0 ? c.lane[0] : c.lane[l];
  load(c.work.parameters, models->weights, net->weights, c.from);
  load(c.work.parameters + net->weights, models->states, net->states, c.from);
  load(c.numbers, models->settings, net->settings, c.from);
  const int measures = net->measures;
  for (int l = 0; l < V; l++)
    for (int m = 0; m <= measures; m++) c.sums[m][l] = models->sums[(int64_t)c.from[l] * (measures + 1) + m];
}

void store_sums(const Chunk& c, const Models* models) {
  const int measures = c.net->measures;
  for (int l = 0; l < V; l++)
    if (c.lane[l] >= 0)
      for (int m = 0; m <= measures; m++) models->sums[(int64_t)c.lane[l] * (measures + 1) + m] = c.sums[m][l];
}

// Some rows, from row `first` on, beside what the models predict for them.
struct Batch {
  const float *x, *t, *weight;
  const vf *y, *z;  // outputs and logits
  int64_t first;
  int n;
};

Batch batch_of(const Chunk& c, const Rows* rows, int64_t first, int most) {
  const Net* net = c.net;
  const float* weight = rows->weight ? rows->weight + first : nullptr;
  const int n = (int)(rows->rows - first < most ? rows->rows - first : most);
  return {rows->x + first * net->features, rows->y + first * net->targets, weight, c.work.output[net->layers - 1],
          c.work.output[logits_layer(net)], first, n};
}

// What is wanted of the outputs of a chunk beside the sums of measures; null: not wanted.
struct Wanted {
  float* outputs;  // [lanes][rows][outputs]
  double* counts;  // [counts][V]
};

Wanted wanted_of(const Net* net, const Rows* rows, int number, float* outputs, double* counts) {
  return {outputs ? outputs + (int64_t)number * V * rows->rows * net->outputs : nullptr,
          counts ? counts + (int64_t)number * V * net->counts : nullptr};
}

// Adds the measures of a batch, which the models have predicted, to the sums, and does what else is wanted.
// d: where the gradient of a loss goes that is an expression; null: not wanted.
void measure(Chunk& c, const Batch& b, const Wanted& wanted, int64_t rows, vf* d) {
  const Net* net = c.net;
  for (int m = 0; m < net->measures; m++) {
    const Measured& one = net->measured[m];
    vf sum = one.measure == EXPRESSION ? express(net, one, b.y, b.z, b.t, b.weight, b.n, c.work.columns, m ? nullptr : d)
                                       : sum_over_rows(one, b.y, b.z, b.t, b.weight, net->outputs, net->targets, b.n);
    for (int l = 0; l < V; l++) c.sums[m][l] += sum[l];
  }
  if (wanted.outputs) keep(wanted.outputs, b.y, net->outputs, rows, b.first, b.n);
  double* counts = wanted.counts;
  for (int k = 0; counts && k < net->areas; k++) {
    count(net->area[k], b.y, b.t, b.weight, net->outputs, b.n, counts);
    counts += counted(net->area[k]) * V;
  }
}

}  // namespace
