"""The estimate of `sweep plan`: how a plan would be trained, and how long it would take at most. It times a few points."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import mean
from typing import TYPE_CHECKING, Any

import numpy as np

from sweep.plan.plan import Plan
from trainables.builder.maker import Maker
from trainables.error_text import cause_of
from trainables.fused.internals import xla
from trainables.limits import cohort_memory_mb

if TYPE_CHECKING:
    from trainables.fused.compose.groups import Group
    from trainables.fused.compose.members import Composer, Members
    from trainables.fused.training.cohort import Cohort

_FEW_EPOCHS = 5

KERAS_SETUP_S, KERAS_EPOCH_S, KERAS_STEP_S = 2.5, 0.04, 0.0005
"""Core seconds of a small model by Keras' own `fit`: to build and trace it, of an epoch without its batches, of a batch.

From points of the reference task on one core (TensorFlow 2.21): 83 ms an epoch of 84 batches, validation included.
"""


@dataclass(frozen=True)
class Estimate:
    """Seconds that training takes on one worker.

    Attributes:
        setup_s: seconds of one set-up. For a point trained by Keras: building, tracing, the first epoch and the
            evaluation. For a program of the fused engine: composing, compiling, the first epochs and the evaluation.
        setups: the number of set-ups.
        epoch_s: seconds of each further epoch of a point.
        points: the number of points.
    """

    setup_s: float
    setups: int
    epoch_s: float
    points: int

    def at_most_s(self, epochs: int, workers: int) -> float:
        """Return the wall seconds if each point uses its whole budget of `epochs`."""
        if self.setups == self.points:  # one by one: some workers may be idle in the last round
            return -(-self.points // workers) * (self.setup_s + (epochs - 1) * self.epoch_s)
        return (self.setups * self.setup_s + self.points * (epochs - 1) * self.epoch_s) / workers


def estimate(plan: Plan, points: Sequence[int], timed: int, workers: int) -> dict[str, Any]:
    """Return what `sweep plan` says about the training of `points`, as plain data.

    Args:
        plan: the plan.
        points: the points, in their order.
        timed: how many of the points that Keras would train are timed.
        workers: trials that can run at once.

    Returns:
        `cohorts`: for each group the number of its `points`, its `engine` ("native", "fused" or "keras"), and `why` no
        faster engine trains them; empty if none is faster, or if the plan names the engine. `setup_s` and `epoch_s` of the
        engine that trains most points. `at_most_s`. `by_keras_s`, the seconds that Keras takes for one point, if it trains
        any.

    Raises:
        ValueError: the builder or the fit of a timed point raised an error; the message has it.
    """
    parts: list[Estimate] = []
    answer: dict[str, Any] = {}
    single = list(points)
    if plan.engine != "keras":
        found = groups(plan, points)
        for engine in ("native", "fused"):
            found, timed_one = _timed(plan, found, engine)
            parts += [timed_one] if timed_one else []
        answer["cohorts"] = [
            {
                "points": len(group.points),
                "engine": _engine_of(plan, group),
                "why": group.why or group.why_not_native,
            }
            for group in found
        ]
        fused = {idx for group in found if not group.why for idx in group.points.tolist()}
        single = [idx for idx in points if idx not in fused]
    if single:
        parts.append(by_keras := _time_keras(plan, single[:timed], len(single)))
        answer["by_keras_s"] = by_keras.setup_s + (expected_epochs(plan) - 1) * by_keras.epoch_s
    most = max(parts, key=lambda part: part.points)
    at_most_s = sum(part.at_most_s(plan.epochs, workers) for part in parts)
    return {**answer, "setup_s": most.setup_s, "epoch_s": most.epoch_s, "at_most_s": at_most_s}


def expected_epochs(plan: Plan) -> float:
    """Return how many epochs a point trains on average, if ASHA passes its share at each milestone and none stops early."""
    epochs, share, before = 0.0, 1.0, 0
    for milestone in (*plan.training.milestones, plan.epochs):
        epochs += share * (milestone - before)
        share, before = share / plan.asha.reduction_factor, milestone
    return epochs


def guessed_point_s(plan: Plan) -> float:
    """Return the core seconds that Keras may take for one point of a plan, without any training."""
    batch_sizes = plan.space.to_dict().get("batch_size", [plan.fit.batch_size])
    table = plan.table
    share = plan.fit.validation_split if table.validation is None else table.validation / len(table.y_train)
    rows = len(table.y_train) * (1 - share)
    batches = mean(rows / size for size in batch_sizes)
    return KERAS_SETUP_S + expected_epochs(plan) * (KERAS_EPOCH_S + batches * KERAS_STEP_S)


def groups(plan: Plan, points: Sequence[int]) -> list[Group]:
    """Return the groups in which the fused engine would train `points`. This builds some models of each group.

    Raises:
        ValueError: the builder cannot be imported.
    """
    xla.set_up()
    from trainables.fused.compose.groups import partition
    from trainables.trials.trial import set_up_tensorflow

    set_up_tensorflow(plan.resources.cpu)
    composer, space, fit = _composer(plan), plan.space, plan.training.fit
    found: list[Group] = []
    of_first: dict[
        bytes, list[Group]
    ] = {}  # the groups of points of repeat 0; those of other repeats are like them
    ordered = np.array(sorted(points))
    repeat = space.repeat(ordered)
    for one in np.unique(repeat):
        some = space.number_in_grid(ordered[repeat == one])
        if (key := some.tobytes()) not in of_first:
            of_first[key] = list(partition(composer, space, some, fit, partial(_not_native, plan)))
        found += [replace(group, points=group.points + one * space.grid) for group in of_first[key]]
    return found


def _composer(plan: Plan) -> Composer:
    from trainables.fused.compose.members import Composer

    builder = plan.found_builder
    limits = plan.timeout_s, cohort_memory_mb(plan.resources.memory_mb, plan.resources.gpu)
    return Composer(Maker(builder, plan.seed), builder, plan.table, plan.seed, *limits)


def _engine_of(plan: Plan, group: Group) -> str:
    if group.why:
        return "keras"
    return "fused" if group.why_not_native or plan.training.programs == "xla" else "native"


def _not_native(plan: Plan, points: np.ndarray, members: Members) -> str:
    """Return why the native kernel does not train a group; empty if it does, or if the plan wants another engine.

    Raises:
        UnfusableError: no program that the plan allows can train the group.
    """
    return _cohort(plan, points, members).why_not_native


def _cohort(plan: Plan, points: np.ndarray, members: Members) -> Cohort:
    """Return the cohort that a trial of these points would make; its program is the one that the trial would choose."""
    from trainables.builder.build import fit_of
    from trainables.fused.engine import LANES
    from trainables.fused.training.cohort import Cohort

    fit = fit_of(plan.space[int(points[0])], plan.found_builder, plan.training.fit)
    return Cohort(points, members, fit, plan.table, plan.training, LANES)


def _timed(plan: Plan, found: list[Group], engine: str) -> tuple[list[Group], Estimate | None]:
    """Time the group of the middle size among those of an engine; return all groups, and the estimate for the engine's.

    A group whose program cannot be compiled gets the reason that its trial would give, and another group is timed.
    """
    from trainables.fused.compose.groups import Group, why_not

    while mine := sorted(
        (group for group in found if _engine_of(plan, group) == engine), key=lambda one: len(one.points)
    ):
        middle = mine[len(mine) // 2]
        try:
            return found, _time_fused(plan, middle, mine)
        except Exception as error:
            left = Group(middle.points, why_not(error))
            found = [left if group is middle else group for group in found]
    return found, None


def _time_fused(plan: Plan, group: Group, fused: Sequence[Group]) -> Estimate:
    """Train a few points of one group for a few epochs, and return the estimate for all groups `fused` of its engine.

    Raises:
        UnfusableError: the group cannot be trained as one program after all.
    """
    from trainables.fused.compose.members import Members
    from trainables.fused.compose.points import Points
    from trainables.fused.engine import LANES
    from trainables.fused.internals.errors import UnfusableError

    started = time.perf_counter()
    composer = _composer(plan)
    composer.known = group.known  # otherwise it might find other groups
    members = composer.compose(Points.of(plan.space, group.points), plan.training.fit)
    if not isinstance(members, Members):
        raise UnfusableError(members.why)
    cohort = _cohort(plan, group.points, members)
    cohort.train()
    cohort.report(np.arange(min(LANES, len(group.points))))
    compiled = time.perf_counter()
    trained = 0
    for _ in range(_FEW_EPOCHS):
        if not cohort.finished:
            trained += int(cohort.alive.sum())
            cohort.train()
    epoch_s = (time.perf_counter() - compiled) / max(1, trained)
    points = sum(len(group.points) for group in fused)
    return Estimate(compiled - started, len(fused), epoch_s, points)


def _time_keras(plan: Plan, timed: Sequence[int], points: int) -> Estimate:
    """Train each point of `timed` for a few epochs in this process, and return the estimate for `points` points.

    Raises:
        ValueError: the builder or the fit of a timed point raised an error; the message has it.
    """
    from trainables.single.point import Point
    from trainables.trials.trial import set_up_tensorflow

    set_up_tensorflow(plan.resources.cpu)
    maker = Maker(plan.found_builder, plan.seed)
    setup_s, epoch_s = [], []
    for idx in timed:
        config = plan.space[idx]
        started = time.perf_counter()
        try:
            point = Point(maker, plan.found_builder, config, plan.table, plan.training)
            point.advance(1)
            point.metrics()
            trained_one = time.perf_counter()
            point.advance(1 + _FEW_EPOCHS)
        except (Exception, SystemExit) as error:
            raise ValueError(f"The point {idx}, {config}, raised {cause_of(error)}") from error
        setup_s.append(trained_one - started)
        epoch_s.append((time.perf_counter() - trained_one) / max(1, point.epoch - 1))
    return Estimate(mean(setup_s), points, mean(epoch_s), points)
