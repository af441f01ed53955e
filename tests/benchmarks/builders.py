"""Ten small builders of the kinds that tutorials and public repositories use on tables, each with a small grid.

None is a copy. Each docstring names the kind, and where it is usual.
"""

from __future__ import annotations

from typing import Any

import keras

layers, ops = keras.layers, keras.ops

ADAMS, DROPOUTS = [1e-3, 3e-3], [0.0, 0.2]

GRIDS: dict[str, dict[str, list[Any]]] = {
    "two_layers": {"units": [32, 64], "activation": ["relu", "tanh"], "rate": ADAMS, "l2": [0.0, 1e-4]},
    "churn": {
        "units": [16, 32],
        "dropout": [0.1, 0.2],
        "optimizer": ["adam", "rmsprop", "sgd", "adagrad"],
        "init": ["glorot_uniform", "he_normal"],
    },
    "imbalanced": {
        "units": [16, 32],
        "dropout": [0.3, 0.5],
        "rate": ADAMS,
        "class_weight": [None, "balanced"],
    },
    "normalized": {"units": [16, 32], "slope": [0.1, 0.3], "rate": ADAMS, "decay": [0.9, 0.99]},
    "constrained": {"units": [16, 32], "most": [1.0, 3.0], "dropout": DROPOUTS, "rate": ADAMS},
    "own_loss": {"units": [16, 32], "activation": ["relu", "elu"], "rate": ADAMS, "l2": [0.0, 1e-4]},
    "wide_and_deep": {"units": [16, 32], "activation": ["relu", "selu"], "rate": ADAMS, "dropout": DROPOUTS},
    "gated": {"units": [8, 16], "rate": ADAMS, "dropout": DROPOUTS, "l2": [0.0, 1e-4]},
    "embedded": {"size": [2, 4], "units": [16, 32], "rate": ADAMS, "dropout": DROPOUTS},
    "convolved": {"filters": [8, 16], "width": [2, 3], "rate": ADAMS, "dropout": DROPOUTS},
}
"""The axes of each builder. Some learn whether an abalone has more than nine rings (`CLASSIFIERS`), the others how many."""

KINDS = {
    "two_layers": "two equal layers after a Normalization",
    "churn": "Dense and Dropout, two softmax outputs, the optimizer by name",
    "imbalanced": "class weights, precision, recall, two areas under curves",
    "normalized": "batch normalization, LeakyReLU, a decaying rate",
    "constrained": "Dropout and a max-norm constraint",
    "own_loss": "the root of the mean squared error as a loss",
    "wide_and_deep": "a linear path beside a deep one",
    "gated": "a gated residual block with LayerNormalization",
    "embedded": "an embedding of a category beside the numbers",
    "convolved": "a convolution along the columns",
}

CLASSIFIERS = ("churn", "imbalanced", "constrained", "wide_and_deep", "gated")


def two_layers(units, activation, rate, l2, *, input_shape, normalizer):
    """Two equal hidden layers after a Normalization, as in TensorFlow's tutorial "Basic regression" and many after it."""
    model = keras.Sequential([keras.Input(input_shape), normalizer])
    for _ in range(2):
        model.add(layers.Dense(units, activation, kernel_regularizer=keras.regularizers.L2(l2)))
    model.add(layers.Dense(1))
    model.compile(keras.optimizers.Adam(rate), "mean_absolute_error", metrics=["mse"])
    return model


def churn(units, dropout, optimizer, init, *, input_shape, normalizer):
    """Dense and Dropout in turn, two softmax outputs, the optimizer by name: what repositories give to a KerasClassifier."""
    model = keras.Sequential([keras.Input(input_shape), normalizer])
    for _ in range(2):
        model.add(layers.Dense(units, "relu", kernel_initializer=init))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(2, "softmax"))
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def imbalanced(units, dropout, rate, *, input_shape, normalizer):
    """One hidden layer with many metrics and class weights, as in TensorFlow's "Classification on imbalanced data"."""
    hidden = layers.Dropout(dropout)(
        layers.Dense(units, "relu")(normalizer(inputs := keras.Input(input_shape)))
    )
    model = keras.Model(inputs, layers.Dense(1, "sigmoid")(hidden))
    areas = [keras.metrics.AUC(name="auc"), keras.metrics.AUC(name="prc", curve="PR")]
    counted = [keras.metrics.Precision(name="precision"), keras.metrics.Recall(name="recall")]
    model.compile(keras.optimizers.Adam(rate), "binary_crossentropy", metrics=["accuracy", *counted, *areas])
    return model


