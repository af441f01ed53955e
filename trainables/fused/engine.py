"""The engine of programs trains the points of a trial as one program, or reports how to split them if it cannot.

A program is of the native kernel or of XLA, and the rows of its points say which: `native` or `fused`. Trials call the
engine `fused`, whatever its programs are of.

Terminology
    group    points that share a program, or may do so
    compose  to group points: find out whether they are a group, and make the program and what each point starts from
    member   a point of a group
    cohort   a group, or a part of one, in training
    lane     one model of those that a program works on at once
    chunk    `LANES` lanes; a program trains one chunk after another
    give     leave open points to another worker, which goes on with them from their checkpoint

A step groups the points, or trains them until ASHA's next milestone, or for a few seconds, or gives points away.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import numpy as np

from trainables.builder.target_range import TargetError
from trainables.clock import Clock
from trainables.engine import Engine, Report, RungsLostError, Work, checkpoint_name, without_training
from trainables.error_text import cause_of, explain
from trainables.fused.internals.errors import InternalsError, UnfusableError, is_ours, ours
from trainables.fused.training.pace import Pace
from trainables.limits import KILL_AFTER_S, TimeUpError, cohort_memory_mb, time_limit
from trainables.objective import ObjectiveError

STEP_S = 2.0
"""Seconds of training after which a step reports, even if no milestone is reached."""

CHECKPOINT_EVERY_S = 20.0
"""Minimum seconds of training between two checkpoints."""

COMPILE_S = 300.0
"""Seconds that an epoch may take on top of a point's own limit. After that, its worker is ended."""

LANES = 16
"""Points in a chunk. Larger chunks make an epoch up to 3% faster, but have more idle lanes when points have stopped."""


LEAST_COMPILED = 512
"""A trial of fewer points would take about as long to compile a program of XLA as to train: some ten seconds."""


