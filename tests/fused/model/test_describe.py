"""What counts as the same program, and what as a value in it."""

import functools
import operator
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainables.builder.configuration import Configuration
from trainables.fused.internals.errors import UnfusableError
from trainables.fused.model.describe import describe


def model_of(
    units=4,
    activation="relu",
    rate=0.2,
    init="he_normal",
    l2=0.1,
    optimizer=None,
    loss="mse",
    metrics=("mae",),
    dense=1,
):
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(0)
    inputs = keras.Input((3,))
    x = inputs
    for _ in range(dense):
        x = keras.layers.Dense(
            units,
            activation=activation,
            kernel_initializer=init,
            kernel_regularizer=keras.regularizers.L2(l2),
        )(x)
    x = keras.layers.Dropout(rate)(x)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.compile(loss=loss, metrics=list(metrics), optimizer=optimizer or keras.optimizers.Adam(0.01))
    return model


BASE = describe(model_of())


def differences(**changes):
    other = describe(model_of(**changes))
    found = {
        part for part in ("signature", "variant", "optimizer") if getattr(other, part) != getattr(BASE, part)
    }
    if [a.tobytes() for a in other.initial] != [a.tobytes() for a in BASE.initial]:
        found.add("initial")
    keys = {*other.numbers, *BASE.numbers}
    return found | {key for key in keys if other.numbers.get(key) != BASE.numbers.get(key)}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, set()),
        ({"activation": "tanh"}, {"variant"}),
        ({"rate": 0.3}, {"layer.3.rate", "layer.3.rate.complement"}),
        ({"init": "glorot_uniform"}, {"initial"}),
        ({"l2": 0.2}, {"penalty.0.l2"}),
        ({"optimizer": keras.optimizers.Adam(0.02)}, {"learning_rate"}),
        (
            {"optimizer": keras.optimizers.Adam(0.01, beta_1=0.8)},
            {"optimizer.beta_1", "optimizer.beta_1.complement"},
        ),
        ({"optimizer": keras.optimizers.Adam(0.01, amsgrad=True)}, {"optimizer"}),
        ({"loss": "mae"}, {"signature"}),
        ({"metrics": ("mae", "mse")}, {"signature"}),
        ({"metrics": (keras.metrics.MeanAbsoluteError(name="other"),)}, {"signature"}),
    ],
)
def test_each_change_is_seen_where_it_belongs(changes, expected):
    assert differences(**changes) == expected


def test_shapes_depth_and_a_rate_of_zero_change_the_program():
    assert "signature" in differences(units=5)
    assert "signature" in differences(dense=2)
    assert "signature" in differences(rate=0.0)  # Keras leaves the draw out
    assert "signature" in differences(rate=1.0)  # Keras drops everything, and divides by nothing


def test_null_and_other_norms_are_one_program():
    def penalty(regularizer):
        keras.utils.clear_session(free_memory=False)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, kernel_regularizer=regularizer)])
        model.compile(loss="mse", optimizer="sgd")
        return describe(model)

    found = [penalty(one) for one in (None, "l1", "l2", keras.regularizers.L1L2(0.1, 0.2))]
    assert len({one.signature for one in found}) == 1
    norms = [(one.numbers["penalty.0.l1"], one.numbers["penalty.0.l2"]) for one in found]
    np.testing.assert_allclose(norms, [(0.0, 0.0), (0.01, 0.0), (0.0, 0.01), (0.1, 0.2)], rtol=1e-6)
    assert penalty(keras.regularizers.OrthogonalRegularizer()).signature != found[0].signature


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda m: m.compile(loss="mse", optimizer="sgd", run_eagerly=True), "run_eagerly"),
        (
            lambda m: m.compile(loss="mse", optimizer=keras.optimizers.SGD(0.1, use_ema=True)),
            "averages weights",
        ),
        (
            lambda m: m.compile(
                loss="mse", optimizer=keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)
            ),
            "accumulates",
        ),
        (
            lambda m: m.compile(loss="mse", optimizer=keras.optimizers.SGD(lambda: 0.1)),
            "learning rate is a function",
        ),
        (lambda m: setattr(m, "trainable", False), "nothing to train"),
        (lambda m: m.optimizer.iterations.assign(3), "has trained the model already"),
        (lambda m: m.compile(loss="ctc", optimizer="sgd"), "the loss ctc of Keras is not among those proven"),
        (
            lambda m: m.compile(loss="mse", metrics=[keras.metrics.MeanIoU(2)], optimizer="sgd"),
            "the metric MeanIoU of Keras is not among those proven",
        ),
        (lambda m: m.compile(loss="mse", optimizer="muon"), "the optimizer Muon of Keras is not among"),
    ],
)
def test_what_cannot_be_a_lane_says_why(change, why):
    model = model_of()
    change(model)
    with pytest.raises(UnfusableError, match=why):
        describe(model)


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        (lambda: keras.config.set_max_epochs(2), r"keras.config.max_epochs\(\) is 2"),
        (lambda: keras.config.set_max_steps_per_epoch(5), r"keras.config.max_steps_per_epoch\(\) is 5"),
        (lambda: tf.config.run_functions_eagerly(True), "run_functions_eagerly"),
    ],
)
def test_no_program_keeps_to_settings_of_fit(setting, why):
    model, before = model_of(), Configuration.now()
    setting()
    try:
        with pytest.raises(UnfusableError, match=why):
            describe(model)
    finally:
        before.restore()


