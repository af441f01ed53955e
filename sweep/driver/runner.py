"""Runs a plan: `run` trains the points without a row on Ray Tune, and resumes if the folder holds a run already."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cluster.connect import local, reach
from results import directions
from results.analysis.leaderboard import leaderboard
from results.folder.errors import FolderError
from results.folder.path import AnyPath, any_path
from results.folder.run_folder import RunFolder
from results.schema import FINISHED_WELL, NOT_WELL
from results.store.read import read_points
from results.store.store import Store
from results.verified import Verification, verification
from sweep.driver.claim import check_free, claim
from sweep.driver.estimate import guessed_point_s
from sweep.driver.lost import end_without_ray
from sweep.driver.train import Task, train
from sweep.models import preparation
from sweep.plan.fingerprint import fingerprint
from sweep.plan.form import PlanError
from sweep.plan.order import Selection
from sweep.plan.plan import Plan
from sweep.process.exits import EXIT_DONE, EXIT_SOME_FAILED, EXIT_STOPPED, RESUME
from sweep.process.provenance import machine, versions
from sweep.process.signals import Stopper
from sweep.process.tally import Tally, best_of, read_progress
from sweep.process.view import View, noise_to

if TYPE_CHECKING:
    from trainables.trials.trial import Trial


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        folder: the run's folder.
        tally: the last numbers.
        notes: one sentence for each damage that was found and mended.
        error: what stopped the run, or None.
        verification: which points are known to be what Keras trains; None if the folder cannot be read.
        told: the notes of the tally that were shown while it ran.
    """

    folder: AnyPath
    tally: Tally
    notes: Sequence[str]
    error: str | None
    verification: Verification | None = None
    told: Sequence[str] = ()

    @property
    def exit_code(self) -> int:
        """0: all points have a row and none failed. 1: all have one, some failed. 3: the run stopped before the end.

        It is also 1 if a point was verified and is not what Keras trains.
        """
        if self.tally.open or self.error:
            return EXIT_STOPPED
        differs = self.verification is not None and self.verification.differing
        return EXIT_SOME_FAILED if self.tally.not_well or differs else EXIT_DONE


