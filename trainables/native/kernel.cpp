// Trains many small dense networks of one structure side by side: lane l of every vector belongs to model l.
//
//   parameters    [number][V]: first the weights that are trained, then the state (moving statistics, frozen weights)
//   activations   [row][unit][V]
//   rows, draws   [row][number]: one number for all lanes
//
// The models of `V` lanes are a chunk. A call trains some chunks for some steps, or evaluates them on some rows. A lane's
// bits do not depend on the other lanes, on the number of lanes, or on the instruction set: no sum crosses lanes, and
// multiplications are fused with additions within an expression only (-ffp-contract=on), which all targets can do.
//
// Nothing is allocated here, and nothing is kept between calls: the caller passes all memory (see `workspace`).

#include <math.h>
#include <stdint.h>
#include <string.h>
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

// Rows and columns of a block of a product, so that its sums stay in registers: 32 registers, or 16 with AVX2.
constexpr int ROWS = 4, COLUMNS = V >= 16 || V == 4 ? 4 : 2;
constexpr int TILE = 64;  // rows evaluated at once
constexpr int MOST_LAYERS = 64, MOST_MEASURES = 32;
constexpr int MOST = 256;  // optimizers, and penalized variables

enum Kind { DENSE, BATCH_NORMALIZATION, ACTIVATION, PRELU, DROPOUT, NOISE };

enum Activation {
  // These know their gradient from their output, so they may replace their input.
  LINEAR, RELU, ELU, SELU, TANH, SIGMOID, SOFTPLUS, EXPONENTIAL, RELU6, LEAKY_RELU, SOFTSIGN, HARD_SIGMOID, HARD_TANH,
  SOFTMAX,
  // These need their input.
  SILU, GELU, MISH, HARD_SILU, GELU_TANH,
};
constexpr int FUSED = SIGMOID;  // up to this one, the products compute activations themselves

enum Rule { SGD, MOMENTUM, NESTEROV, RMSPROP, ADAM, AMSGRAD, NADAM, ADAMAX, ADAGRAD, LION };

enum Measure {
  MSE, MAE, HUBER, LOG_COSH, POISSON, MSLE, MAPE,
  BINARY_CROSSENTROPY, CATEGORICAL_CROSSENTROPY, SPARSE_CROSSENTROPY,  // of logits, which are the last activation's input
  BINARY_ACCURACY, CATEGORICAL_ACCURACY, SPARSE_ACCURACY, EQUALITY,
};

// The columns of a model's settings. Those of the optimizer come after the numbers of the layers.
enum Setting { RATE, MOMENTUM_OF, BETA_1, BETA_1C, BETA_2, BETA_2C, RHO, RHO_C, EPSILON, DECAY, CLIP, SETTINGS };

}  // namespace

