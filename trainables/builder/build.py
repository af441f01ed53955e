"""Calls the user's builder for one point, in the same way for every engine."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from copy import deepcopy
from typing import Any

import keras
import numpy as np

from trainables.builder.find import Builder
from trainables.builder.maker import Maker
from trainables.settings import FIT_AXES, Fit
from trainables.table import inputs
from trainables.table.data import Table


def fit_of(config: Mapping[str, Any], builder: Builder, fit: Fit) -> Fit:
    """Return the arguments of `Model.fit` for a point: its values of the axes among them, else the plan's settings."""
    return Fit(**{**vars(fit), **{name: config[name] for name in fit_axes(config, builder)}})


def builder_axes(config: Mapping[str, Any], builder: Builder) -> dict[str, Any]:
    """Return the part of a point's configuration that goes to the builder."""
    for_fit = fit_axes(config, builder)
    return {name: value for name, value in config.items() if name not in for_fit}


def fit_axes(names: Collection[str], builder: Builder) -> list[str]:
    """Return those of the axes `names` that go to `Model.fit` and not to the builder."""
    return [name for name in FIT_AXES if name in names and name not in builder.parameters]


def outputs_of(table: Table) -> int:
    """Return how many outputs a model of the table's target needs."""
    if table.y_train.ndim > 1:
        return int(table.y_train.shape[1])
    return len(table.classes) if table.task == "multiclass" else 1


def normalizer(table: Table, moments: tuple[Any, Any] | None = None) -> Any:
    """Return the `normalizer` layer for builders, adapted on all train rows; a dictionary of them for several inputs.

    Args:
        table: the data.
        moments: the features' mean and variance, each of shape (features,), for a table without rows; dictionaries of them
            for several inputs.
    """
    if isinstance(table.x_train, Mapping):
        if moments is None:
            return {name: _adapted(x) for name, x in table.x_train.items()}
        return {name: _with(x, moments[0][name], moments[1][name]) for name, x in table.x_train.items()}
    return _adapted(table.x_train) if moments is None else _with(table.x_train, *moments)


def _use_up_names(adapted: Any) -> None:
    """Make as many layers as `normalizer` does. Keras then names the builder's layers of that class as after new ones."""
    for _ in adapted if isinstance(adapted, Mapping) else [adapted]:
        keras.layers.Normalization()


def _with(x: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> keras.layers.Normalization:
    """Return a layer with these moments, for features like x."""
    layer = keras.layers.Normalization()
    if x.ndim > 1:  # a row that is one number has no axis of features, so its moments are not known
        layer.build(x.shape)
        layer.adapt_mean.assign(mean)
        layer.adapt_variance.assign(variance)
        layer.finalize_state()
    return layer


def _adapted(x: np.ndarray) -> keras.layers.Normalization:
    layer = keras.layers.Normalization()
    layer.adapt(x)
    return layer


def build(
    function: Callable[..., Any] | Maker,
    builder: Builder,
    config: Mapping[str, Any],
    table: Table,
    seed: int,
    adapted: Any = None,
    moments: tuple[Any, Any] | None = None,
) -> keras.Model:
    """Return the compiled model of one point, with the weights that Keras draws for `seed`.

    Args:
        function: the user's builder. A `Maker` of it keeps the state of earlier calls away from this one.
        builder: the description of that function.
        config: the point's value of each axis.
        table: the data.
        seed: passed to `keras.utils.set_random_seed` right before the builder is called.
        adapted: the layer to pass as `normalizer`; None makes a new one.
        moments: see `normalizer`.

    Raises:
        TypeError: the builder returned no compiled model.
    """
    if isinstance(function, Maker):
        call = function.function()
    else:
        keras.utils.clear_session(free_memory=False)
        call = function
    supplied: dict[str, Any] = {}
    if "input_shape" in builder.parameters:
        supplied["input_shape"] = inputs.shape(table.x_train)
    if "normalizer" in builder.parameters:
        given = adapted or normalizer(table, moments)
        if adapted:
            _use_up_names(adapted)
        supplied["normalizer"] = dict(given) if isinstance(given, Mapping) else given
    for name, value in {"outputs": outputs_of(table), "classes": list(table.classes)}.items():
        if name in builder.required and name not in config:
            supplied[name] = value
    # A configuration is the source of several models, and a builder may change its lists, also those inside of lists.
    arguments = deepcopy(builder_axes(config, builder))
    keras.utils.set_random_seed(seed)
    model = call(**arguments, **supplied)
    if isinstance(function, Maker):
        function.called()
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"The builder returned {type(model).__name__}, but must return a compiled Keras model."
        )
    if not getattr(model, "compiled", False) or model.optimizer is None:
        raise TypeError("The builder returned a model that is not compiled. Call model.compile(...) in it.")
    return model


def fitted_rows(fit: Fit, table: Table) -> int:
    """Return how many train rows are fitted; the rows after these are the validation rows.

    A table with validation rows of its own keeps them. Otherwise `validation_split` gives them, and the number is rounded
    like in `array_slicing.train_validation_split` of Keras.

    Raises:
        ValueError: one of the two parts would be empty.
    """
    if table.validation is not None:
        if not 0 < table.validation < len(table.y_train):
            raise ValueError(
                f"The table has {table.validation} validation rows among {len(table.y_train)} train rows, but needs at "
                "least one, and at least one other to fit."
            )
        return len(table.y_train) - table.validation
    rows = math.floor(len(table.y_train) * (1 - fit.validation_split))
    if not 0 < rows < len(table.y_train):
        raise ValueError(
            f"validation_split={fit.validation_split} of {len(table.y_train)} train rows leaves {rows} "
            "to fit, but both parts need at least one."
        )
    return rows
