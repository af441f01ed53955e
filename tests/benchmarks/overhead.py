"""What Tune and the store cost when a trial does nothing: trials per second and driver memory."""

import gc
import os
import subprocess
import sys
import tempfile
import time

import numpy as np
import psutil


def child(trials: int) -> None:
    """Sweep `trials` points whose training is nothing, through the real runner and the real store."""
    from dataclasses import replace

    from sweep import Plan, run
    from sweep.driver import collector, tuning
    from trainables.trials import keras_trial

    class Nothing(keras_trial.KerasTrial):
        def setup(self, config, **parts):
            self.reset_config(config)

        def step(self):
            row = {f"{name}_{split}": 1.0 for name in ("loss", "MAE") for split in ("tr", "va", "te")}
            row |= {
                "status": "completed",
                "epochs": 20,
                "best_epoch": 20,
                "params": 200,
                "seconds": 0.0,
                "error": None,
            }
            names = ("loss", "MAE", "val_loss", "val_MAE", "learning_rate")
            curve = {name: np.ones(20, "float32") for name in names}
            weights = {"values": bytes(800), "layout": "[]"}
            report = {"idx": self._idx, "row": row, "curve": curve, "weights": weights}
            return {"epoch": 20, "val_loss": 1.0, "done": True, keras_trial.PAYLOAD: report}

    tuning.FusedTrial = Nothing
    marks = []

    def note() -> None:
        gc.collect()
        marks.append((time.perf_counter(), psutil.Process().memory_info().rss))

    class Noting(collector.Collector):
        _done = 0

        def _finish(self, *finished):
            super()._finish(*finished)
            Noting._done += 1
            if Noting._done in (100, trials):  # the first hundred pay for imports and start-up
                note()

    collector.Collector = Noting
    with tempfile.TemporaryDirectory() as out:
        outcome = run(replace(Plan.load(), engine="keras"), out, points=trials, show=False)
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
