"""The engines of trials, by the names that the configurations of trials have. This is the one table of them.

Plans and rows name what trains a point, which is something else: "native" and "fused" are two programs, the native kernel's
and XLA's, of the engine `GROUP`; "keras" is the engine `SINGLE`.
"""

from __future__ import annotations

from trainables.engine import Engine, Work

GROUP = "fused"
"""Trains a group of points as one program, or reports how to split them."""

SINGLE = "keras"
"""Trains one point by Keras' own `fit`."""

VERIFY = "verify"
"""Trains a finished point again, and compares it with what is stored."""

WAIT = "wait"
"""Trains nothing, and keeps a worker ready; see `trainables.trials.wait`."""


def engine_of(name: str, work: Work) -> Engine:
    """Return a new engine of this name. Only this imports what that engine needs, such as TensorFlow.

    Raises:
        InternalsError: the engine cannot work with the installed libraries.
    """
    if name == GROUP:
        from trainables.fused.engine import ProgramEngine

        return ProgramEngine(work)
    if name == SINGLE:
        from trainables.single.engine import KerasEngine

        return KerasEngine(work)
    if name == VERIFY:
        from trainables.single.verify import VerifyEngine

        return VerifyEngine(work)
    if name == WAIT:
        from trainables.trials.wait import WaitEngine

        return WaitEngine(work)
    raise ValueError(f"There is no engine {name!r}.")
