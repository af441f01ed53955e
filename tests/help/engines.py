"""Trains points by the engines in this process, and hands them on from engine to engine as a sweep does."""

import numpy as np

from tests.help.cohorts import by_point
from trainables.fused.engine import ProgramEngine
from trainables.single.engine import KerasEngine


def train(work, points):
    """Return row, curve and weights of each point by its idx, and the reasons of those that left the fused engine.

    Args:
        work: what the engines are run with.
        points: the points' numbers in the grid.
    """
    found, reasons, known = {}, {}, None
    fused, keras = ProgramEngine(work), KerasEngine(work)
    waiting = [(fused, np.asarray(points))]
    while waiting:
        engine, part = waiting.pop()
        engine.begin(part, known)
        done = False
        while not done:
            report = engine.step()
            assert not report.broken, report.broken
            done, known = report.done, known or report.known
            if report.rows is not None:
                found |= by_point(report.rows)
            waiting += [(fused, np.asarray(group)) for group in report.parts]
            if report.refused is not None:
                left = [idx for idx in report.refused.tolist() if idx not in found]
                reasons |= dict.fromkeys(left, report.why)
                waiting += [(keras, np.array([idx])) for idx in left]
    return found, reasons
