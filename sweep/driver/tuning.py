"""The configuration of Ray Tune for a sweep: `tuner` makes the Tuner with its trainable, searcher and settings."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune import CheckpointConfig, FailureConfig, PlacementGroupFactory, RunConfig, TuneConfig, Tuner

from cluster.connect.nodes import beside_driver
from cluster.connect.ray_internals import CHDIR_VARIABLE, OUTPUT_VARIABLE
from sweep.driver.collector import Collector
from sweep.driver.scheduler import WaitingFirst
from sweep.plan.plan import Plan
from sweep.plan.resources import Resources
from trainables.builder.find import Builder
from trainables.engine import Checkpoints, Rungs, Work
from trainables.trials.checkpoints import ActorCheckpoints, LocalCheckpoints
from trainables.trials.trial import Trial

_TUNE_ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # five files a trial
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # signals are ours
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",  # snapshots of Tune's state, which are never read back
    CHDIR_VARIABLE: "0",  # a builder may open files by paths relative to the working directory
    OUTPUT_VARIABLE: "0",
}

WAITING = 16
"""The least number of trials that may wait for resources on a cluster."""


@dataclass(frozen=True)
class OnCluster:
    """Settings that only a sweep on a cluster has.

    Attributes:
        builder: the builder with its path on the workers.
        most_trials: trials that may run at once; None for as many as the cluster can hold.
        guard: each worker calls it before it begins; it raises an error if the worker must not train.
    """

    builder: Builder
    most_trials: int | None
    guard: Callable[[], None]


def placement(resources: Resources) -> PlacementGroupFactory:
    """Return the resources that one trial asks Ray for."""
    bundle = {name: float(amount) for name, amount in resources.amounts.items()}
    selector: Any = {"bundle_label_selector": [dict(resources.labels)]} if resources.labels else {}
    return PlacementGroupFactory([bundle], **selector)


def tuner(
    plan: Plan,
    collector: Collector,
    rungs: Rungs | None,
    on_cluster: OnCluster | None,
    checkpoints: Path,
    scratch: str,
    trainable: type[Trial] | None = None,
) -> Tuner:
    """Return the Tuner that trains the points of the collector's searcher.

    Args:
        plan: the plan.
        collector: takes the results, and has the searcher.
        rungs: ASHA's rungs; None without pruning.
        on_cluster: the settings of a sweep on a cluster; None for one on this machine.
        checkpoints: the folder for the state of cohorts in training.
        scratch: a temporary folder for the files that Tune must write; nothing reads them.
        trainable: the class of the trials, if not `Trial`.
    """
    os.environ.update(_TUNE_ENVIRONMENT)
    # Each worker has one waiting trial, so that no worker is idle. A cluster with an autoscaler grows for waiting trials.
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(max(WAITING if on_cluster else 1, collector.workers))
    kept: Checkpoints = LocalCheckpoints(str(checkpoints))
    if on_cluster:
        kept = ActorCheckpoints(beside_driver(LocalCheckpoints, str(checkpoints)))
    work = Work(
        space=plan.space,
        builder=on_cluster.builder if on_cluster else plan.found_builder,
        table=plan.table,
        training=plan.training,
        rungs=rungs,
        checkpoints=kept,
    )
    given = tune.with_parameters(
        trainable or Trial, work=work, guard=on_cluster.guard if on_cluster else None
    )
    return Tuner(
        tune.with_resources(given, placement(plan.resources)),
        tune_config=TuneConfig(
            search_alg=collector.searcher,
            scheduler=WaitingFirst(collector.searcher),
            num_samples=-1,  # no limit: the collector ends the sweep
            reuse_actors=True,
            max_concurrent_trials=on_cluster.most_trials if on_cluster else None,
        ),
        run_config=RunConfig(
            name="sweep",
            storage_path=scratch,
            callbacks=[collector],
            failure_config=FailureConfig(max_failures=0),
            checkpoint_config=CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
            verbose=0,
        ),
    )
