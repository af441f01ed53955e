"""What an engine or a trial is run with in this process, and rungs without an actor."""

import numpy as np
import pyarrow as pa

from results.schema import RUNGS, to_arrow
from sweep.driver.rungs import Rungs
from trainables import engine


class RungsHere(engine.Rungs):
    """ASHA's rungs in this process.

    Args:
        rungs: of the sweep.
    """

    def __init__(self, rungs: Rungs) -> None:
        self.rungs, self.told = rungs, []

    def enter(self, epoch, idx, best, together, mode="min"):
        passed = self.rungs.enter(epoch, idx, best, together, mode)
        columns = [np.full(len(idx), epoch, np.int32), idx, best, passed]
        self.told.append(pa.record_batch(list(map(pa.array, columns)), schema=to_arrow(RUNGS)))
        return passed

    def entered(self):
        if not self.told:
            return None
        [batch] = pa.Table.from_batches(self.told).combine_chunks().to_batches()
        self.told = []
        return batch


class LostRungs(engine.Rungs):
    """Rungs that do not answer."""

    def enter(self, epoch, idx, best, together, mode="min"):
        raise engine.RungsLostError("nobody can judge it")

    def entered(self):
        return None


def reports_of(made, points, most=100):
    """Give an engine points, let it train to the end, and return its reports."""
    made.begin(np.array(points))
    return reports_to_the_end(made, most)


def reports_to_the_end(made, most=100):
    found = []
    while len(found) < most:
        found.append(made.step())
        if found[-1].done:
            return found
    raise AssertionError("the engine does not end")
