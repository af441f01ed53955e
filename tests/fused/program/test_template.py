"""What a template finds out about its model before a program is made of it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.help.cohorts import small_table
from trainables.fused.program.mixing import may_mix_rows
from trainables.fused.program.otherwise import why_otherwise
from trainables.fused.program.template import Stack, Template

TABLE = small_table()
X, Y = TABLE.x_train[:32], TABLE.y_train[:32]


class Centred(keras.layers.Layer):
    """Subtracts the mean of the batch, whatever a mask says."""

    supports_masking = True

    def call(self, inputs):
        return inputs - keras.ops.mean(inputs, axis=0)


def template_of(*layers, loss="mse", metrics=("mae",), last=True):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((10,)), *layers, *([keras.layers.Dense(1)] if last else [])])
    model.compile(loss=loss, metrics=list(metrics), optimizer="sgd")
    template = Template(model, [model], [model], ["learning_rate"], {}, [], (X[:2], Y[:2]))
    weights = np.concatenate([v.numpy().ravel() for v in model.trainable_variables])[None]
    rows = np.zeros(1, np.int32)
    return template, Stack(weights, [], [], np.full((1, 1), 0.01, np.float32), rows, rows)


def correlation(y, p):
    y, p = keras.ops.reshape(y, (-1,)), keras.ops.reshape(p, (-1,))
    y, p = y - keras.ops.mean(y), p - keras.ops.mean(p)
    return -keras.ops.sum(y * p) / (1e-6 + keras.ops.sqrt(keras.ops.sum(y**2) * keras.ops.sum(p**2)))


class CentredLate(Centred):
    """Subtracts this mean after some steps only."""

    def __init__(self, shape=(), dtype="float32"):
        super().__init__()
        self.kind = {"shape": shape, "dtype": dtype}

    def build(self, shape):
        self.steps = self.add_weight(**self.kind, initializer="zeros", trainable=False)

    def call(self, inputs):
        steps = keras.ops.reshape(keras.ops.cast(self.steps, "float32"), (-1,))[0]
        limit = 0.5 if self.kind["dtype"] == "bool" else 10.0
        return keras.ops.where(steps > limit, super().call(inputs), inputs)


class CentredThen(CentredLate):
    """Subtracts this mean while a number is between two limits."""

    def __init__(self, start, low, high):
        super().__init__()
        self.start, self.low, self.high = start, low, high

    def build(self, shape):
        self.number = self.add_weight(
            shape=(), initializer=keras.initializers.Constant(self.start), trainable=False
        )

    def call(self, inputs):
        is_time = keras.ops.logical_and(self.number > self.low, self.number < self.high)
        return keras.ops.where(is_time, Centred.call(self, inputs), inputs)


THEN = [
    (0.0, 10.0, np.inf, False),
    (0.0, 3000.0, np.inf, False),  # after more steps than one state of later in training has
    (0.0, 50.0, 500.0, False),  # until such a state is reached
    (1.0, -np.inf, 0.1, False),  # a number that falls
    (100.0, -np.inf, -0.5, False),
    (0.0, -np.inf, np.inf, False),
    (0.0, np.inf, np.inf, True),  # never
]


@pytest.mark.parametrize(("start", "low", "high", "never"), THEN)
def test_what_a_layer_does_later_counts_too(start, low, high, never):
    template, lane = template_of(CentredThen(start, low, high), keras.layers.Dense(3))
    assert template.is_additive(lane, X, Y) is never
    assert template.can_mask(lane, X, Y, 17) is never


@pytest.mark.parametrize(
    ("layers", "heeded"),
    [
        (lambda: [keras.layers.Dense(3, "relu"), keras.layers.Dropout(0.5)], True),
        (lambda: [keras.layers.BatchNormalization(), keras.layers.Dense(3)], True),
        (lambda: [keras.layers.LayerNormalization(), keras.layers.GaussianNoise(0.1)], True),
        (lambda: [Centred(), keras.layers.Dense(3)], False),  # a mean over rows that do not count
        (lambda: [CentredLate(), keras.layers.Dense(3)], False),
        (lambda: [CentredLate((), "int32"), keras.layers.Dense(3)], False),
        (lambda: [CentredLate((), "int8"), keras.layers.Dense(3)], False),
        (lambda: [CentredLate((1,)), keras.layers.Dense(3)], False),
        (lambda: [CentredLate((2,), "int64"), keras.layers.Dense(3)], False),
        (lambda: [CentredLate((), "bool"), keras.layers.Dense(3)], False),
        (lambda: [keras.layers.Dense(3, activity_regularizer="l2")], False),  # likewise
    ],
)
def test_a_mask_stands_for_a_smaller_batch_only_if_all_parts_heed_it(layers, heeded):
    template, lane = template_of(*layers())
    assert template.can_mask(lane, X, Y, 17) is heeded


def test_counts_are_what_may_say_how_late_it_is_in_training():
    kinds = [((), "float32"), ((1,), "float32"), ((2,), "float32"), ((2,), "int32"), ((), "bool")]
    # The statistics of a layer of one unit have one number each, too, and a dropout has a seed.
    layers = [keras.layers.Dense(1), keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)]
    template, _ = template_of(*layers, *(CentredLate(*kind) for kind in kinds))
    variables = template.model.non_trainable_variables
    found = [variables[position] for position in sorted(template.counts)]
    assert [(v.shape, v.dtype) for v in found] == [kinds[n] for n in (0, 1, 3, 4)]


def test_the_rows_that_a_normalization_has_seen_are_no_count_of_steps():
    normalizer = keras.layers.Normalization()
    normalizer.adapt(X)
    template, _ = template_of(normalizer)
    assert not template.counts


class Ranged(keras.layers.Layer):
    """Divides by the largest number of a batch, whatever a mask says."""

    supports_masking = True

    def call(self, inputs):
        return inputs / keras.ops.max(keras.ops.abs(inputs))


class Shifted(keras.layers.Layer):
    """Subtracts the least number of each column of a batch, whatever a mask says."""

    supports_masking = True

    def call(self, inputs):
        return inputs - keras.ops.min(inputs, axis=0)


def ranged_target(y, p):
    """Return a loss that divides by the largest target of a batch."""
    y = keras.ops.reshape(y, (-1, 1))
    return keras.ops.mean(keras.ops.square((y - p) / keras.ops.max(keras.ops.abs(y))), axis=-1)


def own_square(y, p):
    """Return a loss of the user's own, which is that of each row."""
    return keras.ops.mean(keras.ops.square(keras.ops.reshape(y, (-1, 1)) - p), axis=-1)


