"""ASHA's rungs as a Ray actor: one actor holds the rungs of the sweep and judges the points of all trials.

Its decisions are stored with the rows, so that a resumed sweep begins with them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import ray
from ray.exceptions import RayError

from cluster.connect.nodes import beside_driver
from sweep.driver.rungs import RecordedRungs, Rungs
from sweep.plan.plan import Plan
from trainables.engine import RungsLostError
from trainables.error_text import cause_of
from trainables.settings import Mode


def start_rungs(plan: Plan, entered: Iterable[pa.Table]) -> RungActor:
    """Start the actor, with a `Rungs` that has recorded the points that earlier runs `entered`."""
    actor = beside_driver(Rungs, plan.asha, plan.epochs, plan.seed)
    tables = ({name: table[name].to_numpy() for name in table.column_names} for table in entered)
    # Ray keeps the order of calls of one process only, and the workers are others.
    ray.get([actor.restore.remote(columns) for columns in tables])
    return RungActor(actor)


class RungActor(RecordedRungs):
    """The client of the actor: the engine in a worker asks it.

    Args:
        actor: the actor's handle.
    """

    def __init__(self, actor: Any) -> None:
        super().__init__()
        self._actor = actor

    def judge(self, epoch: int, idx: np.ndarray, best: np.ndarray, together: bool, mode: Mode) -> np.ndarray:
        """See `RecordedRungs.judge`; waits for the actor.

        Raises:
            RungsLostError: the actor has ended, or does not answer.
        """
        try:
            passed: np.ndarray = ray.get(
                self._actor.enter.remote(epoch, idx, best, together=together, mode=mode)
            )
        except RayError as error:
            raise RungsLostError(
                f"ASHA's rungs are lost, so no point can be judged ({cause_of(error)}). What was finished is kept, and a "
                "run that is resumed has its rungs from there."
            ) from error
        return passed
