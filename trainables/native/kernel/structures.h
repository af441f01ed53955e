// What a caller passes: the numbers for each kind of part, and the structures; trainables/native/structures.py has the same.

#pragma once

#include <stdint.h>

namespace {

constexpr int TILE = 64;   // rows evaluated at once
constexpr int STRIP = 16;  // rows for which an instruction is carried out at once
constexpr int MOST_LAYERS = 64, MOST_MEASURES = 32, MOST_AREAS = 32, MOST_THRESHOLDS = 1 << 14;
constexpr int MOST_INSTRUCTIONS = 1 << 16, MOST_COLUMNS = 1 << 14;  // of all expressions; of one
constexpr int MOST = 256;  // optimizers, penalized variables, constraints, and sources of all layers

enum Kind {
  DENSE, BATCH_NORMALIZATION, ACTIVATION, PRELU, DROPOUT, NOISE, LAYER_NORMALIZATION,
  ADD, SUBTRACT, MULTIPLY, AVERAGE, MAXIMUM, MINIMUM, CONCATENATE,  // these join several outputs
};
constexpr int64_t MOST_NUMBERS = (int64_t)1 << 40;  // of the outputs of a layer for a batch
constexpr int ROWS_OF_TABLE = -1;  // the source of a layer that takes the rows themselves

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
  EXPRESSION,  // a list of instructions
};

enum Operation {
  CONSTANT, COPY, NEGATIVE, ABSOLUTE, SIGN, SQUARE, ROOT, EXPONENTIAL_OF, LOGARITHM, EXPM1, LOG1P,
  HYPERBOLIC_TANGENT, HYPERBOLIC_COSINE, HYPERBOLIC_SINE, LOGISTIC, SOFTPLUS_OF, ERROR_FUNCTION, FLOOR, ROUND, TRUNCATE,
  PLUS, MINUS, TIMES, OVER, LARGER, SMALLER, LESS, LESS_OR_EQUAL, EQUAL,  // truth is 1, untruth 0
  SELECT,                // the second if the first is not 0, else the third
  SUM, GREATEST, LEAST,  // of several columns
};

enum ConstraintKind { NON_NEGATIVE, MAX_NORM, UNIT_NORM, MIN_MAX_NORM };

// The columns of a model's settings. Those of the optimizer come after the numbers of the layers.
enum Setting { RATE, MOMENTUM_OF, BETA_1, BETA_1C, BETA_2, BETA_2C, RHO, RHO_C, EPSILON, DECAY, CLIP, SETTINGS };
constexpr int MOST_SETTINGS = SETTINGS + 2 * MOST_LAYERS;

}  // namespace

extern "C" {

struct Layer {
  int32_t kind, inputs, outputs;
  int32_t source, sources;  // the first and the number of its sources, positions in `Net::source`
  int32_t kernel, bias;    // positions among the parameters; DENSE: kernel, bias; normalizations: scale, offset; -1: none
  int32_t mean, variance;  // batch normalization: the moving statistics
  int32_t frozen;          // batch normalization: it uses its moving statistics, and its parameters are not trained
  int32_t activation;      // column in the table of activations; -1: none
  int32_t draws;           // number of its draws; -1: none
  int32_t number;          // column among the settings of its standard deviation, or of its rate, behind which one minus the rate is
  int32_t penalized;       // whether its outputs are penalized
  float epsilon, momentum;
  float complement;        // batch normalization: one minus the momentum, of which float32 would lose digits
  float l1, l2;            // strengths of that penalty
};

struct Range { int32_t first, end; };

struct Optimizer {
  int32_t rule, centred, clip;  // clip: 0 none, 1 each variable's norm, 2 the norm of all, 3 each value
  int32_t decays, slot[3];      // the arrays of slots that it uses
  int32_t scheduled;            // row in `schedule`; -1: none
};

struct Constraint {  // of a variable, whose numbers are in groups; number k of group g is first + g * step + k * stride
  int32_t kind, first, groups, step, length, stride;
  float least, most;    // norms of a group
  float rate, rest;     // how much of the limited norm and of the norm itself becomes the norm
  float epsilon;        // Keras' own
};

struct Measured {
  int32_t measure, weighted;
  float value;      // delta of Huber, threshold of accuracy
  float smoothing;  // of labels
  // EXPRESSION: its instructions in the list of all of them. The first `constants` take no rows, those up to `values` make
  // the value of a row, and those up to `end` its gradient; of a metric there is none.
  int32_t first, constants, values, end;
  int32_t value_at, gradient_at, of_logits;  // columns; whether the gradient is that of the last activation's input
};

struct Instruction {  // for each of `width` columns
  int32_t operation, width;
  int32_t to, from[3], step[3];  // first columns; a step of 0: all take the first one
  float number;                  // of CONSTANT
};

struct Area {  // under a curve, by thresholds that are evenly distributed from 0 to 1
  int32_t thresholds, weighted;
};

struct Net {
  int32_t layers, features, outputs, targets;  // numbers of layers, and of numbers in a row
  int32_t weights, states, slots, settings;    // numbers in a model; slots: arrays of as many numbers as weights
  int32_t variables, penalties, optimizers, constraints, measures, activations, sources;
  int32_t instructions, columns;  // of all expressions together; the most that one of them needs
  int32_t batch;
  int32_t areas, counts;   // counts: the numbers that one model counts for all areas
  const Layer* layer;       // in an order in which each comes after its sources; the last one is the output
  const Range* variable;   // the variables that are trained, in order
  const int32_t* penalty;  // those of them that are penalized
  const Optimizer* optimizer;
  const Constraint* constraint;
  const Measured* measured;  // the loss, then the metrics
  const int32_t* source;     // the layers whose outputs the layers take, or ROWS_OF_TABLE
  const Instruction* instruction;
  const Area* area;
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
