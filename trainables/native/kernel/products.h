// Products of dense layers, forward and backward, in blocks whose sums stay in registers.

#pragma once

#include "activations.h"

namespace {

// Rows and columns of a block of a product, so that its sums stay in registers: 32 registers, or 16 with AVX2.
constexpr int ROWS = 4, COLUMNS = V >= 16 || V == 4 ? 4 : 2;

// A layer's input: one number for all lanes (`shared`), or a vector.
struct Input { const float* shared; const vf* own; };

template <bool SHARED>
INLINE vf at(const Input& in, int64_t k) { return SHARED ? all(in.shared[k]) : in.own[k]; }

// out[r][o] = activated(bias[o] + sum_i in[r][i] w[i][o]) for R rows and C columns
template <int R, int C, bool SHARED, int A>
INLINE void forward_block(const vf* __restrict w, int O, const vf* __restrict bias, Input in, int I, vf* __restrict out,
                          float slope) {
  vf sum[R][C];
  UNROLL for (int r = 0; r < R; r++)
    UNROLL for (int c = 0; c < C; c++) sum[r][c] = bias ? bias[c] : (vf){};
  for (int i = 0; i < I; i++) {
    vf column[C];
    UNROLL for (int c = 0; c < C; c++) column[c] = w[i * O + c];
    UNROLL for (int r = 0; r < R; r++) {
      vf a = at<SHARED>(in, (int64_t)r * I + i);
      UNROLL for (int c = 0; c < C; c++) sum[r][c] += a * column[c];
    }
  }
  UNROLL for (int r = 0; r < R; r++)
    UNROLL for (int c = 0; c < C; c++) out[(int64_t)r * O + c] = activated<A>(sum[r][c], slope);
}

template <int R, bool SHARED, int A>
INLINE void forward_rows(const vf* w, int O, const vf* bias, Input in, int I, vf* out, float slope) {
  int o = 0;
  for (; o + COLUMNS <= O; o += COLUMNS)
    forward_block<R, COLUMNS, SHARED, A>(w + o, O, bias ? bias + o : nullptr, in, I, out + o, slope);
  if (COLUMNS > 2 && o + 2 <= O) {
    forward_block<R, 2, SHARED, A>(w + o, O, bias ? bias + o : nullptr, in, I, out + o, slope);
    o += 2;
  }
  if (o < O) forward_block<R, 1, SHARED, A>(w + o, O, bias ? bias + o : nullptr, in, I, out + o, slope);
}

template <bool SHARED>
INLINE Input from_row(Input in, int64_t k) { return SHARED ? Input{in.shared + k, nullptr} : Input{nullptr, in.own + k}; }

template <bool SHARED, int A>
__attribute__((noinline)) void forward(const vf* w, int O, const vf* bias, Input in, int I, vf* out, float slope, int n) {
  int r = 0;
  if (O == 1)  // one column: more rows at once
    for (; r + 8 <= n; r += 8) forward_block<8, 1, SHARED, A>(w, 1, bias, from_row<SHARED>(in, (int64_t)r * I), I, out + r, slope);
  else
    for (; r + ROWS <= n; r += ROWS)
      forward_rows<ROWS, SHARED, A>(w, O, bias, from_row<SHARED>(in, (int64_t)r * I), I, out + (int64_t)r * O, slope);
  for (; r < n; r++)
    forward_rows<1, SHARED, A>(w, O, bias, from_row<SHARED>(in, (int64_t)r * I), I, out + (int64_t)r * O, slope);
}

// g[i][o] = sum_r in[r][i] d[r][o] for K inputs and C columns; gb[o] = sum_r d[r][o]
template <int K, int C, bool SHARED, bool BIAS>
INLINE void weights_block(Input in, int I, const vf* __restrict d, int O, int n, vf* __restrict g, vf* __restrict gb) {
  vf sum[K][C], sum_of_bias[C];
  UNROLL for (int c = 0; c < C; c++) {
    sum_of_bias[c] = (vf){};
    UNROLL for (int k = 0; k < K; k++) sum[k][c] = (vf){};
  }
  for (int r = 0; r < n; r++) {
    vf row[C];
    UNROLL for (int c = 0; c < C; c++) row[c] = d[(int64_t)r * O + c];
    UNROLL for (int k = 0; k < K; k++) {
      vf a = at<SHARED>(in, (int64_t)r * I + k);
      UNROLL for (int c = 0; c < C; c++) sum[k][c] += a * row[c];
    }
    if (BIAS) UNROLL for (int c = 0; c < C; c++) sum_of_bias[c] += row[c];
  }
  UNROLL for (int c = 0; c < C; c++) {
    UNROLL for (int k = 0; k < K; k++) g[k * O + c] = sum[k][c];
    if (BIAS) gb[c] = sum_of_bias[c];
  }
}

template <int C, bool SHARED>
INLINE void weights_columns(Input in, int I, const vf* d, int O, int n, vf* g, vf* gb) {
  constexpr int K = C == 1 ? 8 : ROWS;
  int i = 0;
  for (; i + K <= I; i += K) {
    Input from = from_row<SHARED>(in, i);
    if (gb && !i) weights_block<K, C, SHARED, true>(from, I, d, O, n, g, gb);
    else weights_block<K, C, SHARED, false>(from, I, d, O, n, g + i * O, gb);
  }
  for (; i < I; i++) {
    Input from = from_row<SHARED>(in, i);
    if (gb && !i) weights_block<1, C, SHARED, true>(from, I, d, O, n, g, gb);
    else weights_block<1, C, SHARED, false>(from, I, d, O, n, g + i * O, gb);
  }
}

template <bool SHARED>
__attribute__((noinline)) void weight_gradients(Input in, int I, const vf* d, int O, int n, vf* g, vf* gb) {
  int o = 0;
  for (; o + COLUMNS <= O; o += COLUMNS) weights_columns<COLUMNS, SHARED>(in, I, d + o, O, n, g + o, gb ? gb + o : nullptr);
  if (COLUMNS > 2 && o + 2 <= O) {
    weights_columns<2, SHARED>(in, I, d + o, O, n, g + o, gb ? gb + o : nullptr);
    o += 2;
  }
  if (o < O) weights_columns<1, SHARED>(in, I, d + o, O, n, g + o, gb ? gb + o : nullptr);
}

// out[r][i] = backward(sum_o w[i][o] d[r][o]) for R rows and C inputs; `h` is the output of the activation before
template <int R, int C, int A>
INLINE void inputs_block(const vf* __restrict w, int O, const vf* __restrict d, const vf* __restrict h, int I,
                         vf* __restrict out, float slope) {
  vf sum[R][C];
  UNROLL for (int r = 0; r < R; r++)
    UNROLL for (int c = 0; c < C; c++) sum[r][c] = (vf){};
  for (int o = 0; o < O; o++) {
    vf column[C];
    UNROLL for (int c = 0; c < C; c++) column[c] = w[c * O + o];
    UNROLL for (int r = 0; r < R; r++) {
      vf a = d[(int64_t)r * O + o];
      UNROLL for (int c = 0; c < C; c++) sum[r][c] += a * column[c];
    }
  }
  UNROLL for (int r = 0; r < R; r++)
    UNROLL for (int c = 0; c < C; c++)
      out[(int64_t)r * I + c] = backward<A>(sum[r][c], A == LINEAR ? (vf){} : h[(int64_t)r * I + c], slope);
}

template <int R, int A>
INLINE void inputs_rows(const vf* w, int O, const vf* d, const vf* h, int I, vf* out, float slope) {
  int i = 0;
  for (; i + COLUMNS <= I; i += COLUMNS) inputs_block<R, COLUMNS, A>(w + i * O, O, d, h + i, I, out + i, slope);
  if (COLUMNS > 2 && i + 2 <= I) {
    inputs_block<R, 2, A>(w + i * O, O, d, h + i, I, out + i, slope);
    i += 2;
  }
  if (i < I) inputs_block<R, 1, A>(w + i * O, O, d, h + i, I, out + i, slope);
}

template <int A>
__attribute__((noinline)) void input_gradients(const vf* w, int O, const vf* d, const vf* h, int I, vf* out, float slope, int n) {
  int r = 0;
  for (; r + ROWS <= n; r += ROWS)
    inputs_rows<ROWS, A>(w, O, d + (int64_t)r * O, h + (int64_t)r * I, I, out + (int64_t)r * I, slope);
  for (; r < n; r++) inputs_rows<1, A>(w, O, d + (int64_t)r * O, h + (int64_t)r * I, I, out + (int64_t)r * I, slope);
}

#define BY_FUSED(CALL)                                                                                            \
  switch (activation) {                                                                                           \
    case RELU: CALL(RELU); break; case ELU: CALL(ELU); break; case SELU: CALL(SELU); break;                       \
    case TANH: CALL(TANH); break; case SIGMOID: CALL(SIGMOID); break; default: CALL(LINEAR);                      \
  }

void dense(int activation, float slope, const vf* w, int O, const vf* bias, Input in, int I, vf* out, int n) {
#define CALL(A) in.shared ? forward<true, A>(w, O, bias, in, I, out, slope, n) : forward<false, A>(w, O, bias, in, I, out, slope, n)
  BY_FUSED(CALL)
#undef CALL
  if (activation > FUSED) activate(activation, slope, out, out, O, n);
}

// sum[o] = sum_r d[r][o]
void sum_rows(const vf* d, int O, int n, vf* sum) {
  for (int o = 0; o < O; o++) {
    vf all_rows = (vf){};
    for (int r = 0; r < n; r++) all_rows += d[(int64_t)r * O + o];
    sum[o] = all_rows;
  }
}

void dense_backward(int activation, float slope, const vf* w, int O, const vf* d, const vf* h, int I, vf* out, int n) {
#define CALL(A) input_gradients<A>(w, O, d, h, I, out, slope, n)
  BY_FUSED(CALL)
#undef CALL
}

}  // namespace
