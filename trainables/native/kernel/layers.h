// All layers of a chunk, forward and backward.

#pragma once

#include "activations.h"
#include "joins.h"
#include "normalization.h"
#include "products.h"
#include "work.h"

namespace {

struct Chunk {
  const Net* net;
  Work work;
  const int32_t* lane;  // the model in each lane; -1: none
  int from[V];          // the model whose numbers each lane has
  const int32_t* activation;
  const float* slope;
  vf numbers[MOST_SETTINGS];            // the settings
  double sums[MOST_MEASURES + 1][V];    // over rows, for each measure; last: of penalties
};

INLINE int activation_of(const Chunk& c, const Layer& layer) { return layer.activation < 0 ? LINEAR : c.activation[layer.activation]; }
INLINE float slope_of(const Chunk& c, const Layer& layer) { return layer.activation < 0 ? 0.0f : c.slope[layer.activation]; }

// The penalty of the outputs of a layer, a mean over n rows, which is added to `penalty`.
void penalize(const Layer& layer, const vf* out, int n, vf* penalty) {
  vf sum = (vf){};
  for (int64_t k = 0; k < (int64_t)n * layer.outputs; k++) {
    // A strength of 0 times a square that overflows would be no number.
    vf size = layer.l1 != 0.0f ? magnitude(out[k]) : (vf){}, square = layer.l2 != 0.0f ? out[k] * out[k] : (vf){};
    sum += layer.l1 * size + layer.l2 * square;
  }
  *penalty += sum / (float)n;
}

// What a layer takes: the outputs of another layer, or the rows of the table.
INLINE Input taken(const Chunk& c, int source, const float* x, bool as_they_are) {
  if (source != ROWS_OF_TABLE) return {nullptr, c.work.output[source]};
  return as_they_are ? Input{x, nullptr} : Input{nullptr, c.work.broadcast};
}

// All that a layer joins, and the numbers in a row of each.
INLINE void sources_of(const Chunk& c, const Layer& layer, const vf** in, int* width) {
  for (int s = 0; s < layer.sources; s++) {
    const int source = c.net->source[layer.source + s];
    in[s] = taken(c, source, nullptr, false).own;
    width[s] = source == ROWS_OF_TABLE ? c.net->features : c.net->layer[source].outputs;
  }
}

INLINE vf* parameters_at(const Chunk& c, int position) { return position < 0 ? nullptr : c.work.parameters + position; }
INLINE vf* gradients_at(const Chunk& c, int position) {  // null if they are not trained
  return position < 0 || position >= c.net->weights ? nullptr : c.work.gradients + position;
}

INLINE Normalized normalized(const Chunk& c, int l, int64_t most) {
  const Layer& layer = c.net->layer[l];
  vf* kept = c.work.statistics + 4 * most * l;
  return {parameters_at(c, layer.kernel), parameters_at(c, layer.bias), parameters_at(c, layer.mean), parameters_at(c, layer.variance),
          kept, kept + most, kept + 2 * most, kept + 3 * most, layer.frozen != 0, layer.epsilon, layer.momentum, layer.complement};
}

// Computes the outputs of all layers for n rows; in training, with the draws of each layer from their row `first` on.
void run(const Chunk& c, const float* x, int n, bool training, const float* const* draws, int64_t first, vf* penalty) {
  const Net* net = c.net;
  if (needs_vectors(net)) for (int64_t k = 0; k < (int64_t)n * net->features; k++) c.work.broadcast[k] = all(x[k]);
  const int64_t most = widest(net);
  for (int l = 0; l < net->layers; l++) {
    const Layer& layer = net->layer[l];
    const int I = layer.inputs, O = layer.outputs;
    const int64_t count = (int64_t)n * O;
    const Input in = taken(c, net->source[layer.source], x, layer.kind == DENSE);
    vf *out = c.work.output[l], *kernel = parameters_at(c, layer.kernel);
    switch (layer.kind) {
      case DENSE:
        dense(activation_of(c, layer), slope_of(c, layer), kernel, O, parameters_at(c, layer.bias), in, I, out, n);
        break;
      case BATCH_NORMALIZATION: normalize(normalized(c, l, most), in.own, I, out, n, training, c.work.folded); break;
      case LAYER_NORMALIZATION:
        normalize_rows(kernel, parameters_at(c, layer.bias), layer.epsilon, in.own, I, out, n, c.work.moments[l]);
        break;
      case ACTIVATION: activate(activation_of(c, layer), slope_of(c, layer), in.own, out, O, n); break;
      case PRELU:
        for (int r = 0; r < n; r++)
          for (int o = 0; o < O; o++) {
            vf z = in.own[(int64_t)r * O + o];
            out[(int64_t)r * O + o] = z < 0.0f ? z * kernel[o] : z;
          }
        break;
      case DROPOUT:
      case NOISE:
        if (!training) {
          memcpy(out, in.own, (size_t)count * sizeof(vf));
        } else if (layer.kind == DROPOUT) {
          const vf rate = c.numbers[layer.number], keep = 1.0f / c.numbers[layer.number + 1];
          const float* drawn = draws[layer.draws] + first * O;
          for (int64_t k = 0; k < count; k++) out[k] = drawn[k] < rate ? (vf){} : in.own[k] * keep;
        } else {
          const vf deviation = c.numbers[layer.number];
          const float* drawn = draws[layer.draws] + first * O;
          for (int64_t k = 0; k < count; k++) out[k] = in.own[k] + drawn[k] * deviation;
        }
        break;
      default: {
        const vf* joined[MOST];
        int width[MOST];
        sources_of(c, layer, joined, width);
        join(layer.kind, joined, width, layer.sources, O, out, n);
      }
    }
    if (layer.penalized) penalize(layer, out, n, penalty);
  }
}

// The gradients of all weights. work.one: the gradient of the loss with respect to the outputs of layer `last`.
//
// A gradient goes from a layer to the one before it in work.one or work.other. Where several layers read one, or another
// layer is in between, it waits in work.gradient, to which each reader adds its part.
void run_backward(const Chunk& c, const float* x, int n, int last, const float* const* draws, int64_t first) {
  const Net* net = c.net;
  const Work& work = c.work;
  const int64_t most = widest(net);
  bool begun[MOST_LAYERS] = {};  // whether a part of it is in work.gradient
  bool ready = false;  // whether d is already the gradient before the activation of this layer
  vf* d = work.one;
  for (int l = last; l >= 0; l--) {
    const Layer& layer = net->layer[l];
    const int I = layer.inputs, O = layer.outputs, source = net->source[layer.source];
    const int64_t count = (int64_t)n * O;
    const Input in = taken(c, source, x, layer.kind == DENSE);
    const vf *out = work.output[l], *kernel = parameters_at(c, layer.kernel);
    const bool inner = source != ROWS_OF_TABLE;
    vf* waiting = inner ? work.gradient[source] : nullptr;
    if (work.gradient[l]) d = work.gradient[l];
    if (layer.penalized) {
      const float share = 1.0f / (float)n;
      for (int64_t k = 0; k < count; k++) {
        vf sign = out[k] > 0.0f ? all(layer.l1) : out[k] < 0.0f ? all(-layer.l1) : (vf){};
        d[k] += (layer.l2 != 0.0f ? sign + 2.0f * layer.l2 * out[k] : sign) * share;
      }
    }
    switch (layer.kind) {
      case DENSE: {
        if (!ready) activate_backward(activation_of(c, layer), slope_of(c, layer), d, out, O, n);
        ready = false;
        vf *of_kernel = gradients_at(c, layer.kernel), *of_bias = gradients_at(c, layer.bias);
        if (of_kernel && in.shared) weight_gradients<true>(in, I, d, O, n, of_kernel, of_bias);
        else if (of_kernel) weight_gradients<false>(in, I, d, O, n, of_kernel, of_bias);
        else if (of_bias) sum_rows(d, O, n, of_bias);
        if (!inner) break;
        // The product applies the activation of a dense layer right before it.
        const Layer& before = net->layer[source];
        const bool fuses = !waiting && before.kind == DENSE && !before.penalized && activation_of(c, before) <= FUSED;
        const int activation = fuses ? activation_of(c, before) : LINEAR;
        vf* to = waiting && !begun[source] ? waiting : d == work.one ? work.other : work.one;
        dense_backward(activation, fuses ? slope_of(c, before) : 0.0f, kernel, O, d, in.own, I, to, n);
        ready = fuses;
        d = to;
        break;
      }
      case BATCH_NORMALIZATION:
        normalize_backward(normalized(c, l, most), in.own, I, d, n, inner, work.folded, work.folded + most, gradients_at(c, layer.kernel),
                           gradients_at(c, layer.bias));
        break;
      case LAYER_NORMALIZATION:
        normalize_rows_backward(kernel, in.own, I, d, n, work.moments[l], inner, gradients_at(c, layer.kernel), gradients_at(c, layer.bias));
        break;
      case ACTIVATION: {
        const int activation = activation_of(c, layer);
        activate_backward(activation, slope_of(c, layer), d, activation >= SILU ? in.own : out, O, n);
        break;
      }
      case PRELU: {
        vf* of_slope = gradients_at(c, layer.kernel);
        for (int o = 0; o < O; o++) {
          vf sum = (vf){};
          for (int r = 0; r < n; r++) {
            vf z = in.own[(int64_t)r * O + o], g = d[(int64_t)r * O + o];
            sum += z < 0.0f ? g * z : (vf){};
            d[(int64_t)r * O + o] = z < 0.0f ? g * kernel[o] : g;
          }
          if (of_slope) of_slope[o] = sum;
        }
        break;
      }
      case DROPOUT: {
        const vf rate = c.numbers[layer.number], keep = 1.0f / c.numbers[layer.number + 1];
        const float* drawn = draws[layer.draws] + first * O;
        for (int64_t k = 0; k < count; k++) d[k] = drawn[k] < rate ? (vf){} : d[k] * keep;
        break;
      }
      case NOISE: break;
      default: {
        const vf* joined[MOST];
        int width[MOST];
        sources_of(c, layer, joined, width);
        for (int s = 0, offset = 0; s < layer.sources; s++) {
          const int of = net->source[layer.source + s];
          vf* to = of == ROWS_OF_TABLE ? nullptr : work.gradient[of];
          if (to) join_backward(layer.kind, joined, layer.sources, s, width[s], offset, d, O, to, !begun[of], n);
          if (to) begun[of] = true;
          offset += layer.kind == CONCATENATE ? width[s] : 0;
        }
        continue;  // a gradient that does not wait is d itself
      }
    }
    if (!waiting) continue;
    if (!begun[source]) {
      if (d != waiting) memcpy(waiting, d, (size_t)n * I * sizeof(vf));
    } else {
      for (int64_t k = 0; k < (int64_t)n * I; k++) waiting[k] += d[k];
    }
    begun[source] = true;
  }
}

}  // namespace
