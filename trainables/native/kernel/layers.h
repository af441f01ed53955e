// All layers of a chunk, forward and backward.

#pragma once

#include "activations.h"
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
  for (int64_t k = 0; k < (int64_t)n * layer.outputs; k++) sum += layer.l1 * magnitude(out[k]) + layer.l2 * (out[k] * out[k]);
  *penalty += sum / (float)n;
}

// Computes the outputs of all layers for n rows; in training, with the draws of each layer from row `first` on.
void run(const Chunk& c, const float* x, int n, bool training, const float* const* draws, int64_t first, vf* penalty) {
  const Net* net = c.net;
  Input in = {x, nullptr};
  if (net->layer[0].kind != DENSE) {
    for (int64_t k = 0; k < (int64_t)n * net->features; k++) c.work.broadcast[k] = all(x[k]);
    in = {nullptr, c.work.broadcast};
  }
  const int64_t most = widest(net);
  vf* parameters = c.work.parameters;
  for (int l = 0; l < net->layers; l++) {
    const Layer& layer = net->layer[l];
    const int I = layer.inputs, O = layer.outputs;
    const int64_t count = (int64_t)n * O;
    vf* out = c.work.output[l];
    vf* first_parameter = layer.kernel < 0 ? nullptr : parameters + layer.kernel;
    vf* second_parameter = layer.bias < 0 ? nullptr : parameters + layer.bias;
    switch (layer.kind) {
      case DENSE:
        dense(activation_of(c, layer), slope_of(c, layer), first_parameter, O, second_parameter, in, I, out, n);
        break;
      case BATCH_NORMALIZATION: {
        vf *mean = c.work.statistics + 4 * most * l, *variance = mean + most, *inverse = variance + most, *factor = inverse + most;
        vf *moving_mean = parameters + layer.mean, *moving_variance = parameters + layer.variance;
        vf *centre = moving_mean, *spread = moving_variance;
        if (training && !layer.frozen) {
          moments(in.own, I, n, mean, variance);
          for (int i = 0; i < I; i++) {
            moving_mean[i] = moving_mean[i] * layer.momentum + mean[i] * (1.0f - layer.momentum);
            moving_variance[i] = moving_variance[i] * layer.momentum + variance[i] * (1.0f - layer.momentum);
          }
          centre = mean, spread = variance;
        }
        vf* shift = c.work.folded;
        for (int i = 0; i < I; i++) {
          inverse[i] = 1.0f / root(spread[i] + layer.epsilon);
          factor[i] = first_parameter ? inverse[i] * first_parameter[i] : inverse[i];
          shift[i] = second_parameter ? second_parameter[i] : (vf){};
        }
        for (int r = 0; r < n; r++)
          for (int i = 0; i < I; i++) out[(int64_t)r * I + i] = (in.own[(int64_t)r * I + i] - centre[i]) * factor[i] + shift[i];
        break;
      }
      case ACTIVATION: activate(activation_of(c, layer), slope_of(c, layer), in.own, out, O, n); break;
      case PRELU:
        for (int r = 0; r < n; r++)
          for (int o = 0; o < O; o++) {
            vf z = in.own[(int64_t)r * O + o];
            out[(int64_t)r * O + o] = z < 0.0f ? z * first_parameter[o] : z;
          }
        break;
      case DROPOUT:
      case NOISE:
        if (!training) {
          memcpy(out, in.own, (size_t)count * sizeof(vf));
        } else if (layer.kind == DROPOUT) {
          const vf rate = c.numbers[layer.number], keep = 1.0f / (1.0f - rate);
          const float* drawn = draws[layer.draws] + first * O;
          for (int64_t k = 0; k < count; k++) out[k] = drawn[k] < rate ? (vf){} : in.own[k] * keep;
        } else {
          const vf deviation = c.numbers[layer.number];
          const float* drawn = draws[layer.draws] + first * O;
          for (int64_t k = 0; k < count; k++) out[k] = in.own[k] + drawn[k] * deviation;
        }
        break;
    }
    if (layer.penalized) penalize(layer, out, n, penalty);
    in = {nullptr, out};
  }
}