def normalized(units, slope, rate, decay, *, input_shape, normalizer):
    """Dense, batch normalization and LeakyReLU with a decaying rate: usual in notebooks of competitions."""
    x = normalizer(inputs := keras.Input(input_shape))
    for width in (units, units // 2):
        x = layers.LeakyReLU(slope)(layers.BatchNormalization()(layers.Dense(width, use_bias=False)(x)))
    model = keras.Model(inputs, layers.Dense(1)(x))
    schedule = keras.optimizers.schedules.ExponentialDecay(rate, decay_steps=100, decay_rate=decay)
    model.compile(keras.optimizers.Adam(schedule), "huber", metrics=["mae"])
    return model


def constrained(units, most, dropout, rate, *, input_shape, normalizer):
    """Dropout with a max-norm constraint, as in guides to grid search with scikit-learn."""
    model = keras.Sequential([keras.Input(input_shape), normalizer])
    model.add(layers.Dense(units, "relu", kernel_constraint=keras.constraints.MaxNorm(most)))
    model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1, "sigmoid"))
    model.compile(keras.optimizers.Nadam(rate), "binary_crossentropy", metrics=["accuracy"])
    return model


def root_error(y_true, y_pred):
    return ops.sqrt(ops.mean(ops.square(y_pred - y_true)))


def own_loss(units, activation, rate, l2, *, input_shape, normalizer):
    """The root of the mean squared error as a loss of one's own: usual in notebooks on house prices."""
    hidden = layers.Dense(units, activation, kernel_regularizer=keras.regularizers.L2(l2))
    model = keras.Sequential([keras.Input(input_shape), normalizer, hidden, layers.Dense(1)])
    model.compile(keras.optimizers.Adam(rate), root_error, metrics=["mae"])
    return model


def wide_and_deep(units, activation, rate, dropout, *, input_shape, normalizer):
    """A linear path beside a deep one, as in Keras' example on wide and deep networks."""
    x = normalizer(inputs := keras.Input(input_shape))
    deep = x
    for _ in range(2):
        deep = layers.Dropout(dropout)(layers.Dense(units, activation)(deep))
    model = keras.Model(inputs, layers.Dense(1, "sigmoid")(layers.Concatenate()([x, deep])))
    model.compile(keras.optimizers.Adam(rate), "binary_crossentropy", metrics=["accuracy"])
    return model


def gated(units, rate, dropout, l2, *, input_shape, normalizer):
    """A gated residual block with layer normalization, as in Keras' example on gated residual networks."""
    x = layers.Dense(units)(normalizer(inputs := keras.Input(input_shape)))
    inner = layers.Dense(units, "elu", kernel_regularizer=keras.regularizers.L2(l2))(x)
    inner = layers.Dropout(dropout)(layers.Dense(units)(inner))
    gate = layers.Multiply()([layers.Dense(units)(inner), layers.Dense(units, "sigmoid")(inner)])
    x = layers.LayerNormalization()(layers.Add()([x, gate]))
    model = keras.Model(inputs, layers.Dense(1, "sigmoid")(x))
    model.compile(keras.optimizers.Adam(rate), "binary_crossentropy", metrics=[keras.metrics.AUC(name="auc")])
    return model


def embedded(size, units, rate, dropout, *, input_shape, normalizer):
    """An embedding of a category beside the numbers: "entity embeddings"."""
    inputs = keras.Input(input_shape)
    category = layers.Flatten()(layers.Embedding(2, size)(inputs[:, -1:]))
    x = layers.Concatenate()([normalizer(inputs), category])
    x = layers.Dropout(dropout)(layers.Dense(units, "relu")(x))
    model = keras.Model(inputs, layers.Dense(1)(x))
    model.compile(keras.optimizers.Adam(rate), "mse", metrics=["mae"])
    return model


def convolved(filters, width, rate, dropout, *, input_shape, normalizer):
    """A convolution along the columns of a row: usual in repositories on sensors and spectra."""
    x = layers.Reshape((*input_shape, 1))(normalizer(inputs := keras.Input(input_shape)))
    x = layers.MaxPooling1D()(layers.Conv1D(filters, width, activation="relu")(x))
    x = layers.Dropout(dropout)(layers.Flatten()(x))
    model = keras.Model(inputs, layers.Dense(1)(x))
    model.compile(keras.optimizers.Adam(rate), "mse", metrics=["mae"])
    return model
