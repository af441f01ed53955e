"""The Tuner of a sweep: its trainable, search, scheduler and settings."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune import CheckpointConfig, FailureConfig, RunConfig, TuneConfig, Tuner

from sweep.collector import Collector
from sweep.plan import Plan
from sweep.pruning import RungScheduler
from trainables.fused.trial import FusedTrial

_TUNE_ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # five files a trial
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # signals are ours
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",  # snapshots of Tune's state, which are never read back
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # a builder may open files beside where the sweep was started
    "RAY_AIR_NEW_OUTPUT": "0",
}


def tuner(
    plan: Plan,
    collector: Collector,
    scheduler: RungScheduler | None,
    rungs: Any,
    checkpoints: Path,
    scratch: str,
) -> Tuner:
    """Return the Tuner that trains the points of the collector's searcher.

    Args:
        plan: the plan.
        collector: takes the results, and has the searcher.
        scheduler: asks the rungs for single points; None without pruning.
        rungs: handle of the rungs' actor; None without pruning.
        checkpoints: folder for the state of cohorts in training.
        scratch: a folder for what Tune insists on writing; nothing in it is ever read back.
    """
    os.environ.update(_TUNE_ENVIRONMENT)
    # One waiting trial for each worker, so that all of them start, and go on, at once.
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(max(1, collector.workers))
    trainable = tune.with_resources(
        tune.with_parameters(
            FusedTrial,
            space=plan.space,
            builder=plan.found_builder,
            table=plan.table,
            training=replace(plan.training, checkpoints=str(checkpoints)),
            rungs=rungs,
        ),
        {"cpu": plan.resources.cpu, "gpu": plan.resources.gpu},
    )
    return Tuner(
        trainable,
        tune_config=TuneConfig(
            search_alg=collector.searcher,
            scheduler=scheduler,
            num_samples=-1,  # until the collector ends it
            reuse_actors=True,
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