class ProgramEngine(Engine):
    """Trains the points of a trial as one program, of the native kernel or of XLA, if one program can train them."""

    def __init__(self, work: Work) -> None:
        super().__init__(work)
        self._composer: Any = None
        self._composed_s = 0.0
        self._notes: set[str] = set()  # how models take the target
        self._proven: dict[str, Any] = {}  # what proofs of earlier programs have found, by their engine

    def begin(self, points: np.ndarray, known: Any = None, most: int | None = None) -> None:
        """Take the group of the next trial."""
        self._points, self._known, self._most = points, known, most
        # Points, members and fit of each next cohort: one cohort, or one for each checkpoint and one for the rest.
        self._waiting: list[tuple[np.ndarray, Any, Any]] | None = None
        self._cohort: Any = None
        self._kept_at = 0.0
        self._asked, self._pace = False, Pace()

    def give(self) -> None:
        """See `Engine.give`."""
        self._asked = True

    def step(self) -> Report:
        """Group the points, or train them for a while, and report."""
        report = self._step()
        learned = self._composer.learned() if self._composer else None
        notes = learned.interactions.notes if learned else ()
        losses = dict(self._composer.losses) if self._composer else {}
        weighted = self._composer.weighted if self._composer else frozenset()
        notes = (*notes, *sorted(self._notes))
        return replace(report, known=learned, notes=notes, losses=losses, weighted=weighted)

    def _step(self) -> Report:
        try:
            started = Clock()
            report = self._compose() if self._waiting is None else None
            self._composed_s += started.core_s
            self._pace.begun(started.wall_s)
            return report or self._train()
        except (InternalsError, RungsLostError) as error:
            return Report(done=True, broken=str(error))
        except ObjectiveError as error:
            return Report(done=True, unusable=str(error))
        except UnfusableError as error:
            return self._refuse(str(error))
        except TargetError as error:  # the models of all points take the target in the same way
            failed = without_training(
                self._points, "failed", explain(error), "fused", self.work.training.seed
            )
            return Report(done=True, rows=failed)
        except Exception as error:
            if is_ours(error):
                return Report(done=True, broken=str(ours(error)))
            if self._has_trained() and not _is_of_model(error):
                raise
            return self._refuse(self._why(error))

    def _has_trained(self) -> bool:
        return self._cohort is not None and self._cohort.epoch > 0

    def _why(self, error: Exception) -> str:
        """Return why points whose program raised an error cannot be fused. If Keras raises one too, that is the reason."""
        if raised := self._raised_by_keras():
            return f"Keras raises an error, too ({raised})"
        if self._has_trained():
            return f"a program of them raises an error ({cause_of(error)})"
        # An operation that cannot be vectorized or compiled raises its error only in the first epoch.
        return f"it cannot be compiled ({cause_of(error)})"

    def _raised_by_keras(self) -> str:
        """Return what an epoch of the first point by Keras raises; empty if nothing.

        A program may raise the same error at another point.
        """
        from trainables.single.point import Point

        work = self.work
        try:
            with time_limit(work.training.timeout_s):
                point = Point(
                    work.maker, work.builder, work.space[int(self._points[0])], work.table, work.training
                )
                point.advance(1)
                point.metrics()
        except (ObjectiveError, TimeUpError):  # the point's row tells about it
            return ""
        except (Exception, SystemExit) as error:
            return cause_of(error)
        return ""

    def _refuse(self, why: str) -> Report:
        """Report that the points that have not finished cannot be fused."""
        if self._has_trained() and self.work.checkpoints:
            self.work.checkpoints.forget(checkpoint_name(self._cohort.idx))
        self._cohort = None
        left, self._waiting = self._points, None  # all points: the collector knows which have finished
        return Report(done=True, refused=left, why=why)

    def _compose(self) -> Report | None:
        import tensorflow as tf

        from trainables.builder import build
        from trainables.builder.examine import examine, most_different
        from trainables.fused.compose.members import Composer, Refused
        from trainables.fused.compose.points import Points
        from trainables.fused.compose.split import Split
        from trainables.fused.internals.operations import kept

        tf.get_logger().setLevel("ERROR")  # otherwise it warns for every traced program
        points, work, training = self._points, self.work, self.work.training
        if self._composer is None:
            first, *others = int(points[0]), *most_different(work.space, points)
            configs = (work.space[idx] for idx in others)
            with kept():  # as all models of this engine are built
                examine(work.maker, work.table, training.seed, training.timeout_s, work.space[first], configs)
            self._composer = Composer(
                work.maker,
                work.builder,
                work.table,
                training.seed,
                training.timeout_s,
                cohort_memory_mb(training.memory_mb, training.gpu),
            )
        self._composer.know(self._known)
        found = self._composer.compose(Points.of(work.space, points), training.fit)
        if isinstance(found, Refused):
            return Report(done=True, refused=points, why=found.why)
        if isinstance(found, Split):
            parts = [points[part] for part in found.parts]
            return Report(done=True, parts=parts, costs=list(found.costs), why=found.why)
        if found.target.note:
            self._notes.add(f"builder: {found.target.note}")
        fit = build.fit_of(work.space[int(points[0])], work.builder, training.fit)
        if parts := self._cut(found, fit):
            return Report(done=True, parts=parts, why="the workers share the points")
        self._waiting = [(points, found, fit)]
        return None

    def _cut(self, members: Any, fit: Any) -> list[np.ndarray]:
        """Return the parts into which the group is cut; empty if one trial may train all its points."""
        from trainables.fused.training.cohort import Cohort

        points, work = self._points, self.work
        if self._most is None or len(points) <= self._most:
            return []
        program = Cohort(points, members, fit, work.table, work.training, LANES).program
        most = self._most if program.engine == "native" else max(self._most, LEAST_COMPILED)
        return np.array_split(points, math.ceil(len(points) / most)) if len(points) > most else []

    def _train(self) -> Report:
        began = Clock()
        if self._cohort is None and (report := self._begin_cohort()):
            return report
        self._pace.begun(began.wall_s)
        if self._asked and (report := self._give()):
            return report
        cohort, training, checkpoints = self._cohort, self.work.training, self.work.checkpoints
        if checkpoints and cohort.epoch and time.monotonic() - self._kept_at > CHECKPOINT_EVERY_S:
            # Save at the start of a step: what the last step reported has arrived.
            checkpoints.save(checkpoint_name(cohort.idx), cohort.state())
            self._kept_at = time.monotonic()
        started, ended = time.monotonic(), []
        while not cohort.finished:
            with time_limit(training.timeout_s + COMPILE_S - KILL_AFTER_S):
                trained, epoch = np.flatnonzero(cohort.alive), Clock()
                ended.append(cohort.train())
                epoch_s = epoch.wall_s
            if at_rung := bool(self.work.rungs) and cohort.epoch in training.milestones:
                ended.append(self._enter(trained))
            self._pace.trained(len(trained), int(cohort.alive.sum()), epoch_s)
            if at_rung or time.monotonic() - started > STEP_S:
                break
        rows = np.concatenate(ended) if ended else np.array([], int)
        finished = cohort.report(rows) if len(rows) else None
        timing = {"compose": self._composed_s, **cohort.timing}
        self._composed_s, cohort.timing = 0.0, dict.fromkeys(cohort.timing, 0.0) | {"compile": 1e-9}
        still_open = int(cohort.alive.sum())
        if cohort.finished:
            if checkpoints:
                checkpoints.forget(checkpoint_name(cohort.idx))
            self._cohort = None
        return Report(
            done=self._cohort is None and not self._waiting,
            open=still_open,
            saves_s=self._saves_s(),
            rows=finished,
            rungs=self.work.rungs.entered() if self.work.rungs else None,
            timing=timing,
            modes=cohort.modes,
        )

    def _saves_s(self) -> float:
        """Return `Report.saves_s`: 0 if no checkpoints are kept, or if a chunk holds all points."""
        cohort = self._cohort
        if cohort is None or self.work.checkpoints is None:
            return 0.0
        still_open = int(cohort.alive.sum()) + sum(len(idx) for idx, *_ in self._waiting or ())
        return self._pace.saves_s(still_open, cohort.fit.epochs - cohort.epoch) if still_open > LANES else 0.0

    def _give(self) -> Report | None:
        """Give half of the open points away, or a cohort that has not begun; return None if that does not save time."""
        self._asked = False
        cohort, checkpoints = self._cohort, self.work.checkpoints
        if checkpoints is None or not self._saves_s():
            return None
        if self._waiting:
            given = self._waiting.pop()[0]
        else:
            rows = np.flatnonzero(cohort.alive)
            kept = (
                math.ceil(math.ceil(len(rows) / LANES) / 2) * LANES
            )  # whole chunks; neighbours are often alike
            given = cohort.idx[rows[kept:]]
            if not checkpoints.hand_over(checkpoint_name(given), cohort.state(rows[kept:])):
                return None
            cohort.give(rows[kept:])
        self._points = self._points[~np.isin(self._points, given)]
        return Report(open=int(cohort.alive.sum()), given=given, saves_s=self._saves_s())

    def _begin_cohort(self) -> Report | None:
        """Start the next cohort, from a checkpoint if there is one; report if its program cannot train all points."""
        assert self._waiting
        self._kept_at = time.monotonic()
        work = self.work
        idx, members, fit = self._waiting.pop(0)
        for present, state in work.checkpoints.find(idx) if work.checkpoints else ():
            is_present = np.isin(idx, present)
            rows, others = np.flatnonzero(is_present), np.flatnonzero(~is_present)
            cohort = self._proven_cohort(idx[rows], members.take(rows), fit, idx[others])
            if isinstance(cohort, Report):
                return cohort
            try:
                cohort.restore(state)
            except (ValueError, KeyError):  # a checkpoint of another version of this software
                continue
            if len(others):
                self._waiting.insert(0, (idx[others], members.take(others), fit))
            self._cohort = cohort
            return None
        cohort = self._proven_cohort(idx, members, fit, idx[:0])
        if isinstance(cohort, Report):
            return cohort
        self._cohort = cohort
        return None

    def _proven_cohort(self, idx: np.ndarray, members: Any, fit: Any, others: np.ndarray) -> Any:
        """Return a cohort whose program is proven, or a report if no program can train all its points.

        Args:
            idx, members, fit: the cohort.
            others: points of the group that are in no cohort yet.
        """
        from trainables.fused.training.cohort import Cohort

        work = self.work
        cohort = Cohort(idx, members, fit, work.table, work.training, LANES)
        rows, why = self._prove(cohort, members)
        if rows.any() and cohort.program.engine == "native" and work.training.programs == "any":
            self._notes.add(f"engine: XLA, and not the native kernel, trains some points: {why}")
            cohort = Cohort(idx, members, fit, work.table, work.training, LANES, "xla")
            rows, why = self._prove(cohort, members)
        elif cohort.why_not_native:
            self._notes.add(
                f"engine: XLA, and not the native kernel, trains some points: {cohort.why_not_native}"
            )
        if not rows.any():
            return cohort
        if rows.all():
            return self._refuse(why)
        # Cohorts of this group that have finished are not trained again.
        rest = [cohort.idx[~rows], others, *(idx for idx, *_ in self._waiting or ())]
        return Report(done=True, parts=[cohort.idx[rows], np.concatenate(rest)], why=why)

    def _prove(self, cohort: Any, members: Any) -> tuple[np.ndarray, str]:
        """Prove the program of a cohort before its first epoch; return which points it cannot train, and why."""
        from trainables.fused.training.proof import Proven, refused

        started = Clock()
        composer, space = self._composer, self.work.space
        proven = self._proven.setdefault(cohort.program.engine, Proven())

        def model(row: int) -> Any:
            return composer.build(space[int(cohort.idx[row])])

        with time_limit(self.work.training.timeout_s + COMPILE_S - KILL_AFTER_S):
            found = refused(cohort.program, members, model, proven, self.work.training.seed)
            if not found[0].any():
                cohort.check()
        self._composed_s += started.core_s
        return found

    def _enter(self, trained: np.ndarray) -> np.ndarray:
        """Enter the points that were trained into the rung of a milestone; return the rows of those that ASHA stops."""
        cohort, rungs = self._cohort, self.work.rungs
        assert rungs is not None
        mode = cohort.watched.objective.mode
        passed = rungs.enter(
            cohort.epoch, cohort.idx[trained], cohort.best[trained], together=True, mode=mode
        )
        stopped = trained[~passed & cohort.alive[trained]]
        cohort.prune(stopped)
        return stopped


def _is_of_model(error: Exception) -> bool:
    """Return whether an operation of a model refuses its numbers, which it would do again.

    An error for lack of memory may not occur again.
    """
    import tensorflow as tf

    kinds = (
        tf.errors.InvalidArgumentError,
        tf.errors.FailedPreconditionError,
        tf.errors.OutOfRangeError,
        tf.errors.UnimplementedError,
    )
    return isinstance(error, kinds)
