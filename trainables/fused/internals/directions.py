"""Reads from a compiled model whether a lower or a higher value of each logged metric is better, as Keras' callbacks do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trainables.settings import Mode


def modes_of(model: Any) -> dict[str, Mode | None]:
    """Return the mode of each name that a model logs; None where Keras cannot tell.

    The rule is that of `keras.callbacks.MonitorCallback` for `mode="auto"`: the loss is better when lower, and a metric's
    class knows its direction. The class of a metric that is a plain function knows none.

    Args:
        model: it has computed its metrics on a batch: Keras makes them then.
    """
    found: dict[str, Mode | None] = {"loss": "min"}
    outputs = list(getattr(model, "output_names", None) or ())
    prefixes = ["", *(f"{name}_" for name in outputs if len(outputs) > 1)]
    found |= {f"{prefix}loss": "min" for prefix in prefixes}
    for metric in _metrics_of(model):
        mode: Mode | None = None
        if hasattr(metric, "_direction"):
            mode = "max" if metric._direction == "up" else "min"
        for prefix in prefixes:
            name = f"{prefix}{metric.name}"
            # Keras logs the last of several metrics of one name; one without a direction changes nothing.
            found[name] = mode or found.get(name)
    return found


def _metrics_of(model: Any) -> Iterator[Any]:
    for metric in getattr(model, "metrics", None) or ():
        if type(metric).__name__ in ("CompileMetrics", "MetricsList"):  # what `compile` makes of its metrics
            yield from metric.metrics
