"""A small real plan: its builder, which misbehaves when told to, its table, its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

# A builder that misbehaves when told to; real Keras all the same.
BUILDER = """
import os
import signal
import time

import keras


def build(units, rate, behaviour="fine", normalizer=None):
    if behaviour == "raises":
        raise RuntimeError(f"cannot build {units} units")
    if behaviour == "exits":
        raise SystemExit("leaving")
    if behaviour == "uncompiled":
        return keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    if behaviour == "sleeps":
        time.sleep(1000)
    if behaviour == "hangs":  # nothing in Python is reached any more
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
        time.sleep(1000)
    if behaviour == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if behaviour == "dies once":
        mark = os.environ["SWEEP_TEST_MARK"]
        if not os.path.exists(mark):
            open(mark, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
    inputs = keras.Input((4,))
    outputs = keras.layers.Dense(1)(keras.layers.Dense(units, activation="relu")(normalizer(inputs)))
    if behaviour == "nan":
        outputs = keras.layers.Rescaling(float("nan"))(outputs)
    model = keras.Model(inputs, outputs)
    model.compile(loss="mse", metrics=["mae"], optimizer=keras.optimizers.SGD(rate))
    return model
"""


def write_table(path: Path, rows: int = 120) -> pd.DataFrame:
    """Write a table of three numbers, one category of two and a target that depends on them."""
    chance = np.random.default_rng(7)
    table = pd.DataFrame({name: chance.normal(size=rows).round(4) for name in ("a", "b")})
    table["kind"] = chance.choice(["x", "y"], size=rows)
    table["target"] = (2 * table["a"] - table["b"] + (table["kind"] == "x")).round(4)
    table.to_csv(path, index=False)
    return table


def write_folder(folder: Path) -> None:
    """Make the folder, with the builder and its table in it."""
    folder.mkdir(parents=True)
    write_table(folder / "table.csv")
    (folder / "model.py").write_text(BUILDER)


def small_plan(**changes: Any) -> dict[str, Any]:
    """Return the data of a plan of 12 points that train in about a second each."""
    plan: dict[str, Any] = {
        "data": {"path": "table.csv", "target": "target"},
        "builder": "model.py:build",
        "space": {"units": [2, 3, 4], "rate": [0.01, 0.02], "batch_size": [16, 32]},
        "fit": {"epochs": 4},
        "scheduler": "none",
        "timeout_s": 60,
    }
    return {**plan, **changes}


def write_plan(folder: Path, **changes: Any) -> Path:
    path = folder / "plan.yaml"
    path.write_text(yaml.safe_dump(small_plan(**changes)))
    return path


SMALL_SPACE = {
    "hidden": [[8], [512, 512]],  # models of the second kind are too large for a program of many
    "activation": ["relu"],
    "use_batch": [True],
    "dropout_rate": [0, 0.5],
    "kernel_regularizer": [None, "l2"],
}