def test_activations_that_close_over_a_value_are_other_variants():
    def leaky(slope):
        def activation(x):
            return keras.ops.maximum(x, slope * x)

        return activation

    found = [describe(model_of(activation=leaky(slope))).variant for slope in (0.1, 0.1, 0.2)]
    assert found[0] == found[1] != found[2]


def built(*layers, optimizer="sgd", inputs=(3,), loss="mse", **compiled):
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input(inputs), *layers, keras.layers.Dense(1)])
    model.compile(loss=loss, optimizer=optimizer, **compiled)
    return model


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (
            lambda: keras.layers.Dense(2, dtype="bfloat16", name="low"),
            r'"low" computes in bfloat16 \(bfloat16\)',
        ),
        (lambda: keras.layers.Dense(2, dtype="mixed_bfloat16"), r"computes in bfloat16 \(mixed_bfloat16\)"),
        (lambda: keras.layers.Activation("relu", dtype="float64"), "computes in float64"),
        (lambda: keras.layers.Dense(2, activation="sparsemax"), "the activation sparsemax of Keras"),
        (lambda: keras.layers.RandomContrast(0.1), "the layer RandomContrast of Keras is not among"),
    ],
)
def test_layers_that_no_program_is_proven_for_say_why(layer, why):
    with pytest.raises(UnfusableError, match=why):
        describe(built(layer()))


def test_another_global_policy_or_float_is_told():
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile(loss="mse", optimizer="sgd")
        with pytest.raises(UnfusableError, match="computes in bfloat16"):
            describe(model)
        keras.config.set_dtype_policy("float32")
        keras.config.set_floatx("float64")
        model = built()
        with pytest.raises(UnfusableError, match=r"floatx\(\) is float64"):
            describe(model)
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")


class Unbuilt(keras.Model):
    def __init__(self):
        super().__init__()
        self.inner = keras.layers.Dense(1, name="inner")
        self.built = True

    def call(self, x):
        return self.inner(x)


def test_a_model_with_unbuilt_layers_is_not_said_to_have_nothing_to_train():
    model = Unbuilt()
    model.compile(loss="mse", optimizer="sgd")
    with pytest.raises(UnfusableError, match='the layer "inner" is not built before its first batch'):
        describe(model)


def category(optimizer, **arguments):
    return built(
        keras.layers.Embedding(4, 2, **arguments), keras.layers.Flatten(), optimizer=optimizer, inputs=(2,)
    )


@pytest.mark.parametrize(
    ("optimizer", "why"),
    [
        (keras.optimizers.Lamb(0.1), "Lamb. is not elementwise"),
        (keras.optimizers.SGD(0.1, clipnorm=1.0), "clips"),
    ],
)
def test_an_optimizer_that_takes_no_sparse_gradient_is_told_before_any_program_is_made(optimizer, why):
    with pytest.raises(UnfusableError, match=why):
        describe(category(optimizer))
    assert describe(category("adam"))
    assert describe(category(keras.optimizers.Lamb(0.1), embeddings_regularizer="l2"))