@pytest.mark.parametrize(
    ("layers", "loss", "heeded"),
    [
        (lambda: [Ranged(), keras.layers.Dense(3)], "mse", False),
        (lambda: [keras.layers.Dense(3, "tanh"), Ranged()], "mse", False),
        (lambda: [Shifted(), keras.layers.Dense(3)], "mse", False),
        (lambda: [keras.layers.Dense(3)], ranged_target, False),
        (lambda: [keras.layers.Activation("exponential"), keras.layers.Dense(3)], own_square, True),
    ],
)
@pytest.mark.parametrize("whole", [False, True])
def test_rows_that_do_not_count_may_hold_anything(layers, loss, heeded, whole):
    """Here the extreme numbers of the batch are in rows that count, so that the others happen to decide nothing."""
    x, y = X.copy(), Y.copy()
    if whole:  # the first column holds positions in an Embedding
        x[:, 0] = np.arange(len(x)) % 3
    x[:2, 1:], y[:2] = [[9.0], [-9.0]], [9.0, -9.0]
    template, lane = template_of(*layers(), loss=loss)
    assert template.can_mask(lane, x, y, 17) is heeded


def test_operations_outside_of_layers_are_no_layers_of_keras():
    inputs = keras.Input((10,))
    ranged = inputs / keras.ops.max(keras.ops.abs(inputs))
    inner = keras.Model(inputs, keras.layers.Activation("linear")(ranged))
    x, y = X.copy(), Y.copy()
    x[:2] = [[9.0], [-9.0]]
    template, lane = template_of(inner)
    assert template.can_mask(lane, x, y, 17) is False


