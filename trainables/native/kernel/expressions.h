// Losses and metrics of the user's own: lists of instructions, which are carried out for one strip of rows after the other.
//
//   columns   [column][STRIP][V]: first the targets, the outputs and the logits of a row, then what is computed from them
//
// No instruction takes another row than its own, so a row's value does not depend on the rows beside it.

#pragma once

#include "functions.h"
#include "joins.h"
#include "structures.h"

namespace {

INLINE vf truth(vi a) { return a ? all(1.0f) : (vf){}; }

INLINE vf sign_of(vf a) { return a > 0.0f ? all(1.0f) : a < 0.0f ? all(-1.0f) : a; }

INLINE vf truncated(vf a) {  // a number of 2^23 or more is whole
  const vi is_small = magnitude(a) < 8388608.0f;
  const vf whole = __builtin_convertvector(__builtin_convertvector(is_small ? a : (vf){}, vi), vf);
  return is_small ? whole : a;
}

INLINE vf floored(vf a) { const vf whole = truncated(a); return whole > a ? whole - 1.0f : whole; }

INLINE vf rounded(vf a) {  // a half to the even number
  const vf shift = a < 0.0f ? all(-8388608.0f) : all(8388608.0f);
  const vf whole = (a + shift) - shift;
  return magnitude(a) < 8388608.0f ? whole : a;
}

INLINE vf expm1_of_any(vf a) { return a > 88.0f ? exponential(a) : expm1(a); }  // above 88.72 infinity

INLINE vf log1p_of_any(vf a) { return a == -1.0f ? all(-INFINITY) : log1p(a); }

INLINE vf hyperbolic_cosine(vf a) {  // the half of the argument, since e^a may be infinite where half of it is not
  const vf half = exponential(magnitude(a) * 0.5f);
  return 0.5f * half * half + 0.5f / (half * half);
}

INLINE vf hyperbolic_sine(vf a) {
  const vf size = magnitude(a), half = exponential(size * 0.5f), t = expm1(size);
  const vf found = size > 20.0f ? 0.5f * half * half : 0.5f * (t + t / (t + 1.0f));
  return a < 0.0f ? -found : found;
}

INLINE bool reduces(int operation) { return operation >= SUM; }

void carry_out(const Instruction& i, vf* columns, int n) {
  vf* to = columns + (int64_t)i.to * STRIP;
  const vf *A = columns + (int64_t)i.from[0] * STRIP, *B = columns + (int64_t)i.from[1] * STRIP, *C = columns + (int64_t)i.from[2] * STRIP;
  const int a_step = i.step[0] * STRIP, b_step = i.step[1] * STRIP, c_step = i.step[2] * STRIP;
  if (reduces(i.operation)) {
    for (int r = 0; r < n; r++) {
      vf found = A[r];
      for (int k = 1; k < i.width; k++) {
        const vf next = A[k * a_step + r];
        found = i.operation == SUM ? found + next : extreme(i.operation == GREATEST, found, next);
      }
      to[r] = found;
    }
    return;
  }
  for (int k = 0; k < i.width; k++, to += STRIP, A += a_step, B += b_step, C += c_step) {
    switch (i.operation) {
#define CASE(NAME, VALUE) case NAME: for (int r = 0; r < n; r++) { const vf a = A[r]; to[r] = VALUE; } break;
      CASE(COPY, a)
      CASE(NEGATIVE, -a)
      CASE(ABSOLUTE, magnitude(a))
      CASE(SIGN, sign_of(a))
      CASE(SQUARE, a * a)
      CASE(ROOT, root(a))
      CASE(EXPONENTIAL_OF, exponential(a))
      CASE(LOGARITHM, logarithm(a))
      CASE(EXPM1, expm1_of_any(a))
      CASE(LOG1P, log1p_of_any(a))
      CASE(HYPERBOLIC_TANGENT, hyperbolic_tangent(a))
      CASE(HYPERBOLIC_COSINE, hyperbolic_cosine(a))
      CASE(HYPERBOLIC_SINE, hyperbolic_sine(a))
      CASE(LOGISTIC, logistic(a))
      CASE(SOFTPLUS_OF, softplus(a))
      CASE(ERROR_FUNCTION, error_function(a))
      CASE(FLOOR, floored(a))
      CASE(ROUND, rounded(a))
      CASE(TRUNCATE, truncated(a))
      CASE(PLUS, a + B[r])
      CASE(MINUS, a - B[r])
      CASE(TIMES, a * B[r])
      CASE(OVER, a / B[r])
      CASE(LARGER, extreme(true, a, B[r]))
      CASE(SMALLER, extreme(false, a, B[r]))
      CASE(LESS, truth(a < B[r]))
      CASE(LESS_OR_EQUAL, truth(a <= B[r]))
      CASE(EQUAL, truth(a == B[r]))
      CASE(SELECT, a != 0.0f ? B[r] : C[r])
#undef CASE
      default: for (int r = 0; r < n; r++) to[r] = all(i.number);  // CONSTANT
    }
  }
}

// The sum of an expression over n rows, weighted if it is. d: where the gradient of the loss, a mean over the rows, goes, if
// it is wanted; else null.
vf express(const Net* net, const Measured& m, const vf* y, const vf* z, const float* t, const float* weight, int n, vf* columns, vf* d) {
  const int K = net->outputs, T = net->targets;
  const Instruction* list = net->instruction + m.first;
  const float share = 1.0f / (float)n;
  const bool weighs = m.weighted && weight;
  vf sum = (vf){};
  for (int i = 0; i < m.constants; i++) carry_out(list[i], columns, STRIP);
  for (int first = 0; first < n; first += STRIP) {
    const int rows = n - first < STRIP ? n - first : STRIP;
    vf* column = columns;
    for (int k = 0; k < T; k++, column += STRIP) for (int r = 0; r < rows; r++) column[r] = all(t[(int64_t)(first + r) * T + k]);
    for (int k = 0; k < K; k++, column += STRIP) for (int r = 0; r < rows; r++) column[r] = y[(int64_t)(first + r) * K + k];
    for (int k = 0; k < K; k++, column += STRIP) for (int r = 0; r < rows; r++) column[r] = z[(int64_t)(first + r) * K + k];
    for (int i = m.constants; i < (d ? m.end : m.values); i++) carry_out(list[i], columns, rows);
    const vf *value = columns + (int64_t)m.value_at * STRIP, *gradient = d ? columns + (int64_t)m.gradient_at * STRIP : nullptr;
    for (int r = 0; r < rows; r++) sum += weighs ? value[r] * weight[first + r] : value[r];
    for (int r = 0; d && r < rows; r++) {
      const float whole = weight ? weight[first + r] * share : share;
      for (int k = 0; k < K; k++) d[(int64_t)(first + r) * K + k] = gradient[k * STRIP + r] * whole;
    }
  }
  return sum;
}

}  // namespace
