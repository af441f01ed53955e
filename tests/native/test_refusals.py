"""What the native kernel does not have is refused by name: XLA trains it, or with programs "native" nothing does."""

import re

import keras
import numpy as np
import pytest

from results.space import Space
from trainables.builder import find
from trainables.fused.compose.members import Composer, Members
from trainables.fused.compose.points import Points
from trainables.fused.internals.errors import UnfusableError
from trainables.fused.program.program import Program
from trainables.fused.training.programs import program_of
from trainables.native import calls
from trainables.native import program as native
from trainables.native.library import VARIABLE
from trainables.native.program import NativeProgram
from trainables.settings import Fit
from trainables.table.data import Table

layers, o = keras.layers, keras.optimizers


@keras.saving.register_keras_serializable("test_refusals")
class Doubled(layers.Layer):
    def call(self, x):
        return x * 2


class OwnSGD(o.SGD):
    """Updates as SGD does, for all that the kernel can know."""


@keras.saving.register_keras_serializable("test_refusals")
class OwnPenalty(keras.regularizers.Regularizer):
    def __call__(self, x):
        return keras.ops.sum(x)

    def get_config(self):
        return {}


class OwnConstraint(keras.constraints.NonNeg):
    """Does what NonNeg does, for all that the kernel can know."""


def twice(x):
    return x * 2


def wavy_error(y, predicted):
    return keras.ops.mean(keras.ops.sin(keras.ops.square(y - predicted)), -1)


def largest_error(y, predicted):
    return keras.ops.max(keras.ops.abs(y - predicted))


def shared(x):
    layer = layers.Dense(4, activation="tanh")
    return layer(layer(x))


def many(x):
    for _ in range(64):
        x = layers.Dense(4)(x)
    return x


def own_function(x):
    return layers.Dense(4, activation=twice)(x)


MODELS = {  # what is between the inputs and the output, and why the kernel does not have it
    "own_constraint": (lambda x: layers.Dense(4, kernel_constraint=OwnConstraint())(x), "has no constraint OwnConstraint"),
    "no_axis": (
        lambda x: layers.Dense(4, bias_constraint=keras.constraints.UnitNorm(1))(x),
        r"a constraint has the axis 1, but the weight has the shape \(4,\)",
    ),
    "own_layer": (lambda x: Doubled()(x), "the kernel has no layer Doubled"),
    "lambda": (lambda x: layers.Lambda(twice)(x), "the kernel has no layer Lambda"),
    "other_layer": (lambda x: layers.UnitNormalization()(x), "the kernel has no layer UnitNormalization"),
    "rms_scaling": (lambda x: layers.LayerNormalization(rms_scaling=True)(x), "has an axis, or rms_scaling"),
    "own_activation": (own_function, "the kernel has no activation twice"),
    "other_activation": (lambda x: layers.Dense(4, activation="celu")(x), "the kernel has no activation celu"),
    "widths": (lambda x: layers.Add()([layers.Dense(4)(x), layers.Dense(1)(x)]), "takes outputs of different widths"),
    "dot": (lambda x: layers.Dot(1)([layers.Dense(4)(x), x]), "the kernel has no layer Dot"),
    "constant": (
        lambda x: 1.0 - layers.Dense(4)(x),
        "the operation Subtract is called with other arguments than outputs of layers",
    ),
    "slice": (lambda x: layers.Dense(4)(x)[:, :2], "the operation GetItem is called with other arguments"),
    "operation": (lambda x: keras.ops.relu(layers.Dense(4)(x)), "the kernel has no operation Relu"),
    "two_tables": (
        lambda x: layers.Add()([x, layers.Rescaling(0.5)(x)]), 'takes its input both before and after "rescaling.*"',
    ),
    "many_sources": (lambda x: layers.Add()([layers.Dense(4)(x)] * 260), "take more than 256 outputs"),
    "join_of_own": (
        lambda x: layers.Add(activity_regularizer=OwnPenalty())([layers.Dense(4)(x), x]), "a regularizer of their own",
    ),
    "penalized_identity": (lambda x: layers.Activation("linear", activity_regularizer="l2")(x), "are penalized"),
    "shared": (shared, "a layer is called several times"),
    "reshaped": (lambda x: layers.Flatten()(layers.Reshape((2, 2))(layers.Dense(4)(x))), "has no layer Reshape"),
    "regularizer": (lambda x: layers.Dense(4, kernel_regularizer="orthogonal_regularizer")(x), "neither L1 nor L2"),
    "activity": (
        lambda x: layers.Dense(4, activation="silu", activity_regularizer="l2")(x), 'outputs of ".*" are penalized',
    ),
    "threshold": (lambda x: layers.ReLU(threshold=0.5)(x), "has a threshold or a maximum"),
    "shared_axes": (lambda x: layers.PReLU(shared_axes=[1])(x), "shares its slopes"),
    "many": (many, "the model has more than 64 layers"),
    "noise_shape": (lambda x: layers.Dropout(0.2, noise_shape=(None, 1))(x), "has a noise_shape"),
}  # fmt: skip
OPTIMIZERS = {
    name: (lambda name=name: getattr(o, name)(0.01), f"the kernel has no optimizer {name}")
    for name in ("Adadelta", "Ftrl", "Adafactor", "Lamb")
} | {"own_optimizer": (lambda: OwnSGD(0.01), "the kernel has no optimizer OwnSGD")}
LOSSES = {
    "own_loss": (wavy_error, "the loss `wavy_error` has the operation Sin, which the kernel lacks"),
    "ignored_class": (
        keras.losses.SparseCategoricalCrossentropy(ignore_class=1),
        "the loss `sparse_categorical_crossentropy` ignores some rows of a batch",
    ),
    "penalized_shares": ("binary_crossentropy", "the output is penalized"),
    "penalized_activation": ("binary_crossentropy", "the output is penalized"),
}
WHY = {name: why for each in (MODELS, OPTIMIZERS, LOSSES) for name, (_, why) in each.items()}
WHY |= {
    "own_model": "the model is a class of its own",
    "own_metric": "the metric `largest_error` may be no mean over the rows of a batch",
}


