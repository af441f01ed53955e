"""Reads from a compiled model whether a lower or a higher value of each logged metric is better, as Keras' callbacks do.

Based on the source of Keras 3.15.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trainables.fused.internals.private import Private, check, part
from trainables.settings import Mode

_COMPILED = "keras.src.trainers.compile_utils"

NAMES = (
    Private(_COMPILED, "CompileMetrics", "what `compile` makes of its metrics"),
    Private(_COMPILED, "MetricsList", "what it makes of those of one output"),
)

check(NAMES, every_engine=True)

_MADE: Any = tuple(part(f"{_COMPILED}:{name}") for name in ("CompileMetrics", "MetricsList"))


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
        if hasattr(metric, "_direction"):  # some of Keras' own have none
            mode = "max" if metric._direction == "up" else "min"
        for prefix in prefixes:
            name = f"{prefix}{metric.name}"
            # Keras logs the last of several metrics of one name; one without a direction changes nothing.
            found[name] = mode or found.get(name)
    return found


def _metrics_of(model: Any) -> Iterator[Any]:
    for metric in getattr(model, "metrics", None) or ():
        if isinstance(metric, _MADE):
            yield from metric.metrics