class Sharp(keras.layers.Layer):
    """Keeps what its outputs depend on in a private attribute, and a constant in an array."""

    def __init__(self, power, constant=1.0):
        super().__init__()
        self._power = power
        self._constant = np.full(3, constant)

    def call(self, x):
        return keras.ops.sign(x) * keras.ops.abs(x) ** self._power * self._constant


class Offset(keras.layers.Layer):
    """Adds a tensor that is no weight."""

    def __init__(self, offset):
        super().__init__()
        self.offset = tf.constant([offset])

    def call(self, x):
        return x + self.offset


class Inner(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.layers_of_mine = [keras.layers.Dense(3), keras.layers.Dropout(0.2)]
        self.gain = self.add_weight(shape=(), initializer="ones")

    def call(self, x, training=False):
        for layer in self.layers_of_mine:
            x = layer(x, training=training)
        return x * self.gain


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda: Sharp(1.0), lambda: Sharp(2.0)),
        (lambda: Sharp(1.0), lambda: Sharp(1.0, 3.0)),
        (lambda: Offset(1.0), lambda: Offset(2.0)),
        (lambda: keras.layers.Lambda(lambda x: x + 1), lambda: keras.layers.Lambda(lambda x: x + 2)),
    ],
)
def test_layers_of_users_count_by_their_content(one, other):
    assert describe(built(one())).signature == describe(built(one())).signature
    assert describe(built(one())).signature != describe(built(other())).signature


def first_kernel_of(model):
    return model.get_layer("head").kernel


class ByName(keras.Model):
    def compute_loss(self, *given, **named):
        return super().compute_loss(*given, **named) + keras.ops.sum(first_kernel_of(self))


class ByPosition(keras.Model):
    def compute_loss(self, *given, **named):
        return super().compute_loss(*given, **named) + keras.ops.sum(self.layers[1].kernel)


class ByText(keras.Model):
    def compute_loss(self, *given, **named):
        share = 1.0 if "head" in f"{self.layers[1]}" else 0.0
        return super().compute_loss(*given, **named) + share * keras.ops.sum(self.layers[1].kernel)


@pytest.mark.parametrize(
    ("kind", "count"), [(keras.Model, False), (ByPosition, False), (ByName, True), (ByText, True)]
)
def test_names_of_layers_count_if_users_code_may_read_them(kind, count):
    """The code may be that of a function that a method calls."""

    def signature(name):
        keras.utils.clear_session(free_memory=False)
        inputs = keras.Input((3,))
        layers = [keras.layers.Dense(3, name=one) for one in (name, "head" if name == "other" else "other")]
        model = kind(inputs, keras.layers.Dense(1)(layers[1](layers[0](inputs))))
        model.compile("sgd", "mse")
        return describe(model).signature

    assert signature("head") == signature("head") and (signature("head") != signature("other")) is count


def test_layers_in_attributes_of_users_layers_are_described_once():
    one, other = describe(built(Inner())), describe(built(Inner()))
    assert one.signature == other.signature and not one.reads_globals


class Steps(keras.optimizers.SGD):
    """An optimizer with a number of its own that its configuration lacks."""

    def __init__(self, learning_rate=0.1, size=1.0, **arguments):
        super().__init__(learning_rate, **arguments)
        self._size = size

    def update_step(self, gradient, variable, learning_rate):
        super().update_step(gradient * self._size, variable, learning_rate)


def test_numbers_of_a_user_s_optimizer_count():
    one, same, other = (describe(built(optimizer=Steps(size=size))) for size in (1.0, 1.0, 2.0))
    assert one.optimizer == same.optimizer != other.optimizer
    fast, momentum = (describe(built(optimizer=Steps(*given))) for given in ((0.2,), (0.1, 1.0)))
    assert one.optimizer == fast.optimizer == momentum.optimizer
    assert (one.numbers["learning_rate"], fast.numbers["learning_rate"]) == pytest.approx((0.1, 0.2))


