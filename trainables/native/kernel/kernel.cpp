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

#include "constraints.h"
#include "optimizers.h"
#include "penalties.h"
#include "random.h"
#include "sound.h"

extern "C" {

// The number that the Python side expects; it changes with the structures above.
int version(void) { return 8; }

int lanes(void) { return V; }

// The rows of a tile of `evaluate`; the last tile may have fewer.
int tile(void) { return TILE; }

int settings(void) { return SETTINGS; }

// The bytes of memory that `train` and `evaluate` need; -1 if the net is not sound.
int64_t workspace(const Net* net) {
  if (!is_sound(net)) return -1;
  return lay_out(net, nullptr, net->batch > TILE ? net->batch : TILE).bytes;
}

// The first `count` floats of tf.random.stateless_uniform with the seed (s0, s1).
void uniform(int32_t s0, int32_t s1, int64_t count, float* out) { philox_uniform(s0, s1, count, out); }

// Trains `chunks` chunks for the steps `first_step` to `last_step` of an epoch, and adds to their sums.
//   rows        in the order in which they are trained
//   draws       for each layer that draws, [rows from `first_step` on][outputs]
//   schedule    for each schedule, the rate of each step, [steps]
//   decays      for each optimizer, which numbers decay, [weights]
//   done        steps done before `first_step`
//   outputs     [chunks * V][rows][outputs]: what the models predict before each step; null: not wanted
//   counts      [chunks][counts][V]: where the rows are added to what the areas count; null: not wanted
// Returns 0; 1 if the net, the models or the steps are not sound.
int train(const Net* net, const Models* models, int chunks, const Rows* rows, const float* const* draws, const float* const* schedule,
          const float* const* decays, int64_t done, int64_t first_step, int64_t last_step, char* memory, float* outputs,
          double* counts) {
  if (!is_sound(net) || !are_sound(net, models, chunks, true)) return 1;
  if (first_step < 0 || last_step > (rows->rows + net->batch - 1) / net->batch) return 1;
  FlushToZero flush;
  const int P = net->weights;
  const Measured& loss = net->measured[0];
  const int last = is_of_logits(loss) ? logits_layer(net) : net->layers - 1;
  const Work work = lay_out(net, memory, net->batch > TILE ? net->batch : TILE);
  for (int number = 0; number < chunks; number++) {
    Chunk c;
    load_chunk(c, net, models, number, work);
    for (int k = 0; k < net->slots; k++) load(work.slot[k], models->slot[k], P, c.from);
    vf product = (vf){};
    if (models->scalar) load(&product, models->scalar, 1, c.from);
    Strengths strengths;
    load_strengths(strengths, c, models);
    vi optimizer;
    bool present[MOST] = {};
    int kinds = 0;
    for (int l = 0; l < V; l++) optimizer[l] = models->optimizer[c.from[l]];
    for (int l = 0; l < V; l++) kinds += !present[optimizer[l]], present[optimizer[l]] = true;
    const Wanted wanted = wanted_of(net, rows, number, outputs, counts);
    for (int64_t s = first_step; s < last_step; s++) {
      const Batch b = batch_of(c, rows, s * net->batch, net->batch);
      const int64_t drawn = b.first - first_step * net->batch;
      vf penalty = (vf){};
      run(c, b.x, b.n, true, draws, drawn, &penalty);
      measure(c, b, wanted, rows->rows, work.one);
      if (loss.measure != EXPRESSION)
        loss_gradient(loss, b.y, b.z, b.t, b.weight, net->outputs, net->targets, b.n, work.one, is_logistic(c));
      run_backward(c, b.x, b.n, last, draws, drawn);
      penalize_weights(c, strengths, &penalty);
      for (int l = 0; l < V; l++) c.sums[net->measures][l] += (double)penalty[l] * b.n;
      for (int k = 0; k < net->optimizers; k++) {
        if (!present[k]) continue;
        const Optimizer& one = net->optimizer[k];
        const vi mask = optimizer == k;
        const vf rate = one.scheduled < 0 ? c.numbers[RATE] : all(schedule[one.scheduled][s]);
        const Step step = step_of(one, c.numbers, rate, (double)(done + s - first_step + 1), mask, &product);
        if (one.clip) clip(one.clip, c.numbers[CLIP], net->variable, net->variables, work.gradients, mask);
        if (kinds == 1) update_by<false>(one, work, P, step, decays[k], mask);
        else update_by<true>(one, work, P, step, decays[k], mask);
      }
      for (int k = 0; k < net->constraints; k++) constrain(net->constraint[k], work.parameters);
    }
    store(models->weights, work.parameters, P, c.lane);
    store(models->states, work.parameters + P, net->states, c.lane);
    for (int k = 0; k < net->slots; k++) store(models->slot[k], work.slot[k], P, c.lane);
    if (models->scalar) store(models->scalar, &product, 1, c.lane);
    store_sums(c, models);
  }
  return 0;
}

// Evaluates `chunks` chunks on the tiles `first_tile` to `last_tile` of rows, and adds to their sums; with the last tile also
// the penalties of weights, which are those of all rows at once.
//   outputs, counts    as of `train`
// Returns 0; 1 if the net, the models or the tiles are not sound.
int evaluate(const Net* net, const Models* models, int chunks, const Rows* rows, int64_t first_tile, int64_t last_tile, char* memory,
             float* outputs, double* counts) {
  if (!is_sound(net) || !are_sound(net, models, chunks, false)) return 1;
  const int64_t tiles = (rows->rows + TILE - 1) / TILE;
  if (first_tile < 0 || last_tile > tiles) return 1;
  FlushToZero flush;
  const Work work = lay_out(net, memory, net->batch > TILE ? net->batch : TILE);
  for (int number = 0; number < chunks; number++) {
    Chunk c;
    load_chunk(c, net, models, number, work);
    const Wanted wanted = wanted_of(net, rows, number, outputs, counts);
    for (int64_t tile = first_tile; tile < last_tile; tile++) {
      const Batch b = batch_of(c, rows, tile * TILE, TILE);
      vf penalty = (vf){};
      run(c, b.x, b.n, false, nullptr, 0, &penalty);
      measure(c, b, wanted, rows->rows, nullptr);
      for (int l = 0; l < V; l++) c.sums[net->measures][l] += (double)penalty[l] * b.n;
    }
    if (last_tile == tiles) add_penalties(c, models, rows->rows);
    store_sums(c, models);
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

// Adds n rows of `width` outputs, [n][width][V], to the counts of an area, [counts][V]: for tests.
void add_to_counts(const Area* area, const float* y, const float* t, const float* weight, int width, int n, double* counts) {
  FlushToZero flush;
  for (int64_t i = 0; i < (int64_t)n * width; i++) {
    vf a;
    memcpy(&a, y + i * V, sizeof a);
    count(*area, &a, t + i, weight ? weight + i / width : nullptr, 1, 1, counts);
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
