// Vectors of V numbers, one of each model of a chunk, and what is done with all lanes at once.

#pragma once

#include <math.h>
#include <stdint.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#ifndef V
#define V 16
#endif

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

namespace {

typedef float vf __attribute__((vector_size(4 * V)));
typedef int32_t vi __attribute__((vector_size(4 * V)));

INLINE vf all(float a) { return a - (vf){}; }
INLINE vf magnitude(vf a) { return (vf)((vi)a & 0x7fffffff); }
INLINE vf larger(vf a, vf b) { return a > b ? a : b; }
INLINE vf smaller(vf a, vf b) { return a < b ? a : b; }
INLINE vf at_least(vf a, float least) { return a < least ? all(least) : a; }  // a number that is not a number stays so

INLINE vf root(vf a) {
#if defined(__AVX512F__) && V == 16
  return (vf)_mm512_sqrt_ps((__m512)a);
#elif defined(__AVX__) && V == 8
  return (vf)_mm256_sqrt_ps((__m256)a);
#elif defined(__aarch64__) && V == 4
  return (vf)vsqrtq_f32((float32x4_t)a);
#else
  for (int l = 0; l < V; l++) a[l] = sqrtf(a[l]);
  return a;
#endif
}

// Numbers below 1.2e-38 are zero inside, as in TensorFlow.
struct FlushToZero {
#if defined(__x86_64__)
  unsigned before = _mm_getcsr();
  FlushToZero() { _mm_setcsr(before | 0x8040); }
  ~FlushToZero() { _mm_setcsr(before); }
#elif defined(__aarch64__)
  uint64_t before;
  FlushToZero() { __asm__ volatile("mrs %0, fpcr" : "=r"(before)); __asm__ volatile("msr fpcr, %0" : : "r"(before | (1u << 24))); }
  ~FlushToZero() { __asm__ volatile("msr fpcr, %0" : : "r"(before)); }
#endif
};

}  // namespace
