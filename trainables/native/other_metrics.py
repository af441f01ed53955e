"""Computes the metrics that the kernel cannot compute as sums over rows.

Areas under curves are computed from what the kernel counts, by `areas`. Others, such as precision, are computed by Keras'
own metrics, from the outputs that the kernel keeps. All rows are computed at once, so users' functions are left to XLA.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainables.fused.internals.areas import Area
from trainables.fused.internals.measures import computed_metrics
from trainables.fused.program.mixing import is_own
from trainables.fused.program.template import Template
from trainables.native.areas import Areas, count_of


class OtherMetrics:
    """The metrics of a template that the kernel does not compute.

    Args:
        template: the models.
        computed: the positions of the logs that the kernel computes.
        areas: those that the kernel counts.

    Attributes:
        needed: whether there are any.
        keeps: whether some are computed from the outputs.
        mixing: the name of one that is not Keras' own, so that it may be a function of a whole batch; empty if none is.
    """

    def __init__(self, template: Template, computed: Sequence[int], areas: Sequence[Area]) -> None:
        self._template = template
        columns = [column for column in range(len(template.logs)) if column not in computed]
        self.needed = bool(columns)
        self._areas = {area.position: Areas(area) for area in areas}
        self._columns = [column for column in columns if column not in self._areas]
        self.keeps = bool(self._columns)
        metrics = computed_metrics(template.model)
        others = [metrics[column - 1] for column in self._columns]  # the first log is the loss
        self.mixing = next((one.name for one in others if not is_own(one)), "")
        self._ends = np.cumsum([0, *map(count_of, areas)])
        self._counts = np.zeros((0, 0, 0))
        self._function: Any = None
        self._memory = self._outputs = np.zeros(0, np.float32)

    def start(self, points: int) -> OtherMetrics:
        """Forget what was computed; `points` is the number of models."""
        self._found = np.zeros((points, len(self._template.logs)), np.float32)
        for column, areas in self._areas.items():
            areas.start(self._found[:, column])
        return self

    @property
    def found(self) -> np.ndarray:
        """The logs that were computed since `start`: float32, shape (points, logs); zeros where the kernel computes."""
        for areas in self._areas.values():
            areas.finish()
        return self._found

    def outputs(self, lanes: int, first: int, rows: int, width: int) -> ctypes.c_void_p | None:
        """Return where the kernel keeps the outputs of some chunks; None if nobody needs them.

        Args:
            lanes: of all of these chunks.
            first: the first step of the call; memory of an earlier step is kept.
            rows, width: of the outputs of each model.
        """
        if not self.keeps:
            return None
        if not first:
            shape = (lanes, rows, width)
            size = int(np.prod(shape))
            if size > len(self._memory):  # fresh memory costs more than what is written into it
                self._memory = np.empty(size, np.float32)
            self._outputs = self._memory[:size].reshape(shape)
        return ctypes.c_void_p(self._outputs.ctypes.data)

    def counts(self, chunks: int, first: int, lanes: int) -> ctypes.c_void_p | None:
        """Return where the kernel counts for the areas of some chunks; None if there are none.

        Args:
            chunks: how many there are.
            first: the first step of the call; what was counted in an earlier step is kept.
            lanes: of a chunk.
        """
        if not self._areas:
            return None
        if not first:
            self._counts = np.zeros((chunks, int(self._ends[-1]), lanes))
        return ctypes.c_void_p(self._counts.ctypes.data)

    def add(self, lane: np.ndarray, y: np.ndarray, weight: np.ndarray | None) -> None:
        """Compute the metrics of some chunks from their outputs and from what was counted.

        Args:
            lane: the point in each lane, -1 for none, shape (chunks, lanes).
            y: the target, as the models take it.
            weight: of the rows; None if there are none.
        """
        for areas, first, end in zip(self._areas.values(), self._ends, self._ends[1:], strict=False):
            areas.add(lane, self._counts[:, first:end])
        if self._columns:
            self._add_by_keras(lane, y, weight)

    def _add_by_keras(self, lane: np.ndarray, y: np.ndarray, weight: np.ndarray | None) -> None:
        if self._function is None:
            self._function = tf.function(self._of_chunk, autograph=False, reduce_retracing=True)
        target = tf.constant(y)
        of_rows = None if weight is None else tf.constant(weight)
        for number, points in enumerate(lane):
            part = self._outputs[number * len(points) : (number + 1) * len(points)]
            logs = self._function(tf.constant(part), target, of_rows).numpy()
            is_there = points >= 0
            self._found[np.ix_(points[is_there], self._columns)] = logs[is_there]

    def _of_chunk(self, outputs: Any, y: Any, weight: Any) -> Any:
        template, model = self._template, self._template.model
        initial = list(zip(model.metrics_variables, map(tf.constant, template.metrics), strict=True))
        names = [template.logs[column] for column in self._columns]

        def lane(predicted: Any) -> Any:
            with keras.StatelessScope(initial):
                logs = model.compute_metrics(None, y, predicted, sample_weight=weight)
            # A metric by class gives an array of one number for one class.
            return tf.stack([tf.reshape(tf.cast(logs[name], tf.float32), []) for name in names])

        return tf.vectorized_map(lane, outputs)
