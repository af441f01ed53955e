"""Reads from a built model which areas under curves it measures, and computes them from confusion matrices.

Based on the source of Keras 3.15.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras

from trainables.fused.internals.measures import weighted_of

_MATRIX = ("true_positives", "false_positives", "true_negatives", "false_negatives")


@dataclass(frozen=True)
class Area:
    """An `AUC` that needs only the sums over rows in buckets of equal width.

    Attributes:
        position: of the metric in the logs, which begin with the loss.
        metric: the metric.
        thresholds: how many it has, evenly distributed from 0 to 1.
        weighted: whether it weighs its rows.
    """

    position: int
    metric: Any
    thresholds: int
    weighted: bool

    @property
    def is_roc(self) -> bool:
        """Whether it is the area under the ROC curve, by trapezoids."""
        return (self.metric.curve.value, self.metric.summation_method.value) == ("ROC", "interpolation")

    def result(self, matrix: Any) -> Any:
        """Return the area.

        Args:
            matrix: true positives, false positives, true negatives, false negatives: float32, shape (4, thresholds).
        """
        variables = [getattr(self.metric, name) for name in _MATRIX]
        with keras.StatelessScope([(one, matrix[row]) for row, one in enumerate(variables)]):
            return self.metric.result()


def areas_of(model: keras.Model) -> list[Area]:
    """Return the areas of a model of one output that has seen a batch."""
    compiled = model._compile_metrics
    if compiled is None:
        return []
    weighted = weighted_of(compiled)
    return [
        Area(position, one, one.num_thresholds, id(one) in weighted)
        for position, one in enumerate(compiled.metrics, 1)
        if type(one) is keras.metrics.AUC
        and one._thresholds_distributed_evenly
        and one.dtype == "float32"
        and not (one.multi_label or one._from_logits)
        and one.label_weights is None
    ]
