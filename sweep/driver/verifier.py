"""The verification at the end of a sweep: plain Keras trains some finished points again, one by one.

They are further trials of the same Tune run, with the engine `verify`. All of them together take at most `SHARE` of the
sweep's core seconds: what `Tally.spent_s` counts in this run of the command, which is grouping, compiling, training and
evaluating by the fused engine and the points trained by Keras, without the start of workers. The best point comes first,
and at least `LEAST_EPOCHS` of its epochs are compared, however short the sweep was.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from ray.tune.experiment import Trial

from results.folder.run_folder import RunFolder
from results.store.read import read_points
from results.verified import Entry, Verification, verification, write
from sweep.driver.searcher import PointSearcher
from sweep.models.stored import entry_of, stored
from sweep.plan.plan import Plan
from sweep.process.tally import Tally
from trainables.engine import Report
from trainables.single.verify import LEAST_EPOCHS
from trainables.trials.engines import VERIFY

SHARE = 0.05
"""Share of the sweep's core seconds that the verification may take."""

START_S = 10.0
"""Core seconds that a new worker takes to start: it imports TensorFlow. One worker of the sweep is kept for the checks."""

TRIES = 3
"""How often a point is tried whose worker dies."""

STOPPED = "the verification was stopped"
USED_UP = f"{SHARE:.0%} of the sweep's time was used"


@dataclass
class _Running:
    """A check that was handed out, and what its reports say of its cost.

    Attributes:
        of: epochs that it takes.
        epochs: how many were compared so far.
        seconds: core seconds so far.
        first: epochs and seconds of the first report, most of which is not training.
    """

    of: int
    epochs: int = 0
    seconds: float = 0.0
    first: tuple[int, float] | None = None

    def add(self, epochs: int, seconds: float) -> None:
        self.epochs, self.seconds = epochs, self.seconds + seconds
        self.first = self.first or (self.epochs, self.seconds)

    @property
    def rest_s(self) -> float:
        """The seconds that it still takes, about; 0 before its first report."""
        if self.first is None:
            return 0.0
        epochs, seconds = self.epochs - self.first[0], self.seconds - self.first[1]
        if epochs <= 0:
            epochs, seconds = max(1, self.epochs), self.seconds
        return (self.of - self.epochs) * seconds / epochs


class Verifier:
    """Hands out the checks, keeps their results, and ends when all are done or the time is used.

    Args:
        plan: the plan; its `verify` says how many of the best points are checked.
        folder: of the run.
        tally: what was spent, and where the progress is shown.
        searcher: hands out the trials.
    """

    def __init__(self, plan: Plan, folder: RunFolder, tally: Tally, searcher: PointSearcher) -> None:
        self._plan, self._folder, self._tally, self._searcher = plan, folder, tally, searcher
        self._found: Verification | None = None
        self._waiting: list[int] = []
        self._running: dict[int, _Running] = {}
        self._deaths: Counter[int] = Counter()
        self._spent_s = self._budget_s = self._first_step_s = 0.0

    @property
    def begun(self) -> bool:
        """Whether the points to check were chosen."""
        return self._found is not None

    def begin(self) -> bool:
        """Choose the points, when all rows are committed; return whether there is any to check."""
        rows = read_points(self._folder)
        self._found = verification(self._folder, rows, self._plan.verify, self._plan.seed)
        self._entries = dict(self._found.entries)
        self._budget_s = SHARE * sum(self._tally.spent_s.values())
        self._waiting = self._found.waiting
        self._first = self._waiting[0] if self._waiting else -1
        self._needs_first = self._first in self._found.best[:1]
        self._stored = (
            stored(self._folder, rows, self._waiting, self._plan.space.names) if self._waiting else {}
        )
        self._show()
        return bool(self._waiting)

    def go_on(self) -> bool:
        """Hand out the next checks that there is time for; return whether any is still to be waited for."""
        if self._needs_first and not self._first_is_done():
            if self._first in self._waiting:
                self._hand_out()
            return True
        left_s = self._budget_s - self._spent_s
        if left_s <= 0:
            self._searcher.forget_checks()
            return False
        left_s -= sum(one.rest_s for one in self._running.values())
        # Another worker first has to start. It is worth that if it can then train for much longer.
        most = min(self._tally.workers, 1 + int(self._budget_s / (4 * START_S)))
        # The first step of a check builds and traces the model, and is not interrupted.
        if self._waiting and left_s > self._first_step_s and len(self._running) < most:
            self._spent_s += START_S if self._running else 0.0
            self._hand_out()
        return bool(self._running)

    def take(self, trial: Trial, report: Report) -> None:
        """Keep what a worker reports.

        Raises:
            FolderError: the results cannot be written.
        """
        [idx] = trial.config["points"].tolist()
        check, seconds = report.check, report.timing.get(VERIFY, 0.0)
        self._spent_s += seconds
        self._first_step_s = self._first_step_s or seconds
        if check is None:
            return
        if (running := self._running.get(idx)) is not None:
            running.add(check.epochs, seconds)
        self._entries[idx] = entry_of(check, self._stored[idx][1])
        if report.done:
            self._running.pop(idx, None)
            self.keep(STOPPED)  # in case that this process is killed
        self._show()

    def lose(self, trial: Trial) -> None:
        """Hand out again the point of a worker that died."""
        [idx] = trial.config["points"].tolist()
        self._running.pop(idx, None)
        self._spent_s += START_S  # of the worker that comes next
        self._deaths[idx] += 1
        if self._deaths[idx] < TRIES:
            self._waiting.insert(0, idx)
            return
        training, mark = self._stored[idx]
        note = f"its worker died {TRIES} times; see sweep.log"
        self._entries[idx] = Entry(mark, 0, training.epochs, False, note=note)

    def keep(self, why: str = "") -> None:
        """Write the results into the folder.

        Args:
            why: why not all points were checked; if empty, the time was used.

        Raises:
            FolderError: they cannot be written.
        """
        if self._found is None or not self._entries:
            return
        write(self._folder, replace(self._found, entries=self._entries, why=why or USED_UP))

    def _first_is_done(self) -> bool:
        entry = self._entries.get(self._first)
        seen = (
            self._found is not None
            and entry is not None
            and entry is not self._found.entries.get(self._first)
        )
        if not seen or entry is None:
            return False
        return bool(entry.note or entry.differs or entry.whole or entry.epochs >= min(LEAST_EPOCHS, entry.of))

    def _hand_out(self) -> None:
        idx = self._waiting.pop(0)
        training = self._stored[idx][0]
        self._running[idx] = _Running(training.epochs)
        points = np.array([idx], np.int64)
        self._searcher.add_check({"points": points, "engine": VERIFY, "given": {"found": training}})

    def _show(self) -> None:
        assert self._found is not None
        now = replace(self._found, entries=self._entries)
        self._tally.verified = (
            f"{now.agreeing(now.best)} of the {len(now.best)} best points are what Keras trains"
        )
        if now.differing:
            self._tally.verified += f", {len(now.differing)} checked points are not"
