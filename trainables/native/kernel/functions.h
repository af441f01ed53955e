// Elementary functions of vectors: exponentials, logarithms and what is made of them.

#pragma once

#include "lanes.h"

namespace {

// x = n log 2 + r with a whole number n. The polynomial is that of Cephes' expf.
INLINE vf reduced(vf x, vf* n) {
  vf shifted = x * 1.44269504f + 12582912.0f;  // 1.5 * 2^23: rounds to a whole number
  *n = shifted;
  vf whole = shifted - 12582912.0f;
  vf r = x - whole * 0.693359375f;
  return r + whole * 2.12194440e-4f;
}

INLINE vf polynomial(vf r) {  // (e^r - 1 - r) / r^2
  vf q = r * 1.9875691500e-4f + 1.3981999507e-3f;
  q = q * r + 8.3334519073e-3f;
  q = q * r + 4.1665795894e-2f;
  q = q * r + 1.6666665459e-1f;
  return q * r + 5.0000001201e-1f;
}

INLINE vf power_of_two(vi n) { return (vf)((n << 23) + 0x3f800000); }

INLINE vf expm1(vf x) {  // at most e^88 - 1, which is as good as infinity to those that call this
  x = x < -87.0f ? all(-87.0f) : x > 88.0f ? all(88.0f) : x;
  vf n, r = reduced(x, &n), p = r * r * polynomial(r) + r;
  vf s = power_of_two((vi)n);
  return s * p + (s - 1.0f);
}

INLINE vf exponential(vf x) {
  vf limited = x > 89.0f ? all(89.0f) : x < -104.0f ? all(-104.0f) : x;
  vf n, r = reduced(limited, &n), p = r * r * polynomial(r) + r + 1.0f;
  vi whole = (vi)n - (int32_t)0x4b400000, half = whole >> 1;
  return p * power_of_two(half) * power_of_two(whole - half);
}

INLINE vf logarithm(vf x) {  // Cephes' logf; x > 0, else not a number or minus infinity
  vi bits = (vi)x;
  vi exponent = (bits >> 23) - 126;
  vf m = (vf)((bits & 0x007fffff) | 0x3f000000);  // in [0.5, 1)
  vi low = m < 0.707106781f;
  exponent += low;  // a true comparison is -1
  m = (low ? m + m : m) - 1.0f;
  vf e = __builtin_convertvector(exponent, vf), z = m * m;
  vf y = m * 7.0376836292e-2f - 1.1514610310e-1f;
  y = y * m + 1.1676998740e-1f;
  y = y * m - 1.2420140846e-1f;
  y = y * m + 1.4249322787e-1f;
  y = y * m - 1.6668057665e-1f;
  y = y * m + 2.0000714765e-1f;
  y = y * m - 2.4999993993e-1f;
  y = y * m + 3.3333331174e-1f;
  y = y * m * z;
  y = y + e * -2.12194440e-4f;
  y = y - z * 0.5f;
  vf found = m + y;
  found = found + e * 0.693359375f;
  found = x == 0.0f ? all(-INFINITY) : found;
  found = x == INFINITY ? x : found;
  return x < 0.0f || x != x ? all(NAN) : found;
}

INLINE vf log1p(vf x) {  // x >= 0
  vf u = 1.0f + x;
  vf lost = (x - (u - 1.0f)) / u;
  return u == INFINITY ? u : logarithm(u) + lost;
}

INLINE vf error_function(vf x) {  // the rational function of Eigen's erf
  x = x > 4.0f ? all(4.0f) : x < -4.0f ? all(-4.0f) : x;
  vf z = x * x;
  vf p = z * -2.72614225801306e-10f + 2.77068142495902e-08f;
  p = p * z - 2.10102402082508e-06f;
  p = p * z - 5.69250639462346e-05f;
  p = p * z - 7.34990630326855e-04f;
  p = p * z - 2.95459980854025e-03f;
  p = p * z - 1.60960333262415e-02f;
  vf q = z * -1.45660718464996e-05f - 2.13374055278905e-04f;
  q = q * z - 1.68282697438203e-03f;
  q = q * z - 7.37332916720468e-03f;
  q = q * z - 1.42647390514189e-02f;
  return x * p / q;
}

INLINE vf hyperbolic_tangent(vf z) {
  vf t = expm1(z + z);
  return t / (t + 2.0f);
}

INLINE vf logistic(vf z) { return 1.0f / (expm1(-z) + 2.0f); }

INLINE vf softplus(vf z) { return larger(z, (vf){}) + log1p(exponential(-magnitude(z))) + (z != z ? z : (vf){}); }

}  // namespace
