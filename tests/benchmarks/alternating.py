"""What the benchmarks share that compare two things in one process: they run in turn, and core seconds are compared.

A busy machine and a changing clock act on both in the same way, so the ratio of their medians is what counts.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def set_up() -> None:
    """Set up TensorFlow as a worker of one core does. It must not have been imported before."""
    from trainables.fused.internals import xla
    from trainables.trials.trial import set_up_tensorflow

    xla.set_up()
    set_up_tensorflow(1)


def core_s(work: Callable[[], object]) -> float:
    """Return the seconds for which the threads of this process had a core during `work`."""
    started = time.process_time()
    work()
    return time.process_time() - started


def medians(works: Mapping[str, Callable[[], object]], times: int) -> dict[str, float]:
    """Run all `works` once to warm up, then `times` times in turn; return the median of the core seconds of each."""
    for work in works.values():
        work()
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(times):
        for name, work in works.items():
            found[name].append(core_s(work))
    return {name: statistics.median(seconds) for name, seconds in found.items()}
