"""Builders as users write them, for a table of 10 numbers: layers, optimizers and losses of many kinds.

Those in `FUSABLE` differ between the points of a space in values or in small parts of their structure only;
those in `FALLING_BACK` do something that only Keras' own `fit` can be trusted with. `SPACES` has a small space
for each.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

SPACES: dict[str, dict[str, list[Any]]] = {
    "residual": {
        "units": [4, 6],
        "activation": ["gelu", "swish"],
        "learning_rate": [0.003, 0.01],
        "kernel_init": ["glorot_uniform", "he_normal"],
    },
    "branches": {
        "width": [4, 8],
        "learning_rate": [0.001, 0.01, 0.03],
        "l2": [0.0, 0.001],
        "dropout": [0.0, 0.2],
    },
    "attention": {
        "dropout": [0.0, 0.1],
        "learning_rate": [0.003, 0.01],
        "kernel_init": ["glorot_uniform", "he_uniform"],
        "use_norm": [True, False],
    },
    "embedding": {
        "units": [4, 6],
        "learning_rate": [0.003, 0.01],
        "optimizer": ["adam", "rmsprop", "sgd"],
        "l2": [None, 0.0, 0.5],
    },
    "prelu_noise": {
        "noise": [0.05, 0.1, 0.3],
        "slope": [0.0, 0.25],
        "learning_rate": [0.003, 0.01],
        "kernel_init": ["he_normal", "lecun_normal"],
    },
    "clipped": {
        "optimizer": ["adam", "adamw"],
        "learning_rate": [0.003, 0.03],
        "clipnorm": [1.0, 20.0],
        "weight_decay": [0.0, 0.004, 0.1],
    },
    "scheduled": {
        "schedule": ["exponential", "cosine"],
        "learning_rate": [0.003, 0.01, 0.03],
        "steps": [20, 60],
        "kernel_init": ["glorot_uniform", "he_normal"],
    },
    "custom_loss": {
        "units": [4, 8],
        "learning_rate": [0.003, 0.01],
        "dropout": [0.1, 0.3],
        "batch_size": [32, 64],
    },
    "custom_layer": {
        "units": [4, 6],
        "steepness": [0.5, 2.0],
        "learning_rate": [0.003, 0.01],
        "kernel_init": ["glorot_uniform", "he_normal"],
    },
    "several_metrics": {
        "optimizer": ["adam", "rmsprop", "sgd"],
        "learning_rate": [0.001, 0.003],
        "dropout": [0.0, 0.2],
        "batch_size": [32, 64],
    },
    "activity": {
        "activity_l2": [0.001, 0.01],
        "kernel_regularizer": [None, "l1", "l2"],
        "learning_rate": [0.003, 0.01],
        "activation": ["relu", "tanh"],
    },
    "constrained": {
        "max_norm": [0.5, 1.0, 2.0],
        "bias_l2": [0.001, 0.1],
        "learning_rate": [0.003, 0.01],
        "kernel_init": ["he_normal", "orthogonal"],
    },
    "custom_train_step": {
        "units": [4, 6],
        "learning_rate": [0.003, 0.01],
        "step_size": [0.01, 0.1],
    },
    "stateful_python": {
        "units": [4, 6],
        "learning_rate": [0.003, 0.01],
        "kernel_init": ["glorot_uniform", "he_normal"],
    },
    "lstm": {
        "activation": ["relu", "tanh"],
        "learning_rate": [0.003, 0.01],
        "dropout": [0.0, 0.2],
    },
    "conv1d": {
        "kernel_size": [2, 3],
        "learning_rate": [0.003, 0.01],
        "kernel_init": ["glorot_uniform", "he_normal"],
    },
}

FALLING_BACK = ("custom_train_step", "stateful_python", "lstm", "conv1d")

FUSABLE = tuple(name for name in SPACES if name not in FALLING_BACK)

QUICK = ("clipped", "custom_layer")
"""Those of the fusable that `make test` compares with Keras: they take little time to compile."""


def residual(
    units: int = 4,
    activation: str = "gelu",
    learning_rate: float = 0.003,
    kernel_init: str = "glorot_uniform",
    *,
    input_shape: tuple[int, ...],
    normalizer: keras.layers.Normalization,
) -> keras.Model:
    inputs = keras.Input(input_shape)
    x: Any = keras.layers.Dense(units, kernel_initializer=kernel_init)(normalizer(inputs))
    for _ in range(2):
        y = keras.layers.LayerNormalization()(x)
        y = keras.layers.Dense(2 * units, activation=activation, kernel_initializer=kernel_init)(y)
        y = keras.layers.Dense(units, kernel_initializer=kernel_init)(y)
        x = keras.layers.Add()([x, y])
    x = keras.layers.Activation("swish")(keras.layers.LayerNormalization()(x))
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.compile(keras.optimizers.Adam(learning_rate), "mse", metrics=["mae"])
    return model


def branches(
    width: int = 4,
    learning_rate: float = 0.01,
    l2: float = 0.001,
    dropout: float = 0.2,
    *,
    input_shape: tuple[int, ...],
    normalizer: keras.layers.Normalization,
) -> keras.Model:
    inputs = keras.Input(input_shape)
    x = normalizer(inputs)
    wide = keras.layers.Dense(width, activation="tanh", kernel_regularizer=keras.regularizers.L2(l2))(x)
    deep = keras.layers.Dense(width, activation="relu", kernel_regularizer=keras.regularizers.L2(l2))(x)
    deep = keras.layers.Dropout(dropout)(deep)
    deep = keras.layers.Dense(4, activation="relu")(deep)
    joined = keras.layers.Concatenate()([wide, deep])
    model = keras.Model(inputs, keras.layers.Dense(1)(joined))
    model.compile(keras.optimizers.Nadam(learning_rate), loss="mse", metrics=["mae"])
    return model


def attention(
    dropout: float = 0.1,
    learning_rate: float = 0.003,
    kernel_init: str = "glorot_uniform",
    use_norm: bool = True,
    *,
    input_shape: tuple[int, ...],
    normalizer: keras.layers.Normalization,
) -> keras.Model:
    inputs = keras.Input(input_shape)
    tokens = keras.layers.Reshape((*input_shape, 1))(normalizer(inputs))
    x = keras.layers.MultiHeadAttention(
        num_heads=2, key_dim=2, dropout=dropout, kernel_initializer=kernel_init
    )(tokens, tokens)
    x = tokens + x
    if use_norm:
        x = keras.layers.LayerNormalization(axis=1)(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(4, activation="relu", kernel_initializer=kernel_init)(x)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.compile(keras.optimizers.Adam(learning_rate), loss="mse", metrics=["mae"])
    return model


def embedding(
    units: int = 4,
    learning_rate: float = 0.003,
    optimizer: str = "adam",
    l2: float | None = None,
    *,
    input_shape: tuple[int, ...],
    normalizer: keras.layers.Normalization,
) -> keras.Model:
    inputs = keras.Input(input_shape)
    # The last feature is a category.
    category = keras.ops.cast(keras.ops.clip(inputs[:, -1], 0, 3), "int32")
    regularizer = None if l2 is None else keras.regularizers.L2(l2)
    known = keras.layers.Embedding(4, 3, embeddings_regularizer=regularizer)(category)
    numbers = normalizer(inputs)[:, :-1]
    numbers = keras.layers.Dense(units, activation="relu")(numbers)
    x = keras.layers.Concatenate()([numbers, known])
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.compile(
        keras.optimizers.get({"class_name": optimizer, "config": {"learning_rate": learning_rate}}),
        loss="mse",
        metrics=["mae"],
    )
    return model


def prelu_noise(
    noise: float = 0.1,
    slope: float = 0.25,
    learning_rate: float = 0.003,
    kernel_init: str = "he_normal",
    *,
    input_shape: tuple[int, ...],
    normalizer: keras.layers.Normalization,
) -> keras.Model:
    model = keras.Sequential(
        [
            keras.Input(input_shape),
            normalizer,
            keras.layers.GaussianNoise(noise),
            keras.layers.Dense(6, kernel_initializer=kernel_init),
            keras.layers.PReLU(alpha_initializer=keras.initializers.Constant(slope)),
            keras.layers.GaussianNoise(noise),
            keras.layers.Dense(4, kernel_initializer=kernel_init),
            keras.layers.PReLU(),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adamax(learning_rate), loss="mse", metrics=["mae"])
    return model


def clipped(
    optimizer: str = "adam",
    learning_rate: float = 0.003,
    clipnorm: float = 1.0,
    weight_decay: float = 0.004,
    *,
    input_shape: tuple[int, ...],
    normalizer: keras.layers.Normalization,
) -> keras.Model:
    inputs = keras.Input(input_shape)
    x = keras.layers.Dense(8, activation="relu")(normalizer(inputs))
    x = keras.layers.Dense(4, activation="relu")(x)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    kind = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW}[optimizer]
    chosen = kind(learning_rate, clipnorm=clipnorm, weight_decay=weight_decay)
    if optimizer == "adamw":
        chosen.exclude_from_weight_decay(var_names=["bias"])
    model.compile(chosen, loss="mse", metrics=["mae"])
    return model


def scheduled(
    schedule: str = "cosine",
    learning_rate: float = 0.01,
    steps: int = 20,
    kernel_init: str = "glorot_uniform",
    *,
    input_shape: tuple[int, ...],
    normalizer: keras.layers.Normalization,
) -> keras.Model:
    rate: keras.optimizers.schedules.LearningRateSchedule
    if schedule == "exponential":
        rate = keras.optimizers.schedules.ExponentialDecay(learning_rate, decay_steps=steps, decay_rate=0.5)
    else:
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, decay_steps=5 * steps, alpha=0.1, warmup_target=learning_rate, warmup_steps=steps
        )
    inputs = keras.Input(input_shape)
    x = keras.layers.Dense(8, activation="elu", kernel_initializer=kernel_init)(normalizer(inputs))
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.compile(keras.optimizers.Adam(rate), loss="mse", metrics=["mae"])
    return model


def asymmetric_squared_error(y_true: Any, y_pred: Any) -> Any:
    """Squared error in which guessing too low costs three times as much."""
    error = y_true - y_pred
    return keras.ops.mean(keras.ops.where(error > 0, 3.0, 1.0) * keras.ops.square(error), axis=-1)


def custom_loss(
    units: int = 8,
    learning_rate: float = 0.003,
    dropout: float = 0.1,
    *,
    input_shape: tuple[int, ...],
    normalizer: keras.layers.Normalization,
) -> keras.Model:
    inputs = keras.Input(input_shape)
    x = keras.layers.Dense(units, activation="relu")(normalizer(inputs))
    x = keras.layers.Dropout(dropout)(x)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.compile(keras.optimizers.Adam(learning_rate), loss=asymmetric_squared_error, metrics=["mae"])
    return model


class Gated(keras.layers.Layer):
    """A dense layer whose outputs are gated by a learnt logistic function of themselves."""

    def __init__(self, units: int, steepness: float, kernel_init: str) -> None:
        super().__init__()
        self.units = units
        self.steepness = steepness
        self.kernel_init = kernel_init

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.kernel = self.add_weight(
            shape=(input_shape[-1], self.units), initializer=self.kernel_init, name="kernel"
        )
        self.gate = self.add_weight(shape=(self.units,), initializer="ones", name="gate")
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")

    def call(self, inputs: Any) -> Any:
        x = keras.ops.matmul(inputs, self.kernel) + self.bias
        return x * keras.ops.sigmoid(self.steepness * self.gate * x)


def custom_layer(
    units: int = 4,
    steepness: float = 0.5,
    learning_rate: float = 0.003,
    kernel_init: str = "glorot_uniform",
    *,
    input_shape: tuple[int, ...],
    normalizer: keras.layers.Normalization,
) -> keras.Model:
    inputs = keras.Input(input_shape)
    x = Gated(units, steepness, kernel_init)(normalizer(inputs))
    x = Gated(4, steepness, kernel_init)(x)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.compile(keras.optimizers.Adam(learning_rate), loss="mse", metrics=["mae"])
    return model


def several_metrics(
    optimizer: str = "adam",
    learning_rate: float = 0.003,
    dropout: float = 0.2,
    *,
    input_shape: tuple[int, ...],
    normalizer: keras.layers.Normalization,
) -> keras.Model:
    inputs = keras.Input(input_shape)
    x = keras.layers.BatchNormalization()(normalizer(inputs))
    x = keras.layers.Dense(8, activation="relu")(x)
    if dropout > 0:
        x = keras.layers.Dropout(dropout)(x)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.compile(
        optimizer={
            "adam": keras.optimizers.Adam(learning_rate),
            "rmsprop": keras.optimizers.RMSprop(learning_rate, momentum=0.5),
            "sgd": keras.optimizers.SGD(learning_rate, momentum=0.9),
        }[optimizer],
        loss=keras.losses.Huber(delta=2.0),
        metrics=["mae", keras.metrics.RootMeanSquaredError(name="rmse"), "mape"],
    )
    return model


def activity(
    activity_l2: float = 0.001,
    kernel_regularizer: str | None = None,
    learning_rate: float = 0.003,
    activation: str = "relu",
    *,
    input_shape: tuple[int, ...],
) -> keras.Model:
    inputs = keras.Input(input_shape)
    x = keras.layers.BatchNormalization()(inputs)
    x = keras.layers.Dense(
        8,
        activation=activation,
        kernel_regularizer=kernel_regularizer,
        activity_regularizer=keras.regularizers.L2(activity_l2),
    )(x)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.compile(keras.optimizers.Adam(learning_rate), loss="mse", metrics=["mae"])
    return model


def constrained(
    max_norm: float = 1.0,
    bias_l2: float = 0.001,
    learning_rate: float = 0.003,
    kernel_init: str = "he_normal",
    *,
    input_shape: tuple[int, ...],
    normalizer: keras.layers.Normalization,
) -> keras.Model:
    inputs = keras.Input(input_shape)
    x: Any = normalizer(inputs)
    for width in (8, 4):
        x = keras.layers.Dense(
            width,
            activation="relu",
            kernel_initializer=kernel_init,
            kernel_constraint=keras.constraints.MaxNorm(max_norm),
            bias_regularizer=keras.regularizers.L2(bias_l2),
        )(x)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    optimizer = keras.optimizers.SGD(learning_rate, momentum=0.9, nesterov=True)
    model.compile(optimizer, loss="mse", metrics=["mae"])
    return model


class Adversarial(keras.Model):
    """A model that also learns from its rows moved a step in the direction that hurts most."""

    step_size = 0.0

    def train_step(self, data: Any) -> dict[str, Any]:
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = self.compute_loss(x, y, self(x, training=True), sample_weight)
        moved = x + self.step_size * tf.sign(tape.gradient(loss, x))
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(x, y, y_pred, sample_weight)
            loss += self.compute_loss(x, y, self(moved, training=True), sample_weight)
        self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, y_pred, sample_weight=sample_weight)
        return {metric.name: metric.result() for metric in self.metrics}


def custom_train_step(
    units: int = 4,
    learning_rate: float = 0.003,
    step_size: float = 0.01,
    *,
    input_shape: tuple[int, ...],
    normalizer: keras.layers.Normalization,
) -> keras.Model:
    inputs = keras.Input(input_shape)
    x = keras.layers.Dense(units, activation="relu")(normalizer(inputs))
    model = Adversarial(inputs, keras.layers.Dense(1)(x))
    model.step_size = step_size
    model.compile(keras.optimizers.Adam(learning_rate), loss="mse", metrics=["mae"])
    return model


class Fading(keras.layers.Layer):
    """Scales its input by a factor that depends on how often Python has called it."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.factors: list[float] = []

    def call(self, inputs: Any) -> Any:
        self.count += 1
        self.factors.append(1.0 + 1.0 / self.count)
        return inputs * self.factors[-1]


