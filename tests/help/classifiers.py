"""Builders of classifiers, small tables of classes, and their training by nothing but Keras' `fit`."""

import math

import keras
import numpy as np
import tensorflow as tf

from tests.help.batches import batches
from trainables.table.data import Table


def build(units, rate=0.01, kind="binary", dropout=0.0, batch_norm=False, *, input_shape):
    layers = [keras.Input(input_shape), keras.layers.Dense(units, activation="relu")]
    layers += [keras.layers.BatchNormalization()] if batch_norm else []
    layers += [keras.layers.Dropout(dropout)] if dropout else []
    if kind == "binary":
        layers.append(keras.layers.Dense(1, activation="sigmoid"))
        loss, error = "binary_crossentropy", keras.metrics.MeanSquaredError
        named = lambda name: keras.metrics.AUC(name=name, num_thresholds=20)  # noqa: E731
    else:
        layers.append(keras.layers.Dense(3, activation="softmax"))
        loss, error = "sparse_categorical_crossentropy", keras.metrics.SparseCategoricalCrossentropy
        named = lambda name: keras.metrics.SparseTopKCategoricalAccuracy(2, name=name)  # noqa: E731
    model = keras.Sequential(layers)
    model.compile(
        keras.optimizers.Adam(rate),
        loss,
        metrics=["accuracy", named("plain")],
        weighted_metrics=["accuracy", named("weighted"), error(name="error")],
    )
    return model


def table(classes=2, rows=200, **changes):
    """A table whose last class is rare, with the columns of weights "w" and "ones"."""
    chance = np.random.default_rng(classes)
    x = chance.normal(size=(rows, 4)).astype("float32")
    score = x[:, 0] - x[:, 1] + 0.5 * chance.normal(size=rows)
    y = np.searchsorted(np.quantile(score, [0.85] if classes == 2 else [0.5, 0.9]), score).astype("float32")
    w = chance.uniform(0, 3, rows).astype("float32")
    w[::9] = 0
    part = int(rows * 0.8)
    given = {
        "task": "binary" if classes == 2 else "multiclass",
        "classes": ("no", "yes") if classes == 2 else ("low", "middle", "high"),
        "targets": ("y",),
        "weights": {"w": (w[:part], w[part:]), "ones": (np.ones(part), np.ones(rows - part))},
    }
    return Table(
        x[:part], y[:part], x[part:], y[part:], ("a", "b", "c", "d"), "y", "0", **{**given, **changes}
    )


def by_keras(model, table, fit, **weights):
    """Train a model by Keras' `fit`, the rows in their order; return its curve and its metrics by split.

    Args:
        model: as its builder returned it.
        table: the data.
        fit: the arguments of fit; its weights are not used.
        weights: `class_weight` or `sample_weight`, as Keras takes them; the latter by split: tr, te.
    """
    by_split = weights.pop("sample_weight", {})

    def batched(split: str, rows: slice = slice(None)) -> tf.data.Dataset:
        x, y = {"tr": (table.x_train, table.y_train), "te": (table.x_test, table.y_test)}[split]
        arrays = (x, y, by_split[split]) if split in by_split else (x, y)
        return batches([array[rows] for array in arrays], fit.batch_size)

    rows = math.floor(len(table.x_train) * (1 - fit.validation_split))  # as Keras splits arrays
    history = model.fit(
        batched("tr", slice(rows)),
        epochs=fit.epochs,
        validation_data=batched("tr", slice(rows, None)),
        verbose=0,
        **weights,
    ).history
    metrics = {}
    for split in ("tr", "te"):
        found = model.evaluate(batched(split), verbose=0, return_dict=True)
        metrics |= {f"{name}_{split}": value for name, value in found.items()}
    return history, metrics


def shapes(units, kind="f1", *, outputs, classes, input_shape):
    """Build a model whose loss and metrics need a target of some shape."""
    last, loss, metrics = {
        "f1": (
            keras.layers.Dense(1, "sigmoid"),
            "binary_crossentropy",
            [keras.metrics.F1Score(threshold=0.5)],
        ),
        "one-hot": (
            keras.layers.Dense(outputs, "softmax"),
            "categorical_crossentropy",
            [keras.metrics.CategoricalAccuracy(), keras.metrics.F1Score("macro")],
        ),
        "too few": (keras.layers.Dense(len(classes) - 1, "softmax"), "sparse_categorical_crossentropy", []),
        "pairs": (keras.layers.Dense(1), Pairs(), ["mae"]),
    }[kind]
    model = keras.Sequential([keras.Input(input_shape), keras.layers.Dense(units, "relu"), last])
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=metrics)
    return model


class Pairs(keras.losses.Loss):
    """Correct if y has the shape of p; of (rows,) it compares every row with every other."""

    def call(self, y, p):
        return keras.ops.mean(keras.ops.square(y - p), axis=-1)
