// Checks what a caller passes, so that nothing outside of its arrays is read or written.

#pragma once

#include "areas.h"
#include "expressions.h"
#include "lanes.h"
#include "measures.h"
#include "work.h"

namespace {

// Whether each layer takes what was computed before it, in the right widths, and each output but the last is taken.
bool are_joined(const Net* net) {
  bool is_taken[MOST_LAYERS] = {};
  if (!is_among(net->sources, 1, MOST)) return false;
  for (int l = 0; l < net->layers; l++) {
    const Layer& layer = net->layer[l];
    if (layer.source < 0 || layer.sources < 1 || (int64_t)layer.source + layer.sources > net->sources) return false;
    if (layer.sources != 1 && layer.kind < ADD) return false;
    if (layer.kind == SUBTRACT && layer.sources != 2) return false;
    int64_t sum = 0;
    for (int s = 0; s < layer.sources; s++) {
      const int source = net->source[layer.source + s];
      if (!is_among(source, ROWS_OF_TABLE, l - 1)) return false;
      const int width = source == ROWS_OF_TABLE ? net->features : net->layer[source].outputs;
      if (layer.kind != CONCATENATE && width != layer.inputs) return false;
      if (source != ROWS_OF_TABLE) is_taken[source] = true;
      sum += width;
    }
    if (layer.kind == CONCATENATE && sum != layer.inputs) return false;
  }
  for (int l = 0; l + 1 < net->layers; l++) if (!is_taken[l]) return false;
  return true;
}

// Whether the instructions of a measure are there, and all columns that they name.
bool is_expressed(const Net* net, const Measured& m, bool is_loss) {
  const int64_t columns = net->columns, inputs = net->targets + 2 * (int64_t)net->outputs;
  if (m.first < 0 || m.constants < 0 || m.constants > m.values || m.values > m.end || (int64_t)m.first + m.end > net->instructions) return false;
  if (inputs > columns || !is_among(m.value_at, 0, net->columns - 1)) return false;
  if (is_loss && (m.gradient_at < 0 || m.gradient_at + (int64_t)net->outputs > columns)) return false;
  for (int k = 0; k < m.end; k++) {
    const Instruction& i = net->instruction[m.first + k];
    if (!is_among(i.operation, CONSTANT, LEAST) || !is_among(i.width, 1, net->columns)) return false;
    if (i.to < 0 || i.to + (int64_t)(reduces(i.operation) ? 1 : i.width) > columns) return false;
    for (int s = 0; s < 3; s++) {
      if (!is_among(i.step[s], 0, 1) || i.from[s] < 0) return false;
      if (i.from[s] + (int64_t)(i.step[s] ? i.width : 1) > columns) return false;
    }
  }
  return true;
}

// Whether all positions of a net are inside its arrays.
bool is_sound(const Net* net) {
  const int64_t weights = net->weights, all = weights + net->states;
  if (!is_among(net->layers, 1, MOST_LAYERS) || !is_among(net->slots, 0, 3) || net->batch < 1 || net->features < 1) return false;
  if (!is_among(net->settings, SETTINGS, MOST_SETTINGS) || !is_among(net->measures, 1, MOST_MEASURES)) return false;
  if (weights < 1 || net->states < 0 || all > INT32_MAX || net->targets < 1) return false;
  if (!is_among(net->optimizers, 1, MOST) || net->variables < 1 || !is_among(net->penalties, 0, MOST)) return false;
  if (!is_among(net->constraints, 0, MOST)) return false;
  if (!is_among(net->instructions, 0, MOST_INSTRUCTIONS) || !is_among(net->columns, 0, MOST_COLUMNS)) return false;
  // A variable is trained as a whole or not at all.
  auto is_inside = [&](int64_t first, int64_t count) { return first >= 0 && first + count <= (first < weights ? weights : all); };
  int drawing = 0;
  if (!are_joined(net) || widest(net) * (int64_t)net->batch > MOST_NUMBERS) return false;
  for (int l = 0; l < net->layers; l++) drawing += net->layer[l].kind == DROPOUT || net->layer[l].kind == NOISE;
  for (int l = 0; l < net->layers; l++) {
    const Layer& layer = net->layer[l];
    const int64_t I = layer.inputs, O = layer.outputs;
    if (!is_among(layer.kind, DENSE, CONCATENATE) || I < 1 || O < 1 || layer.activation >= net->activations) return false;
    if (layer.kind != DENSE && I != O) return false;
    if (layer.kernel >= 0 && !is_inside(layer.kernel, layer.kind == DENSE ? I * O : O)) return false;
    if (layer.bias >= 0 && !is_inside(layer.bias, O)) return false;
    if ((layer.kind == DENSE || layer.kind == PRELU) && layer.kernel < 0) return false;
    if (layer.kind == BATCH_NORMALIZATION && !(is_inside(layer.mean, O) && is_inside(layer.variance, O))) return false;
    if (layer.kind == DROPOUT || layer.kind == NOISE)
      if (!is_among(layer.number, SETTINGS, net->settings - (layer.kind == DROPOUT ? 2 : 1)) || !is_among(layer.draws, 0, drawing - 1)) return false;
  }
  if (net->layer[net->layers - 1].outputs != net->outputs) return false;
  int end = 0;
  for (int v = 0; v < net->variables; v++) {
    if (net->variable[v].first != end || net->variable[v].end < end || net->variable[v].end > weights) return false;
    end = net->variable[v].end;
  }
  if (end != weights) return false;
  for (int k = 0; k < net->penalties; k++) if (!is_among(net->penalty[k], 0, net->variables - 1)) return false;
  for (int k = 0; k < net->optimizers; k++) {
    const Optimizer& one = net->optimizer[k];
    if (!is_among(one.rule, SGD, LION) || !is_among(one.clip, 0, 3) || one.scheduled >= net->optimizers) return false;
    for (int s = 0; s < 3; s++) if (one.slot[s] >= net->slots) return false;
  }
  for (int k = 0; k < net->constraints; k++) {
    const Constraint& one = net->constraint[k];
    if (!is_among(one.kind, NON_NEGATIVE, MIN_MAX_NORM) || one.first < 0 || one.groups < 1 || one.length < 1) return false;
    if (one.step < 0 || one.stride < 0) return false;
    const int64_t last = one.first + (one.groups - 1) * (int64_t)one.step + (one.length - 1) * (int64_t)one.stride;
    if (last >= weights) return false;
  }
  if (!is_among(net->areas, 0, MOST_AREAS) || (net->areas && net->targets != net->outputs)) return false;
  int64_t counts = 0;
  for (int k = 0; k < net->areas; k++) {
    if (!is_among(net->area[k].thresholds, 2, MOST_THRESHOLDS)) return false;
    counts += counted(net->area[k]);
  }
  if (counts != net->counts) return false;
  for (int k = 0; k < net->measures; k++) {
    const Measured& m = net->measured[k];
    const bool is_sparse = m.measure == SPARSE_CROSSENTROPY || m.measure == SPARSE_ACCURACY;
    if (!is_among(m.measure, MSE, EXPRESSION)) return false;
    if (m.measure == EXPRESSION ? !is_expressed(net, m, k == 0) : net->targets != (is_sparse ? 1 : net->outputs)) return false;
    if (is_of_logits(m) && net->layer[net->layers - 1].kind == ACTIVATION && net->layers < 2) return false;
  }
  return true;
}

// Whether chunks of models are such that all that they name is there.
bool are_sound(const Net* net, const Models* models, int chunks, bool trains) {
  for (int chunk = 0; chunk < chunks; chunk++) {
    const int32_t *lane = models->lane + (int64_t)chunk * V, *activation = models->activation + (int64_t)chunk * net->activations;
    if (lane[0] < 0) return false;
    for (int l = 0; trains && l < V; l++)
      if (lane[l] >= 0 && !is_among(models->optimizer[lane[l]], 0, net->optimizers - 1)) return false;
    for (int k = 0; k < net->activations; k++) if (!is_among(activation[k], LINEAR, GELU_TANH)) return false;
  }
  return true;
}

}  // namespace
