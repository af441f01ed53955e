"""Losses of the native kernel at special outputs and targets, against Keras' `fit`."""

import keras
import numpy as np
import pytest

from tests.help.native import Group, small_table, weights_of
from trainables.native.measures import _FUNCTIONS
from trainables.native.structures import Measure
from trainables.table.data import Table

LOSSES = {
    function.__name__: measure
    for function, measure in _FUNCTIONS.items()
    if measure < Measure.BINARY_ACCURACY
}
CLASSES = (Measure.CATEGORICAL_CROSSENTROPY, Measure.SPARSE_CROSSENTROPY)


def build(loss, rate=0.01, logits=False):
    measure = LOSSES[loss]
    outputs, last = (3, "softmax") if measure in CLASSES else (1, "softplus")
    if measure is Measure.BINARY_CROSSENTROPY:
        last = "sigmoid"
    inputs = keras.Input((3,))
    x = keras.layers.Dense(5, "tanh")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(outputs, None if logits else last)(x))
    chosen = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1) if logits else loss
    model.compile(keras.optimizers.Adam(rate), chosen)
    return model


def table_of(loss):
    """Return a table with the target that a loss takes."""
    found, measure = small_table(classes=LOSSES[loss] is Measure.BINARY_CROSSENTROPY), LOSSES[loss]

    def target(x, y):
        label = np.digitize(x[:, 0], [-0.5, 0.5])
        if measure is Measure.SPARSE_CROSSENTROPY:
            return label.astype("float32")
        if measure is Measure.CATEGORICAL_CROSSENTROPY:
            return np.eye(3)[label].astype("float32")
        return np.abs(y)[:, None]

    train, test = target(found.x_train, found.y_train), target(found.x_test, found.y_test)
    return Table(found.x_train, train, found.x_test, test, found.features, "y", "0")


@pytest.mark.parametrize("loss", LOSSES)
def test_a_model_whose_weights_are_no_numbers_has_no_loss(loss):
    group = Group(f"{__file__}:build", {"loss": [loss], "rate": [0.01, 0.02]}, table_of(loss))
    program, stack = group.program(), group.stack.take(np.arange(2))
    assert program.chain.measures[0].measure is LOSSES[loss]
    stack.weights[0] = np.nan
    logs = group.trained(1, stack=stack, program=program).logs[:, 0]
    assert np.isnan(logs[0]).all() and np.isfinite(logs[1]).all()


@pytest.mark.parametrize("logits", [False, True])
def test_targets_of_a_row_that_do_not_add_up_to_one_train_as_by_keras(logits):
    table = table_of("categorical_crossentropy")
    table.y_train[::3] = 0.0
    table.y_train[1::3] = [1.0, 1.0, 0.0]
    group = Group(f"{__file__}:build", {"loss": ["categorical_crossentropy"], "logits": [logits]}, table)
    program = group.program()
    assert program.chain.measures[0].measure is Measure.CATEGORICAL_CROSSENTROPY
    result, (model, logs) = group.trained(program=program), group.by_keras(0)
    np.testing.assert_allclose(result.stack.weights[0], weights_of(model), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(result.logs[0], logs, rtol=1e-4, atol=1e-6)
