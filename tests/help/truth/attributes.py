"""Attributes that the builder sets on parts of Keras' own classes, and code reads."""

import keras
import tensorflow as tf
from keras import ops

from tests.help.truth.models import compiled, hidden


class Freezing(keras.optimizers.Adam):
    """Trains a weight up to the step that an attribute names; `fit` gives it the variables of TensorFlow."""

    def update_step(self, gradient, variable, learning_rate):
        """Update by nothing, or by all of the rate."""
        on = ops.cast(self.iterations < getattr(variable, "freeze_at", 1000), gradient.dtype)
        super().update_step(gradient * on, variable, learning_rate * on)


def frozen(freeze_at, rate, *, input_shape, normalizer):
    """All values do the same for the first steps."""
    inputs = keras.Input(input_shape)
    model = compiled(inputs, hidden(normalizer(inputs)), Freezing(rate))
    for variable in model.layers[2].trainable_variables:
        variable.value.freeze_at = freeze_at
    return model


def of_model(beta, rate, *, input_shape, normalizer):
    """A variable that is an attribute of a model and counts only for errors that are rare."""
    inputs = keras.Input(input_shape)
    model = compiled(inputs, hidden(normalizer(inputs)), keras.optimizers.Adam(rate))
    model.beta = tf.Variable(beta)

    def loss(y, p):
        error = ops.abs(ops.reshape(y, (-1, 1)) - p)
        return ops.mean(ops.where(error < 0.05, model.beta * error, ops.square(error)), -1)

    model.compile(model.optimizer, loss, metrics=["mae"])
    return model


def of_activation(activation, rate, *, input_shape, normalizer):
    """Code that reads an activation by which models of one program differ."""
    inputs = keras.Input(input_shape)
    model = compiled(inputs, hidden(normalizer(inputs), activation=activation), keras.optimizers.Adam(rate))
    layer = model.layers[2]

    def loss(y, p):
        error = ops.square(ops.reshape(y, (-1, 1)) - p)
        return ops.mean(error, -1) * (3.0 if layer.activation is keras.activations.tanh else 1.0)

    model.compile(model.optimizer, loss, metrics=["mae"])
    return model