def stateful_python(
    units: int = 4,
    learning_rate: float = 0.003,
    kernel_init: str = "glorot_uniform",
    *,
    input_shape: tuple[int, ...],
    normalizer: keras.layers.Normalization,
) -> keras.Model:
    inputs = keras.Input(input_shape)
    x = keras.layers.Dense(units, activation="relu", kernel_initializer=kernel_init)(normalizer(inputs))
    model = keras.Model(inputs, keras.layers.Dense(1)(Fading()(x)))
    model.compile(keras.optimizers.Adam(learning_rate), loss="mse", metrics=["mae"])
    return model


def lstm(
    activation: str = "tanh",
    learning_rate: float = 0.003,
    dropout: float = 0.0,
    *,
    input_shape: tuple[int, ...],
    normalizer: keras.layers.Normalization,
) -> keras.Model:
    inputs = keras.Input(input_shape)
    x = keras.layers.Reshape((*input_shape, 1))(normalizer(inputs))
    x = keras.layers.LSTM(4, activation=activation, dropout=dropout)(x)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.compile(keras.optimizers.Adam(learning_rate), loss="mse", metrics=["mae"])
    return model


def conv1d(
    kernel_size: int = 3,
    learning_rate: float = 0.003,
    kernel_init: str = "glorot_uniform",
    *,
    input_shape: tuple[int, ...],
) -> keras.Model:
    model = keras.Sequential(
        [
            keras.Input(input_shape),
            keras.layers.Reshape((*input_shape, 1)),
            keras.layers.Conv1D(4, kernel_size, activation="relu", kernel_initializer=kernel_init),
            keras.layers.Flatten(),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(learning_rate), loss="mse", metrics=["mae"])
    return model


IN_CI = ("residual", "embedding")
"""Those that only CI compares with Keras each time."""
