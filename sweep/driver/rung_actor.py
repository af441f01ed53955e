"""ASHA for a sweep in Ray: one actor holds the rungs, and every trial's points are judged by it.

What is asked and answered is stored with the rows, so the rungs of a resumed sweep remember it.
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


def start_rungs(plan: Plan, entered: Iterable[pa.Table]) -> RungActor:
    """Start the actor; it is a `Rungs` that has seen what an earlier run `entered`."""
    actor = beside_driver(Rungs, plan.asha, plan.epochs, plan.seed)
    for table in entered:
        actor.restore.remote({name: table[name].to_numpy() for name in table.column_names})
    return RungActor(actor)


class RungActor(engine.Rungs):
    """The `Rungs` that an actor holds, as the engine of a worker asks them.

    Args:
        actor: its handle.
    """

    def __init__(self, actor: Any) -> None:
        self._actor = actor
        self._entered: list[pa.RecordBatch] = []

    def enter(self, epoch: int, idx: np.ndarray, lowest: np.ndarray, together: bool) -> np.ndarray:
        """See `trainables.engine.Rungs.enter`; waits for the actor."""
        passed = ray.get(self._actor.enter.remote(epoch, idx, lowest, together=together))
        columns = [np.full(len(idx), epoch, np.int32), idx, lowest, passed]
        self._entered.append(pa.record_batch(list(map(pa.array, columns)), schema=to_arrow(RUNGS)))
        return passed

    def entered(self) -> pa.RecordBatch | None:
        """See `trainables.engine.Rungs.entered`."""
        if not self._entered:
            return None
        table = pa.Table.from_batches(self._entered).combine_chunks()
        self._entered = []
        return table.to_batches()[0]
