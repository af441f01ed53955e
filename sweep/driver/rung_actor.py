"""ASHA's rungs as a Ray actor: one actor holds the rungs of the sweep and judges the points of all trials.

Its decisions are stored with the rows, so that a resumed sweep begins with them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import ray

from cluster.connect.nodes import beside_driver
from results.schema import RUNGS, to_arrow
from sweep.driver.rungs import Rungs
from sweep.plan.plan import Plan
from trainables import engine
from trainables.settings import Mode


def start_rungs(plan: Plan, entered: Iterable[pa.Table]) -> RungActor:
    """Start the actor, with a `Rungs` that has recorded the points that earlier runs `entered`."""
    actor = beside_driver(Rungs, plan.asha, plan.epochs, plan.seed)
    for table in entered:
        actor.restore.remote({name: table[name].to_numpy() for name in table.column_names})
    return RungActor(actor)


class RungActor(engine.Rungs):
    """The client of the actor: the engine in a worker asks it.

    Args:
        actor: the actor's handle.
    """

    def __init__(self, actor: Any) -> None:
        self._actor = actor
        self._entered: list[pa.RecordBatch] = []

    def enter(
        self, epoch: int, idx: np.ndarray, best: np.ndarray, together: bool, mode: Mode = "min"
    ) -> np.ndarray:
        """See `trainables.engine.Rungs.enter`; waits for the actor."""
        passed = ray.get(self._actor.enter.remote(epoch, idx, best, together=together, mode=mode))
        columns = [np.full(len(idx), epoch, np.int32), idx, best, passed]
        self._entered.append(pa.record_batch(list(map(pa.array, columns)), schema=to_arrow(RUNGS)))
        return passed

    def entered(self) -> pa.RecordBatch | None:
        """See `trainables.engine.Rungs.entered`."""
        if not self._entered:
            return None
        table = pa.Table.from_batches(self._entered).combine_chunks()
        self._entered = []
        return table.to_batches()[0]
