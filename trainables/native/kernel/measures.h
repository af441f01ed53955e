// Losses and metrics: the value of a row, the sum over rows, and the gradient of the loss.

#pragma once

#include "functions.h"
#include "structures.h"

namespace {

INLINE bool is_among(int value, int first, int last) { return first <= value && value <= last; }

INLINE bool is_of_logits(const Measured& m) {
  return m.measure == EXPRESSION ? m.of_logits != 0 : is_among(m.measure, BINARY_CROSSENTROPY, SPARSE_CROSSENTROPY);
}

INLINE vf target_of(const float* t, int k, float smoothing, float classes) {
  return all(smoothing != 0.0f ? t[k] * (1.0f - smoothing) + smoothing / classes : t[k]);
}

// The value of a measure for one row. y: outputs; z: logits; t: targets; K: outputs of a row.
INLINE vf row_value(const Measured& m, const vf* y, const vf* z, const float* t, int K) {
  vf sum = (vf){};
  const float per = 1.0f / (float)K;
  switch (m.measure) {
    case MSE: for (int k = 0; k < K; k++) { vf e = y[k] - t[k]; sum += e * e; } return sum * per;
    case MAE: for (int k = 0; k < K; k++) sum += magnitude(y[k] - t[k]); return sum * per;
    case HUBER:
      for (int k = 0; k < K; k++) {
        vf e = magnitude(y[k] - t[k]);
        sum += e > m.value ? m.value * e - 0.5f * m.value * m.value : 0.5f * e * e;
      }
      return sum * per;
    case LOG_COSH:
      for (int k = 0; k < K; k++) { vf e = y[k] - t[k]; sum += e + softplus(-2.0f * e) - 0.693147182f; }
      return sum * per;
    case POISSON: for (int k = 0; k < K; k++) sum += y[k] - t[k] * logarithm(y[k] + 1e-7f); return sum * per;
    case MSLE:
      for (int k = 0; k < K; k++) {
        vf e = logarithm(at_least(y[k], 1e-7f) + 1.0f) - logarithm(all(t[k] > 1e-7f ? t[k] : 1e-7f) + 1.0f);
        sum += e * e;
      }
      return sum * per;
    case MAPE:
      for (int k = 0; k < K; k++) { float a = fabsf(t[k]); sum += magnitude((t[k] - y[k]) / (a > 1e-7f ? a : 1e-7f)); }
      return 100.0f * (sum * per);
    case BINARY_CROSSENTROPY:
      for (int k = 0; k < K; k++) {
        vf s = target_of(t, k, m.smoothing, 2.0f);
        sum += larger(z[k], (vf){}) - z[k] * s + log1p(exponential(-magnitude(z[k]))) + (z[k] != z[k] ? z[k] : (vf){});
      }
      return sum * per;
    case CATEGORICAL_CROSSENTROPY:
    case SPARSE_CROSSENTROPY: {
      vf top = z[0], found = (vf){};
      for (int k = 1; k < K; k++) top = larger(z[k], top);
      for (int k = 0; k < K; k++) sum += exponential(z[k] - top);
      vf logs = logarithm(sum);
      if (m.measure == SPARSE_CROSSENTROPY) return logs - (z[(int)t[0]] - top);
      for (int k = 0; k < K; k++) found += target_of(t, k, m.smoothing, (float)K) * (logs - (z[k] - top));
      return found;
    }
    case BINARY_ACCURACY:
      for (int k = 0; k < K; k++) sum += (y[k] > m.value ? all(1.0f) : (vf){}) == t[k] ? all(1.0f) : (vf){};
      return sum * per;
    case EQUALITY: for (int k = 0; k < K; k++) sum += y[k] == t[k] ? all(1.0f) : (vf){}; return sum * per;
    case CATEGORICAL_ACCURACY:
    case SPARSE_ACCURACY: {
      int wanted = (int)t[0];
      if (m.measure == CATEGORICAL_ACCURACY) {
        wanted = 0;
        for (int k = 1; k < K; k++) if (t[k] > t[wanted]) wanted = k;
      }
      vf top = y[0];
      vi best = (vi){};
      for (int k = 1; k < K; k++) {
        vi more = y[k] > top;
        top = more ? y[k] : top;
        best = more ? (vi){} + k : best;
      }
      return best == wanted ? all(1.0f) : (vf){};
    }
    default: return sum;
  }
}

// The sum of a measure over rows, weighted if it is.
vf sum_over_rows(const Measured& m, const vf* y, const vf* z, const float* t, const float* weight, int K, int T, int n) {
  vf sum = (vf){};
  const bool weighs = m.weighted && weight;
  if (m.measure == MSE && K == 1 && !weighs) {
    vf s[4] = {};
    for (int r = 0; r < n; r++) { vf e = y[r] - t[(int64_t)r * T]; s[r & 3] += e * e; }
    return (s[0] + s[1]) + (s[2] + s[3]);
  }
  if (m.measure == MAE && K == 1 && !weighs) {
    vf s[4] = {};
    for (int r = 0; r < n; r++) s[r & 3] += magnitude(y[r] - t[(int64_t)r * T]);
    return (s[0] + s[1]) + (s[2] + s[3]);
  }
  for (int r = 0; r < n; r++) {
    vf value = row_value(m, y + (int64_t)r * K, z + (int64_t)r * K, t + (int64_t)r * T, K);
    sum += weighs ? value * weight[r] : value;
  }
  return sum;
}

// d = the gradient of the loss, a mean over n rows, with respect to the outputs, or to the logits.
//   is_logistic    whether the outputs are the logistic function of the logits, so that it need not be computed again
void loss_gradient(const Measured& m, const vf* y, const vf* z, const float* t, const float* weight, int K, int T, int n, vf* d,
                   bool is_logistic) {
  const float share = 1.0f / (float)n;
  for (int r = 0; r < n; r++, y += K, z += K, d += K, t += T) {
    const float whole = weight ? weight[r] * share : share, part = whole / (float)K;
    switch (m.measure) {
      case MSE: for (int k = 0; k < K; k++) d[k] = (y[k] - t[k]) * (2.0f * part); break;
      case MAE:
        for (int k = 0; k < K; k++) { vf e = y[k] - t[k]; d[k] = e > 0.0f ? all(part) : e < 0.0f ? all(-part) : e * part; }
        break;
      case HUBER:
        for (int k = 0; k < K; k++) {
          vf e = y[k] - t[k];
          d[k] = (e > m.value ? all(m.value) : e < -m.value ? all(-m.value) : e) * part;
        }
        break;
      case LOG_COSH: for (int k = 0; k < K; k++) d[k] = hyperbolic_tangent(y[k] - t[k]) * part; break;
      case POISSON: for (int k = 0; k < K; k++) d[k] = (1.0f - t[k] / (y[k] + 1e-7f)) * part; break;
      case MSLE:
        for (int k = 0; k < K; k++) {
          vf e = logarithm(at_least(y[k], 1e-7f) + 1.0f) - logarithm(all(t[k] > 1e-7f ? t[k] : 1e-7f) + 1.0f);
          d[k] = y[k] >= 1e-7f ? e * (2.0f * part) / (y[k] + 1.0f) : (vf){};
        }
        break;
      case MAPE:
        for (int k = 0; k < K; k++) {
          float a = fabsf(t[k]), one = 100.0f * part / (a > 1e-7f ? a : 1e-7f);
          vf e = y[k] - t[k];
          d[k] = e > 0.0f ? all(one) : e < 0.0f ? all(-one) : e * one;
        }
        break;
      case BINARY_CROSSENTROPY:
        for (int k = 0; k < K; k++) d[k] = ((is_logistic ? y[k] : logistic(z[k])) - target_of(t, k, m.smoothing, 2.0f)) * part;
        break;
      default: {  // the cross-entropy of classes
        vf top = z[0], sum = (vf){};
        for (int k = 1; k < K; k++) top = larger(z[k], top);
        for (int k = 0; k < K; k++) sum += d[k] = exponential(z[k] - top);
        if (m.measure == SPARSE_CROSSENTROPY) {
          for (int k = 0; k < K; k++) d[k] = (d[k] / sum - ((int)t[0] == k ? 1.0f : 0.0f)) * whole;
        } else {  // as TensorFlow, also where the targets of a row do not add up to 1
          for (int k = 0; k < K; k++) d[k] = (d[k] / sum - target_of(t, k, m.smoothing, (float)K)) * whole;
        }
      }
    }
  }
}

}  // namespace
