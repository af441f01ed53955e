"""Reads from a compiled model which loss it has, and which metrics it was given."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Mapping
from typing import Any

import keras

from trainables.fused.internals.measures import wrapped
from trainables.fused.internals.models import given_to_compile
from trainables.fused.model.own_code import filled, own_code
from trainables.objective import Loss

_SAME_SCALE = frozenset({"from_logits", "axis", "dtype", "name", "fn"})
"""Arguments of losses that do not change what a value of the loss means."""


def compiled_loss(model: Any) -> Loss:
    """Return the loss that a model was compiled with, which is equal for losses whose values can be compared.

    A loss of Keras has one text, whether it was given by its name, as a function or as an object. A loss of the user is
    known by its code, too: two functions may have one name.
    """
    given = given_to_compile(model)[0]
    if given is None:
        return Loss("no loss")
    weights = given["weights"]
    text = _text(given["loss"]) + (f" with loss_weights={weights}" if weights is not None else "")
    return Loss(text, _code(given["loss"]))


def metric_names(model: Any) -> list[str]:
    """Return the names under which Keras logs the metrics that a model was compiled with."""
    given = given_to_compile(model)[1]
    if given is None:
        return []
    return list(dict.fromkeys([*_logs(given["metrics"], model), *_logs(given["weighted"], model)]))


def weighted_logs(model: Any) -> frozenset[str]:
    """Return the logs that the weights of rows change, but for the loss: weighted metrics, and losses of single outputs."""
    given = given_to_compile(model)[1]
    outputs = _outputs(model)
    losses = [f"{output}_loss" for output in outputs] if len(outputs) > 1 else []
    return frozenset([*losses, *(_logs(given["weighted"], model) if given is not None else [])])


def note_loss(losses: dict[Loss, list[str]], model: Any) -> None:
    """Note a model's loss, with the metrics that all models with this loss have.

    Args:
        losses: the metrics by `compiled_loss`; it is changed.
        model: a compiled model.
    """
    loss, metrics = compiled_loss(model), metric_names(model)
    losses[loss] = [name for name in losses.get(loss, metrics) if name in metrics]


def _text(loss: Any) -> str:
    if isinstance(loss, Mapping):
        return "{" + ", ".join(f"{name}: {_text(one)}" for name, one in loss.items()) + "}"
    if isinstance(loss, list | tuple):
        return _text(loss[0]) if len(loss) == 1 else f"[{', '.join(map(_text, loss))}]"
    if loss is None:
        return "no loss"
    if isinstance(loss, str):
        try:
            found = keras.losses.get(loss)
        except ValueError:  # such as "crossentropy", which depends on the model's output
            return loss
        return loss if isinstance(found, str) else _text(found)
    function, arguments = loss, {}
    if isinstance(loss, keras.losses.Loss):
        function, given = wrapped(loss)
        function, arguments = function or type(loss), dict(given or _plain(vars(loss)))
        if (reduction := getattr(loss, "reduction", None)) not in (None, "sum_over_batch_size"):
            arguments["reduction"] = reduction
    elif isinstance(loss, functools.partial):
        function, arguments = loss.func, dict(loss.keywords)
    if (cells := getattr(function, "__closure__", None)) and not _is_keras(function):
        arguments |= _plain(filled(function.__code__.co_freevars, cells))
    return _called(function, arguments)


def _code(loss: Any) -> str:
    """Return what identifies the user's code in a loss; empty if there is none."""
    if isinstance(loss, Mapping | list | tuple):
        found = [_code(one) for one in (loss.values() if isinstance(loss, Mapping) else loss)]
        return " ".join(found) if any(found) else ""
    if loss is None or isinstance(loss, str):
        return ""
    if isinstance(loss, keras.losses.Loss):
        return own_code((type(loss), wrapped(loss)[0]))
    if isinstance(loss, functools.partial):  # the text has its keywords
        return own_code((loss.func, *loss.args)) if loss.args else _code(loss.func)
    return own_code(loss)


def _called(function: Any, arguments: Mapping[str, Any]) -> str:
    """Return a name and those of the arguments that matter and are not the defaults."""
    name = getattr(function, "__name__", None) or type(function).__name__
    try:
        defaults = {n: p.default for n, p in inspect.signature(function).parameters.items()}
    except (TypeError, ValueError):
        defaults = {}
    shown = {
        n: v for n, v in arguments.items() if n not in _SAME_SCALE and not _same(v, defaults.get(n, ...))
    }
    return name + (f"({', '.join(f'{n}={v!r}' for n, v in sorted(shown.items()))})" if shown else "")


def _same(one: Any, other: Any) -> bool:
    return type(one) in (int, float, str, bool, type(None)) and one == other


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers, texts and truth values among the attributes that a user gave."""
    return {
        name.lstrip("_"): value
        for name, value in values.items()
        if type(value) in (int, float, str, bool) and name.lstrip("_") not in ("reduction", "name")
    }


def _is_keras(function: Any) -> bool:
    return str(getattr(function, "__module__", "")).startswith("keras.")


def _outputs(model: Any) -> list[str]:
    """Return the names of a model's outputs, by which Keras logs what is of one output."""
    with contextlib.suppress(AttributeError):  # of a model that is not called yet
        if isinstance(model.output, Mapping):
            return list(model.output)
    return list(getattr(model, "output_names", None) or ())


def _logs(metrics: Any, model: Any) -> list[str]:
    """Return the logs of metrics as `compile` takes them: with several outputs, the output's name is before the metric's."""
    outputs = _outputs(model)
    if len(outputs) < 2:
        return _names(metrics)
    if isinstance(metrics, list | tuple) and len(metrics) == len(outputs):
        metrics = dict(zip(outputs, metrics, strict=True))
    if not isinstance(metrics, Mapping):
        return _names(metrics)
    return [f"{output}_{name}" for output, some in metrics.items() for name in _names(some)]


def _names(metrics: Any) -> list[str]:
    if metrics is None:
        return []
    if isinstance(metrics, Mapping):
        metrics = list(metrics.values())
    if isinstance(metrics, list | tuple):
        return [name for one in metrics for name in _names(one)]
    return [metrics if isinstance(metrics, str) else getattr(metrics, "name", None) or metrics.__name__]
