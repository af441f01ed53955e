"""The engine `verify` trains a finished point again by Keras' own `fit`, and compares it with what is stored.

A point that differs by more than the tolerance is trained a second time, from nudged weights: it may be chaotic. See
`trainables.single.compare`. The nudged model is one that was built anew. It counts only if such a model has the same first
epoch as the first one without a nudge; otherwise the distance between the two is no measure of chaos.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from trainables.check import Check, Difference
from trainables.clock import Clock
from trainables.engine import Engine, Report, Work
from trainables.error_text import explain
from trainables.limits import TimeUpError, time_limit
from trainables.single.compare import Comparison, Trained, compare
from trainables.single.point import Point
from trainables.table.weights import row_weights

LEAST_EPOCHS = 10
"""Epochs of the first step, if the point has so many: the least that is compared of the best point."""

SAME = 1e-5
"""The relative tolerance of the first epoch of two models of a point, from the same weights."""

STEP_S = 1.0
"""Seconds of training in a later step, about."""


class VerifyEngine(Engine):
    """Trains one point after another by Keras, and reports a `Check` after each step."""

    def __init__(self, work: Work) -> None:
        super().__init__(work)

    def begin(self, points: np.ndarray, found: Trained | None = None, most: int | None = None) -> None:
        """Take the one point of the next trial.

        Args:
            points: its idx, int64, shape (1,).
            found: what is stored of it.
        """
        assert found is not None  # the searcher gives it
        [self._idx] = points.tolist()
        self._found = found
        self._point: Point | None = None
        self._nudged: Point | None = None
        self._may_nudge = True
        self._epoch_s = 0.0
        # An epoch more than is stored shows that Keras does not stop there.
        budget = self.work.training.fit.epochs
        self._most = found.epochs if found.status == "pruned" else min(budget, found.epochs + 1)

    def step(self) -> Report:
        """Train for a while, compare, and report."""
        started = Clock()
        found = self._found
        try:
            with time_limit(self.work.training.timeout_s):
                compared, done = self._advance()
            whole, differences = done or compared.parted, compared.differences
            check = Check(self._idx, compared.epochs, found.epochs, whole, differences)
            if differences and (chance := self.work.maker.chance):  # Keras itself has other numbers each time
                done, check = True, Check(self._idx, 0, found.epochs, False, note=chance)
        except TimeUpError:
            note = f"Keras took longer than timeout_s={self.work.training.timeout_s:g} for a few epochs"
            done, check = True, Check(self._idx, 0, found.epochs, False, note=note)
        except (Exception, SystemExit) as error:
            differs = Difference("status", 0, found.status, f"failed: {explain(error)}")
            done, check = True, Check(self._idx, 0, found.epochs, True, (differs,))
        if done:
            self._point = self._nudged = None  # frees the models while the worker waits
        return Report(done=done, open=int(not done), timing={"verify": started.core_s}, check=check)

    def _advance(self) -> tuple[Comparison, bool]:
        """Train for a while; return the comparison so far, and whether nothing is left to do."""
        maker = self.work.maker
        if self._point is None and not (maker.anew or maker.examined):
            self._examine()
        self._point = self._point or self._new()
        point = self._point
        if not self._is_whole(point) and (self._nudged is None or self._nudged.epoch >= point.epoch):
            self._train(point, self._most)
        compared = self._compare()
        if compared.differences and self._nudged is None and self._may_nudge:
            self._may_nudge = self._is_rebuilt(point)
            if self._may_nudge:
                self._nudged = self._new()
                nudge(self._nudged.model, self.work.training.seed)
        if self._nudged is not None:
            self._train(self._nudged, point.epoch)
            compared = self._compare()
        caught_up = self._nudged is None or self._nudged.finished or self._nudged.epoch >= point.epoch
        # What is beyond the tolerance stays beyond it in later epochs.
        done = compared.parted or bool(compared.differences) or self._is_whole(point)
        return compared, caught_up and done

    def _examine(self) -> None:
        """Find out whether the builder keeps state: this worker builds a point several times, and other points too."""
        from trainables.builder.examine import examine

        work, training = self.work, self.work.training
        examine(work.maker, work.table, training.seed, training.timeout_s, work.space[self._idx])

    def _is_rebuilt(self, point: Point) -> bool:
        """Return whether the point's model that is built once more has the same first epoch as the first one."""
        if not point.recorder.curve:  # nothing is nudged
            return True
        again = self._new()
        again.advance(1)
        first, second = point.recorder.curve[0], again.recorder.curve[0]
        return first.keys() == second.keys() and all(
            np.isclose(first[name], second[name], rtol=SAME, atol=1e-7, equal_nan=True) for name in first
        )

    def _new(self) -> Point:
        work = self.work
        work.maker.begin_anew()  # this worker may have state from the sweep that no examination has found
        return Point(work.maker, work.builder, work.space[self._idx], work.table, work.training)

    def _train(self, point: Point, to_epoch: int) -> None:
        if point.finished or point.epoch >= to_epoch:
            return
        epochs = max(1, round(STEP_S / self._epoch_s)) if self._epoch_s else LEAST_EPOCHS
        before, started = point.epoch, time.perf_counter()
        point.advance(min(to_epoch, point.epoch + epochs))
        if before:  # the first step also traces
            self._epoch_s = (time.perf_counter() - started) / max(1, point.epoch - before)

    def _is_whole(self, point: Point) -> bool:
        return point.finished or point.epoch >= self._most

    def _compare(self) -> Comparison:
        from trainables.single.counting import largest_shares  # this loads Keras

        assert self._point is not None
        work = self.work
        trainings = [self._point, *([self._nudged] if self._nudged is not None else [])]
        is_whole = all(point.finished or point.epoch >= self._point.epoch for point in trainings)
        with_metrics = is_whole and self._is_whole(self._point)
        keras, *nudged = (trained(point, with_metrics) for point in trainings)
        watched = self._point.recorder.watched
        rows = rows_of(self._point, work)
        weights = row_weights(self._point.fit, work.table, rows["fitted"])
        shares = largest_shares(self._point.model, weights, rows)
        return compare(self._found, keras, work.training, nudged, rows, watched=watched, shares=shares)


def trained(point: Point, with_metrics: bool = True) -> Trained:
    """Return what Keras has trained so far.

    Args:
        point: the point in training.
        with_metrics: whether to evaluate the best epoch's model.
    """
    curve = point.recorder.curve
    logs = {name: np.array([entry[name] for entry in curve]) for name in (curve[0] if curve else ())}
    params = point.model.count_params() if point.model.built else None
    metrics = point.metrics() if with_metrics else {}
    return Trained(point.status, point.epoch, point.recorder.best_epoch, logs, metrics, params)


def rows_of(point: Point, work: Work) -> dict[str, int]:
    """Return how many rows of the table are fitted, and how many there are on each split."""
    from trainables.builder.build import fitted_rows

    table = work.table
    fitted, train = fitted_rows(point.fit, table), len(table.y_train)
    return {"fitted": fitted, "tr": train, "va": train - fitted, "te": len(table.y_test)}


def nudge(model: Any, seed: int) -> None:
    """Move every trainable weight of a Keras model by one unit in the last place, up or down at random."""
    chance = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        value = variable.numpy()
        towards = np.where(chance.random(value.shape) < 0.5, -np.inf, np.inf).astype(value.dtype)
        variable.assign(np.nextafter(value, towards))
