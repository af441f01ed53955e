"""Finds the weighted metrics of a model that count rows, such as accuracy, and how much one row weighs in each of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from trainables.fused.internals.models import given_to_compile
from trainables.table.weights import RowWeights

_CLASSES = (
    keras.metrics.Accuracy,
    keras.metrics.BinaryAccuracy,
    keras.metrics.CategoricalAccuracy,
    keras.metrics.SparseCategoricalAccuracy,
    keras.metrics.TopKCategoricalAccuracy,
    keras.metrics.SparseTopKCategoricalAccuracy,
)
_FUNCTIONS = (
    keras.metrics.binary_accuracy,
    keras.metrics.categorical_accuracy,
    keras.metrics.sparse_categorical_accuracy,
    keras.metrics.top_k_categorical_accuracy,
    keras.metrics.sparse_top_k_categorical_accuracy,
)


def largest_shares(
    model: keras.Model, weights: RowWeights, rows: Mapping[str, int]
) -> dict[str, dict[str, float]]:
    """Return by how much one row can change each weighted metric that counts rows: its share of all weights, at most.

    Args:
        model: it has computed its metrics on a batch: Keras makes them then.
        weights: of the rows.
        rows: how many there are of each kind: fitted, tr, va, te.

    Returns:
        For each name that Keras logs, without `val_`: the largest share by the kind of rows.
    """
    given = {"fitted": weights.fitted, "tr": weights.train, "va": weights.validation, "te": weights.test}
    shares = {kind: _largest(given[kind], count) for kind, count in rows.items()}
    return dict.fromkeys(_names(model), shares)


def _largest(weights: np.ndarray | None, count: int) -> float:
    if weights is None:
        return 1 / max(count, 1)
    total = float(np.sum(weights, dtype="float64"))
    return float(weights.max()) / total if total else 1.0


def _names(model: keras.Model) -> list[str]:
    """Return the names under which Keras logs the weighted metrics that count rows."""
    given = (given_to_compile(model)[1] or {}).get("weighted")
    leaves = [leaf for leaf in keras.tree.flatten(given or []) if leaf is not None]
    metrics = [one for made in model.metrics if hasattr(made, "metrics") for one in made.metrics]
    weighted = metrics[len(metrics) - len(leaves) :]  # Keras puts them behind the others
    others = {metric.name for metric in metrics[: len(metrics) - len(leaves)]}
    outputs = list(getattr(model, "output_names", None) or ())
    prefixes = [f"{name}_" for name in outputs] if len(outputs) > 1 else [""]
    return [
        # Of two metrics with one name, Keras logs the weighted one under another name.
        f"{prefix}{'weighted_' * (metric.name in others)}{metric.name}"
        for leaf, metric in zip(leaves, weighted, strict=True)
        if _counts(leaf)
        for prefix in prefixes
    ]


def _counts(given: Any) -> bool:
    """Return whether a metric, as given to `compile`, is the share of rows that are right."""
    if isinstance(given, str) and given.lower() in ("accuracy", "acc"):
        return True
    try:
        found = keras.metrics.get(given)
    except ValueError:
        return False
    return isinstance(found, _CLASSES) or any(found is one for one in _FUNCTIONS)
