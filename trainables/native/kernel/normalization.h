// Moments of the columns of a batch, and the sums that their gradients need.

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

}  // namespace
