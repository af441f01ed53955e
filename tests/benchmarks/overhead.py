"""Benchmark of the overhead of Tune and the store: trials per second and driver memory, for trials that do nothing.

Each trial is one point, as with `--engine keras`; `tests.benchmarks.driver` measures cohorts.
"""

import gc
import os
import subprocess
import sys
import tempfile
import time

import psutil


def child(trials: int) -> None:
    """Sweep `trials` points without real training through the real runner and the real store."""
    from dataclasses import replace

    from sweep import Plan, run
    from sweep.driver import collector
    from tests.help.numpy_trial import NumpyTrial
    from trainables.settings import Fit

    marks = []

    def note() -> None:
        gc.collect()
        marks.append((time.perf_counter(), psutil.Process().memory_info().rss))

    class Noting(collector.Collector):
        _done = 0

        def _finish(self, rows):
            super()._finish(rows)
            Noting._done += 1
            if Noting._done in (100, trials):  # the first hundred include imports and start-up
                note()

    collector.Collector = Noting
    plan = replace(Plan.load(), engine="keras", scheduler="none", fit=Fit(epochs=20))
    with tempfile.TemporaryDirectory() as out:
        outcome = run(plan, out, points=trials, show=False, trainable=NumpyTrial)
        files = sum(len(list((outcome.folder / part).iterdir())) for part in ("points", "curves", "weights"))
    assert outcome.exit_code == 0 and outcome.tally.done == trials
    (began, before), (ended, after) = marks
    rate = (trials - 100) / (ended - began)
    growth_kb = (after - before) / 1000 / (trials - 100)
    print(
        f"{trials:5d} trials: {rate:6.1f} trials/s, driver {before / 2**20:.0f} -> {after / 2**20:.0f} MiB, "
        f"{growth_kb:.1f} kB a point, {files} Parquet files",
        flush=True,
    )


def main() -> None:
    for trials in (500, 5000):
        subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.overhead", str(trials)], check=True, env=os.environ
        )


if __name__ == "__main__":
    child(int(sys.argv[1]))