def test_a_last_layer_of_zeros_hides_no_operation_outside_of_layers():
    inputs = keras.Input((10,))
    centred = keras.Model(inputs, inputs - keras.ops.mean(inputs, axis=0, keepdims=True))
    zeros = keras.layers.Dense(1, kernel_initializer="zeros")
    template, lane = template_of(centred, zeros, last=False)
    assert template.is_additive(lane, X, Y) is False


class Positions(keras.layers.Layer):
    """Looks the first column up, and passes the others on."""

    def __init__(self):
        super().__init__()
        self.table = keras.layers.Embedding(3, 2)

    def build(self, shape):
        self.table.build((None,))

    def call(self, inputs):
        found = self.table(keras.ops.cast(inputs[:, 0], "int32"))
        return keras.ops.concatenate([found, inputs[:, 1:]], axis=1)


@pytest.mark.parametrize(("layers", "heeded"), [([], True), ([Ranged], False)])
def test_positions_in_an_embedding_stay_in_its_range(layers, heeded):
    x = X.copy()
    x[:, 0] = np.arange(len(x)) % 3
    x[:2, 1:] = [[9.0], [-9.0]]
    template, lane = template_of(Positions(), *(layer() for layer in layers))
    assert template.can_mask(lane, x, Y, 17) is heeded


@pytest.mark.parametrize(
    ("loss", "metrics", "additive"),
    [
        ("mse", ["mae", keras.metrics.RootMeanSquaredError()], True),
        (keras.losses.Huber(), [], True),
        (correlation, [], False),
        (keras.losses.MeanSquaredError(reduction="sum"), [], False),
    ],
)
def test_only_means_over_rows_can_be_evaluated_at_once(loss, metrics, additive):
    template, lane = template_of(loss=loss, metrics=metrics)
    assert template.is_additive(lane, X, Y) is additive


def rare(y, p):
    """The mean error of few rows; 0 without any."""
    few = keras.ops.cast(y > 9.0, "float32")
    return keras.ops.sum(few * keras.ops.abs(y - p)) / (keras.ops.sum(few) + 1e-7)


def flooding(y, p):
    return keras.ops.abs(keras.ops.mean(keras.ops.square(y - p)) - 1e-3) + 1e-3


def relative(y, p):
    """A number for each row, of which each depends on the others."""
    return keras.ops.abs(y - p) / keras.ops.maximum(keras.ops.max(keras.ops.abs(y)), 9.0)


def whole(y, p):
    return keras.ops.mean(keras.ops.square(y - p))


def by_row(y, p):
    return keras.ops.mean(keras.ops.sqrt(keras.ops.abs(y - p)), axis=-1)


class OwnLoss(keras.losses.Loss):
    def call(self, y, p):
        return by_row(y, p)


class OwnModel(keras.Sequential):
    def compute_loss(self, *given, **named):
        loss = super().compute_loss(*given, **named)
        return loss + keras.ops.maximum(loss - 1e3, 0.0)


class Penalizing(keras.layers.Layer):
    def call(self, x):
        self.add_loss(keras.ops.maximum(keras.ops.max(x) - 9.0, 0.0))
        return x


def proper(loss="mse", metrics=(), layers=(), kind=keras.Sequential):
    model = kind([keras.Input((10,)), *layers, keras.layers.Dense(1)])
    model.compile(loss=loss, metrics=list(metrics), optimizer="sgd")
    y = np.tile([[0.0], [1.0]], (16, 1)).astype("float32")
    template = Template(model, [model], [model], ["learning_rate"], {}, [], (X, y))
    weights = np.concatenate([v.numpy().ravel() for v in model.trainable_variables])[None]
    lane = Stack(weights, [], [], np.full((1, 1), 0.01, np.float32), np.zeros(1, int), np.zeros(1, int))
    return template, lane, y


