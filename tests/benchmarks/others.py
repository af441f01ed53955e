"""Benchmark against what others would write: a program by hand in JAX, and scikit-learn's MLPRegressor over joblib.

`python -m tests.benchmarks others [POINTS]` trains the same networks on the same rows in batches of 32 by Adam, three times
in turn: POINTS (default: 512) of them by the native kernel, fewer by the others. JAX is no dependency of this project:
JAX_PYTHON names a Python that has it. Without one, its line is left out.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks import alternating

HIDDEN, BATCH, EPOCHS, TIMES, BY_SCIKIT = [8, 16, 8], 32, 5, 3, 5


def build(rate, l2, *, input_shape):
    """Build the network, as `sweep` calls a builder."""
    import keras

    regularizer = keras.regularizers.L2(l2)
    hidden = [keras.layers.Dense(width, "relu", kernel_regularizer=regularizer) for width in HIDDEN]
    model = keras.Sequential([keras.Input(input_shape), *hidden, keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(rate), "mse")
    return model


class Task:
    """The rows and the points.

    Args:
        points: how many the native kernel trains.
    """

    def __init__(self, points: int) -> None:
        import dataclasses

        from tests.help.cohorts import ABALONE_TABLE

        table = ABALONE_TABLE
        mean, spread = table.x_train.mean(0), table.x_train.std(0)
        x_train, x_test = ((x - mean) / spread for x in (table.x_train, table.x_test))
        self.table = dataclasses.replace(table, x_train=x_train, x_test=x_test)
        each = max(1, round(points / 16))
        self.axes = {
            "rate": np.geomspace(1e-4, 1e-2, each).tolist(),
            "l2": np.geomspace(1e-6, 1e-2, 16).tolist(),
        }
        self.fitted = len(x_train) - round(len(x_train) * 0.2)

    def arrays(self) -> dict[str, Any]:
        x, y, fitted = self.table.x_train, self.table.y_train, self.fitted
        rates, l2 = (part.ravel() for part in np.meshgrid(self.axes["rate"], self.axes["l2"], indexing="ij"))
        return {
            "x": x[:fitted], "y": y[:fitted], "x_valid": x[fitted:], "y_valid": y[fitted:], "rates": rates, "l2": l2,
            "widths": [x.shape[1], *HIDDEN, 1], "batch": BATCH, "epochs": EPOCHS,
        }  # fmt: skip


def native(task: Task) -> dict[str, Any]:
    """Train all points natively in this process; the grouping is not counted, as is the compiling of JAX."""
    from results.space import Space
    from tests.help.cohorts import PLAN, Fused
    from trainables.builder import find
    from trainables.settings import Callbacks, Fit, Training

    builder, space = find.find(f"{__file__}:build", PLAN.base), Space(task.axes)
    training = Training(Fit(epochs=EPOCHS + 1, batch_size=BATCH), Callbacks())
    engine = Fused(builder, space, task.table, training, programs="native")
    cohorts = list(engine.cohorts(range(len(space))))
    seconds = []
    for _ in range(EPOCHS + 1):
        seconds.append(alternating.core_s(lambda: [cohort.train() for cohort in cohorts]))
    losses = [
        cohort.report(np.arange(len(cohort.idx))).points["data_loss_va"].to_pylist() for cohort in cohorts
    ]
    us = statistics.median(seconds[1:]) / len(space) * 1e6
    return {"us": us, "loss": float(np.median(np.concatenate(losses))), "note": f"{len(space)} points"}


def by_jax(arrays: dict[str, Any]) -> dict[str, Any] | None:
    """Train points by `by_jax.py`; None if there is no JAX."""
    python = os.environ.get("JAX_PYTHON") or sys.executable
    if subprocess.run([python, "-c", "import jax"], capture_output=True).returncode:
        return None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "task.npz"
        np.savez(file, **arrays)
        script = Path(__file__).with_name("by_jax.py")
        ended = subprocess.run([python, script, file], check=True, capture_output=True, text=True)
    return json.loads(ended.stdout.splitlines()[-1])


def _fit(arrays: dict[str, Any], rate: float, l2: float) -> tuple[float, float]:
    """Train one point by scikit-learn; return its core seconds and its loss."""
    import warnings

    from sklearn.neural_network import MLPRegressor

    model = MLPRegressor(
        hidden_layer_sizes=HIDDEN,
        batch_size=BATCH,
        learning_rate_init=rate,
        alpha=l2,
        max_iter=EPOCHS,
        tol=0.0,
        n_iter_no_change=10**6,
    )
    started = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged
        model.fit(arrays["x"], arrays["y"])
    took = time.process_time() - started
    return took, float(np.mean((model.predict(arrays["x_valid"]) - arrays["y_valid"]) ** 2))


def by_scikit(arrays: dict[str, Any]) -> dict[str, Any]:
    """Train a few points by scikit-learn, one on each core. It does not validate, which would take it longer."""
    from joblib import Parallel, delayed

    some = np.linspace(0, len(arrays["rates"]) - 1, BY_SCIKIT).astype(int)
    jobs = [delayed(_fit)(arrays, arrays["rates"][i], arrays["l2"][i]) for i in some]
    found = Parallel(n_jobs=len(os.sched_getaffinity(0)))(jobs)
    us = statistics.median(took for took, _ in found) / EPOCHS * 1e6
    return {"us": us, "loss": statistics.median(loss for _, loss in found), "note": f"{BY_SCIKIT} points"}


def main(points: int = 512) -> None:
    alternating.set_up()
    task = Task(points)
    arrays = task.arrays()
    found: dict[str, list[dict[str, Any]]] = {"native": [], "JAX by hand": [], "scikit-learn": []}
    for _ in range(TIMES):
        found["native"].append(native(task))
        if (jax := by_jax(arrays)) is not None:
            found["JAX by hand"].append(jax)
        found["scikit-learn"].append(by_scikit(arrays))
    if not found["JAX by hand"]:
        print(
            "JAX is not compared: it is not installed. JAX_PYTHON=.../bin/python names a Python that has it."
        )
        del found["JAX by hand"]
    medians = {name: statistics.median(one["us"] for one in each) for name, each in found.items()}
    print(
        f"{HIDDEN}, batches of {BATCH}: core us of a point and epoch, median of {TIMES}; validation loss after {EPOCHS}"
    )
    for name, each in found.items():
        ratio = medians[name] / medians["native"]
        print(
            f"{name:13} {medians[name]:10.1f} us {ratio:7.1f}x   loss {each[0]['loss']:6.2f}   {each[0]['note']}"
        )


if __name__ == "__main__":
    main()