extern "C" {

struct Layer {
  int32_t kind, inputs, outputs;
  int32_t kernel, bias;    // positions among the parameters; DENSE: kernel, bias; normalization: scale, offset; -1: none
  int32_t mean, variance;  // normalization: the moving statistics
  int32_t frozen;          // normalization: it uses its moving statistics, and its parameters are not trained
  int32_t activation;      // column in the table of activations; -1: none
  int32_t draws;           // number of its draws; -1: none
  int32_t number;          // column of its number among the settings: a rate or a standard deviation
  int32_t penalized;       // whether its outputs are penalized
  float epsilon, momentum;
  float l1, l2;            // strengths of that penalty
};

struct Range { int32_t first, end; };

struct Rules {  // of one optimizer
  int32_t rule, centred, clip;  // clip: 0 none, 1 each variable's norm, 2 the norm of all, 3 each value
  int32_t decays, slot[3];      // the arrays of slots that it uses
  int32_t scheduled;            // row in `schedule`; -1: none
};

struct Measured {
  int32_t measure, weighted;
  float value;      // delta of Huber, threshold of accuracy
  float smoothing;  // of labels
};

struct Net {
  int32_t layers, features, outputs, targets;  // numbers of layers, and of numbers in a row
  int32_t weights, states, slots, settings;    // numbers in a model; slots: arrays of as many numbers as weights
  int32_t variables, penalties, optimizers, measures, activations;
  int32_t batch;
  const Layer* layer;
  const Range* variable;   // the variables that are trained, in order
  const int32_t* penalty;  // those of them that are penalized
  const Rules* rules;
  const Measured* measured;  // the loss, then the metrics
};

struct Models {  // arrays with a row for each model, and lists of chunks
  const int32_t *lane;        // [chunks][V]: the model in each lane; -1: none
  const int32_t *activation;  // [chunks][activations]
  const float *slope;         // [chunks][activations]: of leaky ReLU, alpha of ELU
  float *weights, *states, *slot[3], *scalar;  // scalar: [models][1], the product of Nadam
  const int32_t* optimizer;   // [models]
  const float *settings, *strengths;  // [models][settings]; [models][penalties][2]
  double* sums;               // [models][measures + 1]: sums over rows; last: of penalties
};

struct Rows {
  const float *x, *y, *weight;  // [rows][features], [rows][targets], [rows] or null
  int64_t rows;
};

}  // extern "C"

namespace {

INLINE vf all(float a) { return a - (vf){}; }
INLINE vf magnitude(vf a) { return (vf)((vi)a & 0x7fffffff); }
INLINE vf larger(vf a, vf b) { return a > b ? a : b; }
INLINE vf smaller(vf a, vf b) { return a < b ? a : b; }

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

// ---------------------------------------------------------------------------------------------- products

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

// ---------------------------------------------------------------------------------------------- activations

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

void dense_backward(int activation, float slope, const vf* w, int O, const vf* d, const vf* h, int I, vf* out, int n) {
#define CALL(A) input_gradients<A>(w, O, d, h, I, out, slope, n)
  BY_FUSED(CALL)
#undef CALL
}

// ---------------------------------------------------------------------------------------------- normalization

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

// ---------------------------------------------------------------------------------------------- losses and metrics

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
        vf e = logarithm(larger(y[k], all(1e-7f)) + 1.0f) - logarithm(all(t[k] > 1e-7f ? t[k] : 1e-7f) + 1.0f);
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
void loss_gradient(const Measured& m, const vf* y, const vf* z, const float* t, const float* weight, int K, int T, int n, vf* d) {
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
          vf e = logarithm(larger(y[k], all(1e-7f)) + 1.0f) - logarithm(all(t[k] > 1e-7f ? t[k] : 1e-7f) + 1.0f);
          d[k] = y[k] > 1e-7f ? e * (2.0f * part) / (y[k] + 1.0f) : (vf){};
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
        for (int k = 0; k < K; k++) d[k] = (logistic(z[k]) - target_of(t, k, m.smoothing, 2.0f)) * part;
        break;
      default: {  // the cross-entropy of classes
        vf top = z[0], sum = (vf){};
        float targets = 0.0f;
        for (int k = 1; k < K; k++) top = larger(z[k], top);
        for (int k = 0; k < K; k++) {
          sum += d[k] = exponential(z[k] - top);
          if (m.measure == CATEGORICAL_CROSSENTROPY) targets += t[k] * (1.0f - m.smoothing) + m.smoothing / (float)K;
        }
        if (m.measure == SPARSE_CROSSENTROPY) {
          for (int k = 0; k < K; k++) d[k] = (d[k] / sum - ((int)t[0] == k ? 1.0f : 0.0f)) * whole;
        } else {
          for (int k = 0; k < K; k++) d[k] = (d[k] / sum * targets - target_of(t, k, m.smoothing, (float)K)) * whole;
        }
      }
    }
  }
}