@pytest.mark.parametrize(
    ("given", "mixes"),
    [
        ({"metrics": ["mae", keras.metrics.RootMeanSquaredError()]}, False),
        ({"loss": keras.losses.Huber(), "layers": [keras.layers.Dense(3, "relu")]}, False),
        ({"loss": keras.losses.MeanSquaredError(reduction="sum")}, True),
        ({"loss": whole, "metrics": [by_row]}, False),
        ({"loss": OwnLoss()}, False),
        ({"loss": OwnLoss(reduction="sum")}, True),
        ({"metrics": [whole]}, True),  # Keras weights all batches alike, also a smaller last one
        ({"metrics": [rare]}, True),
        ({"metrics": [keras.metrics.MeanMetricWrapper(rare)]}, True),
        ({"loss": flooding}, True),
        ({"loss": relative}, True),
        ({"kind": OwnModel}, True),
        ({"layers": [Penalizing()]}, True),
    ],
)
def test_a_function_of_the_user_is_a_mean_over_rows_only_if_its_operations_prove_it(given, mixes):
    template, lane, y = proper(**given)
    assert may_mix_rows(template, False) is mixes
    if {rare, flooding, relative} & {given.get("loss"), *given.get("metrics", ())}:
        assert template.is_additive(lane, X, y)  # a sample does not tell


def test_a_mean_over_all_rows_is_none_of_weighted_rows():
    for loss, mixes in ((whole, True), (by_row, False)):
        assert may_mix_rows(proper(loss)[0], True) is mixes


def stopping(x):
    return keras.ops.tanh(keras.ops.stop_gradient(x))


class Unused(keras.layers.Dense):
    """Has a weight that counts for nothing, unless it is penalized."""

    def build(self, shape):
        super().build(shape)
        self.unused = self.add_weight(shape=(), name="unused", regularizer=self.kernel_regularizer)


@pytest.mark.parametrize(
    ("layer", "path"),
    [
        (lambda: keras.layers.Dense(3, "relu"), None),
        (lambda: keras.layers.Dense(3, lambda x: keras.ops.maximum(x, 0.0)), None),
        (lambda: keras.layers.Dense(3, stopping, name="first"), "first/kernel"),
        (lambda: keras.layers.Lambda(keras.ops.stop_gradient), None),  # no weights are before it
        (lambda: Unused(3, name="first"), "first/unused"),
        (lambda: Unused(3, kernel_regularizer="l2"), None),
    ],
)
def test_a_weight_without_a_gradient_is_told(layer, path):
    template, lane = template_of(layer())
    why = why_otherwise(template, lane, X, Y)
    assert (f"/{path}, which" in why) if path else why == ""


def test_a_penalty_that_some_points_lack_gives_no_gradient():
    template, lane = template_of(Unused(3, kernel_regularizer="l2", name="first"))
    template.keys = ["learning_rate", "penalty.2.l2"]
    lane.numbers = np.full((1, 2), 0.01, np.float32)
    assert "first/unused, which" in why_otherwise(template, lane, X, Y)


def checked(x):
    return tf.debugging.check_numerics(x, "no number")


def asserted(y, p):
    tf.debugging.assert_less(p, 1e9)
    return keras.ops.mean(keras.ops.square(y - p), axis=-1)


@tf.function
def asserted_inside(y, p):
    return asserted(y, p)


