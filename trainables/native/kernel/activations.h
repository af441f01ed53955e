// Activation functions and their gradients, of a vector and of the units of many rows.

#pragma once

#include <string.h>
#include "functions.h"
#include "structures.h"

namespace {

constexpr float SELU_SCALE = 1.0507009873554805f, SELU_ALPHA = 1.6732632423543772f;
constexpr float ROOT_HALF = 0.70710678118654752f, ROOT_2_PI = 0.79788456080286536f;

// The value of an activation. A number that is not a number stays so.
template <int A>
INLINE vf activated(vf z, float slope) {
  switch (A) {
    case RELU: return z < 0.0f ? (vf){} : z;
    case ELU: return z < 0.0f ? slope * expm1(z) : z;
    case SELU: return z < 0.0f ? expm1(z) * (SELU_SCALE * SELU_ALPHA) : z * SELU_SCALE;
    case TANH: return hyperbolic_tangent(z);
    case SIGMOID: return logistic(z);
    case SOFTPLUS: return softplus(z);
    case EXPONENTIAL: return exponential(z);
    case RELU6: return z < 0.0f ? (vf){} : z > 6.0f ? all(6.0f) : z;
    case LEAKY_RELU: return z < 0.0f ? z * slope : z;
    case SOFTSIGN: return z / (magnitude(z) + 1.0f);
    case HARD_SIGMOID: { vf t = z * (1.0f / 6.0f) + 0.5f; return t < 0.0f ? (vf){} : t > 1.0f ? all(1.0f) : t; }
    case HARD_TANH: return z < -1.0f ? all(-1.0f) : z > 1.0f ? all(1.0f) : z;
    case SILU: return z * logistic(z);
    case GELU: return 0.5f * z * (1.0f + error_function(z * ROOT_HALF));
    case GELU_TANH: return 0.5f * z * (1.0f + hyperbolic_tangent(ROOT_2_PI * (z + 0.044715f * z * z * z)));
    case MISH: return z * hyperbolic_tangent(softplus(z));
    case HARD_SILU: { vf t = z * (1.0f / 6.0f) + 0.5f; return z * (t < 0.0f ? (vf){} : t > 1.0f ? all(1.0f) : t); }
    default: return z;
  }
}

// The gradient before an activation, from the gradient g behind it. `a` is the activation's output, or its input if it
// needs that.
template <int A>
INLINE vf backward(vf g, vf a, float slope) {
  switch (A) {
    case RELU: return a > 0.0f ? g : (vf){};
    case ELU: return a < 0.0f ? g * (a + slope) : g;
    case SELU: return g * (a < 0.0f ? a + SELU_SCALE * SELU_ALPHA : all(SELU_SCALE));
    case TANH: return g - g * (a * a);
    case SIGMOID: return g * (a - a * a);
    case SOFTPLUS: return g * -expm1(-a);
    case EXPONENTIAL: return g * a;
    case RELU6: return a > 0.0f && a < 6.0f ? g : (vf){};
    case LEAKY_RELU: return a > 0.0f ? g : g * slope;
    case SOFTSIGN: { vf t = 1.0f - magnitude(a); return g * t * t; }
    case HARD_SIGMOID: return a > 0.0f && a < 1.0f ? g * (1.0f / 6.0f) : (vf){};
    case HARD_TANH: return a > -1.0f && a < 1.0f ? g : (vf){};
    case SILU: { vf s = logistic(a); return g * (s + a * (s - s * s)); }
    case GELU:
      return g * (0.5f * (1.0f + error_function(a * ROOT_HALF)) + a * (0.5f * ROOT_2_PI) * exponential(-0.5f * a * a));
    case GELU_TANH: {
      vf t = hyperbolic_tangent(ROOT_2_PI * (a + 0.044715f * a * a * a));
      return g * (0.5f * (1.0f + t) + 0.5f * a * (1.0f - t * t) * (ROOT_2_PI * (1.0f + 0.134145f * a * a)));
    }
    case MISH: {
      vf t = hyperbolic_tangent(softplus(a));
      return g * (t + a * (1.0f - t * t) * logistic(a));
    }
    case HARD_SILU: return a <= -3.0f ? (vf){} : a >= 3.0f ? g : g * (a * (1.0f / 3.0f) + 0.5f);
    default: return g;
  }
}

#define BY_ACTIVATION(CALL)                                                                                       \
  switch (activation) {                                                                                           \
    CALL(RELU) CALL(ELU) CALL(SELU) CALL(TANH) CALL(SIGMOID) CALL(SOFTPLUS) CALL(EXPONENTIAL) CALL(RELU6)         \
    CALL(LEAKY_RELU) CALL(SOFTSIGN) CALL(HARD_SIGMOID) CALL(HARD_TANH) CALL(SILU) CALL(GELU) CALL(MISH)           \
    CALL(HARD_SILU) CALL(GELU_TANH) default: CALL_LINEAR                                                          \
  }

void softmax(const vf* in, vf* out, int O, int n) {
  for (int r = 0; r < n; r++, in += O, out += O) {
    vf top = in[0], sum = (vf){};
    for (int o = 1; o < O; o++) top = larger(in[o], top);
    for (int o = 0; o < O; o++) sum += out[o] = exponential(in[o] - top);
    for (int o = 0; o < O; o++) out[o] /= sum;
  }
}

void activate(int activation, float slope, const vf* in, vf* out, int O, int n) {
  const int64_t count = (int64_t)n * O;
  if (activation == SOFTMAX) return softmax(in, out, O, n);
#define CALL(A) case A: for (int64_t k = 0; k < count; k++) out[k] = activated<A>(in[k], slope); break;
#define CALL_LINEAR if (in != out) memcpy(out, in, (size_t)count * sizeof(vf));
  BY_ACTIVATION(CALL)
#undef CALL
#undef CALL_LINEAR
}

// Replaces the gradient d behind an activation by the one before it; `h` as in `backward`.
void activate_backward(int activation, float slope, vf* d, const vf* h, int O, int n) {
  const int64_t count = (int64_t)n * O;
  if (activation == SOFTMAX) {
    for (int r = 0; r < n; r++, d += O, h += O) {
      vf sum = (vf){};
      for (int o = 0; o < O; o++) sum += d[o] * h[o];
      for (int o = 0; o < O; o++) d[o] = (d[o] - sum) * h[o];
    }
    return;
  }
#define CALL(A) case A: for (int64_t k = 0; k < count; k++) d[k] = backward<A>(d[k], h[k], slope); break;
#define CALL_LINEAR ;
  BY_ACTIVATION(CALL)
#undef CALL
#undef CALL_LINEAR
}

}  // namespace
