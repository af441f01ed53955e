"""Benchmark of the driver: its core seconds and memory per point, for artificial points in cohorts of 1,000.

Each point has 200 epochs and weights of 400 numbers. The workers make up the training by NumPy; Ray, Tune, the collector
and the store are the real ones. The core seconds are those of the driver's whole process from the first report to the last
commit, so they include the work of Ray and Tune in it.
"""

import gc
import os
import subprocess
import sys
import tempfile
import time

import psutil

POINTS = 100_000


def child(points: int) -> None:
    """Sweep `points` points with artificial training, and print what the driver has spent."""
    from dataclasses import replace

    from results.store import store
    from sweep import Plan, Space, run
    from sweep.driver import collector
    from tests.help.numpy_trial import NumpyTrial
    from trainables.settings import Fit

    spent = {"reports": 0.0, "commits": 0.0}
    marks = []

    def timed(kind, function):
        def call(*arguments, **named):
            if not marks:
                gc.collect()
                marks.append((time.process_time(), psutil.Process().memory_info().rss))
            began = time.thread_time()
            try:
                return function(*arguments, **named)
            finally:
                spent[kind] += time.thread_time() - began

        return call

    collector.Collector.on_trial_result = timed("reports", collector.Collector.on_trial_result)
    store.Store.commit = timed("commits", store.Store.commit)
    plan = Plan.load()
    axes = {**plan.space.to_dict(), "learning_rate": [1e-3 / (1 + i) for i in range(-(-points // 8640))]}
    plan = replace(plan, space=Space(axes), scheduler="none", fit=Fit(epochs=200))
    with tempfile.TemporaryDirectory() as out:
        outcome = run(plan, out, points=points, show=False, trainable=NumpyTrial)
        ended = time.process_time()
        gc.collect()
        grown = psutil.Process().memory_info().rss - marks[0][1]
        size = sum(file.stat().st_size for file in outcome.folder.rglob("*.parquet"))
    assert outcome.exit_code == 0 and outcome.tally.done == points, outcome
    a_point_ms = {kind: seconds / points * 1e3 for kind, seconds in spent.items()}
    whole_ms = (ended - marks[0][0]) / points * 1e3
    print(
        f"{points:,} points: {whole_ms:.4f} ms of a core a point in the driver's process, of them "
        f"{a_point_ms['reports']:.4f} for reports and {a_point_ms['commits']:.4f} for commits; "
        f"{grown / points:.0f} bytes of memory a point; {size / points / 1000:.2f} kB a point on the disk",
        flush=True,
    )


def main() -> None:
    subprocess.run([sys.executable, "-m", "tests.benchmarks.driver", str(POINTS)], check=True, env=os.environ)


if __name__ == "__main__":
    child(int(sys.argv[1]))