// ---------------------------------------------------------------------------------------------- optimizers

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
      vf under = larger(norm, limit);
      for (vf *k = g + variable[v].first, *end = k + n; k < end; k++) *k = mask ? *k * limit / under : *k;
    }
  }
  if (how == 2) {
    vf norm = root(total), scale = limit * smaller(1.0f / norm, 1.0f / limit) + (norm - norm);
    for (int64_t k = 0; k < variable[variables - 1].end; k++) g[k] = mask ? g[k] * scale : g[k];
  }
}

// ---------------------------------------------------------------------------------------------- one chunk

// The memory of a chunk. Each part begins at a multiple of 64 bytes.
struct Work {
  vf *parameters, *slot[3], *gradients, *output[MOST_LAYERS], *one, *other, *statistics, *folded, *broadcast;
  int64_t bytes;
};

INLINE int64_t widest(const Net* net) {
  int64_t most = net->features;
  for (int l = 0; l < net->layers; l++) most = net->layer[l].outputs > most ? net->layer[l].outputs : most;
  return most;
}

Work lay_out(const Net* net, char* memory, int rows) {
  Work work;
  int64_t used = 0;
  auto take = [&](int64_t count) {
    char* found = memory ? memory + used : nullptr;
    used += (count * (int64_t)sizeof(vf) + 63) / 64 * 64;
    return (vf*)found;
  };
  const int64_t most = widest(net), parameters = net->weights + net->states;
  work.parameters = take(parameters);
  for (int k = 0; k < 3; k++) work.slot[k] = k < net->slots ? take(net->weights) : nullptr;
  work.gradients = take(net->weights);
  work.statistics = take(4 * most * net->layers);  // for each normalization: mean, variance, inverse, factor
  work.folded = take(2 * most);
  work.broadcast = take(net->layer[0].kind == DENSE ? 0 : (int64_t)rows * net->features);
  for (int l = 0; l < net->layers; l++) work.output[l] = take((int64_t)rows * net->layer[l].outputs);
  work.one = take((int64_t)rows * most);
  work.other = take((int64_t)rows * most);
  work.bytes = used;
  return work;
}

