"""Errors of users' code become short texts that every file can hold."""

import pytest

from trainables.error_text import cause_of, explain


def test_an_error_is_told_by_type_and_message():
    assert explain(ValueError("no such layer")) == "ValueError: no such layer"
    assert explain(SystemExit(3)) == "SystemExit: 3"
    assert explain(RuntimeError()) == "RuntimeError:"


def test_a_long_message_is_cut_in_its_middle():
    for length in (1989, 5000):
        text = explain(ValueError("x" * length + " the end"))
        assert len(text) == 2000 and text.startswith("ValueError: xxx") and text.endswith("xxx the end")
        assert text.count("...") == 1
    assert explain(ValueError("x" * 1988)) == "ValueError: " + "x" * 1988


def test_the_cause_is_the_last_line_and_its_end_is_kept():
    assert cause_of(ValueError("no such layer")) == "ValueError: no such layer"
    assert cause_of(RuntimeError()) == "RuntimeError:" and cause_of("") == ""
    assert cause_of(RuntimeError("cannot build:\n  4 units\n\n")) == "RuntimeError: 4 units"
    assert cause_of("the point's worker died\nsee sweep.log") == "see sweep.log"
    text = cause_of(ValueError("x" * 500 + " the end"))
    assert len(text) == 200 and text.startswith("ValueError: xx") and text.endswith("x the end")


def keras_error(layers, loss="mse", **options):
    """Return what Keras raises when a model of such layers is built, compiled and fitted."""
    import keras
    import numpy as np

    x, y = np.zeros((40, 4), "float32"), np.zeros((40, 1), "float32")
    with pytest.raises(Exception) as raised:  # of whatever type Keras and TensorFlow choose
        model = keras.Sequential([keras.Input((4,)), *layers(keras.layers)])
        model.compile(loss=loss, optimizer="sgd", **options)
        model.fit(x, y, verbose=0)
    return raised.value


def product_of_wrong_shapes(y, predicted):
    import tensorflow as tf

    return tf.reduce_mean(tf.matmul(y, predicted))


def reshaped_to_seven(y, predicted):
    import tensorflow as tf

    return tf.reduce_mean(tf.reshape(y, (7,)) - predicted)


def wrong_product(values):
    import tensorflow as tf

    return values @ tf.ones((7, 3))


@pytest.mark.parametrize(("layers", "options", "begin", "end"), [
    (lambda k: [k.Conv1D(3, 2)], {}, "ValueError: Input 0", "found ndim=2. Full shape received: (None, 4)"),
    # Keras' own words before and the arguments behind.
    (lambda k: [k.Reshape((3,))], {}, "ValueError: The total size of the tensor must be unchanged.",
     "input_shape=(4,), target_shape=(3,)"),
    (lambda k: [k.Lambda(wrong_product)], {}, "ValueError: Dimensions must be equal", "[?,4], [7,3]."),
    # Stacks of TensorFlow's, of more than 2,000 characters where nothing is compiled.
    (lambda k: [k.Dense(3)], {"loss": product_of_wrong_shapes, "jit_compile": True},
     "InvalidArgumentError: Matrix size-incompatible", "In[1]: [32,3]"),
    (lambda k: [k.Dense(1)], {"loss": reshaped_to_seven, "jit_compile": False},
     "InvalidArgumentError: Input to reshape", "a tensor with 32 values, but the requested shape has 7"),
    (lambda k: [k.Dense(1)], {"loss": reshaped_to_seven, "run_eagerly": True},
     "InvalidArgumentError: Input to reshape", "a tensor with 32 values, but the requested shape has 7"),
    (lambda k: [k.Dense(3)], {"loss": "categorical_crossentropy"},
     "ValueError: Arguments `target` and `output` must have the same shape.", "output.shape=(None, 3)"),
])  # fmt: skip
def test_the_cause_of_a_real_error_of_keras_is_told(layers, options, begin, end):
    error = keras_error(layers, **options)
    for cause in (cause_of(error), cause_of(explain(error))):
        assert len(cause) <= 200 and "\n" not in cause and "\x1b" not in cause
        assert cause.startswith(begin) and cause.endswith(end)
    assert end in explain(error) and len(explain(error)) <= 2000 and "\x1b" not in explain(error)


def test_a_message_that_no_file_can_hold_becomes_one_that_can():
    assert explain(ValueError("a \udce9 é")) == "ValueError: a ? é"