class Unconfigured(keras.layers.Layer):
    """Takes an argument that no default `get_config` can give."""

    def __init__(self, scale, strength):
        super().__init__(activity_regularizer=keras.regularizers.L2(strength))
        self.scale = [scale]

    def call(self, x):
        return x * self.scale[0]

    def get_config(self):
        raise NotImplementedError


def test_the_penalty_of_a_users_layer_without_a_configuration_counts():
    one, same, other = (describe(built(Unconfigured(2.0, strength))) for strength in (0.1, 0.1, 0.01))
    assert one.signature == same.signature != other.signature


def tied(depth):
    inner = [keras.layers.Dense(3, activation="relu")] * depth
    return built(*inner)


def test_a_layer_that_is_repeated_counts_each_time():
    assert describe(tied(2)).signature == describe(tied(2)).signature
    assert len({describe(tied(depth)).signature for depth in (1, 2, 3)}) == 3


def test_which_layer_is_repeated_in_a_model_inside_counts():
    def outer(position):
        layers = [keras.layers.Dense(3), keras.layers.Dense(3)]
        return built(*layers, keras.Sequential([keras.Input((3,)), layers[position]]))

    assert describe(outer(0)).signature == describe(outer(0)).signature != describe(outer(1)).signature


class Reading(keras.optimizers.SGD):
    def update_step(self, gradient, variable, learning_rate):
        step = super().update_step
        step(gradient * (2.0 if self.momentum > 0.5 else 1.0), variable, learning_rate)


def test_a_number_that_a_user_s_optimizer_reads_is_no_lane_s():
    one, other = (describe(built(optimizer=Reading(0.1, momentum=m))) for m in (0.4, 0.6))
    assert one.optimizer != other.optimizer and "optimizer.momentum" not in one.numbers
    one, other = (describe(built(optimizer=Steps(momentum=m))) for m in (0.4, 0.6))
    assert one.optimizer == other.optimizer and "optimizer.momentum" in one.numbers


LOW = 1.0


def skewed(y, p):
    return keras.ops.mean(LOW * keras.ops.square(y - p), axis=-1)


def test_a_global_that_a_loss_reads_counts_and_is_told(monkeypatch):
    def model():
        keras.utils.clear_session(free_memory=False)
        found = built()
        found.compile("sgd", skewed)
        return found

    before = describe(model())
    assert before.reads_globals and not BASE.reads_globals
    monkeypatch.setattr(sys.modules[__name__], "LOW", 2.0)
    assert describe(model()).signature != before.signature


def test_a_stream_in_a_layer_is_told_with_its_place():
    class Streaming(keras.layers.Layer):
        def __init__(self):
            super().__init__(name="streaming")
            self._numbers = iter([1.0, 2.0])

        def call(self, x):
            return x

    with pytest.raises(
        UnfusableError, match='the layer "streaming" reads `_numbers`, an iterator, whose content'
    ):
        describe(built(Streaming()))


def test_a_model_of_keras_parts_is_described_in_milliseconds():
    model = model_of(dense=3)
    describe(model)
    started = time.process_time()
    for _ in range(5):
        describe(model)
    # About 3 ms each on an idle core; the bound is far above it, and far below the 30 ms that building a model takes.
    assert (time.process_time() - started) / 5 < 0.02


def with_frozen(part):
    layer = keras.layers.LayerNormalization()
    model = built(layer)
    getattr(layer, part).trainable = False
    return model


def adapted(factor):
    layer = keras.layers.Normalization()
    layer.adapt(factor * np.arange(12, dtype="float32").reshape(4, 3))
    return built(layer, keras.layers.Dense(1))


def nested(strength):
    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    inner.activity_regularizer = keras.regularizers.L2(strength)
    return built(inner, keras.layers.Dense(1))


def drawn(x, seed):
    return x + keras.random.normal((3,), seed=seed)


class OfInitializer(keras.layers.Layer):
    def __init__(self, given):
        super().__init__()
        self.given = given

    def call(self, x):
        return x * self.given((3,))


class SetUpByInitializer(keras.layers.Layer):
    def __init__(self, given):
        super().__init__()
        self.given = given

    def build(self, shape):
        self.w = self.add_weight(shape=(3,), initializer=self.given)

    def call(self, x):
        return x * self.w


