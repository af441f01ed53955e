"""Trains the open points of a run with Ray Tune, on this machine or on a cluster, and commits their rows."""

from __future__ import annotations

import contextlib
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cluster.connect import local
from cluster.connect.attached import attached
from cluster.connect.nodes import TIMEOUT_S, Agreement, room
from cluster.errors import ClusterError
from results.errors import ResultsError
from results.folder.run_folder import RunFolder
from results.store.store import Store
from sweep.driver.travel import moved_builder, user_folder
from sweep.errors import SweepError
from sweep.plan.form import PlanError
from sweep.plan.order import Selection
from sweep.plan.plan import Plan
from sweep.plan.resources import Resources
from sweep.process.signals import Stopper, StopRequested
from sweep.process.tally import Tally
from sweep.process.view import View
from trainables.error_text import cause_of
from trainables.errors import TrainablesError

if TYPE_CHECKING:
    from sweep.driver.searcher import PointSearcher
    from trainables.trials.trial import Trial


@dataclass(frozen=True)
class Task:
    """What a run trains, and where.

    Attributes:
        plan: the plan.
        folder: the run's folder.
        store: the rows in it.
        selection: the points that were asked for.
        cpus: cores to use; 0 for all of a cluster.
        address: `HOST:PORT` of a cluster's head; None for a Ray on this machine.
        trainable: the class of the trials, if not `Trial`.
        verify: whether to train some finished points again by plain Keras.
    """

    plan: Plan
    folder: RunFolder
    store: Store
    selection: Selection
    cpus: int
    address: str | None
    trainable: type[Trial] | None
    verify: bool = True

    def open_by_repeat(self) -> list[np.ndarray]:
        """Return the points without a row, those of each repeat by themselves: all points of a trial have one seed."""
        chosen = self.selection.to_array()
        chosen = chosen[~self.store.has(chosen)]
        repeat = self.plan.space.repeat(chosen)
        return [chosen[repeat == one] for one in np.unique(repeat)]


def train(task: Task, tally: Tally, view: View, stopper: Stopper, lost: Callable[[str], None]) -> str | None:
    """Train the open points with Tune; return the error that stopped it, or None if it ended or a person stopped it.

    Args:
        task: what to train, and where.
        tally: the numbers of the sweep.
        view: shows the tally.
        stopper: handles the signals.
        lost: called if Ray on this machine loses a process that it needs; see `cluster.connect.losses`.

    Raises:
        ClusterError: the cluster cannot be used, or this version of Ray lacks what the sweep needs.
        PlanError: this machine lacks what each point asks for, or the models contradict the plan, which is known once one
            is built.
        FolderError: the folder cannot be read.
    """
    plan, address = task.plan, task.address
    view.begin(f"attaching to {address}" if address else "starting Ray")
    if address:
        connection = attached(address, user_folder(plan))
    else:
        connection = local.started(task.cpus, lost, _preloaded(task, tally.workers))
    try:
        with connection as found, tempfile.TemporaryDirectory(prefix="sweep-tune-") as scratch:
            stopper.install()  # Ray has put a handler of its own in place
            from sweep.driver import tuning
            from sweep.driver.collector import JOIN_TIMEOUT_S, START_TIMEOUT_S, Collector
            from sweep.driver.rung_actor import start_rungs
            from sweep.driver.verifier import Verifier

            on_cluster, waiting, check_nodes = None, "", None
            if address:
                agreement = Agreement()
                agreement.check(TIMEOUT_S)
                most = task.cpus // plan.resources.cpu or None
                on_cluster = tuning.OnCluster(moved_builder(plan), most, agreement.guard())
                at_once = room(plan.resources.amounts, plan.resources.labels)
                waiting = "" if at_once else f"waiting for a node that has {plan.resources.amounts}"
                tally.workers = min(most or tally.asked, max(1, at_once))

                def check_nodes() -> None:
                    """Look at the nodes again: one may have joined, whose workers then wait for points, or left."""
                    agreement.check()
                    now = room(plan.resources.amounts, plan.resources.labels)
                    tally.workers = min(most or tally.asked, max(1, now))

            else:
                tally.workers = min(tally.workers, _workers_here(plan, found))
            view.begin(waiting or "training")
            searcher = _searcher(task, tally.workers)
            rungs = start_rungs(plan, task.store.entered()) if plan.training.milestones else None
            verifies = task.verify and plan.verify and plan.engine != "keras"
            verifier = Verifier(plan, task.folder, tally, searcher) if verifies else None
            collector = Collector(
                plan, task.store, searcher, tally, view.update, stopper.is_set,
                JOIN_TIMEOUT_S if address else START_TIMEOUT_S, check_nodes, verifier, lambda: view.begin("verifying"),
            )  # fmt: skip
            checkpoints = task.folder.checkpoints
            tuner = tuning.tuner(plan, collector, rungs, on_cluster, checkpoints, scratch, task.trainable)
            with stopper.deferred():
                try:
                    tuner.fit()
                except Exception:
                    with contextlib.suppress(StopRequested):
                        collector.commit()
                    raise
                collector.commit()
    except StopRequested as stop:
        if isinstance(stop.error, PlanError):
            raise stop.error from None
        return str(stop.error) if stop.error else None
    except (SweepError, TrainablesError, ResultsError, ClusterError):  # the user can mend these
        raise
    except Exception as error:
        # The disk of the log may be full.
        with contextlib.suppress(OSError), task.folder.log.open("a", encoding="utf-8") as log:
            traceback.print_exc(file=log)
        cause = cause_of(error).rstrip(".")
        return f"An error ended the training: {cause}. sweep.log in the folder tells more."
    return None