struct Chunk {
  const Net* net;
  Work work;
  const int32_t* activation;
  const float* slope;
  const vf* numbers;  // the settings, a vector each
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

template <bool MASKED>
void update_by(int rule, const Work& work, const Rules& rules, int64_t n, const Step& step, const float* keep, vi mask, bool has_momentum) {
  vf* slot[3];
  for (int k = 0; k < 3; k++) slot[k] = rules.slot[k] < 0 ? nullptr : work.slot[rules.slot[k]];
#define CALL(R) case R: update<R, MASKED>(work.parameters, work.gradients, slot[0], slot[1], slot[2], n, step, keep, mask, rules.centred, has_momentum); break;
  switch (rule) { CALL(SGD) CALL(MOMENTUM) CALL(NESTEROV) CALL(RMSPROP) CALL(ADAM) CALL(AMSGRAD) CALL(NADAM) CALL(ADAMAX) CALL(ADAGRAD) CALL(LION) }
#undef CALL
}

// beta^t, as Keras computes it, for the lanes of a vector; mostly all lanes have the same beta.
vf power(vf beta, double t) {
  vf found;
  for (int l = 0; l < V; l++) found[l] = l && beta[l] == beta[l - 1] ? found[l - 1] : (float)pow((double)beta[l], t);
  return found;
}

void load(vf* to, const float* from, int64_t numbers, const int* model) {
  for (int l = 0; l < V; l++) {
    const float* own = from + (int64_t)model[l] * numbers;
    for (int64_t k = 0; k < numbers; k++) ((float*)to)[k * V + l] = own[k];
  }
}

void store(float* to, const vf* from, int64_t numbers, const int32_t* lane) {
  for (int l = 0; l < V; l++) {
    if (lane[l] < 0) continue;
    float* own = to + (int64_t)lane[l] * numbers;
    for (int64_t k = 0; k < numbers; k++) own[k] = ((const float*)from)[k * V + l];
  }
}

// Keeps the outputs of n rows, from row `first` on: [lanes][rows][outputs].
void keep(float* to, const vf* y, int K, int64_t rows, int64_t first, int n) {
  for (int l = 0; l < V; l++)
    for (int64_t k = 0; k < (int64_t)n * K; k++) to[((int64_t)l * rows + first) * K + k] = ((const float*)y)[k * V + l];
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

constexpr int MOST_SETTINGS = SETTINGS + MOST_LAYERS;

INLINE bool is_among(int value, int first, int last) { return first <= value && value <= last; }

INLINE bool is_of_logits(const Measured& m) { return is_among(m.measure, BINARY_CROSSENTROPY, SPARSE_CROSSENTROPY); }

// Whether all positions of a net are inside its arrays.
bool is_sound(const Net* net) {
  const int64_t weights = net->weights, all = weights + net->states;
  if (!is_among(net->layers, 1, MOST_LAYERS) || !is_among(net->slots, 0, 3) || net->batch < 1 || net->features < 1) return false;
  if (!is_among(net->settings, SETTINGS, MOST_SETTINGS) || !is_among(net->measures, 1, MOST_MEASURES)) return false;
  if (weights < 1 || net->states < 0 || all > INT32_MAX || net->targets < 1) return false;
  if (!is_among(net->optimizers, 1, MOST) || net->variables < 1 || !is_among(net->penalties, 0, MOST)) return false;
  // A variable is trained as a whole or not at all.
  auto is_inside = [&](int64_t first, int64_t count) { return first >= 0 && first + count <= (first < weights ? weights : all); };
  int width = net->features, drawing = 0;
  for (int l = 0; l < net->layers; l++) drawing += net->layer[l].kind == DROPOUT || net->layer[l].kind == NOISE;
  for (int l = 0; l < net->layers; l++) {
    const Layer& layer = net->layer[l];
    const int64_t I = layer.inputs, O = layer.outputs;
    if (!is_among(layer.kind, DENSE, NOISE) || I != width || O < 1 || layer.activation >= net->activations) return false;
    if (layer.kind != DENSE && I != O) return false;
    if (layer.kernel >= 0 && !is_inside(layer.kernel, layer.kind == DENSE ? I * O : O)) return false;
    if (layer.bias >= 0 && !is_inside(layer.bias, O)) return false;
    if ((layer.kind == DENSE || layer.kind == PRELU) && layer.kernel < 0) return false;
    if (layer.kind == BATCH_NORMALIZATION && !(is_inside(layer.mean, O) && is_inside(layer.variance, O))) return false;
    if (layer.kind == DROPOUT || layer.kind == NOISE)
      if (!is_among(layer.number, SETTINGS, net->settings - 1) || !is_among(layer.draws, 0, drawing - 1)) return false;
    width = layer.outputs;
  }
  if (width != net->outputs) return false;
  int end = 0;
  for (int v = 0; v < net->variables; v++) {
    if (net->variable[v].first != end || net->variable[v].end < end || net->variable[v].end > weights) return false;
    end = net->variable[v].end;
  }
  if (end != weights) return false;
  for (int k = 0; k < net->penalties; k++) if (!is_among(net->penalty[k], 0, net->variables - 1)) return false;
  for (int k = 0; k < net->optimizers; k++) {
    const Rules& rules = net->rules[k];
    if (!is_among(rules.rule, SGD, LION) || !is_among(rules.clip, 0, 3) || rules.scheduled >= net->optimizers) return false;
    for (int s = 0; s < 3; s++) if (rules.slot[s] >= net->slots) return false;
  }
  for (int k = 0; k < net->measures; k++) {
    const Measured& m = net->measured[k];
    const bool is_sparse = m.measure == SPARSE_CROSSENTROPY || m.measure == SPARSE_ACCURACY;
    if (!is_among(m.measure, MSE, EQUALITY) || net->targets != (is_sparse ? 1 : net->outputs)) return false;
    if (is_of_logits(m) && net->layer[net->layers - 1].kind == ACTIVATION && net->layers < 2) return false;
  }
  return true;
}

// Whether chunks of models are such that all that they name is there.
bool are_sound(const Net* net, const Models* models, int chunks, bool trains) {
  for (int chunk = 0; chunk < chunks; chunk++) {
    const int32_t *lane = models->lane + (int64_t)chunk * V, *activation = models->activation + (int64_t)chunk * net->activations;
    if (lane[0] < 0) return false;
    for (int l = 0; trains && l < V; l++)
      if (lane[l] >= 0 && !is_among(models->optimizer[lane[l]], 0, net->optimizers - 1)) return false;
    for (int k = 0; k < net->activations; k++) if (!is_among(activation[k], LINEAR, GELU_TANH)) return false;
  }
  return true;
}

// Whether the last layer is an activation of which the loss or a metric takes the input.
INLINE int logits_layer(const Net* net) {
  for (int k = 0; k < net->measures; k++)
    if (is_of_logits(net->measured[k]) && net->layer[net->layers - 1].kind == ACTIVATION) return net->layers - 2;
  return net->layers - 1;
}

}  // namespace

extern "C" {

// The number that the Python side expects; it changes with the structures above.
int version(void) { return 2; }

int lanes(void) { return V; }

// The rows of a tile of `evaluate`; the last tile may have fewer.
int tile(void) { return TILE; }

int settings(void) { return SETTINGS; }

// The bytes of memory that `train` and `evaluate` need; -1 if the net is not sound.
int64_t workspace(const Net* net) {
  if (!is_sound(net)) return -1;
  return lay_out(net, nullptr, net->batch > TILE ? net->batch : TILE).bytes;
}

// The first `count` floats of tf.random.stateless_uniform with the seed (s0, s1), 23 random bits each.
// Philox 4x32-10 of Salmon et al. (2011), keyed as TensorFlow keys it.
void uniform(int32_t s0, int32_t s1, int64_t count, float* out) {
  auto rounds = [](uint32_t* c, uint32_t k0, uint32_t k1) {
    for (int i = 0; i < 10; i++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
      const uint64_t a = (uint64_t)0xD2511F53u * c[0], b = (uint64_t)0xCD9E8D57u * c[2];
      const uint32_t n0 = (uint32_t)(b >> 32) ^ c[1] ^ k0, n2 = (uint32_t)(a >> 32) ^ c[3] ^ k1;
      c[0] = n0, c[1] = (uint32_t)b, c[2] = n2, c[3] = (uint32_t)a;
    }
  };
  uint32_t key[4] = {(uint32_t)s0, (uint32_t)(s0 >> 31), (uint32_t)s1, (uint32_t)(s1 >> 31)};
  rounds(key, 0x3ec8f720u, 0x02461e29u);
  for (int64_t block = 0; 4 * block < count; block++) {
    uint32_t c[4] = {(uint32_t)block, (uint32_t)((uint64_t)block >> 32), key[2], key[3]};
    rounds(c, key[0], key[1]);
    for (int j = 0; j < 4 && 4 * block + j < count; j++) {
      const uint32_t bits = (c[j] & 0x7FFFFF) | 0x3F800000;
      float f;
      memcpy(&f, &bits, 4);
      out[4 * block + j] = f - 1.0f;
    }
  }
}

// Trains `chunks` chunks for the steps `first_step` to `last_step` of an epoch, and adds to their sums.
//   rows        in the order in which they are trained
//   draws       for each layer that draws, [rows][outputs]
//   schedule    for each schedule, the rate of each step, [steps]
//   decays      for each optimizer, which numbers decay, [weights]
//   done        steps done before `first_step`
//   outputs     [chunks * V][rows][outputs]: what the models predict before each step; null: not wanted
// Returns 0; 1 if the net, the models or the steps are not sound.
int train(const Net* net, const Models* models, int chunks, const Rows* rows, const float* const* draws, const float* const* schedule,
          const float* const* decays, int64_t done, int64_t first_step, int64_t last_step, char* memory, float* outputs) {
  if (!is_sound(net) || !are_sound(net, models, chunks, true)) return 1;
  if (first_step < 0 || last_step > (rows->rows + net->batch - 1) / net->batch) return 1;
  FlushToZero flush;
  const int P = net->weights, S = net->states, Q = net->settings, K = net->outputs, T = net->targets, M = net->measures;
  const int batch = net->batch, at_logits = logits_layer(net), output = net->layers - 1;
  Work work = lay_out(net, memory, batch > TILE ? batch : TILE);
  for (int chunk = 0; chunk < chunks; chunk++) {
    const int32_t* lane = models->lane + (int64_t)chunk * V;
    int from[V];
    for (int l = 0; l < V; l++) from[l] = lane[l] < 0 ? lane[0] : lane[l];
    load(work.parameters, models->weights, P, from);
    load(work.parameters + P, models->states, S, from);
    for (int k = 0; k < net->slots; k++) load(work.slot[k], models->slot[k], P, from);
    vf numbers[MOST_SETTINGS], strengths[MOST][2], scalar = (vf){};
    load(numbers, models->settings, Q, from);
    if (models->scalar) load(&scalar, models->scalar, 1, from);
    vi kind;
    for (int l = 0; l < V; l++) kind[l] = models->optimizer[from[l]];
    bool penalizes[MOST], present[MOST] = {};
    for (int k = 0; k < net->penalties; k++) {
      penalizes[k] = false;
      for (int l = 0; l < V; l++)
        for (int j = 0; j < 2; j++) {
          strengths[k][j][l] = models->strengths[((int64_t)from[l] * net->penalties + k) * 2 + j];
          penalizes[k] |= strengths[k][j][l] != 0.0f;
        }
    }
    int kinds = 0;
    for (int l = 0; l < V; l++) kinds += !present[kind[l]], present[kind[l]] = true;
    double sums[MOST_MEASURES + 1][V];
    for (int l = 0; l < V; l++) for (int m = 0; m <= M; m++) sums[m][l] = models->sums[(int64_t)from[l] * (M + 1) + m];
    Chunk c = {net, work, models->activation + (int64_t)chunk * net->activations, models->slope + (int64_t)chunk * net->activations, numbers};
    for (int64_t s = first_step; s < last_step; s++) {
      const int64_t first = s * batch;
      const int n = (int)(rows->rows - first < batch ? rows->rows - first : batch);
      const float *x = rows->x + first * net->features, *t = rows->y + first * T, *weight = rows->weight ? rows->weight + first : nullptr;
      vf penalty = (vf){};
      run(c, x, n, true, draws, first, &penalty);
      const vf *y = work.output[output], *z = work.output[at_logits];
      for (int m = 0; m < M; m++) {
        vf sum = sum_over_rows(net->measured[m], y, z, t, weight, K, T, n);
        for (int l = 0; l < V; l++) sums[m][l] += sum[l];
      }
      if (outputs) keep(outputs + (int64_t)chunk * V * rows->rows * K, y, K, rows->rows, first, n);
      const bool of_logits = is_of_logits(net->measured[0]);
      loss_gradient(net->measured[0], y, z, t, weight, K, T, n, work.one);
      run_backward(c, x, n, of_logits ? at_logits : output, work.one, work.other, draws, first);
      for (int k = 0; k < net->penalties; k++) {
        if (!penalizes[k]) continue;
        const Range range = net->variable[net->penalty[k]];
        const vf l1 = strengths[k][0], l2 = strengths[k][1], twice = l2 + l2;
        vf sum = (vf){};
        for (int i = range.first; i < range.end; i++) {
          vf w = work.parameters[i];
          sum += l1 * magnitude(w) + l2 * (w * w);
          work.gradients[i] += twice * w + (w > 0.0f ? l1 : w < 0.0f ? -l1 : (vf){});
        }
        penalty += sum;
      }
      for (int l = 0; l < V; l++) sums[M][l] += (double)penalty[l] * n;

      const double step_number = (double)(done + s - first_step + 1);
      for (int k = 0; k < net->optimizers; k++) {
        if (!present[k]) continue;
        const Rules& rules = net->rules[k];
        const vi mask = kind == k;
        Step step = {};
        step.rate = rules.scheduled < 0 ? numbers[RATE] : all(schedule[rules.scheduled][s]);
        step.momentum = numbers[MOMENTUM_OF], step.beta_1 = numbers[BETA_1], step.beta_1c = numbers[BETA_1C];
        step.beta_2 = numbers[BETA_2], step.beta_2c = numbers[BETA_2C], step.rho = numbers[RHO], step.rho_c = numbers[RHO_C];
        step.epsilon = numbers[EPSILON], step.decay = numbers[DECAY];
        if (rules.rule == ADAM || rules.rule == AMSGRAD)
          step.alpha = step.rate * root(1.0f - power(step.beta_2, step_number)) / (1.0f - power(step.beta_1, step_number));
        if (rules.rule == ADAMAX) step.alpha = 1.0f - power(step.beta_1, step_number);
        if (rules.rule == NADAM) {
          step.u = step.beta_1 * (1.0f - 0.5f * (float)pow((double)0.96f, step_number));
          step.u_next = step.beta_1 * (1.0f - 0.5f * (float)pow((double)0.96f, step_number + 1));
          vf product = scalar * step.beta_1 * (1.0f - 0.5f * (float)pow((double)0.96f, step_number));
          scalar = mask ? product : scalar;
          step.product = product, step.product_next = product * step.u_next;
          step.correction = 1.0f - power(step.beta_2, step_number);
        }
        if (rules.clip) clip(rules.clip, numbers[CLIP], net->variable, net->variables, work.gradients, mask);
        bool has_momentum = rules.slot[1] >= 0;
        if (kinds == 1) update_by<false>(rules.rule, work, rules, P, step, decays[k], mask, has_momentum);
        else update_by<true>(rules.rule, work, rules, P, step, decays[k], mask, has_momentum);
      }
    }
    store(models->weights, work.parameters, P, lane);
    store(models->states, work.parameters + P, S, lane);
    for (int k = 0; k < net->slots; k++) store(models->slot[k], work.slot[k], P, lane);
    if (models->scalar) store(models->scalar, &scalar, 1, lane);
    for (int l = 0; l < V; l++)
      if (lane[l] >= 0)
        for (int m = 0; m <= M; m++) models->sums[(int64_t)lane[l] * (M + 1) + m] = sums[m][l];
  }
  return 0;
}

// Evaluates `chunks` chunks on the tiles `first_tile` to `last_tile` of rows, and adds to their sums; with the last tile also
// the penalties of weights, which are those of all rows at once.
//   outputs     [chunks * V][rows][outputs]: what the models predict; null: not wanted
// Returns 0; 1 if the net, the models or the tiles are not sound.
int evaluate(const Net* net, const Models* models, int chunks, const Rows* rows, int64_t first_tile, int64_t last_tile, char* memory,
             float* outputs) {
  if (!is_sound(net) || !are_sound(net, models, chunks, false)) return 1;
  const int64_t tiles = (rows->rows + TILE - 1) / TILE;
  if (first_tile < 0 || last_tile > tiles) return 1;
  FlushToZero flush;
  const int P = net->weights, S = net->states, K = net->outputs, T = net->targets, M = net->measures;
  const int at_logits = logits_layer(net), output = net->layers - 1;
  Work work = lay_out(net, memory, net->batch > TILE ? net->batch : TILE);
  for (int chunk = 0; chunk < chunks; chunk++) {
    const int32_t* lane = models->lane + (int64_t)chunk * V;
    int from[V];
    for (int l = 0; l < V; l++) from[l] = lane[l] < 0 ? lane[0] : lane[l];
    load(work.parameters, models->weights, P, from);
    load(work.parameters + P, models->states, S, from);
    vf numbers[MOST_SETTINGS];
    load(numbers, models->settings, net->settings, from);
    Chunk c = {net, work, models->activation + (int64_t)chunk * net->activations, models->slope + (int64_t)chunk * net->activations, numbers};
    double sums[MOST_MEASURES + 1][V];
    for (int l = 0; l < V; l++) for (int m = 0; m <= M; m++) sums[m][l] = models->sums[(int64_t)from[l] * (M + 1) + m];
    for (int64_t first = first_tile * TILE; first < rows->rows && first < last_tile * TILE; first += TILE) {
      const int n = (int)(rows->rows - first < TILE ? rows->rows - first : TILE);
      vf penalty = (vf){};
      run(c, rows->x + first * net->features, n, false, nullptr, 0, &penalty);
      const vf *y = work.output[output], *z = work.output[at_logits];
      const float *t = rows->y + first * T, *weight = rows->weight ? rows->weight + first : nullptr;
      for (int m = 0; m < M; m++) {
        vf sum = sum_over_rows(net->measured[m], y, z, t, weight, K, T, n);
        for (int l = 0; l < V; l++) sums[m][l] += sum[l];
      }
      for (int l = 0; l < V; l++) sums[M][l] += (double)penalty[l] * n;
      if (outputs) keep(outputs + (int64_t)chunk * V * rows->rows * K, y, K, rows->rows, first, n);
    }
    for (int k = 0; last_tile == tiles && k < net->penalties; k++) {
      const Range range = net->variable[net->penalty[k]];
      for (int l = 0; l < V; l++) {
        const float *own = models->strengths + ((int64_t)from[l] * net->penalties + k) * 2;
        if (own[0] == 0.0f && own[1] == 0.0f) continue;
        double sum = 0.0;
        for (int i = range.first; i < range.end; i++) {
          const double w = ((const float*)work.parameters)[(int64_t)i * V + l];
          sum += own[0] * fabs(w) + own[1] * (w * w);
        }
        sums[M][l] += sum * (double)rows->rows;
      }
    }
    for (int l = 0; l < V; l++)
      if (lane[l] >= 0)
        for (int m = 0; m <= M; m++) models->sums[(int64_t)lane[l] * (M + 1) + m] = sums[m][l];
  }
  return 0;
}

// Applies an activation to n numbers, a multiple of `lanes()`: for tests of its accuracy. Functions: see `Activation`; -1
// the exponential, -2 the logarithm, -3 expm1, -4 log1p, -5 erf.
void apply(int activation, float slope, const float* x, float* y, int64_t n) {
  FlushToZero flush;
  for (int64_t i = 0; i < n; i += V) {
    vf a;
    memcpy(&a, x + i, sizeof a);
    switch (activation) {
      case -1: a = exponential(a); break;
      case -2: a = logarithm(a); break;
      case -3: a = expm1(a); break;
      case -4: a = log1p(a); break;
      case -5: a = error_function(a); break;
      default: activate(activation, slope, &a, &a, 1, 1);
    }
    memcpy(y + i, &a, sizeof a);
  }
}

// Replaces n gradients behind an activation, for the inputs x, by those before it; for tests, too.
void apply_backward(int activation, float slope, const float* x, float* gradients, int64_t n) {
  FlushToZero flush;
  for (int64_t i = 0; i < n; i += V) {
    vf a, g;
    memcpy(&a, x + i, sizeof a);
    memcpy(&g, gradients + i, sizeof g);
    if (activation < SILU) activate(activation, slope, &a, &a, 1, 1);
    activate_backward(activation, slope, &g, &a, 1, 1);
    memcpy(gradients + i, &g, sizeof g);
  }
}

}  // extern "C"
