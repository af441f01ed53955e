"""The replaced operations give what Keras' own give: draws bit for bit, sums to float32's rounding."""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras.src.backend.tensorflow import numpy as keras_numpy
from keras.src.backend.tensorflow import random as keras_random

from trainables.fused.internals import kernels
from trainables.fused.internals.errors import UnfusableError
from trainables.fused.internals.lifted import Lifted

SHAPES = st.lists(st.integers(1, 9), min_size=1, max_size=3).map(tuple)


def compiled(function, *arguments):
    """Run `function` as the engine does: with the replacements, compiled by XLA."""

    def traced(*given):
        with kernels.fast():
            return function(*given)

    return tf.function(traced, jit_compile=True, autograph=False)(*arguments).numpy()


@settings(max_examples=6)
@given(shape=SHAPES, seed=st.integers(0, 2**31 - 1))
def test_draws_are_those_of_keras(shape, seed):
    for draw in (
        lambda: keras_random.uniform(shape, -1.0, 3.0, seed=seed),
        lambda: keras_random.dropout(tf.ones(shape), 0.3, seed=seed),
    ):
        np.testing.assert_allclose(compiled(draw), draw().numpy(), rtol=1e-6)
    # Sine, cosine and logarithm are XLA's own: some units in the last place, more near a zero of the sine.
    normal = compiled(lambda: keras_random.normal(shape, 1.0, 2.0, seed=seed))
    np.testing.assert_allclose(normal, keras_random.normal(shape, 1.0, 2.0, seed=seed), rtol=1e-4, atol=1e-5)


def test_dropout_of_a_part_of_the_shape_is_that_of_keras():
    x = tf.ones((4, 5, 3))
    one = compiled(lambda: keras_random.dropout(x, 0.5, noise_shape=(None, 1, None), seed=3))
    np.testing.assert_array_equal(one, keras_random.dropout(x, 0.5, noise_shape=(None, 1, None), seed=3))


def test_what_a_dropout_near_one_keeps_is_scaled_as_by_keras():
    of_keras = keras_random.dropout(tf.ones((100, 100)), 0.999, seed=3)
    for rate in (0.999, Lifted(tf.constant(0.999), tf.constant(0.001))):
        found = compiled(lambda rate=rate: keras_random.dropout(tf.ones((100, 100)), rate, seed=3))
        assert (found > 0).any()
        np.testing.assert_allclose(found, of_keras, rtol=2e-7)
    nothing = compiled(lambda: keras_random.dropout(tf.ones((4, 4)), 1.0, seed=3))
    np.testing.assert_array_equal(nothing, np.zeros((4, 4)))


def test_rows_of_a_larger_batch_are_dropped_as_those_of_a_smaller():
    """What lets a mask stand for the smaller last batch."""
    small, large = (
        compiled(lambda n=n: keras_random.dropout(tf.ones((n, 7)), 0.5, seed=9)) for n in (17, 32)
    )
    np.testing.assert_array_equal(small, large[:17])


@tf.function
def traced_before():
    """A draw in a function of its own."""
    return tf.random.uniform((3,))


DRAWS = {
    "keras": lambda: keras.random.uniform((3,)),
    "normal": lambda: keras.random.normal((3,)),
    "dropout": lambda: keras.random.dropout(tf.ones(3), 0.5),
    "uniform": lambda: tf.random.uniform((3,)),
    "integers": lambda: tf.random.uniform((3,), maxval=5, dtype=tf.int32),
    "shuffle": lambda: tf.random.shuffle(tf.range(3)),
    "truncated": lambda: tf.random.truncated_normal((3,), seed=3),
    "generator": lambda: GENERATOR.uniform((3,)),
    "function": traced_before,
    "branch": lambda: tf.cond(tf.reduce_sum(X) > 1, lambda: tf.random.normal((3,)), lambda: tf.ones(3)),
    "loop": lambda: tf.while_loop(lambda x: x[0] < 2, lambda x: [x + tf.random.uniform((3,))], [X])[0],
}
"""Draws by a state that is no variable of a model."""

GENERATOR = tf.random.Generator.from_seed(1)
X = tf.zeros(3)


