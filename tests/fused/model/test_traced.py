"""A function of TensorFlow keeps what its code read when it was traced."""

import os
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from trainables.fused.internals.errors import UnfusableError
from trainables.fused.model import traced
from trainables.fused.model.describe import describe, users_parts
from trainables.fused.model.tokens import Tokens

ALPHA, TABLE, SETTINGS = 1.0, np.ones(2, "float32"), types.SimpleNamespace(alpha=1.0)
ONE = tf.constant([[1.0, 2.0]])
os.environ.setdefault("KEPT_ALPHA", "1.0")


def as_built(item, what="the loss"):
    return Tokens(as_built=True).of(item, what)


def squared(y, p):
    return ops.mean(ops.square(y - p), axis=-1)


def scaled(y, p):
    return ALPHA * (y - p)


def closing_over(value):
    return lambda y, p: squared(y, p) * value


def again(y, p):
    return tf.math.abs(y) if len(p.shape) > 5 else again(y, p[None])


PURE = [
    squared,
    again,
    lambda y, p: tf.reduce_mean(tf.square(y - p), -1) + squared(y, p),
    closing_over(2.0),
    lambda y, p, n=2: (y - p) ** n,
]

READING = [
    scaled,
    lambda y, p: squared(y, p) + scaled(y, p),
    lambda y, p: TABLE[0] * squared(y, p),
    lambda y, p: SETTINGS.alpha * squared(y, p),
    lambda y, p: float(os.environ["KEPT_ALPHA"]) * squared(y, p),
    lambda y, p: keras.config.epsilon() * squared(y, p),
    lambda y, p: keras.losses.mean_absolute_percentage_error(y, p),
    lambda y, p: ops.categorical_crossentropy(y, p),
    lambda y, p: getattr(SETTINGS, "alpha") * squared(y, p),  # noqa: B009
    closing_over(TABLE),
    closing_over([1.0]),
]


@pytest.mark.parametrize("function", PURE)
def test_a_trace_of_a_function_of_its_arguments_is_never_old(function):
    made = tf.function(function)
    before = as_built(made)
    made(ONE, ONE)
    assert made.experimental_get_tracing_count() and as_built(made) == before


@pytest.mark.parametrize("function", READING)
def test_a_function_that_was_traced_with_what_it_read_cannot_be_compared(function):
    made = tf.function(function)
    as_built(made)
    made(ONE, ONE)
    with pytest.raises(UnfusableError, match="the loss is a function that TensorFlow has traced"):
        as_built(made, "the loss")
    with pytest.raises(UnfusableError, match=r"reads `made`.* a function that TensorFlow has traced"):
        as_built(lambda y, p: made(y, p))


class Loss(keras.losses.Loss):
    def __init__(self):
        super().__init__()
        self.factor = 1.0

    @tf.function
    def call(self, y, p):
        return self.factor * (y - p)


def test_each_object_has_a_trace_of_a_method():
    one, other = Loss(), Loss()
    assert as_built(one) == as_built(other)
    one(ONE, ONE)
    with pytest.raises(UnfusableError, match="an object with a function that TensorFlow has traced"):
        as_built(one)
    assert as_built(other) and traced.methods_of(Loss) == {"call"}


def test_a_model_that_was_trained_is_the_one_that_its_builder_made():
    """What the builder traced is no older than the model."""
    factors = [2.0]

    def scaled(y, p):
        return factors[0] * squared(y, p)

    loss = tf.function(scaled)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", loss)
    assert describe(model)
    model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)
    assert loss.experimental_get_tracing_count() and users_parts(model)


class InGraph(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.inner, self.factors = tf.function(self._inner), [2.0]

    def _inner(self, x):
        return x * self.factors[0]

    def call(self, x):
        return self.inner(x)


def test_a_builder_that_calls_its_model_traces_no_older_one():
    model = keras.Sequential([keras.Input((2,)), InGraph(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model(ONE)
    assert model.layers[0].inner.experimental_get_tracing_count() and describe(model)
