"""Whose fault an error is: the engine's and its libraries', or the user's model's."""

import sys
import types
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.help.cohorts import small_table
from trainables.builder import find
from trainables.fused.compose.builds import Builds
from trainables.fused.compose.members import Composer
from trainables.fused.compose.points import Points
from trainables.fused.internals import errors
from trainables.fused.internals.errors import InternalsError, is_ours, raise_ours
from trainables.fused.internals.measures import Computed
from trainables.fused.model.tokens import token
from trainables.fused.program.optimizers import Update
from trainables.fused.program.template import Stack, Template
from trainables.native.expressions.translate import expression_of
from trainables.settings import Fit


def engine(code, package="trainables.fused", **names):
    """Run `code` as a file of a package of the engine's own."""
    module = types.ModuleType(f"{package}.made_up")
    exec(code, vars(module) | names)


def raised(function, *arguments, **keywords):
    with pytest.raises(Exception) as error:
        function(*arguments, **keywords)
    return error.value


class Mine:
    """Of the user's."""

    def __getattr__(self, name):
        raise AttributeError(f"no {name}", name=name, obj=self)

    def work(self):
        return keras.nothing


ENGINE = ("trainables.fused", "trainables.native")
MODEL = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])


@pytest.mark.parametrize("package", ENGINE)
@pytest.mark.parametrize(
    "code",
    [
        "keras.nothing",
        "model._nothing",
        "tensor.nothing",  # whose class looks names up by code of TensorFlow
        "del model._nothing",
        "from keras import nothing",
        "import keras.nothing",
        "import importlib; importlib.import_module('keras.nothing')",
        "nothing",
        "None.nothing",
        "array.nothing",
        "table.nothing",  # of a class of this software, in another package
        "computed.nothing",
    ],
)
def test_a_name_that_the_engine_misses_is_ours(code, package):
    tensor = tf.function(lambda x: x).get_concrete_function(tf.constant(1.0)).inputs[0]
    names = {"keras": keras, "model": MODEL, "tensor": tensor, "array": np.zeros(1)}
    names |= {"table": small_table(), "computed": Computed("loss", None, None, {})}
    error = raised(engine, code, package, **names)
    assert is_ours(error)
    with pytest.raises(
        InternalsError, match=r"the fused engine failed by itself with keras 3.*--engine keras"
    ):
        raise_ours(error)


@pytest.mark.parametrize("package", ENGINE)
@pytest.mark.parametrize(
    "code",
    [
        "mine.nothing",  # the user's object lacks it
        "mine.work()",  # the user's code misses it
        "of_builder.nothing",  # the builder of the examples stands for a user's
        "keras.layers.Dense(1)(mine)",  # Keras' code, on what the user gave
        "keras.Sequential([keras.layers.Lambda(lambda x: x.nothing)])(np.zeros((1, 1)))",
        "raise ValueError('no')",
        "raise TypeError('no')",
    ],
)
def test_what_the_user_s_code_raises_is_not(code, package):
    if "Lambda" in code:
        error = raised(keras.Sequential([keras.layers.Lambda(lambda x: x.nothing)]), np.zeros((1, 1)))
    else:
        kind = type("OfBuilder", (), {"__module__": "trainables.abalone"})
        error = raised(engine, code, package, keras=keras, mine=Mine(), of_builder=kind())
    assert not is_ours(error)
    raise_ours(error)


@pytest.mark.parametrize("package", ["trainables.abalone", "trainables.builder"])
def test_what_a_builder_misses_or_returns_is_not(package):
    """Also if a file of the engine has called it."""
    assert not is_ours(raised(engine, "call()", call=lambda: engine("None.nothing", package)))


def test_an_internals_error_is_ours_wherever_it_was_raised():
    error = raised(raise_ours, errors.lacks("keras", "this"))
    assert is_ours(error) and str(error).endswith("install keras==3.15.1, or run with `--engine keras`")


def lacking(monkeypatch, module, name):
    """Let a function of the engine miss a part of Keras."""

    def missing(*arguments, **keywords):
        engine("keras.nothing", keras=keras)

    monkeypatch.setattr(module, name, missing)


def test_no_handler_of_the_engine_takes_it_for_a_reason_to_refuse_a_model(monkeypatch):
    table = small_table()
    builder = find.find(f"{__file__}:built", Path.cwd())
    builds = Builds(builder.load(), builder, table, 0, 60.0)
    with monkeypatch.context() as change, pytest.raises(InternalsError):
        lacking(change, sys.modules["trainables.fused.compose.builds"], "describe")
        builds.describe({})
    with monkeypatch.context() as change, pytest.raises(InternalsError):
        lacking(change, keras.layers.Dense, "get_config")
        token(keras.layers.Dense(1))
    composer = Composer(builder.load(), builder, table, 0)
    with monkeypatch.context() as change, pytest.raises(InternalsError):
        lacking(change, sys.modules["trainables.fused.compose.builds"], "describe")
        composer.compose(Points([], np.zeros((2, 0), int)), Fit(epochs=1, batch_size=32))
    with monkeypatch.context() as change, pytest.raises(InternalsError):
        lacking(change, keras.activations, "get")
        expression_of(lambda y, p: p[:, 0] - y[:, 0], (1,), 1, "sigmoid", is_loss=True)
    template = Template(
        model := built(), [model], [model], ["learning_rate"], {}, [], (table.x_train[:2], table.y_train[:2])
    )
    lacking(monkeypatch, sys.modules["trainables.fused.program.template"], "set_mask")
    weights = np.concatenate([v.numpy().ravel() for v in model.trainable_variables])[None]
    lane = Stack(weights, [], [], np.full((1, 1), 0.01, np.float32), *[np.zeros(1, np.int32)] * 2)
    with pytest.raises(InternalsError):
        template.can_mask(lane, table.x_train[:32], table.y_train[:32], 17)
    lacking(monkeypatch, sys.modules["trainables.fused.program.optimizers"], "copied")
    with pytest.raises(InternalsError):
        Update(model)


def built():
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(1)])
    model.compile(loss="mse", optimizer="sgd")
    return model


def test_a_reason_is_the_same_for_each_model():
    reasons = {str(errors.UnfusableError(f"{object()!r} has no configuration")) for _ in range(3)}
    assert reasons == {"<object> has no configuration"}
