"""Sets limits of Keras and TensorFlow's eager mode, which count for all of `fit`."""

import keras
import tensorflow as tf
from keras import ops

from tests.help.truth.models import compiled, hidden


def epochs(activation, rate, *, input_shape, normalizer):
    """Fewer epochs than the plan asks for."""
    keras.config.set_max_epochs(2)
    inputs = keras.Input(input_shape)
    return compiled(inputs, hidden(normalizer(inputs), activation=activation), keras.optimizers.Adam(rate))


def steps(activation, rate, *, input_shape, normalizer):
    """Fewer steps than an epoch has, so that each epoch has other rows."""
    keras.config.set_max_steps_per_epoch(4)
    inputs = keras.Input(input_shape)
    return compiled(inputs, hidden(normalizer(inputs), activation=activation), keras.optimizers.Adam(rate))


class Late(keras.losses.Loss):
    """Begins with a penalty after some calls, which it counts in an attribute."""

    def __init__(self, delay):
        super().__init__(name="late")
        self.delay, self.calls = delay, 0

    def call(self, y_true, y_pred):
        """Return the loss of each row."""
        self.calls += 1
        error = ops.mean(ops.square(ops.reshape(y_true, (-1, 1)) - y_pred), axis=-1)
        return error + ops.mean(ops.abs(y_pred), axis=-1) if self.calls > self.delay else error


def eagerly(delay, rate, *, input_shape, normalizer):
    """A count of calls, which TensorFlow runs eagerly."""
    tf.config.run_functions_eagerly(True)
    inputs = keras.Input(input_shape)
    return compiled(inputs, hidden(normalizer(inputs)), keras.optimizers.Adam(rate), Late(delay))
