// Normalization of the columns of a batch, and of each row, forward and backward.

#pragma once

#include "lanes.h"

namespace {

constexpr int BLOCK = 4;  // columns normalized at once

template <int C>
INLINE void moments_block(const vf* __restrict in, int I, int n, float share, vf* mean, vf* variance) {
  vf sum[C], square[C];
  UNROLL for (int c = 0; c < C; c++) sum[c] = square[c] = (vf){};
  for (int r = 0; r < n; r++) UNROLL for (int c = 0; c < C; c++) sum[c] += in[(int64_t)r * I + c];
  UNROLL for (int c = 0; c < C; c++) sum[c] *= share;
  for (int r = 0; r < n; r++)
    UNROLL for (int c = 0; c < C; c++) {
      vf centred = in[(int64_t)r * I + c] - sum[c];
      square[c] += centred * centred;
    }
  UNROLL for (int c = 0; c < C; c++) mean[c] = sum[c], variance[c] = square[c] * share;
}

void moments(const vf* in, int I, int n, vf* mean, vf* variance) {
  const float share = 1.0f / (float)n;
  int i = 0;
  for (; i + BLOCK <= I; i += BLOCK) moments_block<BLOCK>(in + i, I, n, share, mean + i, variance + i);
  for (; i < I; i++) moments_block<1>(in + i, I, n, share, mean + i, variance + i);
}

// Sums of the gradient, and of its products with the normalized inputs.
template <int C>
INLINE void sums_block(const vf* __restrict d, const vf* __restrict in, int I, int n, const vf* mean, const vf* inverse,
                       vf* of_scale, vf* of_offset) {
  vf a[C], b[C], m[C], k[C];
  UNROLL for (int c = 0; c < C; c++) a[c] = b[c] = (vf){}, m[c] = mean[c], k[c] = inverse[c];
  for (int r = 0; r < n; r++)
    UNROLL for (int c = 0; c < C; c++) {
      vf g = d[(int64_t)r * I + c];
      a[c] += g * ((in[(int64_t)r * I + c] - m[c]) * k[c]);
      b[c] += g;
    }
  UNROLL for (int c = 0; c < C; c++) of_scale[c] = a[c], of_offset[c] = b[c];
}

// What a batch normalization computes from, and what it keeps for its gradient.
struct Normalized {
  vf *scale, *offset;                       // null: none
  vf *moving_mean, *moving_variance;
  vf *mean, *variance, *inverse, *factor;   // kept
  bool frozen;
  float epsilon, momentum, complement;
};

void normalize(const Normalized& m, const vf* in, int I, vf* out, int n, bool training, vf* shift) {
  vf *centre = m.moving_mean, *spread = m.moving_variance;
  if (training && !m.frozen) {
    moments(in, I, n, m.mean, m.variance);
    for (int i = 0; i < I; i++) {
      m.moving_mean[i] = m.moving_mean[i] * m.momentum + m.mean[i] * m.complement;
      m.moving_variance[i] = m.moving_variance[i] * m.momentum + m.variance[i] * m.complement;
    }
    centre = m.mean, spread = m.variance;
  }
  for (int i = 0; i < I; i++) {
    m.inverse[i] = 1.0f / root(spread[i] + m.epsilon);
    m.factor[i] = m.scale ? m.inverse[i] * m.scale[i] : m.inverse[i];
    shift[i] = m.offset ? m.offset[i] : (vf){};
  }
  for (int r = 0; r < n; r++)
    for (int i = 0; i < I; i++) out[(int64_t)r * I + i] = (in[(int64_t)r * I + i] - centre[i]) * m.factor[i] + shift[i];
}

// Replaces the gradient d behind a normalization by the one before it, if that is wanted.
void normalize_backward(const Normalized& m, const vf* in, int I, vf* d, int n, bool wanted, vf* of_scale, vf* of_offset, vf* g_scale,
                        vf* g_offset) {
  const vf* centre = m.frozen ? m.moving_mean : m.mean;
  int i = 0;
  for (; i + BLOCK <= I; i += BLOCK) sums_block<BLOCK>(d + i, in + i, I, n, centre + i, m.inverse + i, of_scale + i, of_offset + i);
  for (; i < I; i++) sums_block<1>(d + i, in + i, I, n, centre + i, m.inverse + i, of_scale + i, of_offset + i);
  for (i = 0; i < I; i++) {
    if (g_scale) g_scale[i] = of_scale[i];
    if (g_offset) g_offset[i] = of_offset[i];
  }
  if (!wanted) return;
  const float share = 1.0f / (float)n;
  if (m.frozen) {
    for (int r = 0; r < n; r++) for (i = 0; i < I; i++) d[(int64_t)r * I + i] *= m.factor[i];
    return;
  }
  for (i = 0; i < I; i++) of_scale[i] = of_scale[i] * m.inverse[i] * share, of_offset[i] *= share;
  for (int r = 0; r < n; r++)
    for (i = 0; i < I; i++) {
      vf centred = in[(int64_t)r * I + i] - m.mean[i];
      d[(int64_t)r * I + i] = (d[(int64_t)r * I + i] - of_offset[i] - centred * of_scale[i]) * m.factor[i];
    }
}

// Normalizes each row by its own mean and deviation. kept: of each row, its mean and the inverse of its deviation.
void normalize_rows(const vf* scale, const vf* offset, float epsilon, const vf* in, int I, vf* out, int n, vf* kept) {
  const float share = 1.0f / (float)I;
  for (int r = 0; r < n; r++, in += I, out += I, kept += 2) {
    vf sum[2] = {}, square[2] = {};
    for (int i = 0; i < I; i++) sum[i & 1] += in[i];
    const vf mean = (sum[0] + sum[1]) * share;
    for (int i = 0; i < I; i++) { vf e = in[i] - mean; square[i & 1] += e * e; }
    const vf inverse = 1.0f / root((square[0] + square[1]) * share + epsilon);
    for (int i = 0; i < I; i++) {
      vf normal = (in[i] - mean) * (scale ? inverse * scale[i] : inverse);
      out[i] = offset ? normal + offset[i] : normal;
    }
    kept[0] = mean, kept[1] = inverse;
  }
}

// Replaces the gradient d behind that normalization by the one before it, if that is wanted.
void normalize_rows_backward(const vf* scale, const vf* in, int I, vf* d, int n, const vf* kept, bool wanted, vf* g_scale, vf* g_offset) {
  const float share = 1.0f / (float)I;
  for (int i = 0; i < I; i++) {
    if (g_scale) g_scale[i] = (vf){};
    if (g_offset) g_offset[i] = (vf){};
  }
  for (int r = 0; r < n; r++, in += I, d += I, kept += 2) {
    const vf mean = kept[0], inverse = kept[1];
    vf sum[2] = {}, product[2] = {};
    for (int i = 0; i < I; i++) {
      const vf normal = (in[i] - mean) * inverse, g = scale ? d[i] * scale[i] : d[i];
      if (g_scale) g_scale[i] += d[i] * normal;
      if (g_offset) g_offset[i] += d[i];
      sum[i & 1] += g;
      product[i & 1] += g * normal;
    }
    if (!wanted) continue;
    const vf of_mean = (sum[0] + sum[1]) * share, of_spread = (product[0] + product[1]) * share;
    for (int i = 0; i < I; i++) {
      const vf normal = (in[i] - mean) * inverse, g = scale ? d[i] * scale[i] : d[i];
      d[i] = (g - of_mean - normal * of_spread) * inverse;
    }
  }
}

}  // namespace