def run(
    plan: Plan | str | Path,
    out: str | AnyPath,
    *,
    points: int | None = None,
    idx: Iterable[int] | None = None,
    cpus: int | None = None,
    address: str | None = None,
    insecure: bool = False,
    stored_plan: str | None = None,
    resume: str | None = None,
    show: bool = True,
    verify: bool = True,
    trainable: type[Trial] | None = None,
    in_process: bool = False,
    retry_failed: bool = False,
    ends_process: bool = False,
) -> Outcome:
    """Train the points of `plan` that have no row in the folder `out` yet, and return how the run ended.

    Ctrl-C, SIGTERM or SIGHUP stops the run after it has committed all finished points. A second Ctrl-C or SIGTERM stops it
    at once, by a KeyboardInterrupt; committed rows stay. What Ray and TensorFlow print goes to `sweep.log` in the folder.

    If one of Ray's own processes on this machine is killed, this process prints what happened and ends at once, with exit
    code 3: Ray would end it without a message.

    Args:
        plan: a `Plan`, or the path of a plan file.
        out: the run's folder, a path or a URI. A new folder is made; an existing run is resumed.
        points: how many points, from the start of the plan's shuffled order; all if None. With `repeats` in the plan, so
            many configurations, each with all its repeats.
        idx: only these points; all if None.
        cpus: cores to use; if None, all that this process may use, or all that the cluster has.
        address: `HOST:PORT` of a running Ray cluster's head, or "auto" for the cluster that this machine is a node of. None
            starts Ray on this machine for the length of the run. If a cluster's head dies, Ray ends this process, too;
            the command `sweep run` therefore runs it under a supervisor.
        insecure: whether to use a cluster that others can reach without a token.
        stored_plan: the text for the folder's plan.yaml, if the plan's paths are different where it was submitted.
        resume: the command that resumes the run, for the message if Ray's process is killed.
        show: whether to show the progress on the standard output.
        verify: whether to train some finished points again by plain Keras; the plan's `verify` says how many.
        trainable: the class of the trials, if not `trainables.trials.trial.Trial`.
        in_process: train in this process, without Ray: this starts sooner, trains on one core, and verifies no point.
        retry_failed: delete the rows of points that failed or ran out of time, as far as they are chosen, and train these
            points again.
        ends_process: whether a second signal ends this process, with exit code 3, as it does of the command.

    Raises:
        PlanError: the plan, the table or the selection cannot be run, or the folder holds another plan's run.
        FolderError: the folder cannot be written, or holds files of something else that the run would overwrite.
        HeldError: another run holds the folder.
        ClusterError: the cluster cannot be used.
        KeyboardInterrupt: a second signal came before the run had stopped; not with `ends_process`.
    """
    plan = plan if isinstance(plan, Plan) else Plan.load(plan)
    if address is not None:
        address = reach.head_address(address)
        reach.check_head(address, insecure)
    given_cpus, cpus = cpus, checked_cpus(plan, cpus, address)
    try:
        selection = Selection.of(plan.space, plan.seed, points, idx)
    except ValueError as error:
        raise PlanError(str(error)) from None
    marks = fingerprint(plan)
    try:
        if not str(out):
            raise ValueError("got an empty text, but needs a folder, such as runs/NAME.")
        folder = RunFolder(any_path(out).expanduser().resolve())
    except (ValueError, RuntimeError) as error:
        raise PlanError(f"--out: {error}") from None
    written = stored_plan or plan.to_yaml()
    check_free(folder, written)
    if address is None and not in_process and not folder.exists:
        local.check_writable()  # before the folder is made
    folder.create()
    with folder.held():
        notes = claim(folder, written, marks, plan.repeats)
        preparation.keep(folder, plan.table)
        again = _not_well(folder, selection) if retry_failed else ()
        store = Store(folder, plan.space, plan.keep_weights, again)
        tally = _tally(folder, plan, selection)
        tally.note(plan.notes)
        tally.selection = _as_options(points, selection, idx is not None)
        tally.options = _how(address, insecure, given_cpus, verify or in_process)
        tally.versions, tally.machine = versions(), machine()
        if plan.engine == "auto" and tally.open:
            tally.guess_s = guessed_point_s(plan)
        tally.workers = min(cpus // plan.resources.cpu, max(1, tally.open)) if cpus else 0
        reason: str | None = None
        with (
            Stopper(ends_process) as stopper,
            noise_to(folder.log) as terminal,
            View(tally, folder, terminal if show else None, stopper) as view,
        ):
            if tally.open:
                lost = functools.partial(end_without_ray, view, stopper, resume)
                task = Task(plan, folder, store, selection, cpus, address, trainable, verify)
                if in_process:
                    from sweep.driver.here import train_here

                    reason = train_here(task, tally, view, stopper)
                else:
                    reason = train(task, tally, view, stopper, lost)
            if reason:  # the points that were pending have no row after all
                try:
                    tally.counts = _tally(folder, plan, selection).counts
                except FolderError:  # the store is unreachable; it knows what is not stored
                    for status, count in store.unstored.items():
                        tally.counts[status] -= count
            if not tally.open:
                shutil.rmtree(folder.checkpoints, ignore_errors=True)
            view.begin("stopped" if tally.open else "finished")
        notes += store.notes
        return Outcome(folder.path, tally, tuple(notes), reason, _verified(folder, plan), tuple(view.told))


def checked_cpus(plan: Plan, cpus: int | None, address: str | None = None) -> int:
    """Return the cores to use: `cpus`, or all that this process may use. On a cluster, 0 means all that it has.

    Raises:
        PlanError: `cpus` is below 1, or the cores are too few for one point of `plan`.
    """
    available = local.available_cpus()
    if cpus is not None and cpus < 1:
        raise PlanError(f"--cpus got {cpus}, but needs at least 1.")
    if address is not None and cpus is None:
        return 0
    cpus = cpus or available
    if plan.resources.cpu > cpus:
        raise PlanError(
            f"resources.cpu={plan.resources.cpu} is more than the {cpus} cores of this run, so no point could "
            "start. Lower it, or raise --cpus."
        )
    return cpus


def _tally(folder: RunFolder, plan: Plan, selection: Selection) -> Tally:
    """Return a tally of the selected points that have a row."""
    tally = Tally(asked=len(selection))
    rows = read_points(folder)
    chosen = selection.has(rows["idx"].to_numpy())
    tally.outside = int((~chosen).sum())
    rows = rows[chosen]
    tally.counts = {str(status): int(count) for status, count in rows["status"].value_counts().items()}
    tally.before = len(rows)
    tally.incomparable = read_progress(folder).get("incomparable", "")
    tally.directions = directions.read(folder, plan.to_dict())
    by, mode = tally.directions.by, tally.directions.mode
    if (
        tally.directions.of(by)
        and by in rows
        and len(best := leaderboard(rows[rows["status"].isin(FINISHED_WELL)], 1, by, mode))
    ):
        row = {str(name): value for name, value in best.iloc[0].items() if pd.notna(value)}
        tally.best = best_of(row, by, plan.space.shown(int(row["idx"])))
    return tally


def _not_well(folder: RunFolder, selection: Selection) -> np.ndarray:
    """Return the idx of the chosen points that failed or ran out of time."""
    rows = read_points(folder)
    idx = rows["idx"].to_numpy()[rows["status"].isin(NOT_WELL)]
    return idx[selection.has(idx)]


def _verified(folder: RunFolder, plan: Plan) -> Verification | None:
    """Return what is known of the run's points; None if the store is unreachable, which has most likely stopped the run."""
    try:
        return verification(folder, read_points(folder), plan.verify, plan.seed)
    except FolderError:
        return None


def _as_options(points: int | None, selection: Selection, chosen: bool) -> str:
    """Return the options of the command that choose the points, for the command that resumes."""
    if chosen:
        return f"--idx {','.join(map(str, selection))}"
    return f"--points {points}" if points else ""


def _how(address: str | None, insecure: bool, cpus: int | None, verify: bool) -> str:
    """Return the options of the command that say where and how points are trained, for the command that resumes."""
    # A job's cluster, and what it was told of it, end with the job.
    is_job = RESUME in os.environ
    given = {
        f"--address {address}": address and not is_job,
        "--insecure": insecure and not is_job,
        f"--cpus {cpus}": cpus,
        "--no-verify": not verify,
    }
    return " ".join(option for option, is_given in given.items() if is_given)