def _preloaded(task: Task, workers: int) -> str:
    """Return the module that Ray's workers on this machine import while there is no trial yet; empty for none.

    Ray starts a worker for each core. If fewer trials run at once, some workers would import it without using it. A worker
    with a GPU learns which one it may use before it imports TensorFlow.
    """
    is_full = workers == task.cpus and not task.plan.resources.gpu
    return "trainables.trials.preload" if is_full and task.trainable is None else ""


def _searcher(task: Task, workers: int) -> PointSearcher:
    """Return a searcher with the open points: one by one for Keras, else a group for each repeat."""
    from sweep.driver.cutting import most_points
    from sweep.driver.searcher import PointSearcher

    if task.plan.engine == "keras":
        return PointSearcher(idx for idx in task.selection if idx not in task.store)
    groups = task.open_by_repeat()
    searcher = PointSearcher(waiting=max(0, workers - len(groups)))
    for points in groups:
        share = len(points) / sum(map(len, groups))
        most = most_points(len(points), share, workers)
        searcher.add_group(points, repeat=task.plan.repeat_of(points), share=share, most=most)
    return searcher


def _workers_here(plan: Plan, resources: Mapping[str, float]) -> int:
    """Return how many trials this machine can hold at once, by all that they ask for.

    Args:
        plan: the plan.
        resources: what Ray on this machine has, by name.

    Raises:
        PlanError: it cannot hold one.
    """
    asked = plan.resources
    if asked.gpu > (gpus := resources.get("GPU", 0.0)):
        raise PlanError(
            f"resources.gpu={asked.gpu:g} is more than the {gpus:g} GPUs of this machine, so no point "
            "could start. Lower it; 0 trains on the CPU."
        )
    if lacking := list(_lacking(asked, resources)):
        raise PlanError(
            f"No point could start, since this machine has no {' and no '.join(lacking)}. Remove it from the plan's "
            "resources, or name the head of a cluster that has it: --address"
        )
    return room(asked.amounts, asked.labels)


def _lacking(asked: Resources, resources: Mapping[str, float]) -> Iterator[str]:
    """Yield what a trial asks for by name and this machine lacks."""
    for name, amount in asked.custom.items():
        if amount > resources.get(name, 0.0):
            yield f"{name}: {amount:g} (resources.custom)"
    for name, value in asked.labels.items():
        if not room({"CPU": asked.cpu}, {name: value}):
            yield f"label {name}: {value} (resources.labels)"