// The gradients of all weights. `d`: the gradient of the loss with respect to the outputs of layer `last`.
void run_backward(const Chunk& c, const float* x, int n, int last, vf* d, vf* other, const float* const* draws, int64_t first) {
  const Net* net = c.net;
  const int64_t most = widest(net);
  vf* parameters = c.work.parameters;
  bool ready = false;  // whether d is already the gradient before the activation of this layer
  for (int l = last; l >= 0; l--) {
    const Layer& layer = net->layer[l];
    const Layer* before = l ? net->layer + l - 1 : nullptr;
    const int I = layer.inputs, O = layer.outputs;
    const int64_t count = (int64_t)n * O;
    const Input in = l ? Input{nullptr, c.work.output[l - 1]} : net->layer[0].kind == DENSE ? Input{x, nullptr} : Input{nullptr, c.work.broadcast};
    const vf* out = c.work.output[l];
    if (layer.penalized) {
      const float share = 1.0f / (float)n;
      for (int64_t k = 0; k < count; k++) {
        vf sign = out[k] > 0.0f ? all(layer.l1) : out[k] < 0.0f ? all(-layer.l1) : (vf){};
        d[k] += (sign + 2.0f * layer.l2 * out[k]) * share;
      }
    }
    const bool inner = l > 0;
    switch (layer.kind) {
      case DENSE: {
        if (!ready) activate_backward(activation_of(c, layer), slope_of(c, layer), d, out, O, n);
        if (layer.kernel < net->weights) {
          vf* of_bias = layer.bias >= 0 && layer.bias < net->weights ? c.work.gradients + layer.bias : nullptr;
          if (in.shared) weight_gradients<true>(in, I, d, O, n, c.work.gradients + layer.kernel, of_bias);
          else weight_gradients<false>(in, I, d, O, n, c.work.gradients + layer.kernel, of_bias);
        } else if (layer.bias >= 0 && layer.bias < net->weights) {
          for (int o = 0; o < O; o++) {
            vf sum = (vf){};
            for (int r = 0; r < n; r++) sum += d[(int64_t)r * O + o];
            c.work.gradients[layer.bias + o] = sum;
          }
        }
        ready = false;
        if (inner) {
          // The product applies the activation of a dense layer right before it.
          const bool fuses = before->kind == DENSE && !before->penalized && activation_of(c, *before) <= FUSED;
          const int activation = fuses ? activation_of(c, *before) : LINEAR;
          dense_backward(activation, fuses ? slope_of(c, *before) : 0.0f, parameters + layer.kernel, O, d, in.own, I, other, n);
          ready = fuses;
          vf* swapped = d; d = other, other = swapped;
        }
        break;
      }
      case BATCH_NORMALIZATION: {
        vf *mean = c.work.statistics + 4 * most * l, *inverse = mean + 2 * most, *factor = inverse + most;
        vf *of_scale = c.work.folded, *of_offset = of_scale + most;
        const vf* centre = layer.frozen ? parameters + layer.mean : mean;
        int i = 0;
        for (; i + BLOCK <= I; i += BLOCK) sums_block<BLOCK>(d + i, in.own + i, I, n, centre + i, inverse + i, of_scale + i, of_offset + i);
        for (; i < I; i++) sums_block<1>(d + i, in.own + i, I, n, centre + i, inverse + i, of_scale + i, of_offset + i);
        for (i = 0; i < I; i++) {
          if (layer.kernel >= 0 && layer.kernel < net->weights) c.work.gradients[layer.kernel + i] = of_scale[i];
          if (layer.bias >= 0 && layer.bias < net->weights) c.work.gradients[layer.bias + i] = of_offset[i];
        }
        if (!inner) break;
        const float share = 1.0f / (float)n;
        if (layer.frozen) {
          for (int r = 0; r < n; r++) for (i = 0; i < I; i++) d[(int64_t)r * I + i] *= factor[i];
        } else {
          for (i = 0; i < I; i++) of_scale[i] = of_scale[i] * inverse[i] * share, of_offset[i] *= share;
          for (int r = 0; r < n; r++)
            for (i = 0; i < I; i++) {
              vf centred = in.own[(int64_t)r * I + i] - mean[i];
              d[(int64_t)r * I + i] = (d[(int64_t)r * I + i] - of_offset[i] - centred * of_scale[i]) * factor[i];
            }
        }
        break;
      }
      case ACTIVATION: {
        const int activation = activation_of(c, layer);
        activate_backward(activation, slope_of(c, layer), d, activation >= SILU ? in.own : out, O, n);
        break;
      }
      case PRELU: {
        const vf* alpha = parameters + layer.kernel;
        for (int o = 0; o < O; o++) {
          vf sum = (vf){};
          for (int r = 0; r < n; r++) {
            vf z = in.own[(int64_t)r * O + o], g = d[(int64_t)r * O + o];
            sum += z < 0.0f ? g * z : (vf){};
            d[(int64_t)r * O + o] = z < 0.0f ? g * alpha[o] : g;
          }
          if (layer.kernel < net->weights) c.work.gradients[layer.kernel + o] = sum;
        }
        break;
      }
      case DROPOUT: {
        const vf rate = c.numbers[layer.number], keep = 1.0f / (1.0f - rate);
        const float* drawn = draws[layer.draws] + first * O;
        for (int64_t k = 0; k < count; k++) d[k] = drawn[k] < rate ? (vf){} : d[k] * keep;
        break;
      }
      case NOISE: break;
    }
  }
}

}  // namespace
