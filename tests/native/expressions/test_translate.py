"""Expressions against TensorFlow: their values and gradients; and what is none, with its operation."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers, ops

from tests.help.expressions import computed
from tests.help.kernels import HERE, opened
from tests.help.repository import blocks
from trainables.native.expressions.formula import NoExpressionError
from trainables.native.expressions.translate import expression_of

# Refusals -------------------------------------------------------------------------------------------------------------

VARIABLE = tf.Variable(2.0)
VECTOR = tf.constant([[1.0], [2.0], [3.0]])


def per_row(y, p):
    return tf.reduce_mean(tf.square(y - p), -1)


REFUSED = {  # a loss, the shape of a row of the target, the outputs, and what is said of it
    "MatMul": (lambda y, p: tf.matmul(y - p, VECTOR), (3,), 3, "has the operation MatMul, which the kernel lacks"),
    "Sin": (lambda y, p: tf.sin(y - p), (1,), 1, "has the operation Sin, which the kernel lacks"),
    "variable": (lambda y, p: VARIABLE * per_row(y, p), (1,), 1, "reads a variable"),
    "random": (lambda y, p: per_row(y, p) * tf.random.uniform([]), (1,), 1, "draws random numbers"),
    "python": (
        lambda y, p: tf.ensure_shape(tf.py_function(per_row, [y, p], tf.float32), y.shape[:1]), (1,), 1,
        "has the operation EagerPyFunc, which does more than compute",
    ),
    "printed": (lambda y, p: tf.print(p) and per_row(y, p), (1,), 1, "has the operation StringFormat|does more than"),
    "broadcast": (lambda y, p: tf.square(y - p), (), 1, "has the operation Sub of rows with each other"),
    "root": (lambda y, p: per_row(y, p) * 0 + tf.sqrt(tf.reduce_mean(p)), (1,), 1, "Sqrt of a mean over the rows"),
    "centred": (lambda y, p: per_row(y, p - tf.reduce_mean(p)), (1,), 1, "has the operation Sub of a mean over"),
    "axis": (lambda y, p: per_row(y, p) / tf.reduce_max(p, 0), (1,), 1, "has the operation Max over the rows"),
    "sum": (lambda y, p: tf.reduce_sum(per_row(y, p)), (1,), 1, "has the operation Sum over the rows"),
    "sorted": (lambda y, p: tf.reverse(p, [0])[:, 0], (1,), 1, "has the operation ReverseV2 of the rows"),
    "first": (lambda y, p: p[:, 0] - p[0, 0], (1,), 1, "has the operation StridedSlice of the rows"),
    "position": (
        lambda y, p: per_row(y, p) * tf.range(float(p.shape[0])), (1,), 1,
        "Mul of rows with constants that differ between them",
    ),
    "count": (lambda y, p: per_row(y, p) / p.shape[0], (1,), 1, "depends on the number of rows"),
    "double": (lambda y, p: per_row(tf.cast(y, "float64"), tf.cast(p, "float64")), (1,), 1, "computes in float64"),
    "whole numbers": (lambda y, p: p[:, 0] * tf.cast(2 * tf.cast(y[:, 0], "int32"), "float32"), (1,), 1, "in int32"),
    "chosen": (lambda y, p: tf.boolean_mask(p, y[:, 0] > 0), (1,), 1, "gives no number for each row"),
    "branch": (
        lambda y, p: tf.cond(tf.reduce_all(y > 0), lambda: per_row(y, p), lambda: p[:, 0]), (1,), 1,
        "has the operation (All over the rows|StatelessIf, which)",
    ),
    "powers": (lambda y, p: tf.abs(p) ** y, (1,), 1, "has the operation Pow of two variable numbers"),
    "part": (lambda y, p: tf.reduce_max(tf.reshape(p, [-1, 2, 2]), -1), (4,), 4, "Max over a part of a row"),
    "pairs": (lambda y, p: p[:, :, None] - p[:, None, :], (3,), 3, "Sub of each number of a row with each other"),
    "constant": (lambda y, p: tf.square(y), (1,), 1, "does not depend on the outputs"),
    "wrong": (lambda y, p: y.nothing, (1,), 1, "cannot be traced: AttributeError: .* no attribute 'nothing'"),
    "wrong layer": (
        lambda y, p: layers.Dense(1, name="one")(layers.Reshape((3,))(p))[:, 0], (1,), 1,
        r"^cannot be traced: ValueError: The total size of the tensor must be unchanged\.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("loss", REFUSED)
def test_what_is_no_expression_is_refused_with_its_operation(loss):
    call, target, outputs, why = REFUSED[loss]
    with pytest.raises(NoExpressionError, match=why):
        expression_of(call, target, outputs, "linear", is_loss=True)


def test_the_loss_of_the_readme_is_an_expression():
    names = {}
    [example] = blocks("python", "trainables/README.md")
    exec(example, names)
    expression = expression_of(names["quantile"], (1,), 1, "linear", is_loss=True)
    y, p = np.float32([1.0]), np.float32([[0.0], [3.0]])
    value, gradient = computed(opened(HERE[-1]), expression, y, p)
    np.testing.assert_allclose(value, [0.9, 0.2], rtol=1e-6)
    np.testing.assert_allclose(gradient[:, 0], [-0.9, 0.1], rtol=1e-6)


# Values and gradients -------------------------------------------------------------------------------------------------

ONE = [
    tf.abs, tf.square, tf.tanh, tf.sigmoid, tf.nn.softplus, tf.nn.relu, tf.nn.elu, tf.nn.softsign, tf.sign, tf.negative,
    lambda a: tf.sqrt(tf.abs(a) + 0.1), lambda a: tf.math.log(tf.abs(a) + 0.1), lambda a: tf.exp(tf.minimum(a, 3.0)),
    lambda a: tf.math.log1p(tf.abs(a)), lambda a: tf.math.expm1(tf.minimum(a, 3.0)), lambda a: a**3,
    lambda a: (tf.abs(a) + 0.5) ** 1.3, lambda a: (tf.abs(a) + 0.5) ** -1.5, lambda a: 2.0 ** tf.minimum(a, 3.0),
    lambda a: tf.clip_by_value(a, -0.5, 1.5), lambda a: tf.math.rsqrt(tf.abs(a) + 0.2), lambda a: tf.cosh(near_zero(a)),
    lambda a: tf.sinh(near_zero(a)), tf.math.erf, tf.floor, tf.round, tf.math.ceil, lambda a: tf.nn.softmax(a, -1),
    lambda a: tf.nn.log_softmax(a, -1), lambda a: tf.reduce_max(a, -1, keepdims=True),
    lambda a: tf.reduce_sum(a, -1, keepdims=True),
    lambda a: tf.reduce_mean(a, -1, keepdims=True), lambda a: tf.cumsum(a, -1),
    lambda a: a[:, :1], lambda a: a[:, ::-1], lambda a: tf.concat([a[:, -1:], 2.0 * a], -1)[:, :-1], tf.stop_gradient,
    lambda a: tf.cast(tf.cast(a, "int32"), "float32"), lambda a: ops.logsumexp(a, axis=-1, keepdims=True),
]  # fmt: skip
TWO = [
    tf.add, tf.subtract, tf.multiply, tf.maximum, tf.minimum, tf.math.squared_difference, tf.math.divide_no_nan,
    lambda a, b: a / (tf.abs(b) + 0.3), lambda a, b: tf.where(a > b, a, b * 0.5), lambda a, b: tf.where(a <= 0.0, b, a),
    lambda a, b: tf.cast(tf.logical_and(a > 0.0, b > 0.5), "float32") * a,
    lambda a, b: tf.cast(tf.not_equal(a, b), "float32") + a,
]  # fmt: skip
STEPS = st.lists(
    st.tuples(st.sampled_from(range(len(ONE) + len(TWO))), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=7
)  # fmt: skip


def of_steps(steps):
    def call(y, p):
        known = [y, p, tf.constant([[0.5, -1.0, 2.0]])[:, : p.shape[-1]], y - p]
        for kind, first, second in steps:
            a, b = known[-1 - first % len(known)], known[-1 - second % len(known)]
            known.append(ONE[kind](a) if kind < len(ONE) else TWO[kind - len(ONE)](a, b))
        return tf.reduce_sum(known[-1] + 0.1 * p * p, axis=-1)

    return call


def near_zero(a):
    return a / (1.0 + tf.abs(a))


def by_tensorflow(call, y, p):
    p = tf.constant(p)
    with tf.GradientTape() as tape:
        tape.watch(p)
        value = call(tf.constant(np.tile(y, (len(p), 1))), p)
    return value.numpy(), tape.gradient(value, p, unconnected_gradients="zero").numpy()


GIVEN = given(steps=STEPS, width=st.integers(1, 3), seed=st.integers(0, 99))


@settings(max_examples=8, deadline=None, derandomize=True)
@GIVEN
def test_random_expressions_have_the_values_and_gradients_of_tensorflow(steps, width, seed):
    assert_as_by_tensorflow(steps, width, seed)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@GIVEN
def test_hundreds_of_expressions_have_the_values_and_gradients_of_tensorflow(steps, width, seed):
    assert_as_by_tensorflow(steps, width, seed)


def assert_as_by_tensorflow(steps, width, seed):
    chance = np.random.default_rng(seed)
    y, p = (chance.normal(size=shape).astype("float32") * 1.5 for shape in ((width,), (20, width)))
    call = of_steps(steps)
    expression = expression_of(call, (width,), width, "linear", is_loss=True)
    value, gradient = by_tensorflow(call, y, p)
    found = [computed(opened(name), expression, y, p) for name in HERE]
    scale = 1.0 + np.abs(value).max(), 1.0 + np.abs(gradient).max()
    np.testing.assert_allclose(found[0][0], value, rtol=2e-5, atol=2e-6 * scale[0])
    np.testing.assert_allclose(found[0][1], gradient, rtol=1e-4, atol=2e-5 * scale[1])
    for other in found[1:]:
        for one, same in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(one, same)


@pytest.mark.parametrize("operation", range(len(ONE) + len(TWO)))
def test_each_operation_has_the_values_and_gradients_of_tensorflow(operation):
    assert_as_by_tensorflow([(operation, 0, 2), (operation, 0, 1)], 3, operation)


def test_operations_of_edges_are_those_of_tensorflow():
    p = np.array(
        [
            [0.0],
            [-0.0],
            [1e-30],
            [-1.0],
            [np.inf],
            [-np.inf],
            [np.nan],
            [2.0**24],
            [88.5],
            [88.9],
            [-88.9],
            [-1.5],
            [2.5],
        ]
    )
    p = p.astype("float32")
    for call in (
        tf.math.log1p,
        tf.math.expm1,
        tf.cosh,
        tf.sinh,
        tf.floor,
        tf.round,
        tf.math.ceil,
        tf.abs,
        tf.math.log,
        tf.nn.relu,
    ):
        found = expression_of(lambda y, p, call=call: call(p)[:, 0], (1,), 1, "linear", is_loss=False)
        found = replace(found, gradient_at=found.value_at)  # which none of them has everywhere
        value, _ = by_tensorflow(lambda y, p, call=call: call(p)[:, 0], np.zeros(1, "float32"), p)
        np.testing.assert_allclose(
            computed(opened(HERE[-1]), found, np.zeros(1), p)[0],
            value,
            rtol=3e-6,
            atol=1e-30,
            err_msg=str(call),
        )