class CheckedInValidation(keras.layers.Layer):
    def call(self, x, training=False):
        return x if training else checked(x)


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"layers": [keras.layers.Dense(3, checked)]}, "CheckNumerics"),
        ({"layers": [CheckedInValidation()]}, "CheckNumerics"),
        ({"loss": asserted}, "Assert"),
        ({"loss": asserted_inside}, "Assert"),
        ({"metrics": [asserted]}, "Assert"),
        ({"loss": by_row, "metrics": [by_row, "mae"]}, ""),
    ],
)
def test_code_that_checks_values_is_told(given, kind):
    template, lane, y = proper(**given)
    why = why_otherwise(template, lane, X, y)
    assert (f"its code checks values ({kind}" in why) if kind else why == ""


def counting():
    calls = []

    def scaled(x):
        calls.append(x)
        return x * (1.0 + 0.1 * len(calls))

    return keras.layers.Lambda(scaled)


def test_code_that_counts_its_calls_is_told_from_a_function_of_a_batch():
    template, lane = template_of(counting())
    assert not template.is_additive(lane, X, Y) and not template.is_repeatable(lane, X, Y)
    template, lane = template_of(loss=correlation)
    assert not template.is_additive(lane, X, Y) and template.is_repeatable(lane, X, Y)


class FromZeros(keras.layers.Dense):
    """A last layer that starts from zeros, so that nothing before it shows in the initial outputs."""

    def __init__(self):
        super().__init__(1, kernel_initializer="zeros", name="from_zeros")


class SeenSoFar(keras.metrics.Metric):
    """Counts rows, whatever a mask says."""

    def __init__(self):
        super().__init__(name="seen")
        self.rows = self.add_variable(shape=(), initializer="zeros")

    def update_state(self, y, p, sample_weight=None):
        self.rows.assign_add(keras.ops.sum(keras.ops.cast(keras.ops.abs(p) > 0, "float32")))

    def result(self):
        return self.rows + 0.0


def test_a_last_layer_of_zeros_hides_no_function_of_a_batch():
    template, lane = template_of(FromZeros(), last=False, metrics=[correlation])
    assert template.is_additive(lane, X, Y) is False


@pytest.mark.parametrize(
    "made",
    [SeenSoFar, keras.metrics.Precision, lambda: "Precision", lambda: keras.metrics.Precision],
    ids=["own", "object", "name", "class"],
)
def test_metrics_that_count_masked_rows_need_a_batch_of_their_own(made):
    """Whatever a sample shows: the outputs may be so that no row is counted yet."""
    zeros = keras.layers.Dense(1, kernel_initializer="zeros")
    template, lane = template_of(zeros, last=False, metrics=[made()])
    assert template.can_mask(lane, X, Y, 17) is False


def test_nan_and_few_validation_rows_are_no_functions_of_a_batch():
    template, lane = template_of()
    assert template.is_additive(lane, X[:2], Y[:2]) and template.is_additive(lane, X[:1], Y[:1])
    lane.weights[:] = np.nan
    assert template.is_additive(lane, X, Y)


def test_a_loss_with_a_number_for_each_row_accepts_no_mask():
    template, lane = template_of(loss=keras.losses.MeanSquaredError(reduction=None))
    assert template.can_mask(lane, X, Y, 17) is False


class Restless(keras.layers.Layer):
    """Draws at inference too."""

    def __init__(self):
        super().__init__()
        self.seeds = keras.random.SeedGenerator(7)

    def call(self, x):
        return x + keras.random.uniform(keras.ops.shape(x), seed=self.seeds)


def test_making_a_template_advances_no_seed():
    template, _ = template_of(Restless())
    np.testing.assert_array_equal(template.shared, [[7, 0]])


def test_logs_are_named_as_keras_names_them():
    template, _ = template_of(metrics=["mae", keras.metrics.MeanAbsoluteError(name="MAE")])
    assert template.logs == ["loss", "mae", "MAE"]


def test_state_and_shared_are_taken_apart_and_put_together():
    template, _ = template_of(keras.layers.BatchNormalization(), keras.layers.Dropout(0.5))
    template.stacked = [0, 1]
    values = ["mean", "variance", "seed"]
    assert template.part(values) == (["mean", "variance"], ["seed"])
    assert template.merge(["mean", "variance"], ["seed"]) == values