def of_initializer(kind, value):
    return built(kind(keras.initializers.Constant(value)), keras.layers.Dense(1))


@pytest.mark.parametrize(
    ("make", "one", "other"),
    [
        (with_frozen, "gamma", "beta"),
        (adapted, 1.0, 2.0),
        (nested, 0.1, 0.2),
        (
            lambda seed: built(keras.layers.Lambda(drawn, arguments={"seed": seed}), keras.layers.Dense(1)),
            1,
            2,
        ),
        (lambda value: of_initializer(OfInitializer, value), 1.0, 2.0),
    ],
)
def test_what_no_variable_and_no_setting_shows_counts(make, one, other):
    assert describe(make(one)).signature == describe(make(one)).signature
    assert describe(make(one)).signature != describe(make(other)).signature


def test_an_initializer_of_a_weight_does_not_count():
    one, other = (describe(of_initializer(SetUpByInitializer, value)) for value in (1.0, 2.0))
    assert one.signature == other.signature and one.initial[0][0] == 1.0 and other.initial[0][0] == 2.0


@pytest.mark.parametrize("name", ["clipnorm", "clipvalue", "global_clipnorm"])
def test_a_clip_below_zero_is_none(name):
    found = [
        describe(built(keras.layers.Dense(1), optimizer=keras.optimizers.SGD(0.1, **{name: clip})))
        for clip in (0.0, -1.0, 0.5)
    ]
    assert found[0].optimizer == found[1].optimizer != found[2].optimizer
    assert [one.numbers[f"optimizer.{name}"] for one in found] == [0.0, 0.0, 0.5]


def test_the_weights_that_decay_are_those_of_keras_and_its_answers_are_not_kept():
    def model():
        optimizer = keras.optimizers.AdamW(0.01, weight_decay=0.9)
        optimizer.exclude_from_weight_decay(var_names=["first"])
        return built(keras.layers.Dense(2, name="first"), optimizer=optimizer)

    described = model()
    assert describe(described).optimizer[1] == (False, False, True, True)
    x, y = np.ones((8, 3), "float32"), np.ones(8, "float32")
    plain = model()
    for one in (described, plain):
        one.fit(x, y, verbose=0)
    for one, other in zip(described.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_normalization_that_is_set_by_hand_is_told():
    model = adapted(1.0)
    model.layers[0].mean = model.layers[0].mean + 1.0
    with pytest.raises(UnfusableError, match="set by hand"):
        describe(model)


def seed_of(layer):
    return layer.seed


class ByAFunction(keras.layers.Layer):
    def __init__(self, seed):
        super().__init__(name="same")
        self.seed = seed

    def call(self, x):
        return x * seed_of(self)


class ByText(ByAFunction):
    def call(self, x):
        return x * getattr(self, "se" + "ed")


@pytest.mark.parametrize("kind", [ByAFunction, ByText])
def test_a_seed_that_other_code_reads_counts(kind):
    one, other = (describe(built(kind(seed))).signature for seed in (1, 2))
    assert one != other and one == describe(built(kind(1))).signature


def functional(of):
    """Return a compiled model of `of`, which makes the output of an input of three columns."""
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(0)
    inputs = keras.Input((3,))
    model = keras.Model(inputs, of(keras.layers.Dense(4)(inputs)))
    model.compile("sgd", "mse")
    return model


class Affine(keras.layers.Layer):
    def call(self, x, a=1.0, b=2.0):
        return a * x + b


def inner_of(swapped):
    """A model in the model, whose two inputs may be swapped."""

    def of(x):
        first, second = keras.Input((4,)), keras.Input((4,))
        made = keras.layers.Dense(2)(first - 2 * second)
        inner = keras.Model([second, first] if swapped else [first, second], made)
        return inner([x, keras.ops.tanh(x)])

    return of


def through(function):
    @functools.wraps(function)
    def wrapped(self, x):
        return function(self, x)

    return wrapped


class Decorated(keras.layers.Layer):
    def __init__(self, seed):
        super().__init__(name="same")
        self.seed = seed

    @through
    def call(self, x):
        return x * self.seed


class InGraph(Decorated):
    @tf.function
    def call(self, x):
        return x * self.seed


class OfConfig(Decorated):
    def get_config(self):
        return {"seed": self.seed}

    def call(self, x):
        return x * self.get_config()["seed"]


def elu(alpha):
    layer = keras.layers.ELU()
    layer.alpha = alpha
    return layer


def penalized(strength):
    layer = keras.layers.ActivityRegularization(l2=0.1)
    layer.activity_regularizer.l2 = strength
    return layer


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda x: 2.0 - x, lambda x: x - 2.0),
        (lambda x: keras.ops.where(x > 0, 0.5, x), lambda x: keras.ops.where(x > 0, x, 0.5)),
        (lambda x: Affine()(x, a=3.0), lambda x: Affine()(x, b=3.0)),
        (lambda x: Affine()(x, a=x), lambda x: Affine()(x, b=x)),
        (lambda x: keras.ops.split(x, 2, axis=-1)[0], lambda x: keras.ops.split(x, 2, axis=-1)[1]),
        (inner_of(False), inner_of(True)),
        (keras.layers.Lambda(abs), keras.layers.Lambda(operator.neg)),
        *(
            (lambda x, kind=kind: kind(1)(x), lambda x, kind=kind: kind(2)(x))
            for kind in (Decorated, InGraph, OfConfig)
        ),
        (lambda x: elu(1.0)(x), lambda x: elu(0.2)(x)),
        (lambda x: penalized(0.1)(x), lambda x: penalized(0.9)(x)),
    ],
)
def test_how_operations_are_called_and_what_their_code_reads_counts(one, other):
    assert describe(functional(one)).signature == describe(functional(one)).signature
    assert describe(functional(one)).signature != describe(functional(other)).signature


