"""Losses and metrics that may mix the rows of a batch."""

import keras
import numpy as np
import pytest

from trainables.fused.program.mixing import may_mix_rows
from trainables.fused.program.template import Template

X, Y = np.ones((2, 3), "float32"), np.ones(2, "float32")


class Own(keras.Model):
    """A class of the user, of whose outputs Keras knows no shape."""

    def __init__(self):
        super().__init__()
        self.last = keras.layers.Dense(1)

    def call(self, inputs):
        return self.last(inputs)


def largest(y_true, y_pred):
    return keras.ops.max(keras.ops.square(y_pred - y_true))


@pytest.mark.parametrize(("loss", "mixes"), [("mse", False), (largest, True)])
def test_a_model_of_a_class_of_the_user(loss, mixes):
    model = Own()
    model(X)
    model.compile("adam", loss, metrics=["mae"])
    template = Template(model, [model], [model], ["learning_rate"], {}, [], (X, Y))
    assert may_mix_rows(template, False) is mixes
