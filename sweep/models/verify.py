"""Verifies a run in this process, without Ray: plain Keras trains finished points again, and both trainings are compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from results.fingerprint import read_fingerprint
from results.folder.run_folder import RunFolder
from results.run import Run
from results.verified import Entry
from sweep.errors import InputError
from sweep.models.rebuild import check_builder
from sweep.models.stored import entry_of, stored
from sweep.models.table import table_of
from sweep.plan.fingerprint import changes, fingerprint
from sweep.plan.plan import Plan


def loaded(run: Run, trust: bool) -> Plan:
    """Return the plan of a run, after a check that builder and table are those of the sweep.

    Args:
        run: the run.
        trust: whether to run the builder even if it is not installed or differs from what the sweep ran.

    Raises:
        UntrustedError: the builder may not run without the user's consent.
        InputError: the builder or the table is not what the sweep had.
        FolderError: nothing tells what it had.
    """
    if not trust:
        check_builder(run.folder)
    plan = Plan.load(run.folder.plan)
    before = read_fingerprint(run.folder)
    table_of(run.folder, plan)
    if found := changes(before, fingerprint(plan)):
        listed = "\n".join(f"  {change}" for change in found)
        raise InputError(
            f"{run.folder.path} cannot be verified, because its plan gives other numbers now:\n{listed}\n"
            "Put the builder and the table back as they were."
        )
    return plan


def verified(run: Run, plan: Plan, idx: Sequence[int]) -> Iterator[tuple[int, Entry, bool]]:
    """Train each point again by Keras, without a limit of time, and compare it with its row and curve.

    Args:
        run: the run.
        plan: its plan, from `loaded`.
        idx: the points, in this order.

    Yields:
        After each step of about a second: the point, how it compares so far, and whether it is done.
    """
    from trainables.engine import Work
    from trainables.fused.internals import xla
    from trainables.single.verify import VerifyEngine
    from trainables.trials.trial import set_up_tensorflow

    xla.set_up()
    set_up_tensorflow(plan.resources.cpu)
    found = stored(RunFolder(run.folder.path), run.points, idx, plan.space.names)
    work = Work(plan.space, plan.found_builder, plan.table, plan.training)
    engine = VerifyEngine(work)
    for point in idx:
        training, mark = found[point]
        of_point = work.of_seed(int(plan.seeds(np.array([point]))[0]))
        if of_point is not work:
            work, engine = of_point, VerifyEngine(of_point)
        engine.begin(np.array([point], np.int64), training)
        done = False
        while not done:
            report = engine.step()
            done = report.done
            assert report.check is not None  # this engine's reports have one
            yield point, entry_of(report.check, mark), done
