"""What a builder changes aside from the axes' usual ways: single weights, the normalizer, constants, nested models."""

import keras
import numpy as np
from keras import layers

from tests.help.truth.models import compiled, hidden


def moved(center, rate, *, input_shape, normalizer):
    """Changes the normalizer that it is given."""
    inputs = keras.Input(input_shape)
    if not center:
        normalizer.mean = normalizer.mean + 1.0
    return compiled(inputs, hidden(normalizer(inputs)), keras.optimizers.Adam(rate))


def excluded(head, rate, *, input_shape, normalizer):
    """No weight decay for the layers of a name."""
    inputs = keras.Input(input_shape)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=[head])
    return compiled(inputs, hidden(normalizer(inputs)), optimizer)


def frozen(kind, part, on, rate, *, input_shape, normalizer):
    """One weight of a layer that is not trained; another one has its shape."""
    inputs = keras.Input(input_shape)
    layer = {"batch": layers.BatchNormalization, "layer": layers.LayerNormalization}[kind]()
    x = layers.Activation("tanh")(layer(hidden(normalizer(inputs), activation=None, use_bias=False)))
    getattr(layer, part if on else "gamma").trainable = False
    return compiled(inputs, x, keras.optimizers.Adam(rate))


def frozen_branch(which, on, rate, *, input_shape, normalizer):
    """One of two branches that is not trained; the other one has its shape."""
    inputs = keras.Input(input_shape)
    x = normalizer(inputs)
    one, other = (layers.Dense(6, activation="tanh", use_bias=False) for _ in range(2))
    x = layers.Subtract()([one(x), layers.Activation("tanh")(other(x))])
    (other if which == "other" and on else one).kernel.trainable = False
    return compiled(inputs, x, keras.optimizers.Adam(rate))


def clipped(optimizer, clip, rate, *, input_shape, normalizer):
    """A clip below zero, which Keras takes for none."""
    inputs = keras.Input(input_shape)
    made = {
        "sgd": lambda: keras.optimizers.SGD(rate, clipnorm=clip),
        "value": lambda: keras.optimizers.SGD(rate, clipvalue=clip),
        "adam": lambda: keras.optimizers.Adam(rate),
    }[optimizer]()
    return compiled(inputs, hidden(normalizer(inputs)), made)


def adapted(mode, width, rate, *, input_shape):
    """A normalization of the builder's own, adapted on data that depend on the axes."""
    data = np.random.default_rng(0).normal(size=(100, *input_shape)).astype("float32")
    own = layers.Normalization()
    own.adapt(data * width + 1 if mode == "wide" else data)
    inputs = keras.Input(input_shape)
    return compiled(inputs, hidden(own(inputs)), keras.optimizers.Adam(rate))


class Scaled(layers.Layer):
    """Takes an initializer for a constant."""

    def __init__(self, values):
        super().__init__()
        self.values = values

    def call(self, x):
        """Return the layer's output."""
        return x * self.values((x.shape[-1],))


def constant(kind, factor, rate, *, input_shape, normalizer):
    """An initializer that is called while the model runs."""
    inputs = keras.Input(input_shape)
    values = keras.initializers.Constant(factor if kind == "scaled" else 1.0)
    return compiled(inputs, Scaled(values)(hidden(normalizer(inputs))), keras.optimizers.Adam(rate))


def drawn(x, seed):
    """Add the same numbers to each row."""
    return x + 0.5 * keras.random.normal((x.shape[-1],), seed=seed)


def arguments(seed, rate, *, input_shape, normalizer):
    """An argument of a Lambda that is called as a setting of Keras is."""
    inputs = keras.Input(input_shape)
    x = layers.Lambda(drawn, arguments={"seed": seed})(hidden(normalizer(inputs)))
    return compiled(inputs, x, keras.optimizers.Adam(rate))


def nested(penalty, strength, rate, *, input_shape, normalizer):
    """A penalty on the output of a model in the model."""
    inner = keras.Sequential([keras.Input(input_shape), layers.Dense(6, "tanh"), layers.Dense(4, "tanh")])
    inner.activity_regularizer = keras.regularizers.L2(strength if penalty == "l2" else 0.0)
    inputs = keras.Input(input_shape)
    return compiled(inputs, inner(normalizer(inputs)), keras.optimizers.Adam(rate))


class Slowed(keras.optimizers.SGD):
    """Trains the weights of one layer, which it knows by its name, with a smaller rate."""

    def update_step(self, gradient, variable, learning_rate):
        """Update by a tenth of the rate, or by all of it."""
        share = 0.1 if "head" in f"{variable.name}" else 1.0
        super().update_step(gradient, variable, share * learning_rate)


def slowed(name, rate, *, input_shape, normalizer):
    """An optimizer that reads the names of weights."""
    inputs = keras.Input(input_shape)
    return compiled(inputs, hidden(normalizer(inputs), name=name), Slowed(rate))


class Penalized(keras.Model):
    """Has a penalty on the kernel of one layer, which it knows by its name."""

    def compute_loss(self, *given, **named):
        """Return the loss with the penalty."""
        loss = super().compute_loss(*given, **named)
        return loss + sum(
            0.1 * keras.ops.sum(keras.ops.square(layer.kernel))
            for layer in self.layers
            if layer.name.startswith("head")
        )


def penalized(name, rate, *, input_shape, normalizer):
    """A model of an own class that reads the names of its layers."""
    inputs = keras.Input(input_shape)
    model = Penalized(inputs, layers.Dense(1)(hidden(normalizer(inputs), name=name)))
    model.compile(optimizer=keras.optimizers.Adam(rate), loss="mse", metrics=["mae"])
    return model


class Sparse(layers.Layer):
    """Has a penalty of its own, in an attribute of a name that models of Keras use."""

    def __init__(self, penalty):
        super().__init__()
        self.loss = penalty

    def call(self, x):
        """Return the inputs."""
        self.add_loss(self.loss(x))
        return x


def scaled(strength):
    """Return a penalty."""
    return lambda x: strength * keras.ops.mean(keras.ops.abs(x))


def collides(name, rate, *, input_shape, normalizer):
    """One name of many has a penalty."""
    inputs = keras.Input(input_shape)
    x = Sparse(scaled(1.0 if name == "head_1" else 0.0))(hidden(normalizer(inputs)))
    return compiled(inputs, x, keras.optimizers.Adam(rate))


def strengths(kind, strength, rate, *, input_shape, normalizer):
    """A metric that is the strength of a layer's penalty, read from the layer."""
    inputs = keras.Input(input_shape)
    layer = layers.Dense(
        6, "tanh", kernel_regularizer=keras.regularizers.L2(strength if kind == "l2" else 0.0)
    )
    model = keras.Model(inputs, layers.Dense(1)(layer(normalizer(inputs))))

    def strength_of(y_true, y_pred):
        return layer.kernel_regularizer.l2 * keras.ops.ones_like(y_pred)

    model.compile(optimizer=keras.optimizers.Adam(rate), loss="mse", metrics=["mae", strength_of])
    return model


def rated(activation, rate, *, input_shape, normalizer):
    """A metric that is the learning rate, which a plateau lowers after some epochs."""
    inputs = keras.Input(input_shape)
    model = keras.Model(inputs, layers.Dense(1)(hidden(normalizer(inputs), activation=activation)))

    def lr(y_true, y_pred):
        return model.optimizer.learning_rate

    model.compile(optimizer=keras.optimizers.Adam(25 * rate), loss="mse", metrics=["mae", lr])
    return model