INITIALS = {"a": keras.initializers.Constant(1.0)}


class OfGlobal(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.count = len(INITIALS)

    def call(self, x):
        return x * INITIALS["a"]((3,))


def test_an_initializer_that_set_up_and_call_read_counts(monkeypatch):
    found = []
    for value in (1.0, 2.0):
        monkeypatch.setitem(INITIALS, "a", keras.initializers.Constant(value))
        found.append(describe(built(OfGlobal())).signature)
    assert found[0] != found[1]


class Counting(keras.losses.Loss):
    """Counts its calls in a variable of its own."""

    def __init__(self):
        super().__init__()
        self.steps = keras.Variable(0.0, trainable=False)

    def call(self, y, p):
        self.steps.assign_add(1.0)
        return keras.ops.mean(keras.ops.square(y - p), axis=-1) * self.steps


class Remembering(keras.layers.Layer):
    """Keeps a variable that Keras does not track."""

    def build(self, shape):
        self.last = tf.Variable(0.0, trainable=False)

    def call(self, x):
        self.last.assign(keras.ops.mean(x))
        return x


class Weighing(keras.losses.Loss):
    """Reads a variable, and assigns to none."""

    def __init__(self):
        super().__init__()
        self.factor = keras.Variable(2.0, trainable=False)

    def call(self, y, p):
        return keras.ops.mean(keras.ops.square(y - p), axis=-1) * self.factor


def reading(what):
    optimizer = keras.optimizers.Adam(0.01)
    model = built(optimizer=optimizer)

    def of_object(y, p):
        return keras.ops.mean(y - p, axis=-1) * keras.ops.cast(optimizer.iterations, "float32")

    def of_model(y, p):
        return keras.ops.mean(y - p, axis=-1) * keras.ops.cast(model.optimizer.iterations, "float32")

    model.compile(optimizer, of_object if what == "object" else of_model)
    return model


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: built(loss=Counting()), "assign to a variable that is no part of the model"),
        (lambda: built(Remembering()), "assign to a variable that is no part of the model"),
        (lambda: reading("object"), "reads the optimizer"),
        (lambda: reading("model"), "reads the optimizer"),
    ],
)
def test_state_that_a_program_does_not_keep_is_told(make, why):
    with pytest.raises(UnfusableError, match=why):
        describe(make())


def test_a_variable_that_nothing_assigns_to_is_a_constant():
    assert describe(built(loss=Weighing())).signature == describe(built(loss=Weighing())).signature
