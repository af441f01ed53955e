// The steps of the optimizers, and the clipping of gradients.

#pragma once

#include <math.h>
#include "work.h"

namespace {

struct Step {
  vf rate, momentum, beta_1c, beta_2, beta_2c, rho, rho_c, beta_1, epsilon, decay;
  vf alpha;                     // Adam: the rate with both corrections; Adamax: 1 - beta_1^t
  vf u, u_next, product, product_next, correction;  // Nadam
};

// One step of one rule for n numbers, in the lanes of `mask` if MASKED. `keep`: 1 where the weights decay, or null.
template <int RULE, bool MASKED>
__attribute__((noinline)) void update(vf* __restrict w, const vf* __restrict g, vf* __restrict s0, vf* __restrict s1,
                                      vf* __restrict s2, int64_t n, const Step& s, const float* keep, vi mask, bool centred,
                                      bool has_momentum) {
#if defined(__clang__)
#pragma clang fp contract(off)  // as Keras: each operation rounds
#endif
  for (int64_t k = 0; k < n; k++) {
    vf x = w[k], d = g[k], a = s0 ? s0[k] : (vf){}, b = s1 ? s1[k] : (vf){}, c = s2 ? s2[k] : (vf){};
    if (keep) x = x - x * s.decay * s.rate * keep[k];
    switch (RULE) {
      case SGD: x = x - d * s.rate; break;
      case MOMENTUM: a = a * s.momentum - d * s.rate; x = x + a; break;
      case NESTEROV: a = a * s.momentum - d * s.rate; x = x + (a * s.momentum - d * s.rate); break;
      case RMSPROP: {  // slots: velocity, momentum, average gradient
        a = s.rho * a + s.rho_c * (d * d);
        vf under = a + s.epsilon;
        if (centred) {
          c = s.rho * c + s.rho_c * d;
          under = a - c * c + s.epsilon;
        }
        vf change = s.rate * d / root(under);
        if (has_momentum) b = s.momentum * b + change, change = b;
        x = x - change;
        break;
      }
      case ADAM:
      case AMSGRAD: {
        a = a + (d - a) * s.beta_1c;
        b = b + (d * d - b) * s.beta_2c;
        vf top = b;
        if (RULE == AMSGRAD) top = c = larger(c, b);
        x = x - a * s.alpha / (root(top) + s.epsilon);
        break;
      }
      case NADAM: {
        a = a + (d - a) * s.beta_1c;
        b = b + (d * d - b) * s.beta_2c;
        vf m = s.u_next * a / (1.0f - s.product_next) + (1.0f - s.u) * d / (1.0f - s.product);
        x = x - m * s.rate / (root(b / s.correction) + s.epsilon);
        break;
      }
      case ADAMAX:
        a = a + (d - a) * s.beta_1c;
        b = larger(s.beta_2 * b, magnitude(d));
        x = x - s.rate * a / (s.alpha * (b + s.epsilon));
        break;
      case ADAGRAD:
        a = a + d * d;
        x = x - s.rate * d / root(a + s.epsilon);
        break;
      case LION: {
        vf e = a * s.beta_1 + d * (1.0f - s.beta_1);
        x = x - s.rate * (e > 0.0f ? all(1.0f) : e < 0.0f ? all(-1.0f) : e);
        a = a * s.beta_2 + d * (1.0f - s.beta_2);
        break;
      }
    }
    w[k] = MASKED ? (mask ? x : w[k]) : x;
    if (s0) s0[k] = MASKED ? (mask ? a : s0[k]) : a;
    if (s1) s1[k] = MASKED ? (mask ? b : s1[k]) : b;
    if (s2) s2[k] = MASKED ? (mask ? c : s2[k]) : c;
  }
}

vf norm_of(const vf* g, int64_t n) {
  vf s[4] = {};
  for (int64_t k = 0; k < n; k++) s[k & 3] += g[k] * g[k];
  return (s[0] + s[1]) + (s[2] + s[3]);
}

// Clips the gradients in the lanes of `mask`.
void clip(int how, vf limit, const Range* variable, int variables, vf* g, vi mask) {
  if (how == 3) {
    for (int64_t k = 0; k < variable[variables - 1].end; k++) {
      vf limited = g[k] < -limit ? -limit : g[k] > limit ? limit : g[k];
      g[k] = mask ? limited : g[k];
    }
    return;
  }
  vf total = (vf){};
  for (int v = 0; v < variables; v++) {
    const int64_t n = variable[v].end - variable[v].first;
    vf square = norm_of(g + variable[v].first, n);
    total += square;
    if (how == 1) {
      vf norm = root(square);
      vf under = norm < limit ? limit : norm;  // as Keras: a norm that is not a number makes the whole variable so
      for (vf *k = g + variable[v].first, *end = k + n; k < end; k++) *k = mask ? *k * limit / under : *k;
    }
  }
  if (how == 2) {
    vf norm = root(total), scale = limit * smaller(1.0f / norm, 1.0f / limit) + (norm - norm);
    for (int64_t k = 0; k < variable[variables - 1].end; k++) g[k] = mask ? g[k] * scale : g[k];
  }
}

template <bool MASKED>
void update_by(const Optimizer& optimizer, const Work& work, int64_t n, const Step& step, const float* keep, vi mask) {
  const bool has_momentum = optimizer.slot[1] >= 0;  // of RMSprop
  vf* slot[3];
  for (int k = 0; k < 3; k++) slot[k] = optimizer.slot[k] < 0 ? nullptr : work.slot[optimizer.slot[k]];
#define CALL(R) case R: update<R, MASKED>(work.parameters, work.gradients, slot[0], slot[1], slot[2], n, step, keep, mask, optimizer.centred, has_momentum); break;
  switch (optimizer.rule) { CALL(SGD) CALL(MOMENTUM) CALL(NESTEROV) CALL(RMSPROP) CALL(ADAM) CALL(AMSGRAD) CALL(NADAM) CALL(ADAMAX) CALL(ADAGRAD) CALL(LION) }
#undef CALL
}

// beta^t, as Keras computes it, for the lanes of a vector; mostly all lanes have the same beta.
vf power(vf beta, double t) {
  vf found;
  for (int l = 0; l < V; l++) found[l] = l && beta[l] == beta[l - 1] ? found[l - 1] : (float)pow((double)beta[l], t);
  return found;
}

// The numbers of step number `t`; `product` is that of Nadam, which it changes in the lanes of `mask`.
Step step_of(const Optimizer& optimizer, const vf* numbers, vf rate, double t, vi mask, vf* product) {
  Step step = {};
  step.rate = rate, step.momentum = numbers[MOMENTUM_OF], step.beta_1 = numbers[BETA_1], step.beta_1c = numbers[BETA_1C];
  step.beta_2 = numbers[BETA_2], step.beta_2c = numbers[BETA_2C], step.rho = numbers[RHO], step.rho_c = numbers[RHO_C];
  step.epsilon = numbers[EPSILON], step.decay = numbers[DECAY];
  if (optimizer.rule == ADAM || optimizer.rule == AMSGRAD)
    step.alpha = step.rate * root(1.0f - power(step.beta_2, t)) / (1.0f - power(step.beta_1, t));
  if (optimizer.rule == ADAMAX) step.alpha = 1.0f - power(step.beta_1, t);
  if (optimizer.rule == NADAM) {
    step.u = step.beta_1 * (1.0f - 0.5f * (float)pow((double)0.96f, t));
    step.u_next = step.beta_1 * (1.0f - 0.5f * (float)pow((double)0.96f, t + 1));
    step.product = *product * step.beta_1 * (1.0f - 0.5f * (float)pow((double)0.96f, t));
    *product = mask ? step.product : *product;
    step.product_next = step.product * step.u_next;
    step.correction = 1.0f - power(step.beta_2, t);
  }
  return step;
}

}  // namespace