OUTPUTS = {  # what is not one dense unit
    "ignored_class": lambda x: layers.Dense(2, "softmax")(x),
    "penalized_shares": lambda x: layers.Dense(1, "sigmoid", activity_regularizer="l2")(x),
    "penalized_activation": lambda x: layers.Activation("sigmoid", activity_regularizer="l2")(
        layers.Dense(1)(x)
    ),
}


class OwnModel(keras.Model):
    """Is called as any functional model."""


def build(what):
    inputs = keras.Input((4,))
    x = MODELS[what][0](inputs) if what in MODELS else layers.Dense(4, activation="tanh")(inputs)
    outputs = OUTPUTS.get(what, layers.Dense(1))(x)
    model = OwnModel(inputs, outputs) if what == "own_model" else keras.Model(inputs, outputs)
    optimizer = OPTIMIZERS[what][0]() if what in OPTIMIZERS else o.Adam(0.01)
    metrics = [largest_error] if what == "own_metric" else []
    model.compile(optimizer, LOSSES[what][0] if what in LOSSES else "mse", metrics=metrics)
    return model


def made(what, programs):
    chance = np.random.default_rng(1)
    x = chance.normal(size=(60, 4)).astype("float32")
    y = (x[:, 0] > 0).astype("float32")
    table = Table(x[:50], y[:50], x[50:], y[50:], tuple("abcd"), "y", "0")
    found = find.find(f"{__file__}:build", find.Path.cwd())
    space, fit = Space({"what": [what]}), Fit(batch_size=16)
    members = Composer(found.load(), found, table, 0).compose(Points.of(space, np.arange(1)), fit)
    assert isinstance(members, Members), members
    y = members.target.of(table.y_train)
    rows = (table.x_train[:40], y[:40]), (table.x_train[40:], y[40:])
    return program_of(members.template, 16, rows, members.stack, 4, programs)


@pytest.mark.parametrize("what", WHY)
def test_what_the_kernel_lacks_is_named_and_left_to_xla(what):
    found, why = made(what, "any")
    assert type(found) is Program and found.engine == "fused"
    assert re.search(WHY[what], why), why


@pytest.mark.parametrize("what", ["own_layer", "Ftrl", "own_loss"])
def test_what_the_kernel_lacks_is_refused_if_the_kernel_is_wanted(what):
    with pytest.raises(UnfusableError, match=f"^the native kernel cannot train them: .*{WHY[what]}"):
        made(what, "native")


def test_what_the_kernel_has_is_trained_by_it_unless_xla_is_wanted():
    for programs in ("any", "native"):
        found, why = made("plain", programs)
        assert type(found) is NativeProgram and found.engine == "native" and why == ""
    found, why = made("plain", "xla")
    assert type(found) is Program and why == ""


def test_a_wide_layer_is_left_to_xla_unless_the_kernel_is_wanted(monkeypatch):
    monkeypatch.setattr(native, "ALWAYS_WEIGHTS", 15)
    monkeypatch.setattr(native, "MOST_PRODUCT", 16 * 16 - 1)
    found, why = made("plain", "any")
    assert type(found) is Program
    assert why == "XLA is faster with a dense layer of 16 weights and batches of 16 rows"
    assert type(made("plain", "native")[0]) is NativeProgram


@pytest.mark.parametrize("limits", [(16, 0), (0, 16 * 16)])
def test_a_layer_at_the_limit_is_native(monkeypatch, limits):
    for name, limit in zip(("ALWAYS_WEIGHTS", "MOST_PRODUCT"), limits, strict=True):
        monkeypatch.setattr(native, name, limit)
    assert type(made("plain", "any")[0]) is NativeProgram


def test_a_batch_that_takes_too_much_memory_is_refused(monkeypatch):
    monkeypatch.setattr(calls, "MOST_BYTES", 1000)
    assert made("plain", "any")[1] == "the activations of a batch take too much memory"


def test_without_a_kernel_xla_trains_and_says_why(monkeypatch):
    monkeypatch.setenv(VARIABLE, "none")
    found, why = made("plain", "any")
    assert type(found) is Program and "SWEEP_KERNEL=none switches it off" in why
    with pytest.raises(UnfusableError, match="SWEEP_KERNEL=none switches it off"):
        made("plain", "native")


def test_another_epsilon_of_keras_is_left_to_xla():
    keras.config.set_epsilon(1e-3)
    try:
        assert made("plain", "any")[1] == "keras.config.epsilon() is 0.001, and the kernel takes 1e-07"
    finally:
        keras.config.set_epsilon(1e-7)