@pytest.mark.parametrize("name", DRAWS)
def test_draws_by_a_state_outside_of_the_model_are_refused(name):
    """They happen in a few steps of a training only, so a program must not be traced with them."""
    draw = DRAWS[name]
    draw()

    def lane(x):
        with kernels.fast():
            return x + tf.cast(draw(), tf.float32)

    traced = tf.function(lambda x: tf.vectorized_map(lane, x), autograph=False)
    with pytest.raises(UnfusableError, match="draws random numbers"):
        traced.get_concrete_function(tf.TensorSpec((4, 3)))


def test_the_reason_is_told_without_the_arguments_of_a_layer():
    class Drawing(keras.layers.Layer):
        def call(self, x):
            return x + keras.random.uniform((3,))

    layer = Drawing()
    with pytest.raises(
        UnfusableError, match=r"^its code draws random numbers without a seed, by Keras' global generator$"
    ):
        compiled(layer, X)


def test_draws_by_seeds_are_not_refused():
    seeds = keras.random.SeedGenerator(3)
    layer = keras.layers.Dropout(0.5)

    def draw():
        x = layer(keras.random.uniform((3,), seed=seeds), training=True)
        return x + keras.random.normal((3,), seed=4) + tf.random.stateless_uniform((3,), (1, 2))

    assert compiled(draw).shape == (3,)


def test_product_and_its_gradients_are_those_of_tensorflow():
    chance = np.random.default_rng(0)
    a, b = (tf.constant(chance.normal(size=shape).astype("float32")) for shape in ((17, 10), (10, 8)))

    def gradients(product):
        with tf.GradientTape() as tape:
            tape.watch([a, b])
            value = tf.reduce_sum(tf.square(product(a, b)))
        return tape.gradient(value, [a, b])

    with kernels.fast():
        fast = gradients(keras_numpy.matmul)
    for one, other in zip(fast, gradients(tf.matmul), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


@pytest.mark.parametrize("rows", [1, 17, 32])
def test_masked_moments_are_those_of_the_rows_that_count(rows):
    layer = keras.layers.BatchNormalization()
    x = tf.constant(np.random.default_rng(rows).normal(3, 2, (32, 6)).astype("float32"))
    layer.build(x.shape)
    with kernels.fast():
        mean, variance = layer._moments(x, tf.range(32) < rows)
        plain = layer._moments(x[:rows], None)
    np.testing.assert_allclose(mean, plain[0], rtol=1e-5)
    np.testing.assert_allclose(variance, plain[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("center", "scale"), [(True, True), (False, True), (True, False)])
@pytest.mark.parametrize("rows", [17, 32])
def test_batch_normalization_and_its_gradients_are_those_of_the_rows_that_count(rows, center, scale):
    chance = np.random.default_rng(rows)
    x = tf.constant(chance.normal(3, 2, (32, 6)).astype("float32"))
    upstream = tf.constant(chance.normal(size=(rows, 6)).astype("float32"))

    def found(part, mask, context):
        layer = keras.layers.BatchNormalization(center=center, scale=scale)
        layer.build(x.shape)
        for variable in layer.trainable_variables:
            variable.assign(chance.normal(1, 0.5, variable.shape))
        with context, tf.GradientTape() as tape:
            tape.watch(part)
            outputs = layer(part, training=True, mask=mask)
            loss = tf.reduce_sum(outputs[:rows] * upstream)
        gradients = tape.gradient(loss, [part, *layer.trainable_variables])
        return [outputs[:rows], gradients[0][:rows], *gradients[1:], *layer.non_trainable_variables]

    mask = tf.range(32) < rows
    chance = np.random.default_rng(1)
    ours = found(x, mask, kernels.fast())
    chance = np.random.default_rng(1)
    for one, other in zip(ours, found(x[:rows], None, contextlib.nullcontext()), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    inference = keras.layers.BatchNormalization()
    with kernels.fast():
        np.testing.assert_allclose(inference(x, training=False), x / np.sqrt(1.001), rtol=1e-5)


def test_keras_has_its_own_again_afterwards():
    before = keras_numpy.matmul, keras_random.dropout, keras.layers.BatchNormalization._moments
    with pytest.raises(KeyError), kernels.fast():
        assert keras_numpy.matmul is not before[0]
        raise KeyError
    assert before == (keras_numpy.matmul, keras_random.dropout, keras.layers.BatchNormalization._moments)
